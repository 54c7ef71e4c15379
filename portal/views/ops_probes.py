"""
Probes: what is asked from outside, what was found, and how fast.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.db import IntegrityError
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_POST

from portal import charts
from portal.forms.availability import ProbeFilter, ProbeForm, Subjects, subjects
from portal.templatetags import portal as words
from portal.views.base import PortalRequest, for_action, for_kind
from portal.views.lists import Column, csv_answer, listing, sorted_rows
from sites import queries as places
from sites.access import Action, Kind
from telemetry import operations, queries, tasks

SHOWN = dt.timedelta(hours=48)
STEP = dt.timedelta(minutes=30)
_NEWEST = 20


def _columns() -> Sequence[Column[Any]]:
    return [
        Column("name", gettext("Probe"), ("name",), lambda p: p.name),
        Column("site", gettext("Site"), ("site__name",), lambda p: p.site.name),
        Column("speaks_for", gettext("Speaks for"), ("hosting_service__name",),
               lambda p: str(p.hosting_service or "")),
        Column("target", gettext("Address"), ("target",), lambda p: p.target),
        Column("state", gettext("Last answer"), ("last_ok",), lambda p: p.last_ok),
        Column("answer", "", (), lambda p: p.last_answer),
        Column("took_ms", gettext("Took, ms"), ("last_ms",), lambda p: p.last_ms, numeric=True),
        Column("at", gettext("Asked"), ("last_at",), lambda p: p.last_at and p.last_at.isoformat()),
    ]  # fmt: skip


@for_kind(Kind.OPERATOR)
def probes(request: PortalRequest) -> HttpResponseBase:
    """
    All probes with what each found last.
    """
    sites = [(site.pk, site.name) for site in places.sites(viewer=request.viewer)]
    form = ProbeFilter(request.GET, sites=sites)
    rows = queries.probes(viewer=request.viewer, **form.chosen())
    columns = _columns()
    if request.GET.get("format") == "csv":
        return csv_answer(sorted_rows(request, rows, columns), columns, filename="probes.csv")
    context = {
        "form": form, "listing": listing(request, rows, columns, default_sort="site"),
        "may_manage": request.viewer.can(Action.MANAGE_METERING),
    }  # fmt: skip
    template = "ops/_probe_rows.html" if request.htmx else "ops/probes.html"
    return render(request, template, context)


def _subjects(request: PortalRequest) -> Subjects:
    viewer = request.viewer
    return subjects(
        list(places.sites(viewer=viewer)), places.hosting_services(viewer=viewer), []
    )  # fmt: skip


def _form_page(
    request: PortalRequest, form: ProbeForm, title: str, button: str
) -> HttpResponseBase:
    context = {
        "form": form, "title": title, "button": button,
        "crumbs": [
            (reverse("ops-availability"), gettext("Availability")),
            (reverse("ops-probes"), gettext("Probes")),
        ],
        "hint": gettext(
            "A heartbeat that stays away is an outage only where every probe of the service fails"
            " too. Of an answer only its code is kept."
        ),
    }  # fmt: skip
    return render(request, "ops/form.html", context)


@for_action(Action.MANAGE_METERING)
def new(request: PortalRequest) -> HttpResponseBase:
    """
    A form for a new probe.
    """
    form = ProbeForm(request.POST or None, subjects=_subjects(request))
    if request.method == "POST" and form.is_valid():
        try:
            made = operations.add_probe(
                at=timezone.now(), by_id=request.viewer.user_id, **form.fields_of()
            )
            return redirect("ops-probe", pk=made.pk)
        except IntegrityError:
            form.add_error("name", gettext("This site has a probe of that name."))
    return _form_page(request, form, gettext("Add a probe"), gettext("Add"))


@for_action(Action.MANAGE_METERING)
def edit(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    Change a probe; its site stays.
    """
    shown = get_object_or_404(queries.probes(viewer=request.viewer), pk=pk)
    every = _subjects(request)
    own = Subjects(
        {k: a for k, a in every.by_key.items() if a.site_id == shown.site_id},
        [(site, rows) for site, rows in every.groups if site == shown.site.name], every.zones,
    )  # fmt: skip
    service = shown.hosting_service_id
    form = ProbeForm(
        request.POST or None, subjects=own,
        initial={
            "about": f"service-{service}" if service else f"it-{shown.site_id}",
            "name": shown.name, "kind": shown.kind, "target": shown.target,
            "interval_s": shown.interval_s, "timeout_s": shown.timeout_s,
        },
    )  # fmt: skip
    if request.method == "POST" and form.is_valid():
        fields = form.fields_of()
        del fields["site_id"]
        try:
            operations.edit_probe(
                probe_id=pk, at=timezone.now(), by_id=request.viewer.user_id, **fields
            )
            return redirect("ops-probe", pk=pk)
        except IntegrityError:
            form.add_error("name", gettext("This site has a probe of that name."))
    return _form_page(request, form, gettext("Edit %s") % shown.name, gettext("Save"))


@for_kind(Kind.OPERATOR)
def probe(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    One probe: two days of answers and how long they took; the panel alone for HTMX.
    """
    shown = get_object_or_404(queries.probes(viewer=request.viewer), pk=pk)
    results = queries.probe_results(viewer=request.viewer, probe_id=pk)
    if request.GET.get("format") == "csv":
        return csv_answer(results, _result_columns(), filename=f"probe-{pk}.csv")
    context = {
        "probe": shown,
        "results": results[:_NEWEST],
        **_drawn(request, shown),
        "may_manage": request.viewer.can(Action.MANAGE_METERING),
    }
    template = "ops/_probe_live.html" if request.htmx else "ops/probe.html"
    return render(request, template, context)


def _result_columns() -> Sequence[Column[Any]]:
    return [
        Column("at_utc", value=lambda r: r.at.isoformat()),
        Column("ok", value=lambda r: r.ok),
        Column("took_ms", value=lambda r: r.took_ms),
        Column("answer", value=lambda r: r.answer),
    ]


def _drawn(request: PortalRequest, shown: Any) -> dict[str, Any]:
    zone = shown.site.timezone
    now = timezone.now()
    half_hour = now.replace(minute=now.minute // 30 * 30, second=0, microsecond=0)
    end = half_hour + STEP
    stretches = queries.probe_history(
        viewer=request.viewer, probe_id=shown.pk, start=end - SHOWN, end=end, step=STEP
    )
    asked = sum(s.asked for s in stretches)
    failed = sum(s.failed for s in stretches)
    cells = [
        charts.UptimeDay(
            minutes=max(s.asked, 1), lost=s.failed, unknown=0 if s.asked else 1,
            started=s.at + STEP > shown.created_at, today=s is stretches[-1],
            title=_title(s, zone),
        )
        for s in stretches
    ]  # fmt: skip
    return {
        "stretches": stretches, "asked": asked, "failed": failed,
        "share": (asked - failed) / asked if asked else None,
        "strip": charts.uptime_strip(cells, narrow_last=48),
        "latency": _latency(stretches, zone, end) if asked > failed else None,
        "slowest": max((s.p95_ms for s in stretches if s.p95_ms is not None), default=None),
    }  # fmt: skip


def _title(stretch: queries.ProbeStretch, zone: str) -> str:
    at = words.local(stretch.at, zone)
    if not stretch.asked:
        return gettext("%s: not asked") % at
    return gettext("%(at)s: %(failed)s of %(asked)s in vain") % {
        "at": at, "failed": stretch.failed, "asked": stretch.asked,
    }  # fmt: skip


def _latency(
    stretches: Sequence[queries.ProbeStretch], zone: str, end: dt.datetime
) -> charts.Chart:
    def line(name: str, tone: str, of: Any) -> charts.Line:
        points = [charts.Point(s.at + STEP / 2, of(s)) for s in stretches]
        return charts.Line(name, tone, points)

    return charts.line_chart(
        [line(gettext("half"), "it", lambda s: s.median_ms),
         line("95%", "elec", lambda s: s.p95_ms)],
        zone=ZoneInfo(zone), unit="ms", number=words.number,
        day=partial(words.day, style="short"), month=partial(words.month, style="short"),
        from_zero=True, width=1280, start=end - SHOWN, end=end,
    )  # fmt: skip


@for_action(Action.MANAGE_METERING)
@require_POST
def change(request: PortalRequest, pk: int, how: str) -> HttpResponseBase:
    """
    Pause or resume a probe, end it, or ask now.
    """
    shown = get_object_or_404(queries.probes(viewer=request.viewer), pk=pk)
    now, by = timezone.now(), request.viewer.user_id
    if how == "try":
        tasks.watching.ask_probe.delay(probe_id=pk)
        messages.success(request, gettext("The probe is asking. Its answer appears below."))
    elif how == "end":
        operations.end_probe(probe_id=pk, at=now, by_id=by)
        messages.success(request, gettext("“%s” asks no more.") % shown.name)
        return redirect("ops-probes")
    else:
        operations.pause_probe(probe_id=pk, paused=how == "pause", at=now, by_id=by)
    return redirect("ops-probe", pk=pk)
