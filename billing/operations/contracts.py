"""
Contracts and their terms.
"""

import datetime as dt
from typing import Any

from django.db import transaction
from django.db.backends.postgresql.psycopg_any import DateRange
from django.db.models import Max

from billing.models import Contract, Terms
from sites.operations import record


@transaction.atomic(durable=True)
def make_contract(
    *, operator_id: int, reference: str, first_day: dt.date, at: dt.datetime, by_id: int | None,
    **fields: Any,
) -> Contract:  # fmt: skip
    """
    Make a contract that runs from a local day on; `fields` are those of `Contract`.
    """
    contract = Contract.objects.create(
        operator_id=operator_id, reference=reference, valid=DateRange(first_day, None), **fields
    )
    record(
        at=at, by_id=by_id, operator_id=operator_id, action="contract made", subject=reference,
        after={name: str(value) for name, value in {"first_day": first_day, **fields}.items()},
    )  # fmt: skip
    return contract


@transaction.atomic(durable=True)
def add_terms(
    *, contract_id: int, first_day: dt.date, at: dt.datetime, by_id: int | None, **fields: Any
) -> Terms:
    """
    Let new terms hold from a local day on; terms that held until now end the day before.
    `fields` are those of `Terms`.
    """
    contract = Contract.objects.select_for_update().get(pk=contract_id)
    for old in contract.terms.filter(valid__contains=first_day):
        old.valid = DateRange(old.valid.lower, first_day)
        old.save(update_fields=["valid"])
    newest = contract.terms.aggregate(newest=Max("version"))["newest"] or 0
    terms = Terms.objects.create(
        contract=contract, valid=DateRange(first_day, None), version=newest + 1, **fields
    )
    record(
        at=at, by_id=by_id, operator_id=contract.operator_id, action="terms added",
        subject=f"{contract.reference} version {terms.version}",
        after={name: str(value) for name, value in {"first_day": first_day, **fields}.items()},
    )  # fmt: skip
    return terms
