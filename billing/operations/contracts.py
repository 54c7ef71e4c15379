"""
Contracts and their terms.
"""

import datetime as dt
from typing import Any

from django.db import transaction
from django.db.backends.postgresql.psycopg_any import DateRange
from django.db.models import Max

from billing.domain import agreement
from billing.models import Contract, Terms
from sites.operations import record


class NotReady(Exception):
    """
    The contract cannot take this step; the message says why.
    """


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

    :raises agreement.BadTerms: naming the particular that is not understood
    """
    agreement.read(fields["model"], fields.get("details", {}))
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


@transaction.atomic(durable=True)
def start_contract(*, contract_id: int, at: dt.datetime, by_id: int | None) -> None:
    """
    Make a draft contract active, so that it is billed from its first day on.

    :raises NotReady: if no terms hold on its first day
    """
    contract = Contract.objects.select_for_update().get(pk=contract_id)
    if contract.status != Contract.Status.DRAFT:
        return
    if not contract.terms.filter(valid__contains=contract.valid.lower).exists():
        raise NotReady(f"Contract {contract.reference} has no terms for its first day.")
    contract.status = Contract.Status.ACTIVE
    contract.save(update_fields=["status"])
    _note(contract, "contract started", at, by_id, {})


@transaction.atomic(durable=True)
def end_contract(
    *, contract_id: int, last_day: dt.date, at: dt.datetime, by_id: int | None
) -> None:
    """
    Let a contract end with a local day; it is still billed up to then.

    :raises NotReady: if a later day was billed already
    """
    contract = Contract.objects.select_for_update().get(pk=contract_id)
    after = last_day + dt.timedelta(days=1)
    billed = contract.periods.filter(local_days__endswith__gt=after)
    if billed.filter(status__in=["drafted", "invoiced"]).exists():
        raise NotReady(f"Contract {contract.reference} was billed beyond {last_day:%d %B %Y}.")
    contract.valid = DateRange(contract.valid.lower, after)
    contract.status = Contract.Status.ENDED
    contract.save(update_fields=["valid", "status"])
    _note(contract, "contract ended", at, by_id, {"last_day": str(last_day)})


@transaction.atomic(durable=True)
def convert_pilot(*, contract_id: int, at: dt.datetime, by_id: int | None) -> None:
    """
    Make a pilot a full contract: it no longer ends by itself. New prices are new terms.
    """
    contract = Contract.objects.select_for_update().get(pk=contract_id)
    was = contract.pilot_until
    contract.pilot_until = None
    contract.save(update_fields=["pilot_until"])
    _note(contract, "pilot made a full contract", at, by_id, {"pilot_until": str(was)})


def end_pilots(*, today: dt.date, at: dt.datetime) -> int:
    """
    End the active pilots whose last day has passed; return how many.
    """
    over = Contract.objects.filter(status=Contract.Status.ACTIVE, pilot_until__lt=today)
    ended = 0
    for pk, last_day in over.values_list("pk", "pilot_until"):
        if last_day is not None:
            end_contract(contract_id=pk, last_day=last_day, at=at, by_id=None)
            ended += 1
    return ended


def _note(
    contract: Contract, action: str, at: dt.datetime, by_id: int | None, after: dict[str, str]
) -> None:
    record(
        at=at, by_id=by_id, operator_id=contract.operator_id, action=action,
        subject=contract.reference, after=after,
    )  # fmt: skip
