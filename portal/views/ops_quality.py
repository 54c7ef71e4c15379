"""
The quality workbench: what validation found, with the days around it, and what is decided.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import HttpResponseBase, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, ngettext

from billing import queries as billing
from portal import charts
from portal.forms.quality import FindingFilter, FindingStep
from portal.templatetags import portal as words
from portal.views.base import PortalRequest, for_kind
from portal.views.lists import Column, csv_answer, listing, sorted_rows
from sites import queries as places
from sites.access import Action, Kind
from telemetry import operations
from telemetry.domain.ladder import NotEstimable
from telemetry.domain.units import REGISTER_BASE
from telemetry.queries import validation

# A table beside a drawing stays readable.
_MOST_ROWS = 200
_MOST_AT_ONCE = 200


def sites_of(request: PortalRequest) -> list[tuple[int, str]]:
    """
    Return the viewer's sites to choose from.
    """
    return [(site.pk, site.name) for site in places.sites(viewer=request.viewer)]


def _columns() -> Sequence[Column[Any]]:
    return [
        Column("severity", gettext("Severity"), ("severity", "-span__startswith"),
               lambda f: f.get_severity_display()),
        Column("rule", gettext("What"), ("rule",), lambda f: f.get_rule_display()),
        Column("channel", gettext("Where"), ("channel__key",), lambda f: f.channel.key),
        Column("site", gettext("Site"), ("channel__site__name",), lambda f: f.channel.site.name),
        Column("from", gettext("From"), ("span__startswith",),
               lambda f: f.span.lower.isoformat()),
        Column("until", gettext("Lasted"), (), lambda f: f.span.upper.isoformat(), numeric=True),
        Column("state", gettext("State"), ("state",), lambda f: f.state),
        Column("measured", "", (), lambda f: f.measured),
        Column("limit", "", (), lambda f: f.limit),
        Column("detail", "", (), lambda f: f.detail),
        Column("proposal", "", (), lambda f: f.proposal),
        Column("found_at", "", (), lambda f: f.found_at.isoformat()),
        Column("decided_at", "", (), lambda f: f.decided_at and f.decided_at.isoformat()),
        Column("decided_by", "", (), lambda f: f.decided_by and str(f.decided_by)),
        Column("note", "", (), lambda f: f.note),
    ]  # fmt: skip


def _rows(request: PortalRequest, given: QueryDict) -> tuple[FindingFilter, Any]:
    form = FindingFilter(given, sites=sites_of(request))
    rows = validation.findings(viewer=request.viewer, **form.chosen())
    return form, sorted_rows(request, rows, _columns())


@for_kind(Kind.OPERATOR)
def queue(request: PortalRequest) -> HttpResponseBase:
    """
    What validation found, the gravest first; without a filter what needs somebody. Several can be
    accepted or dismissed at once.
    """
    may_manage = request.viewer.can(Action.MANAGE_METERING)
    step, chosen = FindingStep(request.POST or None), set(request.POST.getlist("finding"))
    if request.method == "POST" and may_manage and step.is_valid():
        if chosen:
            _decide_many(request, [int(key) for key in chosen if key.isdigit()], step.cleaned_data)
            return redirect(request.get_full_path())
        step.add_error(None, gettext("Choose at least one finding."))
    form, rows = _rows(request, request.GET)
    columns = _columns()
    if request.GET.get("format") == "csv":
        return csv_answer(rows, columns, filename="findings.csv")
    shown = listing(request, rows, columns, default_sort="severity")
    counts = validation.open_by_severity(viewer=request.viewer)
    context = {
        "form": form, "listing": shown, "may_manage": may_manage, "step": step,
        "chosen": [row.pk for row in shown.page if str(row.pk) in chosen],
        "high": counts.get(1, 0), "open": sum(counts.values()),
        "waiting": validation.decisions(viewer=request.viewer, state="proposed").count(),
        "may_decide": may_manage and any(row.state == "open" for row in shown.page),
    }  # fmt: skip
    template = "ops/_finding_rows.html" if request.htmx else "ops/quality.html"
    return render(request, template, context, status=422 if step.errors else 200)


def _decide_many(request: PortalRequest, keys: Sequence[int], data: dict[str, Any]) -> None:
    """
    Accept or dismiss several findings; those it does not fit stay as they are and are named.
    """
    done = 0
    for one in validation.findings(viewer=request.viewer).filter(pk__in=keys[:_MOST_AT_ONCE]):
        try:
            _decide(request, one.pk, data)
            done += 1
        except operations.DecisionRefused as problem:
            messages.error(request, f"{one.channel.key}: {problem}")
    word = (
        ngettext("%d finding accepted.", "%d findings accepted.", done)
        if data["step"] == "accept"
        else ngettext("%d finding dismissed.", "%d findings dismissed.", done)
    )
    if done:
        messages.success(request, word % done)


def _decide(request: PortalRequest, pk: int, data: dict[str, Any]) -> None:
    by_id = request.viewer.user_id
    assert by_id is not None  # noqa: S101 - the guard let a person through
    now = timezone.now()
    if data["step"] == "accept":
        operations.accept_finding(
            finding_id=pk, by_id=by_id, at=now, seen=data.get("seen") or None, note=data["reason"]
        )
    elif data["step"] == "dismiss":
        operations.dismiss_finding(finding_id=pk, reason=data["reason"], by_id=by_id, at=now)
    else:
        operations.reopen_finding(finding_id=pk, by_id=by_id, at=now)


@for_kind(Kind.OPERATOR)
def finding(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    One finding with the days around it, what is proposed and what that would change.
    """
    shown = get_object_or_404(validation.findings(viewer=request.viewer), pk=pk)
    may_manage = request.viewer.can(Action.MANAGE_METERING)
    form = FindingStep(request.POST or None)
    status = 200
    if request.method == "POST" and may_manage:
        status = 422
        if form.is_valid():
            try:
                _decide(request, shown.pk, form.cleaned_data)
                messages.success(request, _said(form.cleaned_data["step"]))
                return redirect(_next(request, shown) or reverse("ops-finding", args=[pk]))
            except operations.DecisionRefused as problem:
                form.add_error("reason", str(problem))
    channel = shown.channel
    proposal, why_not = _proposal(shown)
    context = {
        "finding": shown, "form": form, "may_manage": may_manage, "proposal": proposal,
        "why_not": why_not,
        "effect": effect_on(request, channel, proposal.wanted) if proposal else None,
        "decisions": validation.decisions(viewer=request.viewer, finding=shown.pk),
        "contradictions": (
            validation.contradictions(finding=shown, limit=_MOST_ROWS)
            if shown.rule == "dup" else []
        ),
        "following": _next(request, shown), "figure_unit": _figure_unit(shown),
        **drawings(channel, shown.span.lower, shown.span.upper, proposal),
    }  # fmt: skip
    return render(request, "ops/finding.html", context, status=status)


def _said(step: str) -> str:
    return {
        "accept": gettext("Accepted. Its hours are being worked out again."),
        "dismiss": gettext("Dismissed. The readings stand as they were sent."),
        "reopen": gettext("Opened again."),
    }[step]


def _next(request: PortalRequest, shown: Any) -> str | None:
    """
    Return the address of the finding after this one in the queue of what is open.
    """
    rows = validation.findings(viewer=request.viewer, state="open").exclude(pk=shown.pk)
    keys = list(
        rows.filter(severity__gte=shown.severity).values_list("severity", "span", "pk")[:200]
    )
    after = [
        key for severity, span, key in keys
        if (severity, -span.lower.timestamp(), key)
        > (shown.severity, -shown.span.lower.timestamp(), shown.pk)
    ]  # fmt: skip
    if after:
        return reverse("ops-finding", args=[after[0]])
    first = rows.values_list("pk", flat=True).first()
    return reverse("ops-finding", args=[first]) if first else None


def _proposal(shown: Any) -> tuple[validation.Proposal | None, str]:
    if shown.proposal != "estimate" or shown.state not in {"open", "waiting"}:
        return None, ""
    try:
        found = validation.estimate(
            channel=shown.channel, start=shown.span.lower, end=shown.span.upper
        )
    except NotEstimable as problem:
        return None, str(problem)
    return found, ""


def _figure_unit(shown: Any) -> str:
    """
    Return the unit of what a finding measured and of its limit.
    """
    return str({
        "gap": gettext("hours"),
        "flat": gettext("hours"),
        "zero": gettext("hours"),
        "time": gettext("seconds ahead"),
        "dup": gettext("values"),
        "lost": gettext("readings"),
        "sum": gettext("kWh apart"),
        "spike": gettext("times the third highest hour more"),
        "high_low": gettext("times the usual"),
        "iqr": gettext("interquartile ranges"),
        "xcheck": gettext("of the register"),
        "limit": shown.channel.unit,
    }.get(shown.rule, gettext("in the unit of the register")))  # fmt: skip


# --- What a change would do ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OnBill:
    """
    An issued document and what a change does to its energy, kWh, and about to its amount.
    """

    bill: billing.Billed
    change: Decimal
    amount: Decimal | None


def effect_on(request: PortalRequest, channel: Any, wanted: Any) -> dict[str, Any]:
    """
    Return what other values change in each local month and on each issued document.
    """
    if not wanted:
        return {"months": [], "bills": []}
    first, last = min(w[0] for w in wanted), max(w[0] for w in wanted)
    zone = channel.site.timezone
    months = validation.effect_of(
        channel=channel, wanted=wanted, edges=validation.month_edges(first, last, zone)
    )
    bills = []
    for bill in billing.billed_over(
        viewer=request.viewer, channel_id=channel.pk, start=first, end=last + dt.timedelta(hours=1)
    ):
        for one in validation.effect_of(
            channel=channel, wanted=wanted, edges=[bill.start, bill.end]
        ):
            change = one.change or Decimal(0)
            price = bill.unit_price
            amount = None if price is None else round(change * price, 2)
            bills.append(OnBill(bill, change, amount))
    return {"months": months, "bills": bills}


# --- Drawings --------------------------------------------------------------------------------


def drawings(
    channel: Any, start: dt.datetime, end: dt.datetime, proposal: Any = None, wanted: Any = ()
) -> dict[str, Any]:
    """
    Return what a page draws of the days around a stretch: hours now and as proposed, and the
    readings as sent beside what counts and what is `wanted` instead.
    """
    around = validation.surroundings(channel=channel, start=start, end=end)
    zone = ZoneInfo(channel.site.timezone)
    tell: dict[str, Any] = {
        "zone": zone, "number": partial(words.number, decimals=1), "ticks": words.quantity,
        "start": around.start, "end": around.end, "day": partial(words.day, style="short"),
        "month": partial(words.month, style="short"), "width": 1080,
    }  # fmt: skip
    unit = _unit(channel)
    now = charts.Line(
        gettext("Counts"), "heat",
        [
            charts.Point(h.start_at, h.figure, h.quality in {"estimated", "scaled", "edited"})
            for h in around.hours
        ],
    )  # fmt: skip
    lines = [now] if any(p.value is not None for p in now.points) else []
    if proposal is not None and proposal.slots:
        then = [charts.Point(slot[0], _a_slot(slot, kwh), True) for slot, kwh in proposal.slots]
        lines.append(charts.Line(gettext("Proposed"), "elec", then))
    sent = [charts.Line(gettext("As sent"), "it", _points(around.sent))] if around.sent else []
    differ = around.counts != around.sent
    if around.counts and differ:
        sent.append(charts.Line(gettext("Counts"), "heat", _points(around.counts)))
    typed = [charts.Point(at, value, True) for at, value, _ in wanted if value is not None]
    if typed:
        sent.append(charts.Line(gettext("Proposed"), "elec", typed))
    is_register = channel.kind == "register"
    return {
        "around": around, "unit": unit, "sent_unit": channel.unit or gettext("register"),
        "hours_chart": charts.line_chart(
            lines, unit=unit, step=True, from_zero=True, max_gap=dt.timedelta(minutes=90), **tell
        ) if lines else None,
        "sent_chart": charts.line_chart(
            sent, unit=channel.unit or "", step=not is_register, max_gap=_gap(around.sent), **tell
        ) if sent else None,
        "hours_rows": around.hours[:_MOST_ROWS],
        "is_register": is_register,
    }  # fmt: skip


def _points(rows: Sequence[tuple[dt.datetime, Decimal]]) -> list[charts.Point]:
    return [charts.Point(at, value) for at, value in rows]


def _gap(rows: Sequence[tuple[dt.datetime, Decimal]]) -> dt.timedelta:
    """
    Return the time between readings from which a line breaks: what the rule about missing
    readings calls a gap.
    """
    hour = dt.timedelta(hours=1)
    steps = sorted(later[0] - earlier[0] for earlier, later in itertools.pairwise(rows))
    return max(hour, steps[len(steps) // 2] * 2.5) if steps else hour


def _a_slot(slot: tuple[dt.datetime, dt.datetime], kwh: Decimal) -> Decimal:
    # Parts of an hour are drawn at the rate of a whole one.
    return kwh * Decimal(3600) / Decimal((slot[1] - slot[0]).total_seconds())


def _unit(channel: Any) -> str:
    if channel.kind == "register":
        return gettext("%s per hour") % REGISTER_BASE[channel.quantity]
    return gettext("%s per hour") % "kWh" if channel.quantity == "power" else str(channel.unit)
