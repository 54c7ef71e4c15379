"""
Contracts and their terms.
"""

import datetime as dt
from typing import Any

from django.db import IntegrityError, transaction
from django.db.backends.postgresql.psycopg_any import DateRange
from django.db.models import Max, ProtectedError

from billing import queries
from billing.domain import agreement
from billing.models import Contract, Terms
from sites.operations import record


class NotReady(Exception):
    """
    The contract cannot take this step; the message says why.
    """


class TermsRefused(Exception):
    """
    The terms do not fit the others of the contract, or what they need is not there; `field` is
    the one at fault, or empty.
    """

    def __init__(self, field: str, words: str) -> None:
        super().__init__(words)
        self.field = field


@transaction.atomic(durable=True)
def make_contract(
    *, operator_id: int, reference: str, first_day: dt.date, at: dt.datetime, by_id: int | None,
    last_day: dt.date | None = None, **fields: Any,
) -> Contract:  # fmt: skip
    """
    Make a contract that runs from a local day on, and to one where it has an end; `fields` are
    those of `Contract`.

    :raises NotReady: if the reference is taken
    """
    try:
        with transaction.atomic():
            contract = Contract.objects.create(
                operator_id=operator_id, reference=reference, valid=_days(first_day, last_day),
                **fields,
            )  # fmt: skip
    except IntegrityError as problem:
        raise _told(problem, reference) from None
    told = {"first_day": first_day, "last_day": last_day, **fields}
    _note(contract, "contract made", at, by_id, {name: str(v) for name, v in told.items()})
    return contract


def _days(first_day: dt.date, last_day: dt.date | None) -> DateRange:
    return DateRange(first_day, last_day and last_day + dt.timedelta(days=1))


def _told(problem: IntegrityError, reference: str) -> Exception:
    constraint = _constraint_of(problem)
    if constraint == "contract_reference_once_an_operator":
        return NotReady(f"There is another contract {reference}.")
    return problem


def _constraint_of(problem: IntegrityError) -> str:
    told: Any = getattr(problem.__cause__, "diag", None)
    return getattr(told, "constraint_name", None) or ""


_CHANGEABLE = {
    "payment_days", "correction_months", "look_back_months", "pilot_until", "pilot_converts",
    "legal_regime",
}  # fmt: skip


@transaction.atomic(durable=True)
def change_contract(
    *, contract_id: int, at: dt.datetime, by_id: int | None, first_day: dt.date | None = None,
    last_day: dt.date | None = None, **fields: Any,
) -> None:  # fmt: skip
    """
    Change a contract: a draft in all it says, its days with `first_day` among them; an active one
    in payment terms, correction limit, legal regime and pilot. Prices change by new terms.

    :raises NotReady: if the contract has ended, runs already, or the reference is taken
    """
    contract = Contract.objects.select_for_update().get(pk=contract_id)
    if contract.status == Contract.Status.ENDED:
        raise NotReady(f"Contract {contract.reference} has ended.")
    fixed = set(fields) - _CHANGEABLE
    if contract.status != Contract.Status.DRAFT and (fixed or first_day is not None):
        raise NotReady(f"Contract {contract.reference} runs; only its conditions can change.")
    before = {name: str(getattr(contract, name)) for name in fields}
    for name, value in fields.items():
        setattr(contract, name, value)
    if first_day is not None:
        contract.valid = _days(first_day, last_day)
    try:
        with transaction.atomic():
            contract.save()
    except IntegrityError as problem:
        raise _told(problem, contract.reference) from None
    record(
        at=at, by_id=by_id, operator_id=contract.operator_id, action="contract changed",
        subject=contract.reference, before=before,
        after={name: str(value) for name, value in fields.items()},
    )  # fmt: skip


@transaction.atomic(durable=True)
def add_terms(
    *, contract_id: int, first_day: dt.date, at: dt.datetime, by_id: int | None, **fields: Any
) -> Terms:
    """
    Let new terms hold from a local day on; terms that held until now end the day before.
    `fields` are those of `Terms`.

    :raises agreement.BadTerms: naming the particular that is not understood
    :raises TermsRefused: if other terms begin on that day or later, or the day was billed
    """
    agreement.read(fields["model"], fields.get("details", {}))
    contract = Contract.objects.select_for_update().get(pk=contract_id)
    _refuse_day(contract, first_day)
    newest = contract.terms.aggregate(newest=Max("version"))["newest"] or 0
    try:
        with transaction.atomic():
            for old in contract.terms.filter(valid__contains=first_day):
                old.valid = DateRange(old.valid.lower, first_day)
                old.save(update_fields=["valid"])
            terms = Terms.objects.create(
                contract=contract, valid=DateRange(first_day, None), version=newest + 1, **fields
            )
    except IntegrityError as problem:
        raise _refused(problem, contract, first_day) from None
    record(
        at=at, by_id=by_id, operator_id=contract.operator_id, action="terms added",
        subject=f"{contract.reference} version {terms.version}",
        after={name: str(value) for name, value in {"first_day": first_day, **fields}.items()},
    )  # fmt: skip
    return terms


def _refuse_day(contract: Contract, first_day: dt.date) -> None:
    """
    Refuse a day outside the contract, or one that was billed: its price is on a document.
    """
    upper = contract.valid.upper
    if first_day < contract.valid.lower or (upper is not None and first_day >= upper):
        raise TermsRefused("first_day", "The contract does not run on this day.")
    billed = queries.billed_up_to(contract=contract)
    if billed is not None and first_day < billed:
        raise TermsRefused(
            "first_day",
            f"The contract was billed up to {billed - dt.timedelta(days=1):%d %B %Y}; new terms can"
            f" begin on {billed:%d %B %Y}.",
        )


def _refused(problem: IntegrityError, contract: Contract, first_day: dt.date) -> Exception:
    constraint = _constraint_of(problem)
    if constraint in {"terms_of_a_contract_do_not_overlap", "terms_last"}:
        other = contract.terms.filter(valid__startswith__gte=first_day).order_by("valid").first()
        if other is None:
            return problem
        return TermsRefused(
            "first_day",
            f"Version {other.version} holds from {other.valid.lower:%d %B %Y} on, and terms cannot"
            " overlap. Withdraw it first, or choose a later day.",
        )
    words = _MEANT.get(constraint)
    return TermsRefused(*words) if words else problem


# What the constraints of terms mean to whoever types them in.
_MEANT = {
    "a_fixed_fee_states_kw_and_price": ("price_per_kw", "A fixed fee states kW and their price."),
    "an_allowance_is_metered": ("metering_point", "An allowance needs a metering point."),
    "usage_states_price_and_metering_point": (
        "price_per_kwh", "Usage states a price per kWh, tiers or bands, and a metering point."
    ),
    "hosting_models_state_kw_price_and_metering_point": (
        "price_per_kwh", "Hosting states kW, both prices and a metering point."
    ),
    "a_price_per_kwh_is_metered": ("metering_point", "A price per kWh needs a metering point."),
    "a_standing_charge_has_kw_and_price": (
        "price_per_kw", "A standing charge has both kW and a price, or neither."
    ),
    "exactly_shared_savings_have_a_baseline": ("baseline", "Shared savings need a baseline."),
}  # fmt: skip


@transaction.atomic(durable=True)
def withdraw_terms(*, terms_id: int, at: dt.datetime, by_id: int | None) -> None:
    """
    Take back the newest terms of a contract before anything was billed from them; those before
    hold on.

    :raises NotReady: if they are not the newest, or were billed
    """
    contract_id = Terms.objects.values_list("contract_id", flat=True).get(pk=terms_id)
    contract = Contract.objects.select_for_update().get(pk=contract_id)
    terms = contract.terms.order_by("-version").first()
    if terms is None or terms.pk != terms_id:
        raise NotReady("Only the newest terms can be withdrawn.")
    if contract.status != Contract.Status.DRAFT and contract.terms.count() == 1:
        raise NotReady("A contract that runs cannot be without terms. End it instead.")
    try:
        with transaction.atomic():
            terms.delete()
    except (ProtectedError, IntegrityError):
        raise NotReady(f"Version {terms.version} was billed and stays.") from None
    for before in contract.terms.filter(valid__endswith=terms.valid.lower):
        before.valid = DateRange(before.valid.lower, terms.valid.upper)
        before.save(update_fields=["valid"])
    _note(contract, "terms withdrawn", at, by_id, {"version": str(terms.version)})


@transaction.atomic(durable=True)
def start_contract(*, contract_id: int, at: dt.datetime, by_id: int | None) -> None:
    """
    Make a draft contract active, so that it is billed from its first day on.

    :raises NotReady: if no terms hold on its first day
    """
    contract = Contract.objects.select_for_update().get(pk=contract_id)
    if contract.status != Contract.Status.DRAFT:
        return
    terms = contract.terms.filter(valid__contains=contract.valid.lower).first()
    if terms is None:
        raise NotReady(f"Contract {contract.reference} has no terms for its first day.")
    if terms.baseline is not None and terms.baseline.agreed_on is None:
        raise NotReady(f"The baseline “{terms.baseline}” is not agreed by both sides.")
    contract.status = Contract.Status.ACTIVE
    contract.save(update_fields=["status"])
    _note(contract, "contract started", at, by_id, {})


@transaction.atomic(durable=True)
def end_contract(
    *, contract_id: int, last_day: dt.date, at: dt.datetime, by_id: int | None
) -> None:
    """
    Let a contract end with a local day; it is still billed up to then.

    :raises NotReady: if a later day was billed already, or it lies before the contract
    """
    contract = Contract.objects.select_for_update().get(pk=contract_id)
    if contract.status == Contract.Status.DRAFT:
        raise NotReady(f"Contract {contract.reference} is a draft and was never started.")
    if last_day < contract.valid.lower:
        raise NotReady(f"Contract {contract.reference} begins on {contract.valid.lower:%d %B %Y}.")
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
    contract.pilot_until, contract.pilot_converts = None, False
    contract.save(update_fields=["pilot_until", "pilot_converts"])
    _note(contract, "pilot made a full contract", at, by_id, {"pilot_until": str(was)})


def end_pilots(*, today: dt.date, at: dt.datetime) -> int:
    """
    End the active pilots whose last day has passed, or make them full contracts where that is
    agreed; return how many ended.
    """
    over = Contract.objects.filter(status=Contract.Status.ACTIVE, pilot_until__lt=today)
    ended = 0
    for pk, last_day, converts in over.values_list("pk", "pilot_until", "pilot_converts"):
        if converts:
            convert_pilot(contract_id=pk, at=at, by_id=None)
        elif last_day is not None:
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
