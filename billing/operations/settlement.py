"""
Payments, what they settle, direct debits and reminders.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db import IntegrityError, transaction
from django.db.models import Max

from billing import queries
from billing.domain import matching
from billing.formats import bank
from billing.models import (
    Allocation,
    BankEntry,
    Debit,
    DebitFile,
    DunningLevel,
    Invoice,
    Mandate,
    Reminder,
)
from sites.models import Stakeholder
from sites.operations import announce, record


class NotPossible(Exception):
    """
    The sums do not allow it; the message says which.
    """


@dataclass(frozen=True, slots=True)
class StatementResult:
    """
    What became of a statement: movements in it, how many were known already, how many of the new
    ones settled something, and how many wait for a person.
    """

    entries: int
    known: int
    matched: int
    waiting: int


@transaction.atomic(durable=True)
def import_statement(
    *, operator_id: int, xml: bytes, at: dt.datetime, by_id: int | None
) -> StatementResult:
    """
    Book the movements of a bank statement and match them. The same file again changes nothing.

    :raises bank.NotReadable: if it is no statement
    """
    found = bank.statement_entries(xml)
    known = set(
        BankEntry.objects.filter(
            operator_id=operator_id, reference__in=[entry.reference for entry in found]
        ).values_list("account", "reference")
    )
    fresh: dict[tuple[str, str], bank.StatementEntry] = {}
    for entry in found:
        if (entry.account, entry.reference) not in known:
            fresh[entry.account, entry.reference] = entry
    rows = BankEntry.objects.bulk_create(
        BankEntry(
            operator_id=operator_id, source=BankEntry.Source.STATEMENT, stored_at=at, by_id=by_id,
            account=e.account, reference=e.reference, booked_on=e.booked_on, amount=e.amount,
            currency=e.currency, end_to_end_id=e.end_to_end_id[:35], remittance=e.remittance,
            counterparty=e.counterparty[:140], counterparty_iban=e.counterparty_iban,
            return_reason=e.return_reason[:4],
        )
        for e in fresh.values()
    )  # fmt: skip
    matched = sum(_settle(row, at=at) for row in rows)
    record(
        at=at, by_id=by_id, operator_id=operator_id, action="bank statement imported",
        subject=f"{len(found)} movements",
        after={"new": len(rows), "matched": matched},
    )  # fmt: skip
    return StatementResult(len(found), len(found) - len(rows), matched, len(rows) - matched)


@transaction.atomic(durable=True)
def enter_payment(
    *, operator_id: int, booked_on: dt.date, amount: Decimal, currency: str, reference: str,
    remittance: str, at: dt.datetime, by_id: int | None,
) -> BankEntry:  # fmt: skip
    """
    Book a payment by hand and match it by what it says.

    :raises NotPossible: if a payment with that reference is booked already
    """
    try:
        with transaction.atomic():
            row = BankEntry.objects.create(
                operator_id=operator_id, source=BankEntry.Source.MANUAL, booked_on=booked_on,
                amount=amount, currency=currency, reference=reference, remittance=remittance,
                stored_at=at, by_id=by_id,
            )  # fmt: skip
    except IntegrityError:
        raise NotPossible(f"A payment with the reference {reference} is booked already.") from None
    _settle(row, at=at)
    record(
        at=at, by_id=by_id, operator_id=operator_id, action="payment entered", subject=reference,
        after={"amount": str(amount), "currency": currency, "booked_on": str(booked_on)},
    )  # fmt: skip
    return row


def _settle(row: BankEntry, *, at: dt.datetime) -> bool:
    """
    Allocate a movement as far as it tells by itself; say whether it did.
    """
    if row.amount < 0:
        return _take_back(row, at=at)
    shares = matching.match(
        matching.Paid(row.amount, row.end_to_end_id, row.remittance, row.counterparty_iban),
        queries.owed_to(operator_id=row.operator_id, currency=row.currency),
    )
    for share in shares:
        _allocate(row, share.invoice_id, share.amount, how=share.how, at=at, by_id=None)
    return bool(shares)


def _take_back(row: BankEntry, *, at: dt.datetime) -> bool:
    """
    Undo what a direct debit settled that the bank sent back; the document is open again.
    """
    debit = Debit.objects.select_for_update().filter(
        end_to_end_id=row.end_to_end_id, file__operator_id=row.operator_id, returned_at=None
    ).first()  # fmt: skip
    if not row.end_to_end_id or debit is None:
        return False
    debit.returned_at = at
    debit.save(update_fields=["returned_at"])
    settled = sum(
        Allocation.objects.filter(
            invoice=debit.invoice, entry__end_to_end_id=row.end_to_end_id
        ).values_list("amount", flat=True),
        Decimal(0),
    )
    if settled <= 0:
        return False
    amount = -min(settled, -row.amount)
    _allocate(row, debit.invoice_id, amount, how="returned", at=at, by_id=None)
    return True


@transaction.atomic(durable=True)
def allocate(
    *, entry_id: int, invoice_id: int, amount: Decimal, at: dt.datetime, by_id: int | None
) -> None:
    """
    Let a payment settle a document; a negative amount takes back what it settled.

    :raises NotPossible: if it is more than is left of the payment or open on the document
    """
    row = BankEntry.objects.get(pk=entry_id)
    _allocate(row, invoice_id, amount, how="by hand", at=at, by_id=by_id)
    record(
        at=at, by_id=by_id, operator_id=row.operator_id, action="payment allocated",
        subject=row.reference, after={"invoice": invoice_id, "amount": str(amount)},
    )  # fmt: skip


@transaction.atomic(durable=True)
def use_credit(
    *, credit_note_id: int, invoice_id: int, amount: Decimal, at: dt.datetime, by_id: int | None
) -> None:
    """
    Set a credit note off against a document of the same customer and currency.

    :raises NotPossible: if it is more than is left of the credit or open on the document
    """
    credit = Invoice.objects.get(pk=credit_note_id)
    document = Invoice.objects.get(pk=invoice_id)
    if (credit.customer_id, credit.currency) != (document.customer_id, document.currency):
        raise NotPossible("A credit settles documents of the same customer and currency only.")
    try:
        with transaction.atomic():
            Allocation.objects.create(
                invoice=document, credit_note=credit, amount=amount, at=at, by_id=by_id,
                how="credit note",
            )  # fmt: skip
    except IntegrityError as refused:
        raise NotPossible(_first_line(refused)) from None
    _tell_if_paid(document, at)
    record(
        at=at, by_id=by_id, operator_id=credit.operator_id, action="credit used",
        subject=credit.number, after={"invoice": document.number, "amount": str(amount)},
    )  # fmt: skip


def _allocate(
    row: BankEntry, invoice_id: int, amount: Decimal, *, how: str, at: dt.datetime,
    by_id: int | None,
) -> None:  # fmt: skip
    document = Invoice.objects.get(pk=invoice_id, operator_id=row.operator_id)
    if document.currency != row.currency:
        raise NotPossible(
            f"{document.number} is in {document.currency}, the payment in {row.currency}."
        )
    try:
        with transaction.atomic():
            Allocation.objects.create(
                invoice=document, entry=row, amount=amount, at=at, by_id=by_id, how=how
            )
    except IntegrityError as refused:
        raise NotPossible(_first_line(refused)) from None
    _tell_if_paid(document, at)


def _first_line(problem: IntegrityError) -> str:
    return str(problem).split("\n", 1)[0].capitalize() + "."


def _tell_if_paid(document: Invoice, at: dt.datetime) -> None:
    found = queries.with_balance(Invoice.objects.filter(pk=document.pk)).get()
    if found.open_amount == 0:
        announce(
            operator_id=document.operator_id, event="invoice.paid", subject=document.number, at=at,
            payload={"gross": str(document.gross), "currency": document.currency},
        )  # fmt: skip


@transaction.atomic(durable=True)
def make_debit_file(
    *, operator_id: int, collect_on: dt.date, at: dt.datetime, by_id: int | None
) -> DebitFile | None:
    """
    Make a file of direct debits of what is due by the day, undisputed, of customers with a
    mandate and not being collected already; None where there is nothing.

    :raises NotPossible: if the operator's own IBAN or creditor identifier is missing
    """
    operator = Stakeholder.objects.select_for_update().get(pk=operator_id)
    due = _to_collect(operator_id, collect_on)
    if not due:
        return None
    message_id = f"WG{operator_id}-{at:%Y%m%d%H%M%S}"
    debits = [
        Debit(
            invoice=document, mandate=mandate, amount=document.due_amount,
            end_to_end_id=_attempt(document),
        )
        for document, mandate in due
    ]  # fmt: skip
    currencies = {document.currency for document, _ in due}
    if currencies != {"EUR"}:
        raise NotPossible("Direct debits are for documents in EUR only.")
    try:
        xml = bank.debit_file(
            creditor=bank.Creditor(
                operator.name, operator.iban, operator.bic, operator.creditor_id, "EUR"
            ),
            collections=[_collection(debit) for debit in debits],
            collect_on=collect_on,
            message_id=message_id,
        )
    except ValueError as problem:
        raise NotPossible(str(problem)) from None
    made = DebitFile.objects.create(
        operator=operator, message_id=message_id, collect_on=collect_on, made_at=at, by_id=by_id,
        xml=xml,
    )  # fmt: skip
    for debit in debits:
        debit.file = made
    Debit.objects.bulk_create(debits)
    record(
        at=at, by_id=by_id, operator_id=operator_id, action="direct debits made",
        subject=message_id, after={"debits": len(debits), "collect_on": str(collect_on)},
    )  # fmt: skip
    return made


def _to_collect(operator_id: int, day: dt.date) -> list[tuple[queries.Balanced, Mandate]]:
    mandates = {
        mandate.customer_id: mandate
        for mandate in Mandate.objects.filter(operator_id=operator_id, revoked_on__isnull=True)
    }
    documents = (
        queries.with_balance(
            Invoice.objects.filter(
                operator_id=operator_id, status=Invoice.Status.ISSUED, due_on__lte=day,
                customer_id__in=mandates, currency="EUR",
            ).exclude(document_type=Invoice.Type.SELF_BILLED)
        )
        .filter(due_amount__gt=Decimal(0))
        .exclude(debits__in=Debit.objects.filter(returned_at__isnull=True))
        .order_by("due_on", "pk")
    )  # fmt: skip
    return [(document, mandates[document.customer_id]) for document in documents]


def _attempt(document: queries.Balanced) -> str:
    before = Debit.objects.filter(invoice_id=document.pk).count()
    return document.number if not before else f"{document.number}/{before + 1}"


def _collection(debit: Debit) -> bank.Collection:
    mandate = debit.mandate
    return bank.Collection(
        name=mandate.account_name, iban=mandate.iban, bic=mandate.bic, amount=debit.amount,
        mandate=mandate.reference, signed_on=mandate.signed_on,
        is_first=not mandate.debits.exists(), end_to_end_id=debit.end_to_end_id,
        text=debit.invoice.number,
    )  # fmt: skip


@transaction.atomic(durable=True)
def make_reminders(*, operator_id: int, at: dt.datetime) -> list[int]:
    """
    Make the reminders that are due: for each document the highest level its age has reached and
    that was not sent, of what is open and undisputed. Return their keys. Direct debits under
    way are not reminded of.
    """
    operator = Stakeholder.objects.get(pk=operator_id)
    today = at.astimezone(zoneinfo.ZoneInfo(operator.timezone)).date()
    levels = list(DunningLevel.objects.filter(operator=operator).order_by("-level"))
    if not levels:
        return []
    overdue = (
        queries.with_balance(
            Invoice.objects.filter(
                operator=operator, status=Invoice.Status.ISSUED, due_on__lt=today
            ).exclude(document_type=Invoice.Type.SELF_BILLED)
        )
        .filter(due_amount__gt=Decimal(0))
        .exclude(debits__in=Debit.objects.filter(returned_at__isnull=True))
        .select_related("customer")
        .select_for_update(of=("self",))
        .order_by("pk")
    )
    documents = list(overdue)
    sent = dict(
        Reminder.objects.filter(invoice_id__in=[document.pk for document in documents])
        .values_list("invoice_id")
        .annotate(highest=Max("level"))
    )
    made = [
        reminder
        for document in documents
        if (reminder := _reminder(document, levels, sent.get(document.pk, 0), today, at))
    ]
    Reminder.objects.bulk_create(made)
    return [reminder.pk for reminder in made]


def _reminder(
    document: queries.Balanced,
    levels: Sequence[DunningLevel],
    sent: int,
    today: dt.date,
    at: dt.datetime,
) -> Reminder | None:
    if document.due_on is None:
        return None
    late = (today - document.due_on).days
    reached = next((level for level in levels if late >= level.days_after_due), None)
    if reached is None or reached.level <= sent:
        return None
    amount: Decimal = document.due_amount
    language = document.customer.language[:2]
    text = reached.texts.get(language) or reached.texts.get("en", "")
    filled = (
        text.replace("{number}", document.number)
        .replace("{amount}", f"{amount} {document.currency}")
        .replace("{due}", document.due_on.isoformat())
    )
    return Reminder(
        invoice=document, level=reached.level, made_at=at, open_amount=amount, fee=reached.fee,
        text=filled,
    )  # fmt: skip


@transaction.atomic(durable=True)
def reminder_to_send(*, reminder_id: int, at: dt.datetime) -> Reminder | None:
    """
    Return a reminder that was not sent yet and mark it as sent; None where it was.
    """
    row = (
        Reminder.objects.select_for_update(of=("self",))
        .select_related("invoice__customer", "invoice__operator")
        .filter(pk=reminder_id, sent_at__isnull=True)
        .first()
    )
    if row is not None:
        row.sent_at = at
        row.save(update_fields=["sent_at"])
    return row


@transaction.atomic(durable=True)
def add_mandate(
    *, operator_id: int, customer_id: int, reference: str, signed_on: dt.date, account_name: str,
    iban: str, bic: str, at: dt.datetime, by_id: int | None,
) -> Mandate:  # fmt: skip
    """
    Note a customer's consent to direct debits; one that was in force ends the same day.
    """
    Mandate.objects.filter(customer_id=customer_id, revoked_on__isnull=True).update(
        revoked_on=signed_on
    )
    row = Mandate.objects.create(
        operator_id=operator_id, customer_id=customer_id, reference=reference,
        signed_on=signed_on, account_name=account_name, iban=iban, bic=bic,
    )  # fmt: skip
    record(
        at=at, by_id=by_id, operator_id=operator_id, action="mandate added", subject=reference,
        after={"customer": customer_id, "iban": iban[-4:]},
    )  # fmt: skip
    return row


@transaction.atomic(durable=True)
def set_dunning(
    *, operator_id: int, level: int, days_after_due: int, fee: Decimal, texts: dict[str, str],
    at: dt.datetime, by_id: int | None,
) -> None:  # fmt: skip
    """
    Set one step of the operator's reminders.
    """
    DunningLevel.objects.update_or_create(
        operator_id=operator_id, level=level,
        defaults={"days_after_due": days_after_due, "fee": fee, "texts": texts},
    )  # fmt: skip
    record(
        at=at, by_id=by_id, operator_id=operator_id, action="reminder level set",
        subject=str(level), after={"days_after_due": days_after_due, "fee": str(fee)},
    )  # fmt: skip
