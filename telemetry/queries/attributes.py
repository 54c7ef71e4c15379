"""
What of the electricity used was bought or produced as renewable, hour by hour where that is known,
who claims it, and what the heat replaced.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db import connection
from django.db.models import Q, QuerySet, Sum
from django.db.models.functions import Coalesce

from sites.access import Viewer
from sites.domain import Period, local_month
from sites.models import DeliveryPoint, Site
from telemetry.domain import avoided as arithmetic
from telemetry.domain import carbon
from telemetry.domain.matching_hours import Hour, Match, match
from telemetry.models import (
    AttributeAllocation,
    AttributeLot,
    Claim,
    Counterfactual,
    HeatEntry,
    MeteringPoint,
)
from telemetry.queries.carbon import ELECTRICITY, Factor, Factors, Footprint
from telemetry.queries.series import monthly_energy

# Carriers of the factors of electricity that no attribute covers, the nearest first.
_RESTS = {
    carbon.Rest.SUPPLIER: "electricity_supplier",
    carbon.Rest.RESIDUAL: "electricity_residual",
    carbon.Rest.GRID: ELECTRICITY,
}


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


@dataclass(frozen=True, slots=True)
class Purchase:
    """
    How the electricity of a service was bought over some months: kWh used with its share of the
    site, kWh covered by attributes, kg by the market-based method, and what is matched in the
    same hour. `residual` is the factor of the rest, `rest` whose it is: where several months
    differ, the farthest.
    """

    used_kwh: Decimal
    covered_kwh: Decimal
    kg: Decimal | None
    matched: Match
    residual: Factor | None
    rest: carbon.Rest
    lots: tuple[str, ...]

    @property
    def share(self) -> Decimal | None:
        return self.covered_kwh / self.used_kwh if self.used_kwh > 0 else None


def purchase(
    *, footprint: Footprint, site: Site, period: Period, frozen: bool = True
) -> Purchase | None:
    """
    Return how a service's electricity of its footprint was bought; None where the footprint's
    energy is not known. Attributes cover the month they are allocated to and no other; more than
    was used covers no more.
    """
    if footprint.facility_kwh is None:
        return None
    months = [m for m in footprint.months if m.facility_kwh is not None]
    held = _held(footprint, [m.month for m in months])
    rests = _Rests(site, frozen=frozen)
    kg, covered_kwh, named = Decimal(0), Decimal(0), dict[str, None]()
    factor, whose, complete = None, carbon.Rest.SUPPLIER, True
    for month in months:
        used = month.facility_kwh or Decimal(0)
        parts = _within(held.get(month.month, []), used)
        covered_kwh += sum((kwh for kwh, _, _ in parts), Decimal(0))
        named |= dict.fromkeys(name for _, _, name in parts)
        rest = used - sum((kwh for kwh, _, _ in parts), Decimal(0))
        found, its = rests.on(month.month) if rest > 0 else (None, whose)
        if rest > 0 and found is None:
            complete = False
            continue
        factor, whose = found or factor, max(whose, its, key=list(carbon.Rest).index)
        bought = [(kwh, ef) for kwh, ef, _ in parts]
        kg += carbon.market_based(used, bought, found.kg_per_kwh if found else Decimal(0))
    return Purchase(
        used_kwh=sum((m.facility_kwh or Decimal(0) for m in months), Decimal(0)),
        covered_kwh=covered_kwh,
        kg=kg.quantize(Decimal("0.001")) if complete else None,
        matched=hourly_match(service_id=footprint.service_id, period=period),
        residual=factor,
        rest=whose,
        lots=tuple(named),
    )


Part = tuple[Decimal, Decimal, str]


def _held(footprint: Footprint, months: Sequence[dt.date]) -> dict[dt.date, list[Part]]:
    """
    Return by month the kWh allocated to a service, its part of those of the whole site among
    them, with factor and name of each lot.
    """
    rows = (
        AttributeAllocation.objects.filter(
            Q(service_id=footprint.service_id) | Q(service__isnull=True),
            site_id=footprint.site_id, month__in=months, ended_at__isnull=True,
        )
        .values("month", "service_id", "lot_id", "lot__kind", "lot__registry_id", "lot__kg_per_kwh")
        .annotate(total=Sum("kwh"))
        .order_by("month", "lot_id", "service_id")
    )  # fmt: skip
    shares = _site_share(footprint)
    held: defaultdict[dt.date, list[Part]] = defaultdict(list)
    for row in rows:
        kwh = row["total"]
        if row["service_id"] != footprint.service_id:
            kwh *= shares.get(row["month"], Decimal(0))
        name = f"{row['lot__kind']} {row['lot__registry_id']}"
        held[row["month"]].append((kwh, row["lot__kg_per_kwh"], name))
    for parts in held.values():
        parts.sort(key=lambda part: _NEAREST.index(part[2].split()[0]))
    return held


# Own production is not bought; then certificates, contracts, and what the supplier says.
_NEAREST = ("onsite", "go", "rego", "ppa", "tariff")


def _site_share(footprint: Footprint) -> dict[dt.date, Decimal]:
    # The footprint's own proportion: the service's part of the facility's energy.
    return {m.month: m.share for m in footprint.months if m.share is not None}


def _within(parts: Sequence[Part], used: Decimal) -> list[Part]:
    """
    Return the parts up to what was used, in the order of the market-based method.
    """
    taken: list[Part] = []
    left = used
    for kwh, factor, name in parts:
        part = min(kwh, left)
        if part > 0:
            taken.append((part, factor, name))
            left -= part
    return taken


class _Rests:
    """
    The factor of electricity without attributes at a site.
    """

    def __init__(self, site: Site, *, frozen: bool) -> None:
        self._site = site
        self._factors = Factors([site], frozen=frozen)

    def on(self, day: dt.date) -> tuple[Factor | None, carbon.Rest]:
        """
        Return the nearest factor that is held for a day and whose it is.
        """
        for rest, carrier in _RESTS.items():
            found = self._factors.get(site=self._site, day=day, carrier=carrier)
            if found is not None:
                return found, rest
        return None, carbon.Rest.GRID


def hourly_match(*, service_id: int, period: Period) -> Match:
    """
    Compare a service's own electricity with the attributes allocated to it hour by hour, over
    the hours in which its meter was read. What is allocated to a month as a whole matches no
    hour: when it was produced is not known.
    """
    return match(hour for _, hour in match_hours(service_id=service_id, period=period))


def match_hours(*, service_id: int, period: Period) -> list[tuple[dt.datetime, Hour]]:
    """
    Return the measured hours of a service with its load and what is allocated to each, in order.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _HOURS, {"service": service_id, "start": period.start, "end": period.end}
        )  # fmt: skip
        return [(at, Hour(load, clean)) for at, load, clean in cursor.fetchall()]


_HOURS = """
SELECT r.start_at, sum(r.energy_kwh), coalesce(max(a.kwh), 0)
FROM telemetry_meteringpoint p
JOIN LATERAL (SELECT id FROM telemetry_channel c WHERE c.point_id = p.id
  AND c.quantity IN ('energy', 'power') AND c.kind IN ('register', 'interval')
  ORDER BY c.quantity LIMIT 1) c ON true
JOIN telemetry_rollup r ON r.channel_id = c.id AND r.grain = 'hour'
  AND r.start_at >= %(start)s AND r.start_at < %(end)s
LEFT JOIN LATERAL (SELECT sum(kwh) AS kwh FROM telemetry_attributeallocation a
  WHERE a.service_id = %(service)s AND a.hour = r.start_at AND a.ended_at IS NULL) a ON true
WHERE p.hosting_service_id = %(service)s AND p.boundary = 'tenant_feed'
  AND r.coverage = 1 AND r.energy_kwh IS NOT NULL AND r.quality NOT IN ('missing', 'suspect')
GROUP BY 1 ORDER BY 1
"""


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


@dataclass(frozen=True, slots=True)
class Displaced:
    """
    What the heat of one building avoided there over some months; `avoided` is None where no
    counterfactual is set or no factor of electricity is held.
    """

    delivery_point: DeliveryPoint
    heat_kwh: Decimal | None
    coverage: Decimal
    counterfactual: Counterfactual | None
    electricity: Factor | None
    avoided: arithmetic.Avoided | None


def displaced(
    *, viewer: Viewer, site_id: int, first_month: dt.date, last_month: dt.date
) -> list[Displaced]:
    """
    Return what each building's heat avoided, as far as the viewer may see the building: heat
    used times fuel factor over efficiency, less pumping by the factor of the grid.
    """
    points = list(
        DeliveryPoint.objects.visible_to(viewer)
        .filter(site_id=site_id)
        .select_related("site", "partner")
        .order_by("name", "pk")
    )
    meters = MeteringPoint.objects.visible_to(viewer).filter(
        delivery_point__in=points, boundary=MeteringPoint.Boundary.HEAT_HANDOFF
    )
    by_delivery: defaultdict[int, list[int]] = defaultdict(list)
    for pk, delivery in meters.values_list("pk", "delivery_point_id"):
        if delivery is not None:
            by_delivery[delivery].append(pk)
    energy = monthly_energy(
        viewer=viewer, point_ids=[pk for pks in by_delivery.values() for pk in pks],
        first_month=first_month, last_month=last_month,
    )  # fmt: skip
    held = {
        c.delivery_point_id: c
        for c in Counterfactual.objects.filter(
            delivery_point__in=points, superseded_at__isnull=True, valid__contains=last_month
        )
    }
    rejected = _rejected(points, first_month, last_month)
    factors = Factors([point.site for point in points])
    found = []
    for point in points:
        months = [m for pk in by_delivery[point.pk] for m in energy.get(pk, [])]
        lost = rejected.get(point.pk, Decimal(0))
        found.append(_displaced(point, months, lost, held.get(point.pk), factors, last_month))
    return found


def _rejected(
    points: Sequence[DeliveryPoint], first_month: dt.date, last_month: dt.date
) -> dict[int, Decimal]:
    """
    Return the heat of some months that nobody used, the site being in bypass, by delivery point
    of one site.
    """
    if not points:
        return {}
    zone = points[0].site.timezone
    start = local_month(first_month.year, first_month.month, zone).start
    end = local_month(last_month.year, last_month.month, zone).end
    rows = HeatEntry.objects.filter(
        delivery_point__in=points, mode=2, start_at__gte=start, start_at__lt=end
    )
    return dict(rows.values_list("delivery_point_id").annotate(kwh=Sum("metered_kwh")))


def _displaced(
    point: DeliveryPoint,
    months: Iterable[object],
    rejected_kwh: Decimal,
    counterfactual: Counterfactual | None,
    factors: Factors,
    last_month: dt.date,
) -> Displaced:
    rows = [(getattr(m, "kwh", None), getattr(m, "coverage", Decimal(0))) for m in months]
    known = [kwh for kwh, _ in rows if kwh is not None]
    heat = sum(known, Decimal(0)) - rejected_kwh if known else None
    coverage = sum((c for _, c in rows), Decimal(0)) / (len(rows) or 1)
    grid = factors.get(site=point.site, day=last_month)
    result = None
    if heat is not None and counterfactual is not None and grid is not None:
        result = arithmetic.avoided(
            heat, boiler_of(counterfactual),
            auxiliary_kwh=heat * counterfactual.auxiliary_share,
            electricity_kg_per_kwh=grid.kg_per_kwh,
        )  # fmt: skip
    return Displaced(point, heat, coverage, counterfactual, grid, result)


def boiler_of(counterfactual: Counterfactual) -> arithmetic.Boiler:
    """
    Return a counterfactual as the arithmetic takes it.
    """
    basis = arithmetic.Basis(counterfactual.basis)
    return arithmetic.Boiler(
        counterfactual.fuel_kg_per_kwh, basis, counterfactual.efficiency, basis,
        list(counterfactual.uncertainties),
    )  # fmt: skip


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
