"""
Incidents: all of them, one with its trail, and recording, editing and withdrawing by hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import Http404, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_POST

from portal.forms.availability import IncidentFields, IncidentFilter, IncidentForm, subjects
from portal.views.base import PortalRequest, for_action, for_kind
from portal.views.lists import Column, csv_answer, listing, sorted_rows
from sites import queries as places
from sites.access import Action, Kind
from telemetry import operations, queries


def _columns() -> Sequence[Column[Any]]:
    return [
        Column("title", gettext("Incident"), ("title",), lambda i: i.title),
        Column("site", gettext("Site"), ("site__name",), lambda i: i.site.name),
        Column("about", gettext("What"), ("hosting_service__name", "delivery_point__name"),
               lambda i: str(i.hosting_service or i.delivery_point or i.get_part_display())),
        Column("cause", gettext("Cause"), ("cause",), lambda i: i.cause),
        Column("started_at", gettext("Began"), ("started_at",),
               lambda i: i.started_at.isoformat()),
        Column("ended_at", "", (), lambda i: i.ended_at and i.ended_at.isoformat()),
        Column("lasted_s", gettext("Lasted, min"), ("lasted",),
               lambda i: i.lasted and round(i.lasted.total_seconds()), numeric=True),
        Column("state", gettext("State"), ("ended_at",), lambda i: state_of(i)),
        Column("origin", "", (), lambda i: i.origin),
        Column("text", "", (), lambda i: i.text),
    ]  # fmt: skip


def state_of(incident: Any) -> str:
    """
    Return open, over or withdrawn.
    """
    if incident.withdrawn_at is not None:
        return "withdrawn"
    return "open" if incident.ended_at is None else "over"


@for_kind(Kind.OPERATOR)
def incidents(request: PortalRequest) -> HttpResponseBase:
    """
    All incidents, newest first.
    """
    sites = [(site.pk, site.name) for site in places.sites(viewer=request.viewer)]
    form = IncidentFilter(request.GET, sites=sites)
    rows = queries.incidents(viewer=request.viewer, **form.chosen())
    columns = _columns()
    if request.GET.get("format") == "csv":
        return csv_answer(sorted_rows(request, rows, columns), columns, filename="incidents.csv")
    context = {
        "form": form, "listing": listing(request, rows, columns, default_sort="-started_at"),
        "may_manage": request.viewer.can(Action.MANAGE_SITES),
    }  # fmt: skip
    template = "ops/_incident_rows.html" if request.htmx else "ops/incidents.html"
    return render(request, template, context)


def _shown(request: PortalRequest, pk: int) -> Any:
    found = queries.incident_of(viewer=request.viewer, incident_id=pk)
    if found is None:
        raise Http404
    return found


@for_kind(Kind.OPERATOR)
def incident(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    One incident, whom it touched, and what was changed by whom.
    """
    shown = _shown(request, pk)
    context = {
        "incident": shown,
        "trail": [
            (entry, _changes(entry))
            for entry in places.trail(
                viewer=request.viewer, subject=f"{shown.site.slug}/{shown.pk}", about="incident"
            )
        ],
        "may_manage": request.viewer.can(Action.MANAGE_SITES),
    }
    return render(request, "ops/incident.html", context)


def _changes(entry: Any) -> list[tuple[str, str, str]]:
    """
    Return what an entry of the trail changed: name, before, after.
    """
    names = {
        "started_at": gettext("Began"), "ended_at": gettext("Over"), "cause": gettext("Cause"),
        "title": gettext("Title"), "text": gettext("What happened"),
        "withdrawn_at": gettext("Withdrawn"),
    }  # fmt: skip
    if not entry.before:
        return []
    return [
        (names[key], entry.before.get(key, ""), entry.after.get(key, ""))
        for key in names
        if entry.before.get(key, "") != entry.after.get(key, "")
    ]


def _crumbs() -> list[tuple[str, str]]:
    return [
        (reverse("ops-availability"), gettext("Availability")),
        (reverse("ops-incidents"), gettext("Incidents")),
    ]


@for_action(Action.MANAGE_SITES)
def new(request: PortalRequest) -> HttpResponseBase:
    """
    Record what the portal did not find by itself.
    """
    now, viewer = timezone.now(), request.viewer
    choices = subjects(
        list(places.sites(viewer=viewer)), places.hosting_services(viewer=viewer),
        places.buildings(viewer=viewer),
    )  # fmt: skip
    form = IncidentForm(request.POST or None, subjects=choices, now=now)
    if request.method == "POST" and form.is_valid() and form.subject is not None:
        about = form.subject
        made = operations.record_incident(
            subject=operations.Subject(
                about.site_id, about.part, about.service_id, about.delivery_id
            ),
            at=now, by_id=viewer.user_id, **_fields(form),
        )  # fmt: skip
        messages.success(request, gettext("The incident is recorded. Customers it touches see it."))
        return redirect("ops-incident", pk=made.pk)
    context = {
        "form": form, "title": gettext("Record an incident"), "button": gettext("Record"),
        "crumbs": _crumbs(), "hint": gettext("Its time counts as down, whatever heartbeats say."),
    }  # fmt: skip
    return render(request, "ops/form.html", context)


def _fields(form: IncidentFields) -> dict[str, Any]:
    data = form.cleaned_data
    return {
        "started_at": data["start"], "ended_at": data["end"], "cause": data["cause"],
        "title": data["title"], "text": data["text"],
    }  # fmt: skip


@for_action(Action.MANAGE_SITES)
def edit(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    Change times, cause and words of an incident.
    """
    shown = _shown(request, pk)
    there = ZoneInfo(shown.site.timezone)
    form = IncidentFields(
        request.POST or None, now=timezone.now(), zone=shown.site.timezone,
        initial={
            "start": shown.started_at.astimezone(there).replace(tzinfo=None),
            "end": shown.ended_at and shown.ended_at.astimezone(there).replace(tzinfo=None),
            "cause": shown.cause, "title": shown.title, "text": shown.text,
        },
    )  # fmt: skip
    if request.method == "POST" and form.is_valid():
        operations.edit_incident(
            incident_id=shown.pk, at=timezone.now(), by_id=request.viewer.user_id,
            withdrawn=shown.withdrawn_at is not None, **_fields(form),
        )  # fmt: skip
        messages.success(request, gettext("The change is kept; the trail has what stood there."))
        return redirect("ops-incident", pk=pk)
    context = {
        "form": form, "title": gettext("Edit the incident"), "button": gettext("Save"),
        "crumbs": [*_crumbs(), (reverse("ops-incident", args=[pk]), shown.title)],
        "hint": gettext("Times are %s.") % shown.site.timezone,
    }  # fmt: skip
    return render(request, "ops/form.html", context)


@for_action(Action.MANAGE_SITES)
@require_POST
def withdraw(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    Withdraw an incident, so that it counts nowhere, or let a withdrawn one stand again.
    """
    shown = _shown(request, pk)
    again = shown.withdrawn_at is not None
    operations.edit_incident(
        incident_id=shown.pk, at=timezone.now(), by_id=request.viewer.user_id, withdrawn=not again
    )
    messages.success(
        request,
        gettext("The incident stands again.") if again
        else gettext("The incident is withdrawn: it counts nowhere and customers see it no more."),
    )  # fmt: skip
    return redirect("ops-incident", pk=pk)
