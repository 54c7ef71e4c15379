"""
Edits of readings and estimates: proposed by one person, approved by another, taken back.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import Http404, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext

from portal.forms.quality import DecisionStep, EditFilter, EditForm
from portal.views.base import PortalRequest, for_action, for_kind
from portal.views.lists import Column, csv_answer, listing, sorted_rows
from portal.views.ops_quality import drawings, effect_on, sites_of
from sites.access import Action, Kind
from telemetry import operations
from telemetry.domain.ladder import NotEstimable
from telemetry.queries import validation

# Beyond it a stretch is left out or estimated as a whole.
_MOST_TYPED = 300


def _columns() -> Sequence[Column[Any]]:
    return [
        Column("channel", gettext("Where"), ("channel__key",), lambda d: d.channel.key),
        Column("site", gettext("Site"), ("channel__site__name",), lambda d: d.channel.site.name),
        Column("kind", gettext("Kind"), ("source",), lambda d: d.source),
        Column("from", gettext("From"), ("span__startswith",),
               lambda d: d.span.lower.isoformat()),
        Column("until", "", (), lambda d: d.span.upper.isoformat()),
        Column("state", gettext("State"), ("state",), lambda d: d.state),
        Column("proposed_by", gettext("Proposed by"), ("proposed_by__name",),
               lambda d: d.proposed_by and str(d.proposed_by)),
        Column("approved_by", gettext("Approved by"), ("approved_by__name",),
               lambda d: d.approved_by and str(d.approved_by)),
        Column("at", gettext("When"), ("at",), lambda d: d.at.isoformat()),
        Column("method", "", (), lambda d: d.method),
        Column("reason", "", (), lambda d: d.reason),
        Column("values", "", (), lambda d: len(d.wanted)),
    ]  # fmt: skip


@for_kind(Kind.OPERATOR)
def edits(request: PortalRequest) -> HttpResponseBase:
    """
    What was decided about readings, with what waits for a second person on demand.
    """
    form = EditFilter(request.GET, sites=sites_of(request))
    rows = validation.decisions(viewer=request.viewer, **form.chosen())
    columns = _columns()
    if request.GET.get("format") == "csv":
        return csv_answer(sorted_rows(request, rows, columns), columns, filename="edits.csv")
    context = {
        "form": form, "listing": listing(request, rows, columns, default_sort="-at"),
        "waiting": validation.decisions(viewer=request.viewer, state="proposed").count(),
        "may_manage": request.viewer.can(Action.MANAGE_METERING),
    }  # fmt: skip
    template = "ops/_edit_rows.html" if request.htmx else "ops/edits.html"
    return render(request, template, context)


@for_kind(Kind.OPERATOR)
def edit(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    One decision with its values beside the readings; a second person approves it.
    """
    shown = get_object_or_404(validation.decisions(viewer=request.viewer), pk=pk)
    may_manage = request.viewer.can(Action.MANAGE_METERING)
    form = DecisionStep(request.POST or None)
    status = 200
    if request.method == "POST" and may_manage:
        status = 422
        if form.is_valid():
            try:
                return redirect("ops-edit", pk=_step(request, shown, form.cleaned_data))
            except operations.DecisionRefused as problem:
                form.add_error("reason", str(problem))
    subject = shown.undoes or shown
    wanted = validation.wanted_of(subject)
    sent = dict(
        validation.read(subject.channel_id, shown.span.lower, shown.span.upper)
    )  # fmt: skip
    context = {
        "decision": shown, "subject": subject, "form": form, "may_manage": may_manage,
        "told": validation.told_of_edit(decision=shown) if shown.state == "proposed" else [],
        "own": shown.proposed_by_id == request.viewer.user_id,
        "values": [(at, sent.get(at), value) for at, value, _ in wanted[:_MOST_TYPED]],
        "more": max(len(wanted) - _MOST_TYPED, 0),
        "effect": effect_on(request, shown.channel, wanted) if shown.state == "proposed"
        and shown.source != "undo" else None,
        **drawings(
            shown.channel, shown.span.lower, shown.span.upper,
            wanted=wanted if shown.state == "proposed" and shown.source != "undo" else (),
        ),
    }  # fmt: skip
    return render(request, "ops/edit.html", context, status=status)


def _step(request: PortalRequest, shown: Any, data: dict[str, Any]) -> int:
    by_id = request.viewer.user_id
    assert by_id is not None  # noqa: S101 - the guard let a person through
    now = timezone.now()
    if data["step"] == "approve":
        operations.approve_decision(decision_id=shown.pk, by_id=by_id, at=now)
        messages.success(request, gettext("Approved. Its hours are being worked out again."))
    elif data["step"] == "reject":
        operations.reject_decision(decision_id=shown.pk, reason=data["reason"], by_id=by_id, at=now)
        messages.success(request, gettext("Turned down. Nothing was changed."))
    else:
        undo = operations.propose_undo(
            decision_id=shown.pk, reason=data["reason"], by_id=by_id, at=now
        )
        messages.success(request, gettext("Waiting for a second person to take it back."))
        return undo.pk
    return int(shown.pk)


@for_action(Action.MANAGE_METERING)
def new_edit(request: PortalRequest) -> HttpResponseBase:
    """
    A form for other values of a stretch, for a finding or for any channel; its effect is shown
    before it is saved.
    """
    if not {"finding", "channel"} & set(request.GET):
        channels = validation.channel_of(viewer=request.viewer).order_by("site__name", "key")
        return render(request, "ops/edit_choose.html", {"channels": channels})
    shown, channel = _subject(request)
    zone = channel.site.timezone
    now = timezone.now()
    start, end = _stretch(shown, zone, now)
    initial = {
        "start": start.astimezone(ZoneInfo(zone)).replace(tzinfo=None),
        "end": end.astimezone(ZoneInfo(zone)).replace(tzinfo=None),
        "how": "estimate" if shown is not None and shown.proposal == "estimate" else "values",
        "values": _typed(channel, start, end, zone) if shown is not None else "",
    }
    form = EditForm(request.POST or None, zone=zone, now=now, initial=initial)
    proposal = None
    if request.method == "POST" and form.is_valid():
        start, end = form.cleaned_data["start"], form.cleaned_data["end"]
        try:
            proposal = _proposal(channel, form.cleaned_data)
            if "save" in request.POST:
                return redirect("ops-edit", pk=_propose(request, shown, channel, form, proposal))
        except (NotEstimable, operations.DecisionRefused) as problem:
            form.add_error("how", str(problem))
    context = {
        "form": form, "finding": shown, "channel": channel, "proposal": proposal, "zone": zone,
        "effect": effect_on(request, channel, proposal.wanted) if proposal else None,
        **(drawings(channel, start, end, proposal) if shown or proposal else {}),
    }  # fmt: skip
    return render(request, "ops/edit_new.html", context, status=422 if form.errors else 200)


def _subject(request: PortalRequest) -> tuple[Any, Any]:
    given = request.GET
    if given.get("finding", "").isdigit():
        shown = get_object_or_404(validation.findings(viewer=request.viewer), pk=given["finding"])
        return shown, shown.channel
    key = given.get("channel", "")
    if not key.isdigit():
        raise Http404
    return None, get_object_or_404(validation.channel_of(viewer=request.viewer), pk=key)


def _stretch(shown: Any, zone: str, now: dt.datetime) -> tuple[dt.datetime, dt.datetime]:
    if shown is not None:
        # Fields hold whole minutes.
        minute = dt.timedelta(minutes=1)
        start, end = shown.span.lower, shown.span.upper
        whole = end.replace(second=0, microsecond=0)
        end = whole if whole == end else whole + minute
        return start.replace(second=0, microsecond=0), end
    midnight = now.astimezone(ZoneInfo(zone)).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight - dt.timedelta(days=1), midnight


def _typed(channel: Any, start: dt.datetime, end: dt.datetime, zone: str) -> str:
    there = ZoneInfo(zone)
    rows = validation.read(channel.pk, start, end)[:_MOST_TYPED]
    return "\n".join(
        f"{at.astimezone(there):%Y-%m-%dT%H:%M:%S%z} {value.normalize():f}" for at, value in rows
    )


def _proposal(channel: Any, data: dict[str, Any]) -> validation.Proposal:
    start, end = data["start"], data["end"]
    if data["how"] == "estimate":
        return validation.estimate(channel=channel, start=start, end=end)
    if data["how"] == "aside":
        return validation.set_aside(channel=channel, start=start, end=end)
    return validation.typed_in(start=start, end=end, wanted=data["wanted"])


def _propose(
    request: PortalRequest, shown: Any, channel: Any, form: EditForm, proposal: validation.Proposal
) -> int:
    by_id = request.viewer.user_id
    assert by_id is not None  # noqa: S101 - the guard let a person through
    decision = operations.propose_edit(
        channel_id=channel.pk, start=proposal.start, end=proposal.end, wanted=proposal.wanted,
        method=proposal.method, reason=form.cleaned_data["reason"], by_id=by_id,
        at=timezone.now(), finding_id=shown.pk if shown is not None else None,
    )  # fmt: skip
    messages.success(request, gettext("Proposed. It counts when a second person approves it."))
    return decision.pk
