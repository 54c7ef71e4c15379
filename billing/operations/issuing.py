"""
Issuing: a document gets its number and is frozen.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import zoneinfo
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection

from billing import queries
from billing.models import Contract, Invoice, NumberSeries
from sites.operations import announce_all, record_all

_PREFIXES = {
    Invoice.Type.INVOICE: "INV",
    Invoice.Type.CREDIT_NOTE: "CN",
    Invoice.Type.SELF_BILLED: "SB",
}


@dataclass(frozen=True, slots=True)
class Document:
    """
    A stored draft with its contract. Who has just written its lines gives them along; None: they
    are read.
    """

    contract: Contract
    invoice: Invoice
    lines: Sequence[queries.WrittenLine] | None = None


def issue(invoice: Invoice, contract: Contract, at: dt.datetime, by_id: int | None) -> None:
    """
    Give a stored draft its number, dates and hash, within the caller's transaction.
    """
    issue_all([Document(contract, invoice)], at=at, by_id=by_id)


def issue_all(documents: Sequence[Document], *, at: dt.datetime, by_id: int | None) -> None:
    """
    Give stored drafts their numbers, dates and hashes in their order, within the caller's
    transaction.
    """
    series: defaultdict[tuple[int, str, int], list[Document]] = defaultdict(list)
    for document in documents:
        # The year of the number is the seller's local one, which differs from UTC's around New
        # Year.
        zone = zoneinfo.ZoneInfo(document.contract.operator.timezone)
        document.invoice.issued_on = at.astimezone(zone).date()
        kind, year = document.invoice.document_type, document.invoice.issued_on.year
        series[document.contract.operator_id, kind, year].append(document)
    # Always in one order, so that two workers never wait for each other.
    for operator_id, kind, year in sorted(series):
        _issue_in_series(operator_id, kind, year, series[operator_id, kind, year], at, by_id)


def _issue_in_series(
    operator_id: int, document_type: str, year: int, documents: Sequence[Document],
    at: dt.datetime, by_id: int | None,
) -> None:  # fmt: skip
    kind = Invoice.Type(document_type)
    # A counter row, not MAX()+1: rolled-back invoices give their numbers back, so there are no
    # holes. Taken last, since everybody shares this lock.
    series, _ = NumberSeries.objects.select_for_update().get_or_create(
        operator_id=operator_id, document_type=kind, year=year,
        defaults={"prefix": _PREFIXES[kind]},
    )  # fmt: skip
    for document in documents:
        _number(document, series, at)
    _save([document.invoice for document in documents])
    series.save(update_fields=["last_number", "last_hash"])
    announce_all(
        operator_id=operator_id, event="invoice.issued", at=at,
        told={
            d.invoice.number: {
                "type": kind.value, "customer": d.contract.customer_id,
                "contract": d.contract.reference, "gross": str(d.invoice.gross),
                "currency": d.invoice.currency,
            }
            for d in documents
        },
    )  # fmt: skip
    record_all(
        at=at, by_id=by_id, operator_id=operator_id, action=f"{kind.label} issued".lower(),
        after={
            d.invoice.number: {
                "contract": d.contract.reference, "gross": str(d.invoice.gross),
                "document_hash": bytes(d.invoice.document_hash or b"").hex(),
            }
            for d in documents
        },
    )  # fmt: skip


def _number(document: Document, series: NumberSeries, at: dt.datetime) -> None:
    invoice = document.invoice
    if invoice.issued_on is None:
        raise ValueError("An invoice has its date before its number.")
    series.last_number += 1
    invoice.series = series
    invoice.sequence = series.last_number
    invoice.number = f"{series.prefix}-{series.year}-{series.last_number:06d}"
    invoice.issued_at = at
    invoice.due_on = invoice.issued_on + dt.timedelta(days=document.contract.payment_days)
    invoice.previous_hash = bytes(series.last_hash) if series.last_hash else None
    invoice.document_hash = hashlib.sha256(
        queries.canonical_document(invoice=invoice, lines=document.lines)
    ).digest()
    invoice.status = Invoice.Status.ISSUED
    series.last_hash = invoice.document_hash


def _save(invoices: Sequence[Invoice]) -> None:
    """
    Write what issuing gave, in one statement for all.
    """
    given = {
        name: [getattr(invoice, name) for invoice in invoices]
        for name in ("pk", "series_id", "sequence", "number", "issued_on", "issued_at", "due_on",
                     "previous_hash", "document_hash")
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_ISSUE, given)
        if cursor.rowcount != len(invoices):
            raise RuntimeError("Somebody else has issued one of these drafts.")


_ISSUE = """
UPDATE billing_invoice i SET
  status = 'issued', series_id = g.series_id, sequence = g.sequence, number = g.number,
  issued_on = g.issued_on, issued_at = g.issued_at, due_on = g.due_on,
  previous_hash = g.previous_hash, document_hash = g.document_hash
FROM unnest(
  %(pk)s::bigint[], %(series_id)s::bigint[], %(sequence)s::bigint[], %(number)s::text[],
  %(issued_on)s::date[], %(issued_at)s::timestamptz[], %(due_on)s::date[],
  %(previous_hash)s::bytea[], %(document_hash)s::bytea[]
) AS g(id, series_id, sequence, number, issued_on, issued_at, due_on, previous_hash, document_hash)
WHERE i.id = g.id AND i.status = 'draft'
"""
