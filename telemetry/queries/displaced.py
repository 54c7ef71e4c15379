"""
What the heat of each building avoided there.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db import connection

from sites.access import Viewer
from sites.models import DeliveryPoint, Site
from telemetry.domain import avoided as arithmetic
from telemetry.models import Counterfactual, MeteringPoint
from telemetry.queries.carbon import Factor, Factors
from telemetry.queries.jointly import months_between
from telemetry.queries.purchases import Rests
from telemetry.queries.series import MonthEnergy, months_of_points


@dataclass(frozen=True, slots=True)
class Displaced:
    """
    What the heat of one building avoided there over some months; `avoided` is None where of a
    month with heat the counterfactual, the factor of electricity or the pumping is not known.
    Counterfactual and factor are those of the last month.
    """

    delivery_point: DeliveryPoint
    heat_kwh: Decimal | None
    coverage: Decimal
    auxiliary_kwh: Decimal | None
    # Whether a meter told the pumping, and not a share of the heat.
    auxiliary_metered: bool
    counterfactual: Counterfactual | None
    electricity: Factor | None
    avoided: arithmetic.Avoided | None


def displaced(
    *,
    viewer: Viewer,
    site_id: int,
    first_month: dt.date,
    last_month: dt.date,
    frozen: bool = True,
) -> list[Displaced]:
    """
    Return what each building's heat avoided, as far as the viewer may see the building: heat
    used times fuel factor over efficiency, less heat pump and pumping by the higher of the
    location-based and the market-based factor, month by month.
    """
    found = displaced_by_site(
        viewer=viewer, site_ids=[site_id], first_month=first_month, last_month=last_month,
        frozen=frozen,
    )  # fmt: skip
    return found[site_id]


def displaced_by_site(
    *,
    viewer: Viewer,
    site_ids: Iterable[int],
    first_month: dt.date,
    last_month: dt.date,
    frozen: bool = True,
) -> dict[int, list[Displaced]]:
    """
    Return the same for several sites, read all at once.
    """
    found: dict[int, list[Displaced]] = {site_id: [] for site_id in site_ids}
    points = list(
        DeliveryPoint.objects.visible_to(viewer)
        .filter(site_id__in=list(found))
        .select_related("site", "partner")
        .order_by("name", "pk")
    )
    if points:
        span = _Span(points, months_between(first_month, last_month), frozen=frozen)
        for point in points:
            found[point.site_id].append(span.of(point))
    return found


ByMonth = dict[dt.date, Decimal | None]


class _Span:
    """
    Everything of some buildings' sites over some months, read once. Heat of other buildings is
    only there to share the pumping.
    """

    def __init__(
        self, points: Sequence[DeliveryPoint], months: list[dt.date], *, frozen: bool
    ) -> None:
        sites = {point.site_id: point.site for point in points}
        meters = list(
            MeteringPoint.objects.filter(
                site__in=sites,
                boundary__in=[MeteringPoint.Boundary.HEAT_HANDOFF, MeteringPoint.Boundary.UPLIFT],
            )
        )
        energy: defaultdict[int, list[MonthEnergy]] = defaultdict(list)
        of_meter = {meter.pk: meter for meter in meters}
        for pk, month in months_of_points(of_meter, months):
            # A month before the site was in service has no heat that could be missing.
            if month.month >= sites[of_meter[pk].site_id].started_on.replace(day=1):
                energy[pk].append(month)
        self._heat: defaultdict[int | None, list[list[MonthEnergy]]] = defaultdict(list)
        whole: defaultdict[int, list[list[MonthEnergy]]] = defaultdict(list)
        lifted: defaultdict[int, list[list[MonthEnergy]]] = defaultdict(list)
        for meter in meters:
            if meter.boundary == MeteringPoint.Boundary.UPLIFT:
                lifted[meter.site_id].append(energy[meter.pk])
            elif meter.pk in energy:
                whole[meter.site_id].append(energy[meter.pk])
                self._heat[meter.delivery_point_id].append(energy[meter.pk])
        self._whole = {site_id: _by_month(series) for site_id, series in whole.items()}
        # A site in it has a heat pump or pumps that are metered.
        self._lifted = {site_id: _by_month(series) for site_id, series in lifted.items()}
        self._rejected = _rejected([point.pk for point in points], months)
        self._held: defaultdict[int, list[Counterfactual]] = defaultdict(list)
        for held in Counterfactual.objects.filter(
            delivery_point__in=points, superseded_at__isnull=True
        ).order_by("valid"):
            self._held[held.delivery_point_id].append(held)
        self._last = months[-1]
        self._grid = Factors(sites.values(), frozen=frozen)
        self._rests = Rests(sites.values(), frozen=frozen)
        self._known: dict[tuple[int, str, dt.date], Factor | None] = {}

    def of(self, point: DeliveryPoint) -> Displaced:
        series = self._heat[point.pk]
        heat = _by_month(series)
        rows = [m for of_meter in series for m in of_meter]
        known = {
            month: kwh - self._rejected.get((point.pk, month), Decimal(0))
            for month, kwh in heat.items()
            if kwh is not None
        }
        results = [self._month(point, month, kwh) for month, kwh in known.items() if kwh > 0]
        whole = [r for r in results if r is not None]
        complete = bool(whole) and len(whole) == len(results)
        return Displaced(
            delivery_point=point,
            heat_kwh=sum(known.values(), Decimal(0)) if known else None,
            coverage=sum((m.coverage for m in rows), Decimal(0)) / (len(rows) or 1),
            auxiliary_kwh=sum((aux for aux, _ in whole), Decimal(0)) if complete else None,
            auxiliary_metered=point.site_id in self._lifted,
            counterfactual=self._counterfactual(point, self._last),
            electricity=self._electricity(point.site, self._last),
            avoided=arithmetic.together([a for _, a in whole]) if complete else None,
        )

    def _month(
        self, point: DeliveryPoint, month: dt.date, heat: Decimal
    ) -> tuple[Decimal, arithmetic.Avoided] | None:
        replaced = self._counterfactual(point, month)
        electricity = self._electricity(point.site, month)
        if replaced is None or electricity is None:
            return None
        auxiliary = heat * replaced.auxiliary_share
        if point.site_id in self._lifted:
            lifted = self._lifted[point.site_id].get(month)
            all_heat = self._whole[point.site_id].get(month)
            if lifted is None or not all_heat:
                return None
            auxiliary = lifted * heat / all_heat
        found = arithmetic.avoided(
            heat, boiler_of(replaced), auxiliary_kwh=auxiliary,
            electricity_kg_per_kwh=electricity.kg_per_kwh,
        )  # fmt: skip
        return auxiliary, found

    def _counterfactual(self, point: DeliveryPoint, month: dt.date) -> Counterfactual | None:
        # The one at the month's end: a change within a month counts for the whole of it.
        last = (month + dt.timedelta(days=32)).replace(day=1) - dt.timedelta(days=1)
        return next((held for held in self._held[point.pk] if last in held.valid), None)

    def _electricity(self, site: Site, month: dt.date) -> Factor | None:
        key = (site.operator_id, site.country, month)
        if key not in self._known:
            grid = self._grid.get(site=site, day=month)
            rest, _ = self._rests.on(site, month)
            held = [factor for factor in (grid, rest) if factor is not None]
            self._known[key] = max(held, key=lambda f: f.kg_per_kwh) if grid is not None else None
        return self._known[key]


def _rejected(
    point_ids: Sequence[int], months: Sequence[dt.date]
) -> dict[tuple[int, dt.date], Decimal]:
    """
    Return the heat that nobody used, the site being in bypass, by delivery point and local month.
    """
    with connection.cursor() as cursor:
        cursor.execute(_REJECTED, {"points": list(point_ids), "months": list(months)})
        return {(point, month): kwh for point, month, kwh in cursor.fetchall()}


_REJECTED = """
SELECT e.delivery_point_id, m.month, sum(e.metered_kwh)
FROM sites_deliverypoint d JOIN sites_site s ON s.id = d.site_id
CROSS JOIN unnest(%(months)s::date[]) AS m(month)
JOIN telemetry_heatentry e ON e.delivery_point_id = d.id AND e.mode = 2
  AND e.superseded_at IS NULL
  AND e.start_at >= m.month::timestamp AT TIME ZONE s.timezone
  AND e.start_at < (m.month + interval '1 month') AT TIME ZONE s.timezone
WHERE d.id = ANY(%(points)s) GROUP BY 1, 2
"""


def _by_month(series: Iterable[Sequence[MonthEnergy]]) -> ByMonth:
    """
    Return kWh of several meters together by month; None where one of them is not known.
    """
    found: ByMonth = {}
    for of_meter in series:
        for m in of_meter:
            held = found.get(m.month, Decimal(0))
            found[m.month] = None if held is None or m.kwh is None else held + m.kwh
    return found


def boiler_of(counterfactual: Counterfactual) -> arithmetic.Boiler:
    """
    Return a counterfactual as the arithmetic takes it.
    """
    basis = arithmetic.Basis(counterfactual.basis)
    return arithmetic.Boiler(
        counterfactual.fuel_kg_per_kwh, basis, counterfactual.efficiency, basis,
        list(counterfactual.uncertainties),
    )  # fmt: skip
