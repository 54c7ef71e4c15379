"""
Payments and what they settle.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal

from django.db import IntegrityError, transaction

from billing import queries
from billing.domain import matching
from billing.formats import bank
from billing.models import Allocation, BankEntry, Debit, Invoice
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
