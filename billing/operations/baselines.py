"""
Baselines of shared savings: fitted or stated, then agreed by both sides and frozen.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from django.db import transaction

from billing.domain import balance_point
from billing.domain import baseline as saving
from billing.models import Baseline, Contract
from sites.operations import record


@transaction.atomic(durable=True)
def fit_baseline(
    *, contract_id: int, name: str, days: Sequence[float], degree_days: Sequence[float],
    use_kwh: Sequence[float], base_temperature: Decimal, at: dt.datetime, by_id: int | None,
    expected: float | None = None, **boiler: Any,
) -> Baseline:  # fmt: skip
    """
    Fit a baseline to past bills, for both sides to agree to; `boiler` are those fields of
    `Baseline`, `expected` the share of savings that is hoped for.

    :raises ValueError: if nothing can be fitted to the periods, or the fit is not good enough
    """
    return _kept(
        contract_id=contract_id, name=name, base_temperature=base_temperature,
        found=saving.fit(days, degree_days, use_kwh), expected=expected, at=at, by_id=by_id,
        fitted_on={
            "days": list(days), "degree_days": list(degree_days), "use_kwh": list(use_kwh),
        },
        boiler=boiler,
    )  # fmt: skip


@transaction.atomic(durable=True)
def fit_baseline_to_weather(
    *, contract_id: int, name: str, bills: Sequence[balance_point.Bill],
    means: Mapping[dt.date, float], weather: str, base_temperature: Decimal | None,
    at: dt.datetime, by_id: int | None, expected: float | None = None, **boiler: Any,
) -> Baseline:  # fmt: skip
    """
    Fit a baseline to past bills and daily mean temperatures in degrees C, whose base temperature is
    given or searched for; bills, temperatures and all that was tried are kept with it.

    :param weather: where the temperatures are from
    :raises ValueError: if temperatures lack, nothing can be fitted, or the fit is not good enough
    """
    searched = base_temperature is None
    tried = balance_point.search(
        bills, means,
        balance_point.CANDIDATES if base_temperature is None else [float(base_temperature)],
    )  # fmt: skip
    best = balance_point.chosen(tried)
    assert best.fit is not None  # noqa: S101 - a candidate without a fit is never chosen
    billed = {day for bill in bills for day in bill.each_day()}
    return _kept(
        contract_id=contract_id, name=name,
        base_temperature=Decimal(str(best.base_temperature)), found=best.fit, expected=expected,
        at=at, by_id=by_id,
        fitted_on={
            "days": [bill.days for bill in bills], "degree_days": list(best.degree_days),
            "use_kwh": [bill.use_kwh for bill in bills],
            "bills": [[f"{bill.first}", f"{bill.last}"] for bill in bills],
            "weather": weather,
            "daily_means": {f"{day}": means[day] for day in sorted(billed & means.keys())},
            "searched": searched,
            "tried": [asdict(one) for one in tried],
        },
        boiler=boiler,
    )  # fmt: skip


def _kept(
    *, contract_id: int, name: str, base_temperature: Decimal, found: saving.Fit,
    expected: float | None, fitted_on: dict[str, Any], at: dt.datetime, by_id: int | None,
    boiler: dict[str, Any],
) -> Baseline:  # fmt: skip
    contract = Contract.objects.get(pk=contract_id)
    refused = [test for test in saving.acceptance(found, expected=expected) if test.passed is False]
    if refused:
        raise ValueError(
            "The fit is not good enough to carry a contract: "
            + ", ".join(f"{test.name} {test.shown}, {test.limit} is asked" for test in refused)
            + "."
        )
    row = Baseline.objects.create(
        contract=contract, name=name, base_temperature=base_temperature,
        base_kwh=round(Decimal(found.base_kwh), 4), slope_kwh=round(Decimal(found.slope_kwh), 4),
        fitted_on={**fitted_on, "expected": expected, **asdict(found)}, **boiler,
    )  # fmt: skip
    record(
        at=at, by_id=by_id, operator_id=contract.operator_id, action="baseline fitted",
        subject=f"{contract.reference} {name}",
        after={
            "base_kwh": str(row.base_kwh), "slope_kwh": str(row.slope_kwh),
            "base_temperature": str(row.base_temperature),
        },
    )  # fmt: skip
    return row


@transaction.atomic(durable=True)
def state_baseline(
    *, contract_id: int, name: str, base_kwh: Decimal, slope_kwh: Decimal,
    base_temperature: Decimal, at: dt.datetime, by_id: int | None, **boiler: Any,
) -> Baseline:  # fmt: skip
    """
    State a baseline by its coefficients, such as a boiler model both sides work with, where there
    are no bills to fit; for both sides to agree to.
    """
    contract = Contract.objects.get(pk=contract_id)
    row = Baseline.objects.create(
        contract=contract, name=name, base_kwh=base_kwh, slope_kwh=slope_kwh,
        base_temperature=base_temperature, **boiler,
    )  # fmt: skip
    record(
        at=at, by_id=by_id, operator_id=contract.operator_id, action="baseline stated",
        subject=f"{contract.reference} {name}",
        after={"base_kwh": str(base_kwh), "slope_kwh": str(slope_kwh)},
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
