"""
Energy attributes, who claims what, and what the heat of buildings replaced, as people read them.
"""

from __future__ import annotations

import datetime as dt
import enum
from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import Decimal

from django.db.models import Q, QuerySet, Sum
from django.db.models.functions import Coalesce

from sites.access import Kind, Viewer
from sites.models import Site
from telemetry.domain.attributes import LotRow
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


class LotFate(enum.StrEnum):
    """
    What becomes of a lot that is handed in. The numbers of a `taken` one are held already with
    other figures, or by somebody else.
    """

    NEW = "new"
    HELD = "held"
    TAKEN = "taken"


def lot_fates(*, viewer: Viewer, rows: Sequence[LotRow]) -> list[LotFate]:
    """
    Return what would become of each row.
    """
    numbers = [row.registry_id for row in rows]
    # Over all operators: a certificate is owned once.
    held = {
        (lot.registry, lot.registry_id): lot
        for lot in AttributeLot.objects.filter(registry_id__in=numbers)
    }
    fates = []
    for row in rows:
        lot = held.get((row.registry, row.registry_id))
        if lot is None:
            fates.append(LotFate.NEW)
        else:
            own = lot.operator_id == viewer.stakeholder_id and as_lot_row(lot) == row
            fates.append(LotFate.HELD if own else LotFate.TAKEN)
    return fates


def as_lot_row(lot: AttributeLot) -> LotRow:
    """
    Return a lot as files tell it.
    """
    return LotRow(
        registry_id=lot.registry_id, kind=lot.kind, technology=lot.technology,
        country=lot.country, plant=lot.plant, registry=lot.registry,
        first_day=lot.produced.lower, last_day=lot.produced.upper - dt.timedelta(days=1),
        kwh=lot.kwh, kg_per_kwh=lot.kg_per_kwh, cancelled_on=lot.cancelled_on,
        proof_reference=lot.proof_reference,
    )  # fmt: skip


def allocations(*, viewer: Viewer, lot_id: int) -> QuerySet[AttributeAllocation]:
    """
    Return what of a lot is or was used where, newest first.
    """
    rows = AttributeAllocation.objects.visible_to(viewer).filter(lot_id=lot_id)
    return rows.select_related("site", "service__tenant").order_by("-month", "-pk")


def claims(
    *,
    viewer: Viewer,
    search: str = "",
    role: str = "",
    site: int | None = None,
    year: int | None = None,
    of: str = "",
) -> QuerySet[Claim]:
    """
    Return the claims the viewer may see, newest months first; an operator those of its sites,
    a customer its own. `of` is "heat" or "electricity".
    """
    rows = Claim.objects.visible_to(viewer).select_related("site", "lot", "claimant")
    if search:
        rows = rows.filter(Q(site__name__icontains=search) | Q(claimant__name__icontains=search))
    if role:
        rows = rows.filter(role=role)
    return _narrowed(rows, site, year, of).order_by("-month", "site__name", "-pk")


def _narrowed(
    rows: QuerySet[Claim], site: int | None, year: int | None, of: str
) -> QuerySet[Claim]:
    if site:
        rows = rows.filter(site=site)
    if year:
        rows = rows.filter(month__year=year)
    if of:
        rows = rows.filter(lot__isnull=of == "heat")
    return rows


def claims_beside(
    *, viewer: Viewer, site: int | None = None, year: int | None = None, of: str = ""
) -> QuerySet[Claim]:
    """
    Return what is claimed at the sites of a customer as far as it concerns the customer, newest
    months first: its own claims; the operator's, for a heat customer those of heat alone; and
    for a tenant those of heat customers, whom a page does not name. `of` is "heat" or
    "electricity".
    """
    here = Q(site__in=Site.objects.visible_to(viewer))
    told = Q(role=Claim.Role.OPERATOR)
    if viewer.kind is Kind.PARTNER:
        told &= Q(lot__isnull=True)
    elif viewer.kind is Kind.TENANT:
        told |= Q(role=Claim.Role.PARTNER)
    rows = Claim.objects.visible_to(viewer) | Claim.objects.filter(here & told)
    rows = rows.filter(ended_at__isnull=True).select_related("site__operator", "lot", "claimant")
    return _narrowed(rows, site, year, of).order_by("-month", "site__name", "lot", "role", "pk")


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
