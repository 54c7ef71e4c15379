"""
What prices follow: indices, baselines and the monthly figures that no meter of ours tells.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Max

from billing.domain import baseline as saving
from billing.models import Baseline, Contract, IndexValue, MonthlyFigure, PriceIndex
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
    published_on: dt.date | None, at: dt.datetime, by_id: int | None,
) -> IndexValue:  # fmt: skip
    """
    Enter the value of a month. Where there is one already this is its next revision; what was
    billed from the old one stays.
    """
    index = PriceIndex.objects.select_for_update().get(pk=index_id)
    newest = index.values.filter(month=month).aggregate(newest=Max("revision"))["newest"]
    row = IndexValue.objects.create(
        index=index, month=month, revision=0 if newest is None else newest + 1, value=value,
        provisional=provisional, published_on=published_on, stored_at=at, by_id=by_id,
    )  # fmt: skip
    record(
        at=at, by_id=by_id, operator_id=index.operator_id, action="index value entered",
        subject=f"{index.code} {month:%Y-%m}",
        after={"value": str(value), "revision": row.revision, "provisional": provisional},
    )  # fmt: skip
    return row


@transaction.atomic(durable=True)
def enter_monthly_figure(
    *, contract_id: int, kind: str, month: dt.date, value: Decimal, source: str, at: dt.datetime,
    by_id: int | None,
) -> MonthlyFigure:  # fmt: skip
    """
    Enter a figure of a contract's month, or its next revision.
    """
    contract = Contract.objects.select_for_update().get(pk=contract_id)
    newest = contract.monthly_figures.filter(kind=kind, month=month).aggregate(
        newest=Max("revision")
    )["newest"]
    row = MonthlyFigure.objects.create(
        contract=contract, kind=kind, month=month, value=value, source=source, stored_at=at,
        revision=0 if newest is None else newest + 1, by_id=by_id,
    )  # fmt: skip
    record(
        at=at, by_id=by_id, operator_id=contract.operator_id, action="monthly figure entered",
        subject=f"{contract.reference} {kind} {month:%Y-%m}",
        after={"value": str(value), "source": source, "revision": row.revision},
    )  # fmt: skip
    return row


@transaction.atomic(durable=True)
def fit_baseline(
    *, contract_id: int, name: str, days: Sequence[float], degree_days: Sequence[float],
    use_kwh: Sequence[float], base_temperature: Decimal, at: dt.datetime, by_id: int | None,
    **boiler: Any,
) -> Baseline:  # fmt: skip
    """
    Fit a baseline to past bills, for both sides to agree to; `boiler` are those fields of
    `Baseline`.

    :raises ValueError: if nothing can be fitted to the periods
    """
    contract = Contract.objects.get(pk=contract_id)
    found = saving.fit(days, degree_days, use_kwh)
    row = Baseline.objects.create(
        contract=contract, name=name, base_temperature=base_temperature,
        base_kwh=round(Decimal(found.base_kwh), 4), slope_kwh=round(Decimal(found.slope_kwh), 4),
        fitted_on={
            "days": list(days), "degree_days": list(degree_days), "use_kwh": list(use_kwh),
            **asdict(found),
        },
        **boiler,
    )  # fmt: skip
    record(
        at=at, by_id=by_id, operator_id=contract.operator_id, action="baseline fitted",
        subject=f"{contract.reference} {name}",
        after={"base_kwh": str(row.base_kwh), "slope_kwh": str(row.slope_kwh)},
    )  # fmt: skip
    return row


@transaction.atomic(durable=True)
def agree_baseline(
    *, baseline_id: int, on: dt.date, by_operator: str, by_customer: str, at: dt.datetime,
    by_id: int | None,
) -> None:  # fmt: skip
    """
    Note that both sides agreed to a baseline; from then on it is frozen.
    """
    row = Baseline.objects.select_for_update().select_related("contract").get(pk=baseline_id)
    row.agreed_on, row.agreed_by_operator, row.agreed_by_customer = on, by_operator, by_customer
    row.save()
    record(
        at=at, by_id=by_id, operator_id=row.contract.operator_id, action="baseline agreed",
        subject=f"{row.contract.reference} {row.name}",
        after={"on": str(on), "operator": by_operator, "customer": by_customer},
    )  # fmt: skip
