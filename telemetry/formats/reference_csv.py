"""
CSV files of reference data: emission factors and rules about ratios.
"""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal

from telemetry.domain import reference
from telemetry.domain.reference import Extent, FactorRow, Gas, KpiRuleRow, Standing
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

FACTOR_COLUMNS = (
    "carrier", "region", "valid_from", "valid_to", "data_year", "value", "unit", "gas", "extent",
    "heating_value", "basis", "source", "licence",
)  # fmt: skip
RULE_COLUMNS = (
    "code", "region", "valid_from", "valid_to", "started_from", "started_to", "grace_months",
    "value", "unit", "standing", "words", "source", "licence",
)  # fmt: skip
_MAY_BE_EMPTY = frozenset(
    {"valid_to", "started_from", "started_to", "grace_months", "heating_value", "unit"}
)
_NAME = re.compile(r"[a-z][a-z0-9_.]{1,39}")
_REGION = re.compile(r"[A-Z]{2}(-[A-Z0-9]{1,6})?|WORLD")


def read_factors(data: bytes) -> Read[FactorRow]:
    """
    Read a file of emission factors.
    """
    shape = Shape(FACTOR_COLUMNS, _factor, reference.twice, _MAY_BE_EMPTY, ("value",))
    return checked_csv.read(data, shape)


def read_rules(data: bytes) -> Read[KpiRuleRow]:
    """
    Read a file of rules about ratios.
    """
    shape = Shape(RULE_COLUMNS, _rule, reference.twice, _MAY_BE_EMPTY, ("value",))
    return checked_csv.read(data, shape)


def _factor(cells: Cells) -> FactorRow:
    unit = cells["unit"]
    if unit not in reference.KG_PER_KWH:
        raise Wrong("unit", f"Write one of {', '.join(reference.KG_PER_KWH)}.")
    value = number(cells, "value")
    if value < 0:
        raise Wrong("value", "A factor is not below zero.")
    start, end = _days(cells, "valid_from", "valid_to")
    return FactorRow(
        carrier=matching(cells, "carrier", _NAME, "Write a name such as electricity_residual."),
        region=matching(cells, "region", _REGION, "Write the country's two letters, such as DE."),
        valid_from=start or dt.date.min,
        valid_to=end,
        data_year=_year(cells),
        kg_per_kwh=(value * reference.KG_PER_KWH[unit]).quantize(Decimal("0.000001")),
        gas=one_of(cells, "gas", Gas),
        extent=one_of(cells, "extent", Extent),
        heating_value=_heating_value(cells),
        basis=short(cells, "basis", 60),
        source=short(cells, "source", 200),
        licence=short(cells, "licence", 80),
        published=f"{value:f} {unit}",
    )


def _rule(cells: Cells) -> KpiRuleRow:
    start, end = _days(cells, "valid_from", "valid_to")
    began, ended = _days(cells, "started_from", "started_to")
    return KpiRuleRow(
        code=matching(cells, "code", _NAME, "Write a name such as enefg.pue.max."),
        region=matching(cells, "region", _REGION, "Write the country's two letters, or EU."),
        valid_from=start or dt.date.min,
        valid_to=end,
        started_from=began,
        started_to=ended,
        grace_months=_months(cells),
        value=number(cells, "value"),
        unit=short(cells, "unit", 20),
        standing=one_of(cells, "standing", Standing),
        words=short(cells, "words", 200),
        source=short(cells, "source", 200),
        licence=short(cells, "licence", 80),
    )


def _heating_value(cells: Cells) -> str:
    if cells["heating_value"] not in {"", "ncv", "gcv"}:
        raise Wrong("heating_value", "Write ncv or gcv for a fuel; leave it empty otherwise.")
    if not cells["heating_value"] and not cells["carrier"].startswith(("electricity", "heat")):
        raise Wrong("heating_value", "A fuel's factor needs one: write ncv or gcv.")
    return cells["heating_value"]


def _year(cells: Cells) -> int:
    if not re.fullmatch(r"(19|20)\d\d", cells["data_year"]):
        raise Wrong("data_year", "Write the year the value describes, such as 2024.")
    return int(cells["data_year"])


def _months(cells: Cells) -> int:
    if not re.fullmatch(r"\d{0,3}", cells["grace_months"]):
        raise Wrong("grace_months", "Write whole months, such as 24, or leave it empty.")
    return int(cells["grace_months"] or 0)


def _days(cells: Cells, first: str, last: str) -> tuple[dt.date | None, dt.date | None]:
    start, end = day(cells, first), day(cells, last)
    if start is not None and end is not None and end <= start:
        raise Wrong(last, "The end is the first day after: it comes later than the start.")
    return start, end
