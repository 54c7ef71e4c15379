"""
CSV files of reference data: each row is read, or its fault named with the remedy.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Generic, TypeVar

from telemetry.domain import reference
from telemetry.domain.reference import Extent, FactorRow, Gas, KpiRuleRow, Standing

LARGEST = 1_000_000
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

Row = TypeVar("Row", FactorRow, KpiRuleRow)


@dataclass(frozen=True, slots=True)
class Fault:
    """
    What is wrong: in which line of the file (1 is the head; 0 for the file as a whole), in which
    column, and what to write instead.
    """

    line: int
    column: str
    words: str


@dataclass(frozen=True, slots=True)
class Read(Generic[Row]):
    """
    The rows of a file, and its faults; with any fault nothing of it may be taken.
    """

    rows: list[Row]
    faults: list[Fault]


class _Wrong(Exception):
    def __init__(self, column: str, words: str) -> None:
        super().__init__(words)
        self.column = column


def read_factors(data: bytes) -> Read[FactorRow]:
    """
    Read a file of emission factors.
    """
    return _read(data, FACTOR_COLUMNS, _factor)


def read_rules(data: bytes) -> Read[KpiRuleRow]:
    """
    Read a file of rules about ratios.
    """
    return _read(data, RULE_COLUMNS, _rule)


def _read(
    data: bytes, columns: tuple[str, ...], make: Callable[[dict[str, str]], Row]
) -> Read[Row]:
    if len(data) > LARGEST:
        return Read([], [Fault(0, "", "The file is larger than 1 MB. Divide it.")])
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return Read([], [Fault(0, "", "The file is not UTF-8. Save it as CSV UTF-8.")])
    first = text.partition("\n")[0]
    separator = ";" if ";" in first else ","
    lines = csv.DictReader(io.StringIO(text), delimiter=separator, strict=True)
    given = [name.strip() for name in lines.fieldnames or []]
    missing = [name for name in columns if name not in given]
    if missing:
        return Read([], [Fault(1, missing[0], f"Columns are missing: {', '.join(missing)}.")])
    lines.fieldnames = given
    rows: list[Row] = []
    places: list[int] = []
    faults: list[Fault] = []
    try:
        for cells in lines:
            bare = {name: (cells[name] or "").strip() for name in columns}
            if not any(bare.values()):
                continue
            if separator == ";":
                # Where commas do not part cells they part decimals.
                bare["value"] = bare["value"].replace(",", ".")
            try:
                if None in cells:
                    raise _Wrong("", "There are more cells than columns. Quote texts with commas.")
                rows.append(make(_filled(bare)))
                places.append(lines.line_num)
            except _Wrong as wrong:
                faults.append(Fault(lines.line_num, wrong.column, str(wrong)))
    except csv.Error as problem:
        faults.append(Fault(lines.line_num, "", f"The line cannot be read: {problem}."))
    if not rows and not faults:
        faults.append(Fault(0, "", "There is no row below the head."))
    pair = reference.twice(rows)
    if pair is not None:
        words = f"The same thing and days as line {places[pair[0]]}. Keep one of them."
        faults.append(Fault(places[pair[1]], columns[0], words))
    return Read(rows, faults)


def _filled(cells: dict[str, str]) -> dict[str, str]:
    for name, cell in cells.items():
        if not cell and name not in _MAY_BE_EMPTY:
            raise _Wrong(name, "It is empty. Each row names this.")
    return cells


def _factor(cells: dict[str, str]) -> FactorRow:
    unit = cells["unit"]
    if unit not in reference.KG_PER_KWH:
        raise _Wrong("unit", f"Write one of {', '.join(reference.KG_PER_KWH)}.")
    value = _number(cells, "value")
    if value < 0:
        raise _Wrong("value", "A factor is not below zero.")
    start, end = _days(cells, "valid_from", "valid_to")
    return FactorRow(
        carrier=_matching(cells, "carrier", _NAME, "Write a name such as electricity_residual."),
        region=_matching(cells, "region", _REGION, "Write the country's two letters, such as DE."),
        valid_from=start or dt.date.min,
        valid_to=end,
        data_year=_year(cells),
        kg_per_kwh=(value * reference.KG_PER_KWH[unit]).quantize(Decimal("0.000001")),
        gas=_one_of(cells, "gas", Gas),
        extent=_one_of(cells, "extent", Extent),
        heating_value=_heating_value(cells),
        basis=_short(cells, "basis", 60),
        source=_short(cells, "source", 200),
        licence=_short(cells, "licence", 80),
        published=f"{value:f} {unit}",
    )


def _rule(cells: dict[str, str]) -> KpiRuleRow:
    start, end = _days(cells, "valid_from", "valid_to")
    began, ended = _days(cells, "started_from", "started_to")
    return KpiRuleRow(
        code=_matching(cells, "code", _NAME, "Write a name such as enefg.pue.max."),
        region=_matching(cells, "region", _REGION, "Write the country's two letters, or EU."),
        valid_from=start or dt.date.min,
        valid_to=end,
        started_from=began,
        started_to=ended,
        grace_months=_months(cells),
        value=_number(cells, "value"),
        unit=_short(cells, "unit", 20),
        standing=_one_of(cells, "standing", Standing),
        words=_short(cells, "words", 200),
        source=_short(cells, "source", 200),
        licence=_short(cells, "licence", 80),
    )


def _matching(cells: dict[str, str], name: str, shape: re.Pattern[str], remedy: str) -> str:
    if not shape.fullmatch(cells[name]):
        raise _Wrong(name, remedy)
    return cells[name]


def _short(cells: dict[str, str], name: str, most: int) -> str:
    if len(cells[name]) > most:
        raise _Wrong(name, f"At most {most} characters fit.")
    return cells[name]


def _one_of(cells: dict[str, str], name: str, choices: type[Gas | Extent | Standing]) -> str:
    known = [choice.value for choice in choices]
    if cells[name] not in known:
        raise _Wrong(name, f"Write one of {', '.join(known)}.")
    return cells[name]


def _heating_value(cells: dict[str, str]) -> str:
    if cells["heating_value"] not in {"", "ncv", "gcv"}:
        raise _Wrong("heating_value", "Write ncv or gcv for a fuel; leave it empty otherwise.")
    if not cells["heating_value"] and not cells["carrier"].startswith(("electricity", "heat")):
        raise _Wrong("heating_value", "A fuel's factor needs one: write ncv or gcv.")
    return cells["heating_value"]


def _number(cells: dict[str, str], name: str) -> Decimal:
    try:
        value = Decimal(cells[name])
    except InvalidOperation:
        raise _Wrong(name, "Write a number with a point, such as 0.363.") from None
    if not value.is_finite() or abs(value) >= 10_000_000:
        raise _Wrong(name, "Write a number with a point, such as 0.363.")
    return value


def _year(cells: dict[str, str]) -> int:
    if not re.fullmatch(r"(19|20)\d\d", cells["data_year"]):
        raise _Wrong("data_year", "Write the year the value describes, such as 2024.")
    return int(cells["data_year"])


def _months(cells: dict[str, str]) -> int:
    if not re.fullmatch(r"\d{0,3}", cells["grace_months"]):
        raise _Wrong("grace_months", "Write whole months, such as 24, or leave it empty.")
    return int(cells["grace_months"] or 0)


def _days(cells: dict[str, str], first: str, last: str) -> tuple[dt.date | None, dt.date | None]:
    start, end = _day(cells, first), _day(cells, last)
    if start is not None and end is not None and end <= start:
        raise _Wrong(last, "The end is the first day after: it comes later than the start.")
    return start, end


def _day(cells: dict[str, str], name: str) -> dt.date | None:
    if not cells[name]:
        return None
    try:
        return dt.date.fromisoformat(cells[name])
    except ValueError:
        raise _Wrong(name, "Write the day as 2026-01-31.") from None
