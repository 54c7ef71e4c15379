"""
Price indices, terms to come and a pilot of the demo. Their figures are made up, and their names
say so.
"""

from __future__ import annotations

import datetime as dt
import math
import random
from decimal import Decimal
from itertools import groupby
from typing import Any

from billing import operations
from billing.domain.balance_point import Bill
from billing.domain.baseline import degree_days
from billing.models import Contract, PriceIndex, Terms
from sites.models import DeliveryPoint

_MADE_UP = "made up for the demo"
# A building of the pilot as a year of its bills might tell: kWh of heat a day, and per K x d below
# its base temperature.
_DAY_KWH, _SLOPE_KWH, _BASE_C = 112.0, 37.5, 15.0


def follow(*, now: dt.datetime) -> None:
    """
    Enter two indices with a year and a half of values, agree on terms that follow them from the
    next year on, and draft a pilot with shared savings; once.
    """
    if PriceIndex.objects.exists():
        return
    first = Contract.objects.order_by("reference").first()
    if first is None:
        return
    newest = (now.date().replace(day=1) - dt.timedelta(days=1)).replace(day=1)
    for code, name, start, step in (
        ("wages", f"Labour cost ({_MADE_UP})", "118.2", "0.35"),
        ("gas", f"Natural gas, commercial ({_MADE_UP})", "96.4", "-0.45"),
    ):
        index = operations.add_index(
            operator_id=first.operator_id, code=code, name=name, source=_MADE_UP,
            basis="2020 = 100", at=now, by_id=None,
        )  # fmt: skip
        operations.import_index_values(
            index_id=index.pk, rows=_values(newest, Decimal(start), Decimal(step)), at=now,
            by_id=None,
        )  # fmt: skip
    _terms_to_come(first, now)
    _pilot(now)


def _values(newest: dt.date, start: Decimal, step: Decimal) -> list[operations.IndexRow]:
    months = [newest]
    while len(months) < 18:
        months.append((months[-1] - dt.timedelta(days=1)).replace(day=1))
    # A published series sways; this one by its month.
    return [
        operations.IndexRow(
            month=month,
            value=start + step * n + Decimal((n * 7) % 5) / 10,
            provisional=month == newest,
        )
        for n, month in enumerate(reversed(months))
    ]


def _terms_to_come(contract: Contract, now: dt.datetime) -> None:
    held = Terms.objects.filter(contract=contract).latest("version")
    clause: dict[str, Any] = {
        "price": "price_per_kwh", "base_price": "0.0616", "fixed": "0.20",
        "parts": [
            {"series": "wages", "weight": "0.40", "base": "118.2"},
            {"series": "gas", "weight": "0.40", "base": "96.4"},
        ],
        "deadband": "0.01", "step_up": "0.05", "step_down": "0.05", "start": -3, "months": 3,
    }  # fmt: skip
    level = {
        "response_h": 4, "repair_h": 24, "contact": "Mara Lindqvist",
        "phone": "+49 431 555 0199",
    }  # fmt: skip
    operations.add_terms(
        contract_id=contract.pk, first_day=dt.date(now.year + 1, 1, 1), at=now, by_id=None,
        model="usage", metering_point=held.metering_point, contracted_kw=held.contracted_kw,
        price_per_kw=held.price_per_kw, price_per_kwh=held.price_per_kwh, vat_rate=held.vat_rate,
        details={
            **held.details, "index": [clause], "service_level": level, "escalation": "2",
            "cap_per_month": "9500",
        },
    )  # fmt: skip


def _pilot(now: dt.datetime) -> None:
    place = DeliveryPoint.objects.select_related("site").filter(building_type="nursery").first()
    if place is None:
        return
    first_day = dt.date(now.year + 1, 1, 1)
    contract = operations.make_contract(
        operator_id=place.site.operator_id, reference="NE-P001", first_day=first_day, at=now,
        by_id=None, site=place.site, customer=place.partner, delivery_point=place,
        currency=place.site.currency, status="draft", pilot_until=dt.date(now.year + 1, 12, 31),
        pilot_converts=True, legal_regime="avbfernwaermev",
    )  # fmt: skip
    means = _temperatures(now.year - 1)
    baseline = operations.fit_baseline_to_weather(
        contract_id=contract.pk, name=f"Gas boiler ({_MADE_UP})", bills=_bills(means),
        means=means, weather=f"daily mean temperatures ({_MADE_UP})", base_temperature=None,
        expected=0.5, at=now, by_id=None, boiler_efficiency=Decimal("0.86"),
        fuel_price=Decimal("0.0689"), carbon_kg_per_kwh=Decimal("0.182"),
        carbon_price=Decimal(60), maintenance_per_year=Decimal(1140),
    )  # fmt: skip
    operations.add_terms(
        contract_id=contract.pk, first_day=first_day, at=now, by_id=None, model="savings",
        baseline=baseline, vat_rate=19, details={"savings_share": "45", "true_up": True},
    )  # fmt: skip


def _temperatures(year: int) -> dict[dt.date, float]:
    """
    Return a year of daily means, degrees C: the season, and weather that changes by the week.
    """
    weather = random.Random(year)  # noqa: S311 - a demo, always the same
    first, sway, means = dt.date(year, 1, 1), 0.0, {}
    for n in range((dt.date(year + 1, 1, 1) - first).days):
        sway = 0.8 * sway + weather.gauss(0, 1.7)
        season = 9.5 - 8.5 * math.cos(2 * math.pi * (n - 20) / 365)
        means[first + dt.timedelta(days=n)] = round(season + sway, 1)
    return means


def _bills(means: dict[dt.date, float]) -> list[Bill]:
    chance = random.Random(17)  # noqa: S311 - a demo, always the same
    bills = []
    for _, days in groupby(means, key=lambda day: day.month):
        month = list(days)
        cold = degree_days([means[day] for day in month], base=_BASE_C)
        use = (_DAY_KWH * len(month) + _SLOPE_KWH * cold) * chance.gauss(1, 0.02)
        bills.append(Bill(month[0], month[-1], round(use)))
    return bills
