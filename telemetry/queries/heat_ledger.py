"""
How much heat counts and how well it was there, as people read it.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import F, Max, QuerySet, Sum
from django.db.models.functions import TruncMonth

from sites.access import Viewer
from sites.domain import Period
from sites.models import DeliveryPoint
from telemetry.domain import kpi
from telemetry.models import HeatDay, HeatEntry, SupplyTerms


def supply_terms(*, viewer: Viewer, delivery_point_id: int) -> QuerySet[SupplyTerms]:
    """
    Return the supply terms of a delivery point the viewer may see, in force ones first, then
    newest first; with windows, closures and metering point.
    """
    return (
        SupplyTerms.objects.visible_to(viewer)
        .filter(delivery_point=delivery_point_id)
        .select_related("metering_point")
        .prefetch_related("windows", "closures")
        .order_by(F("superseded_at").desc(nulls_first=True), "-valid")
    )


def supply_terms_on(*, viewer: Viewer, delivery_point_id: int, day: dt.date) -> SupplyTerms | None:
    """
    Return the terms that hold at a delivery point on a local day.
    """
    held = supply_terms(viewer=viewer, delivery_point_id=delivery_point_id)
    return held.filter(superseded_at__isnull=True, valid__contains=day).first()


@dataclass(slots=True)
class CountedHeat:
    """
    The heat of a local day or month in kWh at the contract's metering point, as far as it is
    known; `not_counted` by reason. `unjudged_kwh` is the counted heat whose temperature was not
    measured though one is agreed.
    """

    start: dt.date
    metered_kwh: Decimal = Decimal(0)
    counted_kwh: Decimal = Decimal(0)
    not_counted: dict[str, Decimal] = field(default_factory=dict)
    unjudged_kwh: Decimal = Decimal(0)

    @property
    def not_counted_kwh(self) -> Decimal:
        return self.metered_kwh - self.counted_kwh


def counted_heat(
    *, viewer: Viewer, delivery_point_id: int, period: Period, grain: str
) -> list[CountedHeat]:
    """
    Return the heat of a delivery point by local "day" or "month", oldest first; empty where the
    viewer may not see it or nothing is known.
    """
    place = DeliveryPoint.objects.visible_to(viewer).select_related("site").filter(
        pk=delivery_point_id
    ).first()  # fmt: skip
    if place is None:
        return []
    found: dict[dt.date, CountedHeat] = {}
    with connection.cursor() as cursor:
        cursor.execute(
            _BY_DAY,
            {"place": place.pk, "zone": place.site.timezone, "grain": grain,
             "start": period.start, "end": period.end},
        )  # fmt: skip
        for start, reason, metered, counted, unjudged in cursor.fetchall():
            row = found.setdefault(start, CountedHeat(start))
            row.metered_kwh += metered
            row.counted_kwh += counted
            row.unjudged_kwh += unjudged
            if reason and metered != counted:
                row.not_counted[reason] = metered - counted
    return [found[start] for start in sorted(found)]


_BY_DAY = """
SELECT date_trunc(%(grain)s, e.start_at AT TIME ZONE %(zone)s)::date, e.reason,
  sum(e.metered_kwh), sum(e.counted_kwh),
  coalesce(sum(e.counted_kwh) FILTER (WHERE e.supply_c IS NULL AND t.supply_min_c IS NOT NULL), 0)
FROM telemetry_heatentry e LEFT JOIN telemetry_supplyterms t ON t.id = e.terms_id
WHERE e.delivery_point_id = %(place)s AND e.superseded_at IS NULL
  AND e.start_at >= %(start)s AND e.start_at < %(end)s
GROUP BY 1, 2
"""


def heat_entries(*, viewer: Viewer, delivery_point_id: int, period: Period) -> QuerySet[HeatEntry]:
    """
    Return the entries of a delivery point's ledger over a period, oldest first, those that were
    superseded too: in force are those without `superseded_at`.
    """
    return (
        HeatEntry.objects.visible_to(viewer)
        .filter(delivery_point=delivery_point_id)
        .filter(start_at__gte=period.start, start_at__lt=period.end)
        .order_by("start_at", "version")
    )


@dataclass(frozen=True, slots=True)
class HeatKeptMonth:
    """
    How well the heat of a delivery point was there in a local month: seconds as in `HeatDay`.
    `promised_percent` is the highest promise of the month, None where nothing is promised.
    """

    month: dt.date
    until_at: dt.datetime
    window_s: int
    planned_s: int
    partner_s: int
    return_s: int
    outdoor_s: int
    bad_s: int
    unknown_s: int
    cool_s: int
    hot_s: int
    short_s: int
    outage_s: int
    shortfall_kwh: Decimal | None
    promised_percent: Decimal | None

    @property
    def excluded_s(self) -> int:
        return self.planned_s + self.partner_s + self.return_s + self.outdoor_s

    @property
    def base_s(self) -> int:
        return self.window_s - self.excluded_s

    @property
    def known_s(self) -> int:
        return self.base_s - self.unknown_s

    @property
    def good_s(self) -> int:
        return self.known_s - self.bad_s

    @property
    def share(self) -> Decimal | None:
        """
        The share of the known time in which heat was there as agreed; None where none is known.
        """
        return kpi.divide(Decimal(self.good_s), Decimal(self.known_s))

    @property
    def coverage(self) -> Decimal | None:
        return kpi.divide(Decimal(self.known_s), Decimal(self.base_s))

    @property
    def keeps(self) -> bool | None:
        """
        Whether the promise was kept; None where there is none or nothing is known.
        """
        if self.promised_percent is None or not self.known_s:
            return None
        return self.good_s * 100 >= self.promised_percent * self.known_s


SECONDS = (
    "window_s", "planned_s", "partner_s", "return_s", "outdoor_s", "bad_s", "unknown_s", "cool_s",
    "hot_s", "short_s", "outage_s",
)  # fmt: skip


def heat_kept(
    *, viewer: Viewer, delivery_point_ids: Iterable[int], first: dt.date, end: dt.date
) -> dict[int, list[HeatKeptMonth]]:
    """
    Return by visible delivery point how well heat was there over the local days from `first` up
    to but not including `end`, by month, oldest first.
    """
    rows: Any = (
        HeatDay.objects.visible_to(viewer)
        .filter(delivery_point__in=list(delivery_point_ids), day__gte=first, day__lt=end)
        .annotate(month=TruncMonth("day"))
        .values("delivery_point_id", "month")
        .annotate(
            **{f"sum_{name}": Sum(name) for name in SECONDS}, short_kwh=Sum("shortfall_kwh"),
            promised=Max("terms__promised_percent"), until=Max("until_at"),
        )
        .order_by("delivery_point_id", "month")
    )  # fmt: skip
    found: defaultdict[int, list[HeatKeptMonth]] = defaultdict(list)
    for row in rows:
        found[row["delivery_point_id"]].append(
            HeatKeptMonth(
                month=row["month"],
                until_at=row["until"],
                shortfall_kwh=row["short_kwh"],
                promised_percent=row["promised"],
                **{name: row[f"sum_{name}"] for name in SECONDS},
            )
        )
    return dict(found)
