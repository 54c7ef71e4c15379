"""
CSV files of energy attributes, a row for each lot.
"""

from __future__ import annotations

import re
from decimal import Decimal

from telemetry.domain.attributes import LotRow, named_twice
from telemetry.formats import checked_csv
from telemetry.formats.checked_csv import (
    Cells,
    Read,
    Shape,
    Wrong,
    day,
    matching,
    number,
    one_of,
    short,
)
from telemetry.models import AttributeLot

COLUMNS = (
    "number", "kind", "technology", "country", "plant", "registry", "first_day", "last_day", "kwh",
    "kg_per_kwh", "cancelled_on", "proof",
)  # fmt: skip
_COUNTRY = re.compile(r"[A-Z]{2}")
_CERTIFICATES = (AttributeLot.Kind.GO, AttributeLot.Kind.REGO)


def read_lots(data: bytes) -> Read[LotRow]:
    """
    Read a file of lots.
    """
    may_be_empty = ("registry", "cancelled_on", "proof")
    shape = Shape(COLUMNS, _lot, named_twice, may_be_empty, ("kwh", "kg_per_kwh"))
    return checked_csv.read(data, shape)


def _lot(cells: Cells) -> LotRow:
    kind = one_of(cells, "kind", AttributeLot.Kind.values)
    if kind in _CERTIFICATES and not cells["registry"]:
        raise Wrong("registry", "Certificates are held in one: write its name, such as HKNR.")
    first, last = day(cells, "first_day"), day(cells, "last_day")
    if first is None or last is None or last < first:
        raise Wrong("last_day", "The last day is not before the first.")
    cancelled = day(cells, "cancelled_on")
    if (cancelled is None) != (cells["proof"] == ""):
        raise Wrong("proof", "A cancellation needs its day and the registry's proof, both.")
    return LotRow(
        registry_id=short(cells, "number", 120),
        kind=kind,
        technology=one_of(cells, "technology", AttributeLot.Technology.values),
        country=matching(
            cells, "country", _COUNTRY, "Write the country's two letters, such as DE."
        ),
        plant=short(cells, "plant", 120),
        registry=short(cells, "registry", 60),
        first_day=first,
        last_day=last,
        kwh=_kwh(cells),
        kg_per_kwh=_kg_per_kwh(cells),
        cancelled_on=cancelled,
        proof_reference=short(cells, "proof", 200),
    )


def _kwh(cells: Cells) -> Decimal:
    kwh = number(cells, "kwh", below=10**15, such_as="125000")
    if kwh != kwh.quantize(Decimal("0.001")) or kwh <= 0:
        raise Wrong("kwh", "Write kWh above zero with at most three decimals.")
    return kwh


def _kg_per_kwh(cells: Cells) -> Decimal:
    kg = number(cells, "kg_per_kwh", below=10_000, such_as="0 for wind")
    if kg != kg.quantize(Decimal("0.000001")) or kg < 0:
        raise Wrong("kg_per_kwh", "Write kg per kWh, not below zero, with at most six decimals.")
    return kg
