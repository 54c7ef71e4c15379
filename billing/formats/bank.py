"""
Files from and for the bank: statements (camt.053) in, direct debits (pain.008) out.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from lxml import etree
from sepaxml import SepaDD


class NotReadable(Exception):
    """
    The file is no bank statement that is understood; the message says what is wrong.
    """


@dataclass(frozen=True, slots=True)
class StatementEntry:
    """
    One movement of a statement; money that went out is negative. Times are the bank's days.
    """

    account: str
    reference: str
    booked_on: dt.date
    amount: Decimal
    currency: str
    end_to_end_id: str
    remittance: str
    counterparty: str
    counterparty_iban: str
    return_reason: str


def statement_entries(xml: bytes) -> list[StatementEntry]:
    """
    Return the booked movements of a camt.053 statement, of any version. An entry with several
    transactions gives one movement each; one without the bank's reference gets a digest of its
    own text for it, so that the same file read again changes nothing.

    :raises NotReadable: if it is not XML, not a statement, or an entry has no amount or day
    """
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False)
    try:
        root = etree.fromstring(xml, parser=parser)
    except etree.XMLSyntaxError as problem:
        raise NotReadable(f"Not readable as XML: {problem}.") from None
    statements = root.findall(".//{*}BkToCstmrStmt/{*}Stmt")
    if not statements:
        raise NotReadable("The file has no statement in it (camt.053).")
    found: list[StatementEntry] = []
    for statement in statements:
        account = _text(statement, "Acct/Id/IBAN") or _text(statement, "Acct/Id/Othr/Id")
        for number, entry in enumerate(statement.findall("{*}Ntry"), start=1):
            if _text(entry, "Sts") in {"BOOK", ""} or _text(entry, "Sts/Cd") == "BOOK":
                found.extend(_entries(entry, account, number))
    return found


def _path(path: str) -> str:
    return "/".join(f"{{*}}{step}" for step in path.split("/"))


def _text(node: etree._Element, path: str) -> str:
    return (node.findtext(_path(path)) or "").strip()


def _entries(entry: etree._Element, account: str, number: int) -> Iterator[StatementEntry]:
    details = entry.findall(_path("NtryDtls/TxDtls"))
    reference = _text(entry, "AcctSvcrRef")
    if not reference:
        reference = hashlib.sha256(etree.tostring(entry, method="c14n")).hexdigest()[:40]
    if len(details) <= 1:
        yield _movement(entry, details[0] if details else entry, account, reference, number)
        return
    for n, detail in enumerate(details, start=1):
        own = _text(detail, "Refs/AcctSvcrRef") or f"{reference}/{n}"
        yield _movement(entry, detail, account, own, number)


def _movement(
    entry: etree._Element, detail: etree._Element, account: str, reference: str, number: int
) -> StatementEntry:
    amount = detail.find(_path("Amt"))
    if amount is None:
        amount = detail.find(_path("AmtDtls/TxAmt/Amt"))
    if amount is None:
        amount = entry.find(_path("Amt"))
    day = _text(entry, "BookgDt/Dt") or _text(entry, "BookgDt/DtTm")[:10]
    try:
        figure = Decimal((amount.text or "") if amount is not None else "")
        booked_on = dt.date.fromisoformat(day)
    except (InvalidOperation, ValueError):
        raise NotReadable(f"Entry {number} has no amount or no booking day.") from None
    side = _text(detail, "CdtDbtInd") or _text(entry, "CdtDbtInd")
    is_out = side == "DBIT"
    party = "Cdtr" if is_out else "Dbtr"
    return StatementEntry(
        account=account,
        reference=reference[:80],
        booked_on=booked_on,
        amount=-figure if is_out else figure,
        currency=amount.get("Ccy", "") if amount is not None else "",
        end_to_end_id=_text(detail, "Refs/EndToEndId").replace("NOTPROVIDED", ""),
        remittance=_remittance(detail),
        counterparty=_text(detail, f"RltdPties/{party}/Nm")
        or _text(detail, f"RltdPties/{party}/Pty/Nm"),
        counterparty_iban=_text(detail, f"RltdPties/{party}Acct/Id/IBAN"),
        return_reason=_text(detail, "RtrInf/Rsn/Cd"),
    )


def _remittance(detail: etree._Element) -> str:
    said = [node.text or "" for node in detail.findall(_path("RmtInf/Ustrd"))]
    said += [node.text or "" for node in detail.findall(_path("RmtInf/Strd/CdtrRefInf/Ref"))]
    said += [node.text or "" for node in detail.findall(_path("RmtInf/Strd/RfrdDocInf/Nb"))]
    return " ".join(text.strip() for text in said if text.strip())


@dataclass(frozen=True, slots=True)
class Creditor:
    """
    Whose account the debits are for.
    """

    name: str
    iban: str
    bic: str
    creditor_id: str
    currency: str


@dataclass(frozen=True, slots=True)
class Collection:
    """
    One debit: whose account, by which mandate, how much and what for.
    """

    name: str
    iban: str
    bic: str
    amount: Decimal
    mandate: str
    signed_on: dt.date
    is_first: bool
    end_to_end_id: str
    text: str


def debit_file(
    *, creditor: Creditor, collections: Sequence[Collection], collect_on: dt.date, message_id: str
) -> bytes:
    """
    Return the pain.008.001.08 file of some direct debits (SEPA core).

    :raises ValueError: if the creditor has no account or creditor identifier
    """
    if not (creditor.iban and creditor.creditor_id):
        raise ValueError("Direct debits need your IBAN and creditor identifier.")
    config = {
        "name": creditor.name, "IBAN": creditor.iban, "batch": True,
        "creditor_id": creditor.creditor_id, "currency": creditor.currency,
    }  # fmt: skip
    if creditor.bic:
        config["BIC"] = creditor.bic
    made = SepaDD(config, schema="pain.008.001.08", clean=True)
    # Its own would be another at each call; ours is the key of the file's row.
    made.msg_id = message_id
    for item in collections:
        payment = {
            "name": item.name, "IBAN": item.iban, "amount": int(item.amount * 100),
            "type": "FRST" if item.is_first else "RCUR", "collection_date": collect_on,
            "mandate_id": item.mandate, "mandate_date": item.signed_on,
            "description": item.text, "endtoend_id": item.end_to_end_id,
        }  # fmt: skip
        if item.bic:
            payment["BIC"] = item.bic
        made.add_payment(payment)
    return bytes(made.export(validate=True))
