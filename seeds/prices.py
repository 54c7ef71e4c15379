"""
Price indices, terms to come and a pilot of the demo. Their figures are made up, and their names
say so.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from billing import operations
from billing.models import Contract, PriceIndex, Terms
from sites.models import DeliveryPoint

_MADE_UP = "made up for the demo"
# As a year of bills of a boiler house might read: days, degree days, kWh of heat.
_BILLS = (
    (31, 388, 18_460), (29, 352, 16_720), (31, 301, 15_170), (30, 192, 10_890), (31, 96, 7_400),
    (30, 31, 4_790), (31, 8, 4_020), (31, 11, 4_140), (30, 58, 5_810), (31, 167, 10_060),
    (30, 268, 13_790), (31, 362, 17_470),
)  # fmt: skip


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
        "notice_h": 72, "maintenance_h": 8, "response_h": 4, "contact": "Mara Lindqvist",
        "phone": "+49 431 555 0199",
    }  # fmt: skip
    operations.add_terms(
        contract_id=contract.pk, first_day=dt.date(now.year + 1, 1, 1), at=now, by_id=None,
        model="usage", metering_point=held.metering_point, contracted_kw=held.contracted_kw,
        price_per_kw=held.price_per_kw, price_per_kwh=held.price_per_kwh, vat_rate=held.vat_rate,
        details={
            "index": [clause], "service_level": level, "escalation": "2",
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
    columns = [[float(row[n]) for row in _BILLS] for n in range(3)]
    baseline = operations.fit_baseline(
        contract_id=contract.pk, name=f"Gas boiler ({_MADE_UP})", days=columns[0],
        degree_days=columns[1], use_kwh=columns[2], base_temperature=Decimal("15.5"),
        expected=0.5, at=now, by_id=None, boiler_efficiency=Decimal("0.86"),
        fuel_price=Decimal("0.0689"), carbon_kg_per_kwh=Decimal("0.182"),
        carbon_price=Decimal(60), maintenance_per_year=Decimal(1140),
    )  # fmt: skip
    operations.add_terms(
        contract_id=contract.pk, first_day=first_day, at=now, by_id=None, model="savings",
        baseline=baseline, vat_rate=19, details={"savings_share": "45", "true_up": True},
    )  # fmt: skip
