"""
Announced work: all of it, announcing some against what is agreed, ending it, and the terms.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_POST

from portal import tasks
from portal.forms.availability import About, PolicyForm, WorkFilter, WorkForm, subjects
from portal.views.base import PortalRequest, for_action, for_kind
from portal.views.lists import Column, csv_answer, listing, sorted_rows
from sites import queries as places
from sites.access import Action, Kind
from telemetry import operations, queries
from telemetry.domain import supply


def _columns() -> Sequence[Column[Any]]:
    return [
        Column("reason", gettext("Work"), ("reason",), lambda w: w.reason),
        Column("site", gettext("Site"), ("site__name",), lambda w: w.site.name),
        Column("about", gettext("What it touches"), (),
               lambda w: str(w.hosting_service or w.delivery_point or w.get_part_display())),
        Column("start", gettext("From"), ("span",), lambda w: w.span.lower.isoformat()),
        Column("end", gettext("Until"), ("span__endswith",), lambda w: w.span.upper.isoformat()),
        Column("announced_at", gettext("Announced"), ("announced_at",),
               lambda w: w.announced_at.isoformat()),
        Column("planned", gettext("Planned time"), ()),
        Column("state", gettext("State"), (),
               lambda w: "called off" if w.cancelled_at else "announced"),
        Column("text", "", (), lambda w: w.text),
    ]  # fmt: skip


@for_kind(Kind.OPERATOR)
def work(request: PortalRequest) -> HttpResponseBase:
    """
    All announced work, the latest first, with how much of it counts as planned time.
    """
    now = timezone.now()
    sites = list(places.sites(viewer=request.viewer))
    form = WorkFilter(request.GET, sites=[(site.pk, site.name) for site in sites])
    chosen = form.chosen()
    if chosen.pop("coming", False):
        chosen["coming_after"] = now
    rows = queries.maintenance(viewer=request.viewer, **chosen)
    columns = _columns()
    if request.GET.get("format") == "csv":
        return csv_answer(sorted_rows(request, rows, columns), columns, filename="work.csv")
    shown = listing(request, rows, columns, default_sort="-start")
    policies = queries.maintenance_policies(viewer=request.viewer)
    context = {
        "form": form, "listing": shown, "now": now,
        "planned": queries.planned_seconds(viewer=request.viewer, windows=list(shown.page)),
        "terms": [(site, policies.get(site.pk)) for site in sites],
        "may_manage": request.viewer.can(Action.MANAGE_SITES),
    }  # fmt: skip
    template = "ops/_work_rows.html" if request.htmx else "ops/work.html"
    return render(request, template, context)


@for_action(Action.MANAGE_SITES)
def new(request: PortalRequest) -> HttpResponseBase:
    """
    Announce work. What would not be planned time is shown first and asked about; HTMX asks for
    that alone while the form is filled in.
    """
    now, viewer = timezone.now(), request.viewer
    sites = list(places.sites(viewer=viewer))
    choices = subjects(
        sites, places.hosting_services(viewer=viewer), places.buildings(viewer=viewer)
    )
    form = WorkForm(request.POST or None, subjects=choices, now=now)
    check = None
    if form.is_bound and form.is_valid() and form.subject is not None:
        about, data = form.subject, form.cleaned_data
        check = queries.check_work(
            viewer=viewer, site=next(s for s in sites if s.pk == about.site_id), part=about.part,
            service_id=about.service_id, delivery_id=about.delivery_id, start=data["start"],
            end=data["end"], at=now,
        )  # fmt: skip
        if not request.htmx and (check.wholly_planned or data["unplanned"]):
            return _announce(request, about, data, now)
        if not request.htmx:
            form.add_error("unplanned", gettext("Not all of it would count as planned time."))
    context = {"form": form, "check": check}
    template = "ops/_work_check.html" if request.htmx else "ops/work_new.html"
    return render(request, template, context)


def _announce(
    request: PortalRequest, about: About, data: dict[str, Any], now: dt.datetime
) -> HttpResponseBase:
    window = operations.announce_maintenance(
        subject=operations.Subject(about.site_id, about.part, about.service_id, about.delivery_id),
        start=data["start"], end=data["end"], reason=data["reason"], text=data["text"], at=now,
        by_id=request.viewer.user_id,
    )  # fmt: skip
    tasks.send_work_notice.delay(window_id=window.pk)
    messages.success(request, gettext("The work is announced. Customers it touches are e-mailed."))
    return redirect("ops-work")


@for_action(Action.MANAGE_SITES)
@require_POST
def end(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    Call announced work off or, where it has begun, end it now.
    """
    window = get_object_or_404(queries.maintenance(viewer=request.viewer), pk=pk)
    try:
        begun = operations.end_maintenance(
            window_id=window.pk, at=timezone.now(), by_id=request.viewer.user_id
        )
    except operations.AlreadyOver:
        messages.error(request, gettext("It was over already."))
    else:
        told = gettext("The work is over.") if begun else gettext("The work is called off.")
        messages.success(request, told)
    return redirect("ops-work")


@for_action(Action.MANAGE_SITES)
def terms(request: PortalRequest, slug: str) -> HttpResponseBase:
    """
    What is agreed about work at a site.
    """
    site = places.sites(viewer=request.viewer).filter(slug=slug).first()
    if site is None:
        raise Http404
    policy = queries.maintenance_policy(viewer=request.viewer, site_id=site.pk)
    form = PolicyForm(
        request.POST or None,
        initial={
            "notice_h": policy.notice_h,
            "allowance_min": policy.allowance_min,
            "yearly_min": policy.yearly_min,
            "hours": "\n".join(supply.write_bands(policy.bands)),
        },
    )
    if request.method == "POST" and form.is_valid():
        given = dict(form.cleaned_data)
        operations.set_maintenance_policy(
            site_id=site.pk, bands=given.pop("hours"), at=timezone.now(),
            by_id=request.viewer.user_id, **given,
        )  # fmt: skip
        messages.success(request, gettext("The terms of %s are kept.") % site.name)
        return redirect("ops-work")
    context = {
        "form": form, "title": gettext("Terms of work at %s") % site.name,
        "button": gettext("Save"), "crumbs": [
            (reverse("ops-availability"), gettext("Availability")),
            (reverse("ops-work"), gettext("Announced work")),
        ],
        "hint": gettext(
            "Work within these terms is left out of availability. The rest counts as down, unless"
            " a heartbeat says the servers were up. A change holds for past months too."
        ),
    }  # fmt: skip
    return render(request, "ops/form.html", context)
