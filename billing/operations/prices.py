"""
What prices follow: indices, and the monthly figures that no meter of ours tells.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db import transaction
from django.db.models import Max

from billing import queries
from billing.models import Contract, IndexBasis, IndexValue, MonthlyFigure, PriceIndex
from billing.operations.contracts import NotReady
from sites.operations import record


@transaction.atomic(durable=True)
def add_index(
    *, operator_id: int, code: str, name: str, source: str, basis: str, at: dt.datetime,
    by_id: int | None,
) -> PriceIndex:  # fmt: skip
    """
    Add a published series that price clauses may name by its code.
    """
    index = PriceIndex.objects.create(
        operator_id=operator_id, code=code, name=name, source=source, basis=basis
    )
    record(
        at=at, by_id=by_id, operator_id=operator_id, action="price index added", subject=code,
        after={"name": name, "source": source, "basis": basis},
    )  # fmt: skip
    return index


@transaction.atomic(durable=True)
def enter_index_value(
    *, index_id: int, month: dt.date, value: Decimal, provisional: bool,
    published_on: dt.date | None, at: dt.datetime, by_id: int | None, basis_id: int | None = None,
) -> IndexValue:  # fmt: skip
    """
    Enter the value of a month. Where there is one already this is its next revision; what was
    billed from the old one stays. With `basis_id` the value is on that newer base and is linked.
    """
    index = PriceIndex.objects.select_for_update().get(pk=index_id)
    return _enter(
        index, IndexRow(month, value, provisional, published_on), basis_id=basis_id, at=at,
        by_id=by_id,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class IndexRow:
    """
    One published value.
    """

    month: dt.date
    value: Decimal
    provisional: bool = False
    published_on: dt.date | None = None


@transaction.atomic(durable=True)
def import_index_values(
    *, index_id: int, rows: Sequence[IndexRow], at: dt.datetime, by_id: int | None,
    basis_id: int | None = None,
) -> int:  # fmt: skip
    """
    Enter many values at once, all or none; those that are there already as they are given are
    left alone. Return how many were new.
    """
    index = PriceIndex.objects.select_for_update().get(pk=index_id)
    held = queries.newest_index_values(index_id=index_id)
    entered = 0
    for row in rows:
        old = held.get(row.month)
        if old is not None and _same(old, row, basis_id):
            continue
        _enter(index, row, basis_id=basis_id, at=at, by_id=by_id)
        entered += 1
    return entered


def _same(old: IndexValue, row: IndexRow, basis_id: int | None) -> bool:
    published = old.value if old.published_value is None else old.published_value
    return (old.basis_id, published, old.provisional) == (basis_id, row.value, row.provisional)


def _enter(
    index: PriceIndex, given: IndexRow, *, basis_id: int | None, at: dt.datetime, by_id: int | None
) -> IndexValue:
    published = None if basis_id is None else given.value
    value = queries.on_own_base(index_id=index.pk, basis_id=basis_id, value=given.value)
    newest = index.values.filter(month=given.month).aggregate(newest=Max("revision"))["newest"]
    row = IndexValue.objects.create(
        index=index, month=given.month, revision=0 if newest is None else newest + 1, value=value,
        basis_id=basis_id, published_value=published, provisional=given.provisional,
        published_on=given.published_on, stored_at=at, by_id=by_id,
    )  # fmt: skip
    month, provisional = given.month, given.provisional
    record(
        at=at, by_id=by_id, operator_id=index.operator_id, action="index value entered",
        subject=f"{index.code} {month:%Y-%m}",
        after={"value": str(value), "revision": row.revision, "provisional": provisional},
    )  # fmt: skip
    return row


@transaction.atomic(durable=True)
def rebase_index(
    *, index_id: int, basis: str, overlap_month: dt.date, overlap_new: Decimal, at: dt.datetime,
    by_id: int | None,
) -> IndexBasis:  # fmt: skip
    """
    Note that a publisher put a series on a new base. `overlap_new` is the value of a month on
    it; the series holds the value of that month on its own base already, and later values are
    linked by the two. Nothing that was billed changes.

    :raises ValueError: if the series has no value for the month, or was on this base before
    """
    index = PriceIndex.objects.select_for_update().get(pk=index_id)
    old = queries.newest_index_values(index_id=index_id).get(overlap_month)
    if old is None:
        raise ValueError(f"{index.name} has no value for {overlap_month:%B %Y}.")
    if index.bases.filter(basis=basis).exists():
        raise ValueError(f"{index.name} was put on the base {basis} before.")
    row = IndexBasis.objects.create(
        index=index, basis=basis, overlap_month=overlap_month, overlap_old=old.value,
        overlap_new=overlap_new, stored_at=at, by_id=by_id,
    )  # fmt: skip
    record(
        at=at, by_id=by_id, operator_id=index.operator_id, action="price index rebased",
        subject=f"{index.code} {basis}",
        after={"overlap": f"{overlap_month:%Y-%m}", "old": str(old.value), "new": str(overlap_new)},
    )  # fmt: skip
    return row


@transaction.atomic(durable=True)
def enter_monthly_figure(
    *, contract_id: int, kind: str, month: dt.date, value: Decimal, source: str, at: dt.datetime,
    by_id: int | None, agreed_by_operator: str = "", agreed_by_customer: str = "",
) -> MonthlyFigure:  # fmt: skip
    """
    Enter a figure of a contract's month, or its next revision. An adjustment of the baseline
    names who agreed to it on both sides.

    :raises NotReady: if one of them is not named
    """
    adjusts = kind == MonthlyFigure.Kind.ADJUSTMENT_KWH
    if adjusts and not (agreed_by_operator and agreed_by_customer):
        raise NotReady("An adjustment of the baseline names who agreed to it on both sides.")
    contract = Contract.objects.select_for_update().get(pk=contract_id)
    newest = contract.monthly_figures.filter(kind=kind, month=month).aggregate(
        newest=Max("revision")
    )["newest"]
    row = MonthlyFigure.objects.create(
        contract=contract, kind=kind, month=month, value=value, source=source, stored_at=at,
        revision=0 if newest is None else newest + 1, by_id=by_id,
        agreed_by_operator=agreed_by_operator, agreed_by_customer=agreed_by_customer,
    )  # fmt: skip
    record(
        at=at, by_id=by_id, operator_id=contract.operator_id, action="monthly figure entered",
        subject=f"{contract.reference} {kind} {month:%Y-%m}",
        after={"value": str(value), "source": source, "revision": row.revision},
    )  # fmt: skip
    return row
