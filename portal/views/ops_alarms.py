"""
Alarms: what needs somebody, its history, and what is done about it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_POST

from portal.forms.alarms import AlarmFilter, AlarmStep
from portal.views.base import PortalRequest, for_action, for_kind
from portal.views.lists import Column, csv_answer, listing, sorted_rows
from sites import queries as places
from sites.access import Action, Kind
from telemetry import operations, queries


def _columns() -> Sequence[Column[Any]]:
    return [
        Column("place", gettext("Where"), ("place",), lambda a: a.place),
        Column("rule", gettext("What"), ("rule__name",), lambda a: a.rule.name),
        Column("site", gettext("Site"), ("site__name",), lambda a: a.site.name),
        Column("severity", gettext("Severity"), ("severity",), lambda a: a.severity),
        Column("since", gettext("Since"), ("since",), lambda a: a.since.isoformat()),
        Column("state", gettext("State"), ("state",), lambda a: a.state),
        Column("value", "", (), lambda a: a.value),
        Column("opened_at", "", (), lambda a: a.opened_at.isoformat()),
        Column("taken_by", "", (), lambda a: a.acknowledged_by and str(a.acknowledged_by)),
        Column("resolved_at", "", (), lambda a: a.resolved_at and a.resolved_at.isoformat()),
    ]  # fmt: skip


@for_kind(Kind.OPERATOR)
def alarms(request: PortalRequest) -> HttpResponseBase:
    """
    All alarms, those nobody took first.
    """
    sites = [(site.pk, site.name) for site in places.sites(viewer=request.viewer)]
    form = AlarmFilter(request.GET, sites=sites)
    rows = queries.alarms(viewer=request.viewer, **form.chosen())
    columns = _columns()
    if request.GET.get("format") == "csv":
        return csv_answer(sorted_rows(request, rows, columns), columns, filename="alarms.csv")
    shown = listing(request, rows, columns)
    may_manage = request.viewer.can(Action.MANAGE_SITES)
    context = {
        "form": form, "listing": shown, "may_manage": may_manage,
        "may_take": may_manage and any(row.state == "open" for row in shown.page),
    }  # fmt: skip
    template = "ops/_alarm_rows.html" if request.htmx else "ops/alarms.html"
    return render(request, template, context)


@for_kind(Kind.OPERATOR)
def alarm(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    One alarm with its history; a person takes it, notes something, or closes it.
    """
    shown = get_object_or_404(queries.alarms(viewer=request.viewer), pk=pk)
    may_manage = request.viewer.can(Action.MANAGE_SITES)
    form = AlarmStep(request.POST or None, initial={"step": "take"})
    if request.method == "POST" and may_manage and form.is_valid():
        do = {
            "take": operations.take_alarm, "note": operations.note_alarm,
            "close": operations.resolve_alarm,
        }[form.cleaned_data["step"]]  # fmt: skip
        try:
            do(
                alarm_id=shown.pk, text=form.cleaned_data["text"], at=timezone.now(),
                by_id=request.viewer.user_id,
            )  # fmt: skip
            return redirect("ops-alarm", pk=pk)
        except operations.AlarmIsOver:
            form.add_error("step", gettext("The alarm is over."))
    context = {
        "alarm": shown, "form": form, "may_manage": may_manage,
        "history": queries.alarm_history(viewer=request.viewer, alarm_id=shown.pk),
    }  # fmt: skip
    return render(request, "ops/alarm.html", context)


@for_action(Action.MANAGE_SITES)
@require_POST
def take(request: PortalRequest) -> HttpResponseBase:
    """
    Take several alarms at once; those that are over by now stay as they are.
    """
    back = redirect(f"{reverse('ops-alarms')}?{request.GET.urlencode()}")
    keys = [int(key) for key in request.POST.getlist("alarm") if key.isdigit()]
    if not keys:
        messages.error(request, gettext("Choose at least one alarm."))
        return back
    taken = 0
    for found in queries.alarms(viewer=request.viewer, state="open").filter(pk__in=keys):
        try:
            operations.take_alarm(
                alarm_id=found.pk, text="", at=timezone.now(), by_id=request.viewer.user_id
            )
            taken += 1
        except operations.AlarmIsOver:
            continue
    messages.success(
        request,
        ngettext("You have taken %d alarm.", "You have taken %d alarms.", taken) % taken,
    )
    return back
