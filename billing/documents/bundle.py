"""
The evidence of an issued document in one file: figures, inputs, readings, and the means to check
them without us.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from billing import queries
from billing.documents import verify
from billing.models import Invoice, InvoiceLine
from sites.domain import Period
from telemetry import queries as metering

# The price arithmetic: needs nothing but Python, so it can go along.
_ARITHMETIC = (
    "billing/domain",
    "telemetry/domain/availability.py",
    "telemetry/domain/kpi.py",
    "telemetry/domain/service_levels.py",
    "telemetry/domain/shares.py",
    "telemetry/domain/spans.py",
    "telemetry/domain/supply.py",
)
_PACKAGES = ("billing", "telemetry", "telemetry/domain")

_READ_ME = """\
Evidence of {number}

document.json   the figures of the document, what it was rated from, and digests
lines.csv       the lines of the document, for a spreadsheet
readings/       the meter readings behind each line: channel|instant (UTC)|value;
                the same as .csv for a spreadsheet
ledger/         where only heat that counts is billed, each quarter-hour of it:
                instant (UTC)|kWh metered|kWh that count|why not
verify.py       checks all of it: python verify.py (Python 3.11 or newer, nothing else)
billing/, telemetry/   the price arithmetic that verify.py uses

The digest of readings, and of a ledger, is SHA-256 over the file as it is. The hash of the document
covers its figures, its lines and inputs with these digests, and the hash of the document before it.
"""


def evidence_bundle(*, invoice: Invoice) -> bytes:
    """
    Return a ZIP file with the evidence of an issued document; the same evidence gives the same
    file. Readings are those stored now, so a changed one shows when the bundle is checked; the
    heat ledger is that of then.

    :raises ValueError: if the document is not issued
    """
    if invoice.issued_at is None:
        raise ValueError("Only an issued document has evidence.")
    files: dict[str, str] = {}
    document = _document(invoice, files)
    for n, stored in enumerate(invoice.inputs):
        lines = queries.ledger_lines(stored.get("ledger", {}))
        if lines is not None:
            files[verify.ledger_file(n)] = lines
    packed = io.BytesIO()
    issued = invoice.issued_at.astimezone(dt.UTC).timetuple()[:6]
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as bundle:

        def add(name: str, text: str) -> None:
            # With the time of the document, not that of now.
            entry = zipfile.ZipInfo(name, issued)
            entry.external_attr = 0o644 << 16
            bundle.writestr(entry, text, zipfile.ZIP_DEFLATED)

        add("README.txt", _READ_ME.format(number=invoice.number))
        add("document.json", json.dumps(document, indent=1, sort_keys=True))
        add("lines.csv", _lines_csv(document["lines"]))
        for name, text in files.items():
            add(name, text)
            if name.startswith("readings/"):
                add(f"{name.removesuffix('.txt')}.csv", _readings_csv(text))
        add("verify.py", Path(verify.__file__).read_text())
        for name, text in _arithmetic():
            add(name, text)
    return packed.getvalue()


def bundle_differences(packed: bytes) -> Iterator[str]:
    """
    Yield what does not agree in a bundle, without a database.
    """
    with zipfile.ZipFile(io.BytesIO(packed)) as bundle:
        yield from verify.differences(bundle.read)


def _lines_csv(lines: Sequence[dict[str, Any]]) -> str:
    names = ("position", "charge", "description", "quantity", "unit", "unit_price", "net",
             "vat_category", "vat_rate")  # fmt: skip
    table = io.StringIO()
    writer = csv.DictWriter(table, names, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return table.getvalue()


def _readings_csv(canonical: str) -> str:
    """
    Return canonical readings as a table; neither key, instant nor value holds a comma.
    """
    return "channel,instant_utc,value\n" + canonical.replace("|", ",")


def _arithmetic() -> Iterator[tuple[str, str]]:
    root = Path(verify.__file__).parents[2]
    for package in _PACKAGES:
        yield f"{package}/__init__.py", ""
    for place in _ARITHMETIC:
        path = root / place
        for source in sorted(path.glob("*.py")) if path.is_dir() else [path]:
            yield source.relative_to(root).as_posix(), source.read_text()


def _document(invoice: Invoice, files: dict[str, str]) -> dict[str, Any]:
    return {
        "number": invoice.number,
        "document_type": invoice.document_type,
        "issued_on": str(invoice.issued_on),
        "due_on": str(invoice.due_on),
        "currency": invoice.currency,
        "net": f"{invoice.net:.2f}",
        "vat": f"{invoice.vat:.2f}",
        "gross": f"{invoice.gross:.2f}",
        "seller": invoice.seller,
        "buyer": invoice.buyer,
        "contract": invoice.contract.reference,
        "inputs": invoice.inputs,
        "inputs_sha256": bytes(invoice.inputs_sha256).hex(),
        "previous_hash": bytes(invoice.previous_hash or b"").hex(),
        "document_hash": bytes(invoice.document_hash or b"").hex(),
        "lines": [
            _line(line, files)
            for line in invoice.lines.order_by("position").prefetch_related("evidence")
        ],
        "vat_lines": [
            {
                "category": vat.category, "rate": f"{vat.rate:.2f}", "base": f"{vat.base:.2f}",
                "tax": f"{vat.tax:.2f}",
            }
            for vat in invoice.vat_lines.order_by("category", "rate")
        ],
    }  # fmt: skip


def _line(line: InvoiceLine, files: dict[str, str]) -> dict[str, Any]:
    return {
        "position": line.position,
        "charge": line.charge,
        "description": line.description,
        "quantity": f"{line.quantity:.3f}",
        "unit": line.unit,
        "unit_price": f"{line.unit_price:.6f}",
        "net": f"{line.net:.2f}",
        "vat_category": line.vat_category,
        "vat_rate": f"{line.vat_rate:.2f}",
        "explanation": line.explanation,
        "takes_back": line.reverses_id is not None,
        "evidence": [_evidence(kept, files) for kept in line.evidence.all()],
    }


def _evidence(kept: Any, files: dict[str, str]) -> dict[str, Any]:
    start, end = kept.instants.lower, kept.instants.upper
    name = f"readings/{kept.channel_key}-{start:%Y%m%dT%H%MZ}.txt"
    if name not in files:
        files[name] = metering.canonical_readings(
            channel_id=kept.channel_id, period=Period(start, end)
        )
    return {
        "channel": kept.channel_key,
        "meter": kept.meter_serial,
        "from": start.isoformat(),
        "to": end.isoformat(),
        "opening": str(kept.opening),
        "closing": str(kept.closing),
        "energy_kwh": str(kept.energy_kwh),
        "estimated_kwh": str(kept.estimated_kwh),
        "reading_count": kept.reading_count,
        "readings_sha256": bytes(kept.readings_sha256).hex(),
        "fingerprints": bytes(kept.fingerprints).hex(),
        "file": name,
    }
