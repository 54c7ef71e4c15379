"""
What the demo's heat partners agreed about their heat. Made up, to fit what the real hand-offs do.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from sites.models import DeliveryPoint
from telemetry import operations, queries
from telemetry.domain.supply import read_bands, read_closures
from telemetry.models import MeteringPoint, SupplyTerms

_COMMON: dict[str, Any] = {
    "not_counted": ["partner", "outside", "cool", "meter"],
    "promised_percent": Decimal(98),
}
# By slug of the delivery point.
TERMS: dict[str, dict[str, Any]] = {
    "foerdebad": {
        **_COMMON, "bands": "Mon-Fri 05:00-22:00\nSat-Sun 07:00-21:00",
        "closed": "1 May - 20 Oct\n20 Dec - 6 Jan", "supply_min_c": Decimal(27),
        "return_max_c": Decimal(50), "promised_percent": Decimal(95),
    },
    "moewennest": {
        **_COMMON, "estimated_percent": Decimal(10),
        "not_counted": ["partner", "meter", "estimated"],
    },
    "obertrave": {**_COMMON, "supply_min_c": Decimal(27), "not_counted": ["partner", "cool"]},
    "school": {
        **_COMMON, "bands": "Mon-Fri 06:00-18:00", "not_counted": ["partner", "meter"],
        "promised_percent": Decimal(95), "supply_min_c": Decimal(22),
    },
}  # fmt: skip


def agree(*, now: dt.datetime) -> None:
    """
    Agree on supply terms of every delivery point from its site's start on; once.
    """
    agreed = SupplyTerms.objects.values("delivery_point")
    for place in DeliveryPoint.objects.exclude(pk__in=agreed).select_related("site"):
        terms = dict(TERMS[place.slug])
        operations.agree_supply(
            delivery_point_id=place.pk, first_day=place.site.started_on, at=now, by_id=None,
            metering_point_id=MeteringPoint.objects.get(delivery_point=place).pk,
            contracted_kw=place.contracted_kw, bands=read_bands(terms.pop("bands", "")),
            closures=read_closures(terms.pop("closed", "")), **terms,
        )  # fmt: skip


def settle(*, now: dt.datetime, say: Callable[[str], None]) -> None:
    """
    Bring every heat ledger up to now.
    """
    days = sum(
        operations.settle_heat(delivery_point_id=key, at=now)
        for key in queries.heat_to_settle(
            now=now, marked_before=dt.datetime.now(dt.UTC) + dt.timedelta(days=1), limit=1000
        )
    )
    say(f"{days} days of heat judged")
