"""
What the heat of each building avoided there.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import DateField, Sum
from django.db.models.functions import TruncMonth

from sites.access import Kind, Viewer
from sites.domain import local_month
from sites.models import DeliveryPoint, Site
from telemetry.domain import avoided as arithmetic
from telemetry.models import Counterfactual, HeatEntry, MeteringPoint
from telemetry.queries.carbon import Factor, Factors
from telemetry.queries.purchases import Rests
from telemetry.queries.series import MonthEnergy, boundary_energy, monthly_energy


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
    points = list(
        DeliveryPoint.objects.visible_to(viewer)
        .filter(site_id=site_id)
        .select_related("site", "partner")
        .order_by("name", "pk")
    )
    if not points:
        return []
    span = _Span(points[0].site, first_month, last_month, frozen=frozen)
    return [span.of(point) for point in points]


class _Span:
    """
    Everything of a site over some months, read once. Heat of other buildings is only there to
    share the pumping.
    """

    def __init__(
        self, site: Site, first_month: dt.date, last_month: dt.date, *, frozen: bool
    ) -> None:
        owner = Viewer(stakeholder_id=site.operator_id, kind=Kind.OPERATOR)
        # A month before the site was in service has no heat that could be missing.
        began = site.started_on.replace(day=1)
        months = {"first_month": max(first_month, began), "last_month": max(last_month, began)}
        meters = MeteringPoint.objects.filter(
            site=site, boundary=MeteringPoint.Boundary.HEAT_HANDOFF
        )
        delivery = dict(meters.values_list("pk", "delivery_point_id"))
        energy = monthly_energy(viewer=owner, point_ids=delivery, **months)
        self._heat: defaultdict[int | None, list[list[MonthEnergy]]] = defaultdict(list)
        for pk, of_point in energy.items():
            self._heat[delivery[pk]].append(of_point)
        self._whole = _by_month(of for many in self._heat.values() for of in many)
        self._uplift = MeteringPoint.objects.filter(
            site=site, boundary=MeteringPoint.Boundary.UPLIFT
        ).exists()
        lifted = boundary_energy(
            viewer=owner, site_ids=[site.pk], boundary=MeteringPoint.Boundary.UPLIFT, **months
        )
        self._rejected = _rejected(site, months["first_month"], months["last_month"])
        self._lifted = {m.month: m.kwh for m in lifted} if self._uplift else {}
        self._held = list(
            Counterfactual.objects.filter(
                delivery_point__site=site, superseded_at__isnull=True
            ).order_by("valid")
        )
        self._site, self._last = site, last_month
        self._grid = Factors([site], frozen=frozen)
        self._rests = Rests([site], frozen=frozen)

    def of(self, point: DeliveryPoint) -> Displaced:
        series = self._heat[point.pk]
        heat = _by_month(series)
        rows = [m for of_meter in series for m in of_meter]
        known = {
            month: kwh - self._rejected.get((point.pk, month), Decimal(0))
            for month, kwh in heat.items()
            if kwh is not None
        }
        results = [self._month(point.pk, month, kwh) for month, kwh in known.items() if kwh > 0]
        whole = [r for r in results if r is not None]
        complete = bool(whole) and len(whole) == len(results)
        return Displaced(
            delivery_point=point,
            heat_kwh=sum(known.values(), Decimal(0)) if known else None,
            coverage=sum((m.coverage for m in rows), Decimal(0)) / (len(rows) or 1),
            auxiliary_kwh=sum((aux for aux, _ in whole), Decimal(0)) if complete else None,
            auxiliary_metered=self._uplift,
            counterfactual=self._counterfactual(point.pk, self._last),
            electricity=self._electricity(self._last),
            avoided=arithmetic.together([a for _, a in whole]) if complete else None,
        )

    def _month(
        self, point_id: int, month: dt.date, heat: Decimal
    ) -> tuple[Decimal, arithmetic.Avoided] | None:
        replaced, electricity = self._counterfactual(point_id, month), self._electricity(month)
        if replaced is None or electricity is None:
            return None
        auxiliary = heat * replaced.auxiliary_share
        if self._uplift:
            lifted, all_heat = self._lifted.get(month), self._whole.get(month)
            if lifted is None or not all_heat:
                return None
            auxiliary = lifted * heat / all_heat
        found = arithmetic.avoided(
            heat, boiler_of(replaced), auxiliary_kwh=auxiliary,
            electricity_kg_per_kwh=electricity.kg_per_kwh,
        )  # fmt: skip
        return auxiliary, found

    def _counterfactual(self, point_id: int, month: dt.date) -> Counterfactual | None:
        # The one at the month's end: a change within a month counts for the whole of it.
        last = (month + dt.timedelta(days=32)).replace(day=1) - dt.timedelta(days=1)
        for held in self._held:
            if held.delivery_point_id == point_id and last in held.valid:
                return held
        return None

    def _electricity(self, month: dt.date) -> Factor | None:
        grid = self._grid.get(site=self._site, day=month)
        rest, _ = self._rests.on(self._site, month)
        known = [factor for factor in (grid, rest) if factor is not None]
        return max(known, key=lambda f: f.kg_per_kwh) if grid is not None else None


def _rejected(
    site: Site, first_month: dt.date, last_month: dt.date
) -> dict[tuple[int, dt.date], Decimal]:
    """
    Return the heat that nobody used, the site being in bypass, by delivery point and local month.
    """
    rows = HeatEntry.objects.filter(
        delivery_point__site=site, mode=2, superseded_at__isnull=True,
        start_at__gte=local_month(first_month.year, first_month.month, site.timezone).start,
        start_at__lt=local_month(last_month.year, last_month.month, site.timezone).end,
    )  # fmt: skip
    months = rows.annotate(
        month=TruncMonth(
            "start_at", tzinfo=zoneinfo.ZoneInfo(site.timezone), output_field=DateField()
        )
    )
    totals = months.values_list("delivery_point_id", "month").annotate(kwh=Sum("metered_kwh"))
    return {(point, month): kwh for point, month, kwh in totals}


def _by_month(series: Iterable[Sequence[MonthEnergy]]) -> dict[dt.date, Decimal | None]:
    """
    Return kWh of several meters together by month; None where one of them is not known.
    """
    found: dict[dt.date, Decimal | None] = {}
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
