"""
Which document a payment is for: a pure function over what the bank and the payer said.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Owed:
    """
    A document with an amount open.
    """

    invoice_id: int
    number: str
    open_amount: Decimal
    # The customer's accounts that are known.
    ibans: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Paid:
    """
    A payment with what of it is not allocated yet.
    """

    amount: Decimal
    end_to_end_id: str = ""
    remittance: str = ""
    iban: str = ""


@dataclass(frozen=True, slots=True)
class Share:
    """
    A part of a payment for a document and how it was found.
    """

    invoice_id: int
    amount: Decimal
    how: str


def match(paid: Paid, owed: Sequence[Owed]) -> list[Share]:
    """
    Return how a payment is to be shared, in this order of trust: the end-to-end id of our direct
    debit; document numbers in what the payer wrote, oldest first; the customer's account together
    with an amount that exactly one of their documents has. Nothing where a person has to look.
    What is paid beyond the documents found stays with the payment.
    """
    by_id = [o for o in owed if paid.end_to_end_id and _is_attempt(paid.end_to_end_id, o.number)]
    if len(by_id) == 1:
        return _shared(paid.amount, by_id, "end_to_end_id")
    written = _plain(paid.remittance)
    named = [o for o in owed if o.number and _names(written, o.number)]
    if named:
        return _shared(paid.amount, named, "number")
    theirs = [
        o for o in owed if paid.iban and paid.iban in o.ibans and o.open_amount == paid.amount
    ]
    if len(theirs) == 1:
        return _shared(paid.amount, theirs, "account_and_amount")
    return []


def _is_attempt(end_to_end_id: str, number: str) -> bool:
    return re.fullmatch(re.escape(number) + r"(/\d+)?", end_to_end_id) is not None


def _plain(text: str) -> str:
    # Banks break lines anywhere, and payers leave out dashes.
    return re.sub(r"[^0-9A-Z]", "", text.upper())


def _names(written: str, number: str) -> bool:
    # A longer number must not be taken for a shorter one it begins with.
    return re.search(re.escape(_plain(number)) + r"(?!\d)", written) is not None


def _shared(amount: Decimal, owed: Sequence[Owed], how: str) -> list[Share]:
    left = amount
    shares = []
    for document in owed:
        part = min(left, document.open_amount)
        if part > 0:
            shares.append(Share(document.invoice_id, part, how))
            left -= part
    return shares
