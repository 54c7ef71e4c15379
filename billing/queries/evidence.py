"""
The bytes an issued document is hashed over, and whether it can be recomputed.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Iterator, Sequence

from billing.domain import rating, reindexing
from billing.models import Invoice, InvoiceLine, LineEvidence
from billing.queries.qualified import ledger_lines
from sites.domain import Period
from telemetry import queries as metering

# More would bury the first, which is where to look.
_NAMED = 5


WrittenLine = tuple[InvoiceLine, Sequence[LineEvidence]]


def canonical_document(*, invoice: Invoice, lines: Iterable[WrittenLine] | None = None) -> bytes:
    """
    Return the bytes that the hash of an issued invoice is taken over: its number, dates, totals
    and lines with the digests of their readings, behind the hash of the document before it.

    :param lines: the document's lines with their evidence in order, read anew if not given
    """
    previous = bytes(invoice.previous_hash).hex() if invoice.previous_hash else ""
    head = [
        previous, invoice.number, str(invoice.issued_on), str(invoice.due_on), invoice.currency,
        f"{invoice.net:.2f}", f"{invoice.vat:.2f}", f"{invoice.gross:.2f}", invoice.document_type,
        bytes(invoice.inputs_sha256).hex(),
    ]  # fmt: skip
    rows = ["|".join(head)]
    for line, evidence in _stored_lines(invoice) if lines is None else lines:
        digests = ",".join(bytes(kept.readings_sha256).hex() for kept in evidence)
        rows.append(
            f"{line.position}|{line.charge}|{line.quantity:.3f}|{line.unit}|{line.unit_price:.6f}"
            f"|{line.net:.2f}|{line.vat_rate:.2f}|{digests}"
        )
    return "\n".join(rows).encode()


def _stored_lines(invoice: Invoice) -> Iterator[WrittenLine]:
    for line in invoice.lines.order_by("position").prefetch_related("evidence"):
        yield line, list(line.evidence.all())


def differences(*, invoice: Invoice) -> Iterator[str]:
    """
    Recompute an issued invoice from the readings and yield, in words, what is not as stored.
    """
    for line in invoice.lines.order_by("position").prefetch_related("evidence"):
        for kept in line.evidence.all():
            period = Period(kept.instants.lower, kept.instants.upper)
            try:
                found = metering.delivered_energy(
                    point_id=_point_of(kept.channel_id), period=period
                )
            except metering.ReadingMissing as missing:
                yield f"line {line.position}: no readings from {missing.args[0].isoformat()}"
                continue
            except metering.LossesNotAgreed as problem:
                yield f"line {line.position}: {problem}"
                continue
            stored = {
                "opening register": (kept.opening, found.opening),
                "closing register": (kept.closing, found.closing),
                "energy in kWh": (kept.energy_kwh, found.energy_kwh),
                "count of readings": (kept.reading_count, found.reading_count),
                "digest of readings": (
                    bytes(kept.readings_sha256).hex(),
                    found.readings_sha256.hex(),
                ),
            }
            for name, (was, now) in stored.items():
                if was != now:
                    yield f"line {line.position}: {name} is {now}, on the invoice {was}"
            if found.readings_sha256 != bytes(kept.readings_sha256):
                yield from _readings(line.position, kept, period)
    yield from _ledgers(invoice)
    yield from _rated_again(invoice)
    digest = hashlib.sha256(canonical_document(invoice=invoice)).digest()
    if digest != bytes(invoice.document_hash or b""):
        yield "the document differs from its hash"


def _readings(position: int, kept: LineEvidence, period: Period) -> Iterator[str]:
    """
    Name the first readings that are not as they were billed.
    """
    changed = metering.changed_readings(
        channel_id=kept.channel_id, period=period, fingerprints=bytes(kept.fingerprints)
    )
    for n, (at, how) in enumerate(changed):
        if n == _NAMED:
            yield f"line {position}: and further readings"
            return
        where = "before " if how == "missing" else "at "
        yield f"line {position}: reading {where}{at.astimezone(dt.UTC).isoformat()} {how}"


def _ledgers(invoice: Invoice) -> Iterator[str]:
    """
    Compare the entries of the heat ledger that a document was made from with their digest.
    """
    for stored in invoice.inputs:
        lines = ledger_lines(stored.get("ledger", {}))
        if (
            lines is not None
            and hashlib.sha256(lines.encode()).hexdigest() != stored["ledger"]["sha256"]
        ):
            yield f"the heat ledger from {stored['instants'][0]} differs from its digest"


def _rated_again(invoice: Invoice) -> Iterator[str]:
    """
    Rate a document anew from what is kept with it; a correction shows only what changed.
    """
    if hashlib.sha256(rating.canonical(invoice.inputs)).digest() != bytes(invoice.inputs_sha256):
        yield "what the document was rated from differs from its digest"
    for stored in invoice.inputs:
        yield from reindexing.differences(stored)
    rated = {
        (line.charge, line.quantity, line.unit_price, line.net)
        for line in rating.rate(rating.stretch(stored) for stored in invoice.inputs)
    }
    for line in invoice.lines.filter(reverses__isnull=True).order_by("position"):
        if (line.charge, line.quantity, line.unit_price, line.net) not in rated:
            yield f"line {line.position}: {line.charge} is not what its inputs are rated at"


def _point_of(channel_id: int) -> int:
    return metering.point_of_channel(channel_id=channel_id)
