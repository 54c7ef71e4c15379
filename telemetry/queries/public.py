"""
Figures for everybody, of sites whose operator opted in; the reader is nobody in particular.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal

from django.db.models import Sum

from sites.access import Kind, Viewer
from sites.domain import Period
from sites.models import Site
from telemetry.domain import kpi
from telemetry.models import AttributeAllocation, AttributeLot, MeteringPoint
from telemetry.queries.displaced import Displaced, displaced
from telemetry.queries.kpis import site_kpis
from telemetry.queries.outages import incidents
from telemetry.queries.series import MonthEnergy, boundary_energy
from telemetry.queries.uptime import UptimeDay, uptime_days


def _as_operator(site_ids: Iterable[int]) -> dict[int, Viewer]:
    """
    Return for each public site the viewer its operator would be; none for other sites.
    """
    shown = Site.objects.public().filter(pk__in=list(site_ids))
    return {
        pk: Viewer(stakeholder_id=operator_id, kind=Kind.OPERATOR)
        for pk, operator_id in shown.values_list("pk", "operator_id")
    }


def public_uptime_days(*, site_id: int, now: dt.datetime, days: int = 90) -> list[UptimeDay]:
    """
    Return the last local days of a public site, oldest first; empty for another.
    """
    viewer = _as_operator([site_id]).get(site_id)
    if viewer is None:
        return []
    return uptime_days(viewer=viewer, site_id=site_id, now=now, days=days)


@dataclass(frozen=True, slots=True)
class PublicIncident:
    """
    What everybody reads of an incident: when, why, and whether it was all of the site. What people
    wrote about it may name customers and is not shown.
    """

    started_at: dt.datetime
    ended_at: dt.datetime | None
    cause: str
    whole_site: bool


def public_incidents(*, site_id: int, period: Period) -> list[PublicIncident]:
    """
    Return the incidents of a public site's servers in a period, newest first; none for another.
    """
    viewer = _as_operator([site_id]).get(site_id)
    if viewer is None:
        return []
    rows = incidents(viewer=viewer, site=site_id, part="it", period=period)
    return [
        PublicIncident(
            row.started_at, row.ended_at, row.get_cause_display(), row.hosting_service_id is None
        )
        for row in rows
    ]


def public_heat(*, site_id: int, first_month: dt.date, last_month: dt.date) -> list[MonthEnergy]:
    """
    Return the heat that a public site handed over in each month, all buildings together; empty
    for another.
    """
    viewer = _as_operator([site_id]).get(site_id)
    if viewer is None:
        return []
    return boundary_energy(
        viewer=viewer, site_ids=[site_id], boundary=MeteringPoint.Boundary.HEAT_HANDOFF,
        first_month=first_month, last_month=last_month,
    )  # fmt: skip


def public_displaced(*, site_id: int, first_month: dt.date, last_month: dt.date) -> list[Displaced]:
    """
    Return what the heat of a public site avoided, building by building; nothing for another
    site. Whose building it is must not be shown.
    """
    viewer = _as_operator([site_id]).get(site_id)
    if viewer is None:
        return []
    return displaced(viewer=viewer, site_id=site_id, first_month=first_month, last_month=last_month)


@dataclass(frozen=True, slots=True)
class PublicRenewable:
    """
    The renewable share of a site's electricity, and of what it is made, by kind and technology, as
    shares that add up to one.
    """

    ref: kpi.Ratio
    mix: list[tuple[str, Decimal]]


def public_renewable(
    *, site_id: int, first_month: dt.date, last_month: dt.date
) -> PublicRenewable | None:
    """
    Return how renewable the electricity of a public site was; None for another. The energies
    behind it are left out.
    """
    viewer = _as_operator([site_id]).get(site_id)
    if viewer is None:
        return None
    found = site_kpis(
        viewer=viewer, site_ids=[site_id], first_month=first_month, last_month=last_month
    )
    rows = (
        AttributeAllocation.objects.filter(
            site_id=site_id, ended_at__isnull=True, month__range=(first_month, last_month)
        )
        .values_list("lot__kind", "lot__technology")
        .annotate(kwh=Sum("kwh"))
        .order_by("-kwh")
    )
    kinds, technologies = AttributeLot.Kind, AttributeLot.Technology
    named = [(f"{kinds(k).label}, {technologies(t).label.lower()}", kwh) for k, t, kwh in rows]
    total = sum((kwh for _, kwh in named), Decimal(0))
    ref = found[0].ref if found else kpi.without(kpi.Reason.NO_METER)
    return PublicRenewable(
        ref=replace(ref, numerator_kwh=None, denominator_kwh=None, joints=()),
        mix=[(name, kwh / total) for name, kwh in named],
    )
