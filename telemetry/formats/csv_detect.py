"""
A first guess at how an unknown table is read, from its beginning. A person looks at it before
anything is imported.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice

from telemetry.domain.conversion import known_units, unit_as_written
from telemetry.formats.csv_cells import figure_of
from telemetry.formats.csv_patterns import reader_of
from telemetry.formats.csv_spec import SEPARATORS, Spec, Time, Value, codec_of

# The likelier reading first: days come before months but in American exports.
DATES = ("%d.%m.%Y", "%d.%m.%y", "%d/%m/%Y", "%m/%d/%Y", "%d/%m/%y", "%m/%d/%y", "%d-%m-%Y",
         "%Y/%m/%d", "%b %d, %Y", "%d %b %Y")  # fmt: skip
TIMES = ("%H:%M", "%H:%M:%S", "%I:%M %p", "%I:%M:%S %p")
FORMATS = ("iso", *(f"{date} {time}" for date in DATES for time in TIMES), *DATES)
_MARKS = {"?", "-", "--", "NaN", "nan", "NULL", "null", "N/A", "n/a", "NA", "#N/A", "---"}
_LOOKED_AT = 200
_PLAIN = re.compile(r"[+-]?\d*\.?\d+(?:[eE][+-]?\d+)?", re.ASCII).fullmatch
_MOST_HEADER_LINES = 10
_UNIT_IN_NAME = re.compile(r"[\[(]([^\])]+)[\])]\s*$|_([A-Za-z°0-9]+)$")


@dataclass(frozen=True, slots=True)
class Guess:
    """
    The mapping to begin with: every column of figures stands in it, with no channel yet.
    """

    spec: Spec
    header: list[str]


def guess(sample: bytes, *, zone: str) -> Guess:
    """
    Return a guess at the table that begins with the sample, whole lines of it.

    :param zone: the clock of stamps without an offset, the site's as a rule
    """
    encoding = _encoding(sample)
    text = sample.decode(codec_of(encoding), errors="replace")
    separator = _separator(text)
    rows = _rows(text, separator)
    width = _usual_width(rows)
    skipped = next((n for n, row in enumerate(rows) if len(row) == width), 0)
    table = [row for row in rows[skipped:] if len(row) == width]
    if not table:
        return Guess(Spec(encoding=encoding, time=Time(columns=("#1",), zone=zone)), [])
    header_lines = next((n for n, row in enumerate(table) if _has_stamp(row)), 1)
    header_lines = min(header_lines, _MOST_HEADER_LINES)
    body = table[header_lines:][:_LOOKED_AT]
    name_line = _name_line(table[:header_lines])
    header = [name.strip() for name in table[name_line - 1]] if header_lines else []
    columns = [[row[n].strip() for row in body] for n in range(width)]
    decimal, thousands = _notation(columns)
    spec = Spec(
        encoding=encoding, separator=separator, decimal=decimal, thousands=thousands,
        skip_lines=skipped, header_lines=header_lines, name_line=max(1, name_line),
        missing=("", *sorted({cell for column in columns for cell in column} & _MARKS)),
    )  # fmt: skip
    names = [_name(n, header) for n in range(width)]
    places, time_format = _time(columns)
    stamps = [" ".join(row[place].strip() for place in places) for row in body]
    time = Time(
        columns=tuple(names[place] for place in places),
        format=time_format,
        zone="" if _state_offsets(stamps, time_format) else zone,
    )
    values = [
        Value(column=names[n], unit=_unit(names[n]), decimals=_decimals(column, spec))
        for n, column in enumerate(columns) if n not in places and _is_figures(column, spec)
    ]  # fmt: skip
    return Guess(replace(spec, time=time, values=tuple(values)), header)


def _encoding(sample: bytes) -> str:
    if sample.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    try:
        sample.decode("utf-8")
    except UnicodeDecodeError:
        # Windows writes letters and signs where Latin-1 has control characters.
        return "cp1252" if re.search(rb"[\x80-\x9f]", sample) else "latin-1"
    return "utf-8"


def _separator(text: str) -> str:
    lines = text.splitlines()[:_LOOKED_AT]

    def score(separator: str) -> tuple[int, int]:
        widths = Counter(len(row) for row in _rows("\n".join(lines), separator) if row)
        # Most lines agree; where several separators do, the one with more columns.
        width, count = max(
            ((w, n) for w, n in widths.items() if w > 1), key=lambda pair: pair[1], default=(1, 0)
        )
        return count, width

    return max(SEPARATORS, key=score)


def _rows(text: str, separator: str) -> list[list[str]]:
    reader = csv.reader(io.StringIO(text, newline=None), delimiter=separator)
    rows: list[list[str]] = []
    try:
        for row in islice(reader, _LOOKED_AT + 20):
            rows.append(row)
    except csv.Error:
        # A quote that is never closed; what stands before it may tell enough.
        pass
    return rows


def _usual_width(rows: Sequence[list[str]]) -> int:
    widths = Counter(len(row) for row in rows if row)
    return widths.most_common(1)[0][0] if widths else 1


def _has_stamp(row: list[str]) -> bool:
    some = (cell.strip() for cell in row if any(map(str.isdigit, cell)))
    return any(_fits([cell], (*FORMATS, "unix", "unix_ms")) for cell in some)


def _name_line(header: Sequence[list[str]]) -> int:
    # The line that tells the columns apart best.
    if not header:
        return 0
    return 1 + max(range(len(header)), key=lambda n: (len(set(header[n]) - {""}), -n))


def _name(place: int, header: list[str]) -> str:
    name = header[place] if place < len(header) else ""
    return name if name and header.count(name) == 1 else f"#{place + 1}"


def _time(columns: Sequence[list[str]]) -> tuple[list[int], str]:
    for n, column in enumerate(columns):
        following = columns[n + 1] if n + 1 < len(columns) else []
        date, time = _fits(column, (*DATES, "iso")), _fits(following, TIMES)
        if date and time:
            # ISO 8601 with a time in a column of its own reads as one stamp.
            return [n, n + 1], "iso" if date == "iso" else f"{date} {time}"
        whole = _fits(column, FORMATS)
        if whole:
            return [n], whole
    for n, column in enumerate(columns):
        unix = _fits(column, ("unix", "unix_ms"))
        if unix:
            return [n], unix
    return [0], "iso"


def _fits(cells: Sequence[str], formats: Sequence[str]) -> str:
    filled = [cell for cell in cells if cell]
    if not filled:
        return ""
    return next((f for f in formats if all(_reads(cell, f) for cell in filled)), "")


def _reads(cell: str, time_format: str) -> bool:
    if time_format.startswith("unix"):
        digits = 10 if time_format == "unix" else 13
        return cell.isdecimal() and len(cell) == digits
    # A plain number of eight digits is a date to ISO 8601, and a register to everybody else.
    if time_format == "iso" and cell.isdecimal():
        return False
    try:
        if time_format in TIMES:
            dt.datetime.strptime(cell, time_format)  # noqa: DTZ007 - a time of day
        else:
            reader_of(time_format)(cell)
    except ValueError:
        return False
    return True


def _state_offsets(stamps: Sequence[str], time_format: str) -> bool:
    if time_format.startswith("unix"):
        return True
    read = reader_of(time_format)
    try:
        return bool(stamps) and all(read(stamp).tzinfo is not None for stamp in stamps if stamp)
    except ValueError:
        return False


def _notation(columns: Sequence[list[str]]) -> tuple[str, str]:
    cells = [cell for column in columns for cell in column if cell]
    notations = [(".", ""), (",", ""), (",", "."), (".", ","), (",", " "), (".", "'")]
    return max(notations, key=lambda pair: _count(cells, *pair))


def _is_figures(column: Sequence[str], spec: Spec) -> bool:
    there = [cell for cell in column if cell not in spec.missing]
    # Blank so far, and perhaps not later; a list of all kinds of records has other texts too.
    return _count(there, spec.decimal, spec.thousands) * 2 >= len(there)


def _count(cells: Sequence[str], decimal: str, thousands: str) -> int:
    read = figure_of(decimal, thousands) or _PLAIN
    return sum(1 for cell in cells if read(cell) is not None)


def _decimals(column: Sequence[str], spec: Spec) -> int | None:
    # Binary fractions written out have more than a reading can hold.
    longest = max((len(cell.partition(spec.decimal)[2]) for cell in column), default=0)
    return 9 if longest > 9 else None


def _unit(name: str) -> str:
    found = _UNIT_IN_NAME.search(name)
    unit = unit_as_written(found[1] or found[2]) if found else ""
    return unit if unit in known_units() else ""
