"""
The operator's sites: all of them with their state, and one of them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.translation import gettext

from billing import queries as billing
from portal.drawings import first_of_month, flow_drawing, month_drawing
from portal.forms.sites import SiteFilter
from portal.views.base import PortalRequest, for_kind
from portal.views.lists import Column, csv_answer, listing
from portal.views.ops_deliveries import asked_month
from portal.views.uptime import Strip, span_of, strip_of
from sites import queries
from sites.access import Action, Kind
from telemetry import queries as telemetry

# Worst first: what needs a person stands on top.
_NEED = {"no_data": 0, "unread": 1, "idle": 2, "delivering": 3, "not_started": 4}
UPTIME_DAYS = 90
_NEWEST = 5


# What the list needs of a site; of a thousand, the rest would take longer than the question.
_SHOWN = ("pk", "name", "slug", "town", "country", "timezone")


@dataclass(frozen=True, slots=True)
class FleetRow:
    """
    One site of the fleet and what it does now.
    """

    site: Any
    state: telemetry.SiteState


def _columns() -> Sequence[Column[FleetRow]]:
    return [
        Column("site", gettext("Site"), ("site",), lambda r: r.site.name),
        Column("town", value=lambda r: r.site.town),
        Column("country", value=lambda r: r.site.country),
        Column("state", gettext("Now"), ("state",), lambda r: str(r.state.state)),
        Column("heat_kw", gettext("Heat, kW"), ("heat",), lambda r: r.state.heat_kw, numeric=True),
        Column(
            "supply_c", gettext("Supply, °C"), ("supply",), lambda r: r.state.supply_c,
            numeric=True,
        ),
        Column("uptime", gettext("Uptime, 90 days"), numeric=True),
        Column("erf", gettext("ERF, 12 months"), numeric=True),
        Column(
            "last_reading", gettext("Last reading"), ("seen",),
            lambda r: r.state.last_reading_at and r.state.last_reading_at.isoformat(),
        ),
    ]  # fmt: skip


_SORTS: dict[str, Callable[[FleetRow], Any]] = {
    "site": lambda row: row.site.name.lower(),
    "state": lambda row: (_NEED[row.state.state], row.site.name.lower()),
    "heat_kw": lambda row: row.state.heat_kw,
    "supply_c": lambda row: row.state.supply_c,
    "last_reading": lambda row: row.state.last_reading_at,
}


def _sorted(rows: list[FleetRow], sort: str) -> list[FleetRow]:
    key = _SORTS.get(sort.removeprefix("-"), _SORTS["state"])
    known = [row for row in rows if key(row) is not None]
    unknown = [row for row in rows if key(row) is None]
    # Sites without the figure stand last in either direction.
    return sorted(known, key=key, reverse=sort.startswith("-")) + unknown


@for_kind(Kind.OPERATOR)
def fleet(request: PortalRequest) -> HttpResponseBase:
    """
    All sites of the operator, those that need a person first.
    """
    now = timezone.now()
    form = SiteFilter(request.GET, viewer=request.viewer)
    chosen = form.chosen()
    state = chosen.pop("state", "")
    states = telemetry.site_states(viewer=request.viewer, now=now)
    every = [
        FleetRow(site=site, state=states[site.pk])
        for site in queries.sites(viewer=request.viewer, **chosen).values_list(*_SHOWN, named=True)
    ]
    rows = _sorted(
        [row for row in every if not state or row.state.state == state],
        request.GET.get("sort", ""),
    )
    columns = _columns()
    if request.GET.get("format") == "csv":
        return csv_answer(rows, columns, filename="sites.csv")
    shown = listing(request, rows, columns, default_sort="state")
    context: dict[str, Any] = {
        "form": form,
        "listing": shown,
        "filtered": bool(form.chosen()),
        "may_add": request.viewer.can(Action.MANAGE_SITES),
        **_beside(request, [row.site for row in shown.page], now),
    }
    if request.htmx:
        return render(request, "ops/_fleet_rows.html", context)
    context |= _headline(request, states, now)
    return render(request, "ops/fleet.html", context)


def _beside(request: PortalRequest, sites: Sequence[Any], now: dt.datetime) -> dict[str, Any]:
    # Only for the sites on the page, in the same few queries however many there are.
    ids = [site.pk for site in sites]
    today = now.date()
    uptime = telemetry.availability(
        viewer=request.viewer, site_ids=ids, now=now,
        first=today - dt.timedelta(days=UPTIME_DAYS - 1), end=today + dt.timedelta(days=1),
    )  # fmt: skip
    figures = telemetry.site_figures(
        viewer=request.viewer, site_ids=ids,
        first_month=first_of_month(today, back=12), last_month=first_of_month(today, back=1),
    )  # fmt: skip
    return {"uptime": uptime, "figures": figures}


def _headline(
    request: PortalRequest, states: dict[int, telemetry.SiteState], now: dt.datetime
) -> dict[str, Any]:
    last, running = first_of_month(now.date(), back=1), first_of_month(now.date())
    heat = telemetry.boundary_energy(
        viewer=request.viewer, boundary="heat_handoff", first_month=last, last_month=running
    )
    known = [s.heat_kw for s in states.values() if s.heat_kw is not None]
    due = dict(billing.months_due(viewer=request.viewer, before=running, back=1))
    return {
        "sites": len(states),
        "needing": sum(s.state == "no_data" for s in states.values()),
        "delivering": sum(s.state == "delivering" for s in states.values()),
        "heat_kw": sum(known, Decimal(0)) if known else None,
        "last_month": heat[0],
        "running_month": heat[-1],
        "due": due.get(last, 0),
        **_waiting(request, now),
        "newest": max(
            (s.last_reading_at for s in states.values() if s.last_reading_at), default=None
        ),
    }


def _waiting(request: PortalRequest, now: dt.datetime) -> dict[str, Any]:
    """
    Return the alarms and incidents that are not over, the next work, and how many alarms were
    over today.
    """
    viewer = request.viewer
    live = list(telemetry.alarms(viewer=viewer, state="live")[:_NEWEST])
    midnight = now.astimezone(ZoneInfo(timezone.get_current_timezone_name())).replace(
        hour=0, minute=0, second=0, microsecond=0
    )
    return {
        "alarms": live,
        "handled": telemetry.alarms(viewer=viewer, state="resolved")
        .filter(resolved_at__gte=midnight).count(),
        "lasting": telemetry.incidents(viewer=viewer, state="open")[:_NEWEST],
        "next_work": telemetry.maintenance(viewer=viewer, coming_after=now).reverse().first(),
        "may_take": viewer.can(Action.MANAGE_SITES),
    }  # fmt: skip


@for_kind(Kind.OPERATOR)
def site(request: PortalRequest, slug: str) -> HttpResponseBase:
    """
    One site: what it does now, its year, its availability and what is measured where.
    """
    shown = get_object_or_404(queries.sites(viewer=request.viewer), slug=slug)
    now = timezone.now()
    today = now.astimezone(ZoneInfo(shown.timezone)).date()
    running = first_of_month(today)
    months = telemetry.boundary_energy(
        viewer=request.viewer, site_ids=[shown.pk], boundary="heat_handoff",
        first_month=first_of_month(today, back=12), last_month=running,
    )  # fmt: skip
    if request.GET.get("format") == "csv":
        return csv_answer(months, _month_columns(), filename=f"{shown.slug}-heat.csv")
    states = telemetry.site_states(viewer=request.viewer, now=now, site_ids=[shown.pk])
    days = telemetry.uptime_days(viewer=request.viewer, site_id=shown.pk, now=now)
    figures = telemetry.site_figures(
        viewer=request.viewer, site_ids=[shown.pk],
        first_month=first_of_month(today, back=12), last_month=first_of_month(today, back=1),
    )  # fmt: skip
    uptime = telemetry.availability(
        viewer=request.viewer, site_ids=[shown.pk], now=now,
        first=today - dt.timedelta(days=UPTIME_DAYS - 1), end=today + dt.timedelta(days=1),
    )[shown.pk]  # fmt: skip
    points = telemetry.points(viewer=request.viewer, site_id=shown.pk)
    newest = telemetry.newest_hours(viewer=request.viewer, site_id=shown.pk)
    context = {
        "site": shown,
        "state": states[shown.pk],
        "figures": figures[shown.pk],
        "months": months,
        "running": running,
        "heat_chart": month_drawing(months, running=running),
        "days": days,
        "uptime": uptime,
        "strip": _strip(request, shown, days, now) if uptime.boundary else None,
        **_flow(request, shown.pk, today),
        **_now(request, shown.pk, now),
        "points": [(point, newest.get(point.pk)) for point in points],
        "deliveries": queries.buildings(viewer=request.viewer, site_id=shown.pk),
        "services": queries.hosting_services(viewer=request.viewer, site_id=shown.pk),
        "may_manage": request.viewer.can(Action.MANAGE_METERING),
        "may_edit": request.viewer.can(Action.MANAGE_SITES),
        "gateways": telemetry.gateways(viewer=request.viewer, site_id=shown.pk),
    }  # fmt: skip
    return render(request, "ops/site.html", context)


def _flow(request: PortalRequest, site_id: int, today: dt.date) -> dict[str, Any]:
    """
    Return where the energy went in the month of the address, else in twelve months.
    """
    newest = first_of_month(today, back=1)
    # The running month would miss the hours that are still to come.
    month = min(asked_month(request, today), newest) if "month" in request.GET else None
    flow = telemetry.energy_flow(
        viewer=request.viewer, site_id=site_id,
        first_month=month or first_of_month(today, back=12), last_month=month or newest,
    )  # fmt: skip
    context = {
        "flow": flow,
        "flow_month": month,
        "flow_earlier": first_of_month(month, back=1) if month else newest,
        "flow_later": first_of_month(month, back=-1) if month and month < newest else None,
    }
    if flow is None:
        return context
    of_100 = flow.heat_kwh / flow.facility_kwh * 100
    # Little heat is told to a tenth; "0 kWh" would be wrong.
    decimals = 1 if of_100 < 10 else 0
    return context | {
        "flow_chart": flow_drawing(flow), "flow_of_100": of_100, "flow_decimals": decimals,
    }  # fmt: skip


def _strip(request: PortalRequest, shown: Any, days: Sequence[Any], now: dt.datetime) -> Strip:
    about: dict[str, Any] = {"site": shown.pk, "period": span_of(days, shown.timezone)}
    viewer = request.viewer
    return strip_of(
        request, days, zone=shown.timezone, now=now,
        incidents=telemetry.incidents(viewer=viewer, part="it", **about),
        work=telemetry.maintenance(viewer=viewer, called_off=False, **about),
    )  # fmt: skip


def _now(request: PortalRequest, site_id: int, now: dt.datetime) -> dict[str, Any]:
    """
    Return what needs somebody at a site, and the work to come.
    """
    viewer = request.viewer
    return {
        "alarms": telemetry.alarms(viewer=viewer, site=site_id, state="live")[:_NEWEST],
        "lasting": telemetry.incidents(viewer=viewer, site=site_id, state="open")[:_NEWEST],
        "coming": telemetry.maintenance(viewer=viewer, site=site_id, coming_after=now)[:_NEWEST],
        "may_take": viewer.can(Action.MANAGE_SITES),
    }


def _month_columns() -> Sequence[Column[Any]]:
    return [
        Column("month", value=lambda m: m.month),
        Column("heat_kwh", value=lambda m: m.kwh),
        Column("coverage", value=lambda m: m.coverage),
        Column("quality", value=lambda m: m.quality),
    ]
