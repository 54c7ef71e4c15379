"""
Double-entry postings of documents and payments. Every document balances to the cent.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from billing.domain.money import to_cents


class AccountMissing(Exception):
    """
    A kind of revenue has no account yet; the message says which.
    """


class RevenueKey(NamedTuple):
    """
    What decides the account of a line: its price model, and VAT category and rate in per cent.
    """

    model: str
    vat_category: str
    vat_rate: Decimal


class Target(NamedTuple):
    """
    The account of one kind of revenue and, where the account does not tell by itself, the tax
    key of the bookkeeping program.
    """

    account: str
    tax_key: str


@dataclass(frozen=True, slots=True)
class Accounts:
    """
    The accounts of an operator's books. Customers have one account each from `debtors_from` on,
    or share `receivables` where that is None.
    """

    receivables: str
    payables: str
    bank: str
    vat: str
    input_vat: str
    debtors_from: int | None
    revenue: Mapping[RevenueKey, Target]

    def of_customer(self, customer_id: int) -> str:
        """
        Return the account of a customer.
        """
        if self.debtors_from is None:
            return self.receivables
        return str(self.debtors_from + customer_id)


@dataclass(frozen=True, slots=True)
class DocumentSum:
    """
    What a document says of one kind of revenue, net, in its currency.
    """

    key: RevenueKey
    net: Decimal


@dataclass(frozen=True, slots=True)
class Document:
    """
    An issued document; `vat` by category and rate, as printed on it. Self-billed: the operator
    owes the customer.
    """

    number: str
    day: dt.date
    customer_id: int
    customer: str
    currency: str
    self_billed: bool
    sums: Sequence[DocumentSum]
    vat: Mapping[tuple[str, Decimal], Decimal]


@dataclass(frozen=True, slots=True)
class Payment:
    """
    The part of a movement on the bank account that settled a document; below zero it was sent
    back.
    """

    reference: str
    day: dt.date
    customer_id: int
    customer: str
    currency: str
    number: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Posting:
    """
    One line of the journal: `amount` on `account`, above zero on the debit side.
    """

    day: dt.date
    document: str
    account: str
    text: str
    currency: str
    amount: Decimal
    tax_key: str = ""

    @property
    def debit(self) -> Decimal | None:
        return self.amount if self.amount > 0 else None

    @property
    def credit(self) -> Decimal | None:
        return -self.amount if self.amount < 0 else None


@dataclass(frozen=True, slots=True)
class GrossEntry:
    """
    One booking in the manner of programs that work the tax out themselves: gross on `account`
    against `contra`.
    """

    day: dt.date
    document: str
    account: str
    contra: str
    tax_key: str
    text: str
    currency: str
    amount: Decimal


def _with_tax(document: Document) -> list[tuple[RevenueKey, Decimal, Decimal]]:
    """
    Share the tax of each rate over the kinds of revenue under it, the largest taking the cent
    that is left over, so that the parts add up to what the document says.
    """
    found: list[tuple[RevenueKey, Decimal, Decimal]] = []
    for (category, rate), tax in sorted(document.vat.items()):
        under = [
            part for part in document.sums if (part.key.vat_category, part.key.vat_rate)
            == (category, rate)
        ]  # fmt: skip
        under.sort(key=lambda part: (abs(part.net), part.key.model))
        left = tax
        for part in under[:-1]:
            own = to_cents(part.net * rate / 100)
            left -= own
            found.append((part.key, part.net, own))
        if under:
            found.append((under[-1].key, under[-1].net, left))
    return found


def _target(accounts: Accounts, key: RevenueKey) -> Target:
    try:
        return accounts.revenue[key]
    except KeyError:
        raise AccountMissing(
            f"There is no account for {key.model} at {key.vat_rate.normalize():f} % VAT "
            f"({key.vat_category})."
        ) from None


def postings_of_document(document: Document, accounts: Accounts) -> list[Posting]:
    """
    Return the balanced postings of a document: what the customer owes, what was earned, and tax.

    :raises AccountMissing: if a kind of revenue has no account
    """
    sign = -1 if document.self_billed else 1

    def posting(account: str, amount: Decimal, tax_key: str = "") -> Posting:
        return Posting(
            document.day, document.number, account, document.customer, document.currency, amount,
            tax_key,
        )  # fmt: skip

    rows: list[Posting] = []
    for key, net, tax in _with_tax(document):
        target = _target(accounts, key)
        rows.append(posting(target.account, -sign * net, target.tax_key))
        rows.append(posting(accounts.input_vat if sign < 0 else accounts.vat, -sign * tax))
    other = accounts.payables if sign < 0 else accounts.of_customer(document.customer_id)
    gross = -sum((row.amount for row in rows), Decimal(0))
    return [posting(other, gross), *(row for row in rows if row.amount)]


def postings_of_payment(payment: Payment, accounts: Accounts) -> list[Posting]:
    """
    Return the two postings of a payment.
    """
    customer = accounts.of_customer(payment.customer_id)
    return [
        Posting(payment.day, payment.reference, account,
                f"{payment.customer}, {payment.number}", payment.currency, amount)
        for account, amount in ((accounts.bank, payment.amount), (customer, -payment.amount))
    ]  # fmt: skip


def entries_of_document(document: Document, accounts: Accounts) -> list[GrossEntry]:
    """
    Return a document as gross bookings, one for each kind of revenue.

    :raises AccountMissing: if a kind of revenue has no account
    """
    rows = []
    for key, net, tax in _with_tax(document):
        target = _target(accounts, key)
        customer = accounts.of_customer(document.customer_id)
        account, contra = (
            (target.account, accounts.payables)
            if document.self_billed
            else (customer, target.account)
        )
        rows.append(
            GrossEntry(
                document.day, document.number, account, contra, target.tax_key, document.customer,
                document.currency, net + tax,
            )
        )  # fmt: skip
    return [row for row in rows if row.amount]


def entries_of_payment(payment: Payment, accounts: Accounts) -> list[GrossEntry]:
    """
    Return a payment as one booking.
    """
    return [
        GrossEntry(
            payment.day, payment.number, accounts.bank, accounts.of_customer(payment.customer_id),
            "", payment.customer, payment.currency, payment.amount,
        )
    ]  # fmt: skip
