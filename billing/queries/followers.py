"""
Who follows a price index, and what a value changes.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import Q

from billing.domain import agreement, indexation
from billing.models import Invoice, InvoiceLine, PriceIndex, Terms
from billing.queries.inputs import next_month
from billing.queries.pricing import CHARGE_OF_PRICE, index_values
from sites.access import Viewer

# No agreed reference reaches further.
_MONTHS_AHEAD = 36
_CHARGES = {charge: price for price, charge in CHARGE_OF_PRICE.items()}


@dataclass(frozen=True, slots=True)
class Follower:
    """
    A price clause that names an index: the price of a month as the values stand, and with a value
    that is tried; `lacking` says why there is none.
    """

    terms: Terms
    price: str
    weight: Decimal
    base: Decimal
    month: dt.date | None
    now: Decimal | None
    tried: Decimal | None
    formula: str
    lacking: str


def index_followers(
    *, viewer: Viewer, index: PriceIndex, today: dt.date,
    tried: tuple[dt.date, Decimal] | None = None,
) -> list[Follower]:  # fmt: skip
    """
    Return the clauses of terms in force or to come that name an index. Without a value that is
    tried the month is the present one, with one the first month from now on that it counts for.
    """
    rows = list(
        Terms.objects.visible_to(viewer)
        .filter(contract__operator_id=index.operator_id, details__has_key="index")
        .filter(contract__status__in=["draft", "active"])
        .filter(Q(valid__contains=today) | Q(valid__startswith__gt=today))
        .select_related("contract__customer")
        .order_by("contract__reference", "version")
    )
    items = [
        (terms, item)
        for terms in rows
        for item in agreement.read(terms.model, terms.details).index
        if any(part.series == index.code for part in item.clause.parts)
    ]
    this_month = today.replace(day=1)
    months = [_month_of(item, this_month, tried) for _, item in items]
    wanted: dict[str, set[dt.date]] = {}
    for (_, item), month in zip(items, months, strict=True):
        for part in item.clause.parts:
            wanted.setdefault(part.series, set()).update(
                item.reference.of(month) if month is not None else ()
            )
    values = index_values(operator_id=index.operator_id, wanted=wanted)
    held = _held_prices({terms.contract_id for terms, _ in items})
    return [
        _follower(terms, item, index.code, month, values, held, tried)
        for (terms, item), month in zip(items, months, strict=True)
    ]


def _month_of(
    item: agreement.Indexed, this_month: dt.date, tried: tuple[dt.date, Decimal] | None
) -> dt.date | None:
    month = this_month
    if tried is None:
        return month
    for _ in range(_MONTHS_AHEAD):
        if tried[0] in item.reference.of(month):
            return month
        month = next_month(month)
    return None


def _held_prices(contract_ids: set[int]) -> dict[tuple[int, str], Decimal]:
    """
    Return the prices billed last, which steps and deadbands count from.
    """
    rows = (
        InvoiceLine.objects.filter(invoice__contract_id__in=contract_ids, reverses__isnull=True)
        .filter(charge__in=_CHARGES, invoice__status=Invoice.Status.ISSUED)
        .filter(reversed_by__isnull=True)
        .order_by("invoice__contract_id", "charge", "-service")
        .distinct("invoice__contract_id", "charge")
        .values_list("invoice__contract_id", "charge", "unit_price", "terms__details")
    )
    return {
        (contract, _CHARGES[charge]): indexation.price_of_line(price, details)
        for contract, charge, price, details in rows
    }


def _follower(
    terms: Terms, item: agreement.Indexed, code: str, month: dt.date | None,
    values: Mapping[str, Mapping[dt.date, Decimal]], held: Mapping[tuple[int, str], Decimal],
    tried: tuple[dt.date, Decimal] | None,
) -> Follower:  # fmt: skip
    part = next(part for part in item.clause.parts if part.series == code)
    found: dict[str, Any] = {"now": None, "tried": None, "formula": "", "lacking": ""}
    if month is None:
        found["lacking"] = "It counts for no month to come."
    else:
        before = held.get((terms.contract_id, item.price))
        with_it = {code: {**values.get(code, {}), **dict([tried] if tried else [])}}
        try:
            after = _price(item, month, {**values, **with_it}, before)
            found |= {"tried": after.price, "formula": after.formula}
            found["now"] = _price(item, month, values, before).price
        except indexation.IndexMissing as missing:
            found["lacking"] = f"{missing} is not entered."
    return Follower(
        terms=terms, price=item.price, weight=part.weight, base=part.base, month=month, **found
    )


def _price(
    item: agreement.Indexed, month: dt.date, values: Mapping[str, Mapping[dt.date, Decimal]],
    before: Decimal | None,
) -> indexation.Price:  # fmt: skip
    months = item.reference.of(month)
    means = {
        part.series: indexation.mean(part.series, values.get(part.series, {}), months)
        for part in item.clause.parts
    }
    return indexation.price(item.clause, means, before=before)
