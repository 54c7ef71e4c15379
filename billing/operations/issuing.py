"""
Issuing: a document gets its number and is frozen.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import zoneinfo
from collections.abc import Iterable

from billing import queries
from billing.models import Contract, Invoice, NumberSeries
from sites.operations import announce, record

_PREFIXES = {
    Invoice.Type.INVOICE: "INV",
    Invoice.Type.CREDIT_NOTE: "CN",
    Invoice.Type.SELF_BILLED: "SB",
}


_GIVEN = [
    "series", "sequence", "number", "issued_on", "issued_at", "due_on", "previous_hash",
    "document_hash", "status",
]  # fmt: skip


def issue(
    invoice: Invoice, contract: Contract, at: dt.datetime, by_id: int | None,
    *, lines: Iterable[queries.WrittenLine] | None = None,
) -> None:  # fmt: skip
    """
    Give a stored draft its number, dates and hash, within the caller's transaction. Who has just
    written the lines gives them along.
    """
    # The year of the number is the seller's local one, which differs from UTC's around New Year.
    issued_on = at.astimezone(zoneinfo.ZoneInfo(contract.operator.timezone)).date()
    kind = Invoice.Type(invoice.document_type)
    # A counter row, not MAX()+1: a rolled-back invoice gives its number back, so there are no
    # holes. Taken last, since everybody shares this lock.
    series, _ = NumberSeries.objects.select_for_update().get_or_create(
        operator=contract.operator, document_type=kind, year=issued_on.year,
        defaults={"prefix": _PREFIXES[kind]},
    )  # fmt: skip
    series.last_number += 1
    invoice.series = series
    invoice.sequence = series.last_number
    invoice.number = f"{series.prefix}-{series.year}-{series.last_number:06d}"
    invoice.issued_on = issued_on
    invoice.issued_at = at
    invoice.due_on = issued_on + dt.timedelta(days=contract.payment_days)
    invoice.previous_hash = series.last_hash
    invoice.document_hash = hashlib.sha256(
        queries.canonical_document(invoice=invoice, lines=lines)
    ).digest()
    invoice.status = Invoice.Status.ISSUED
    invoice.save(update_fields=_GIVEN)
    series.last_hash = invoice.document_hash
    series.save(update_fields=["last_number", "last_hash"])
    announce(
        operator_id=contract.operator_id, event="invoice.issued", subject=invoice.number, at=at,
        payload={"type": kind.value, "customer": contract.customer_id,
                 "contract": contract.reference, "gross": str(invoice.gross),
                 "currency": invoice.currency},
    )  # fmt: skip
    record(
        at=at, by_id=by_id, operator_id=contract.operator_id, action=f"{kind.label} issued".lower(),
        subject=invoice.number,
        after={"contract": contract.reference, "gross": str(invoice.gross),
               "document_hash": invoice.document_hash.hex()},
    )  # fmt: skip
