"""
A table read by its column mapping: cells to channel, instant and figure.

A cell that stands for no reading is counted as missing, a line that the mapping leaves out as
skipped; neither is a row. A line or cell of which nothing can be made is refused with its reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import compress
from operator import itemgetter
from typing import Any, BinaryIO

from telemetry import queries
from telemetry.formats.csv_figures import Figures, Units
from telemetry.formats.csv_spec import Spec, places_in, spec_of
from telemetry.formats.csv_table import Lines, Table
from telemetry.formats.csv_times import NoInstant, Stamped, Stamps
from telemetry.formats.frame import Columns, Delivery, NotReadable, Refused


def parse_mapped(stream: BinaryIO, delivery: Delivery, code: str) -> Iterator[Columns]:
    """
    Return the readings of a table by the saved mapping of the site's operator.

    :raises NotReadable: if there is no such mapping or the file is not as it says
    """
    saved = queries.mapping_spec(site_id=delivery.site_id, code=code)
    if saved is None:
        raise NotReadable(f"There is no column mapping {code!r}.")
    units = queries.units_of_channels(site_id=delivery.site_id)
    return read_mapped(stream, spec_of(saved), units)


def read_mapped(stream: BinaryIO, spec: Spec, units: Units) -> Iterator[Columns]:
    """
    Yield the readings of a table. Line numbers are those of the file, from 1.

    :raises NotReadable: if the file is not as the mapping says, or a unit is not the channel's
    """
    table = Table(stream, spec)
    figures = [Figures(table, spec, value, units) for value in spec.values]
    series = sorted({table.place(name) for v in spec.values for name in places_in(v.channel)})
    times = [table.place(name) for name in spec.time.columns]
    needed = max([*times, *series, *(f.widest for f in figures)]) + 1
    rules = _Rules(table, spec, needed)
    stamps = Stamps(spec.time, _text_of(times), _cells_of(series))
    for lines in table.lines():
        kept, left_out = rules.sort(lines)
        yield left_out
        yield from _readings(stamps.read(kept), figures)
    yield from _readings(stamps.rest(), figures)


def _readings(stamped: Stamped, figures: list[Figures]) -> Iterator[Columns]:
    refused = [
        (number, Refused(str(instant), _as_sent(row), "at"))
        for (number, row), instant in zip(stamped.lines, stamped.instants, strict=True)
        if type(instant) is NoInstant
    ]
    if refused:
        yield Columns([], [], [], [], refused)
        good = [type(instant) is not NoInstant for instant in stamped.instants]
        stamped = Stamped(
            list(compress(stamped.lines, good)), list(compress(stamped.instants, good))
        )
    if stamped.lines:
        numbers = [number for number, _ in stamped.lines]
        rows = [row for _, row in stamped.lines]
        for column in figures:
            yield from column.read(numbers, rows, stamped.instants)


def _as_sent(row: list[str]) -> str:
    return " | ".join(row)


def _text_of(places: list[int]) -> Callable[[list[str]], str]:
    if len(places) == 1:
        place = places[0]
        return lambda row: row[place].strip()
    date, time = places
    return lambda row: f"{row[date].strip()} {row[time].strip()}"


def _cells_of(places: list[int]) -> Callable[[list[str]], Any]:
    return itemgetter(*places) if places else lambda row: None


class _Rules:
    """
    Which lines of a table are readings at all, and which are too short or too long.
    """

    def __init__(self, table: Table, spec: Spec, needed: int) -> None:
        self._width = table.width or needed
        self._header = table.width
        self._skip = [(table.place(rule.column), set(rule.values)) for rule in spec.skip_rows]
        self._needed = max([needed, *(place + 1 for place, _ in self._skip)])

    def sort(self, lines: Lines) -> tuple[list[tuple[int, list[str]]], Columns]:
        """
        Return the lines to read, and the others as counts and refusals.
        """
        pairs = list(zip(lines.numbers, lines.rows, strict=True))
        refused = []
        if set(map(len, lines.rows)) != {self._width} or self._width < self._needed:
            fitting = [(pair, self._misfit(pair[1])) for pair in pairs]
            refused = [
                (number, Refused(problem, _as_sent(row)))
                for (number, row), problem in fitting if problem
            ]  # fmt: skip
            pairs = [pair for pair, problem in fitting if not problem]
        kept = pairs
        for place, values in self._skip:
            kept = [pair for pair in kept if pair[1][place].strip() not in values]
        return kept, Columns([], [], [], [], refused, skipped=len(pairs) - len(kept))

    def _misfit(self, row: list[str]) -> str:
        if len(row) < self._needed:
            return f"The line has {len(row)} cells where {self._needed} are needed."
        # A decimal comma between commas would shift every cell after it.
        if self._header and any(row[self._header :]):
            return f"The line has {len(row)} cells, the header {self._header}."
        return ""
