"""
Energy attributes, who claims what, and what the heat of buildings replaced, as people read them.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal

from django.db.models import Q, QuerySet, Sum
from django.db.models.functions import Coalesce

from sites.access import Viewer
from telemetry.models import (
    AttributeAllocation,
    AttributeLot,
    Claim,
    Counterfactual,
)


def lots(*, viewer: Viewer, search: str = "", kind: str = "") -> QuerySet[AttributeLot]:
    """
    Return the viewer's lots with `used_kwh`, what of them is allocated; newest first.
    """
    rows = AttributeLot.objects.visible_to(viewer).annotate(
        used_kwh=Coalesce(
            Sum("allocations__kwh", filter=Q(allocations__ended_at__isnull=True)), Decimal(0)
        )
    )
    if search:
        rows = rows.filter(Q(registry_id__icontains=search) | Q(plant__icontains=search))
    if kind:
        rows = rows.filter(kind=kind)
    return rows.order_by("-produced", "-pk")


def allocations(*, viewer: Viewer, lot_id: int) -> QuerySet[AttributeAllocation]:
    """
    Return what of a lot is or was used where, newest first.
    """
    rows = AttributeAllocation.objects.visible_to(viewer).filter(lot_id=lot_id)
    return rows.select_related("site", "service__tenant").order_by("-month", "-pk")


def claims(*, viewer: Viewer, search: str = "", role: str = "") -> QuerySet[Claim]:
    """
    Return the claims the viewer may see, newest months first; an operator those of its sites,
    a customer its own.
    """
    rows = Claim.objects.visible_to(viewer).select_related("site", "lot", "claimant")
    if search:
        rows = rows.filter(Q(site__name__icontains=search) | Q(claimant__name__icontains=search))
    if role:
        rows = rows.filter(role=role)
    return rows.order_by("-month", "site__name", "-pk")


def held_for_service(*, service_id: int, first: dt.date, end: dt.date) -> Decimal:
    """
    Return the kWh of attributes allocated to a service itself for the local days [first, end),
    which lie in one month: a part of a month has its part of the month's, hour-by-hour
    allocations included.
    """
    month = first.replace(day=1)
    following = (month + dt.timedelta(days=32)).replace(day=1)
    total = AttributeAllocation.objects.filter(
        service_id=service_id, month=month, ended_at__isnull=True
    ).aggregate(total=Coalesce(Sum("kwh"), Decimal(0)))["total"]
    days = Decimal((end - first).days) / Decimal((following - month).days)
    return Decimal(total) * days


def counterfactuals(*, viewer: Viewer) -> QuerySet[Counterfactual]:
    """
    Return the counterfactuals in force, by site and building.
    """
    return (
        Counterfactual.objects.visible_to(viewer)
        .filter(superseded_at__isnull=True)
        .select_related("delivery_point__site", "delivery_point__partner")
        .order_by("delivery_point__site__name", "delivery_point__name", "valid")
    )


def renewable_by_kind(*, site_ids: Iterable[int], year: int) -> dict[int, dict[str, Decimal]]:
    """
    Return the kWh allocated at each site in a year by kind of lot.
    """
    rows = (
        AttributeAllocation.objects.filter(
            site_id__in=list(site_ids), month__year=year, ended_at__isnull=True
        )
        .values_list("site_id", "lot__kind")
        .annotate(total=Sum("kwh"))
    )
    found: defaultdict[int, dict[str, Decimal]] = defaultdict(dict)
    for site_id, kind, total in rows:
        found[site_id][kind] = total
    return found
