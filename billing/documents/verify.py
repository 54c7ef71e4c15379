"""
Checks the evidence of one document, offline: unzip and run `python verify.py`.

Needs Python 3.11 or newer and nothing else. The price arithmetic beside it is the portal's own.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

Read = Callable[[str], bytes]


def differences(read: Read) -> Iterator[str]:
    """
    Yield, in words, what in a bundle does not agree; `read` gives the bytes of a file of it.
    """
    document = json.loads(read("document.json"))
    for line in document["lines"]:
        yield from _line(line)
        for kept in line["evidence"]:
            yield from _readings(line["position"], kept, read(kept["file"]))
    for n, stored in enumerate(document["inputs"]):
        if "versions" in stored.get("ledger", {}):
            yield from _ledger(stored, ledger_file(n), read)
    yield from _sums(document)
    yield from _rated(document)
    canonical = canonical_text(document)
    if hashlib.sha256(canonical.encode()).hexdigest() != document["document_hash"]:
        yield "the document differs from its hash"


def _line(line: dict[str, Any]) -> Iterator[str]:
    exact = Decimal(line["quantity"]) * Decimal(line["unit_price"])
    if exact.quantize(Decimal("0.01"), rounding=ROUND_HALF_UP) != Decimal(line["net"]):
        yield f"line {line['position']}: net is not quantity times price"


def _readings(position: int, kept: dict[str, Any], text: bytes) -> Iterator[str]:
    lines = text.splitlines(keepends=True)
    if hashlib.sha256(text).hexdigest() != kept["readings_sha256"]:
        yield f"line {position}: the readings in {kept['file']} differ from their digest"
        was = bytes.fromhex(kept["fingerprints"])
        for n, line in enumerate(lines):
            if hashlib.sha256(line).digest()[:4] != was[4 * n : 4 * n + 4]:
                yield f"line {position}: the first that differs is {line.decode().strip()}"
                break
    if len(lines) != kept["reading_count"]:
        yield f"line {position}: {len(lines)} readings instead of {kept['reading_count']}"


def ledger_file(n: int) -> str:
    """
    Return where the heat ledger of the nth stretch of a document lies.
    """
    return f"ledger/{n + 1}.txt"


def _ledger(stored: dict[str, Any], name: str, read: Read) -> Iterator[str]:
    """
    Check the entries of a heat ledger, and that what does not count is their sum by reason; losses
    come off in proportion.
    """
    text = read(name)
    if hashlib.sha256(text).hexdigest() != stored["ledger"]["sha256"]:
        yield f"the heat ledger in {name} differs from its digest"
    metered = Decimal(0)
    lost: dict[str, Decimal] = {}
    for line in text.decode().splitlines():
        _, kwh, counted, reason = line.split("|")
        metered += Decimal(kwh)
        if kwh != counted:
            lost[reason] = lost.get(reason, Decimal(0)) + Decimal(kwh) - Decimal(counted)
    part = Decimal(stored["energy_kwh"]) / metered if metered else Decimal(0)
    found = {reason: (kwh * part).quantize(Decimal("1E-9")) for reason, kwh in lost.items()}
    if found != {reason: Decimal(kwh) for reason, kwh in stored["not_counted"].items()}:
        yield f"what does not count is not the sum of the entries in {name}"


def _sums(document: dict[str, Any]) -> Iterator[str]:
    bases: dict[tuple[str, str], Decimal] = {}
    for line in document["lines"]:
        key = line["vat_category"], line["vat_rate"]
        bases[key] = bases.get(key, Decimal(0)) + Decimal(line["net"])
    told = {(vat["category"], vat["rate"]): Decimal(vat["base"]) for vat in document["vat_lines"]}
    if bases != told:
        yield "the bases of VAT are not the sums of the lines"
    tax = sum((Decimal(vat["tax"]) for vat in document["vat_lines"]), Decimal(0))
    net = sum(bases.values(), Decimal(0))
    if (net, tax, net + tax) != tuple(Decimal(document[n]) for n in ("net", "vat", "gross")):
        yield "the totals are not the sums of the lines and their VAT"


def _rated(document: dict[str, Any]) -> Iterator[str]:
    from billing.domain import rating, reindexing

    for stored in document["inputs"]:
        yield from reindexing.differences(stored)
    if (
        hashlib.sha256(rating.canonical(document["inputs"])).hexdigest()
        != document["inputs_sha256"]
    ):
        yield "what the document was rated from differs from its digest"
    rated = {
        (line.charge, line.quantity, line.unit_price, line.net)
        for line in rating.rate(rating.stretch(stored) for stored in document["inputs"])
    }
    for line in document["lines"]:
        shown = tuple(Decimal(line[name]) for name in ("quantity", "unit_price", "net"))
        if not line["takes_back"] and (line["charge"], *shown) not in rated:
            yield f"line {line['position']}: {line['charge']} is not what its inputs are rated at"


def canonical_text(document: dict[str, Any]) -> str:
    """
    Return the text that the document's hash is taken over.
    """
    head = [document[name] for name in (
        "previous_hash", "number", "issued_on", "due_on", "currency", "net", "vat", "gross",
        "document_type", "inputs_sha256",
    )]  # fmt: skip
    rows = ["|".join(head)]
    for line in document["lines"]:
        digests = ",".join(kept["readings_sha256"] for kept in line["evidence"])
        rows.append(
            f"{line['position']}|{line['charge']}|{line['quantity']}|{line['unit']}"
            f"|{line['unit_price']}|{line['net']}|{line['vat_rate']}|{digests}"
        )
    return "\n".join(rows)


def main() -> int:
    """
    Check the bundle this file lies in.
    """
    folder = Path(__file__).resolve().parent
    found = list(differences(lambda name: (folder / name).read_bytes()))
    sys.stdout.write("\n".join(found or ["equal"]) + "\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
