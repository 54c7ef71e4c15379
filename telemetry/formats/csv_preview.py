"""
The first lines of a table as a mapping reads them, with what is wrong by line and column.
"""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Collection
from dataclasses import dataclass, field
from itertools import islice

from telemetry.domain.readings import plain_value
from telemetry.formats.csv_figures import Figures, Units
from telemetry.formats.csv_spec import Spec, Value, places_in
from telemetry.formats.csv_table import Table
from telemetry.formats.csv_times import NoInstant, Stamps
from telemetry.formats.frame import NotReadable

SHOWN = 20


@dataclass(slots=True)
class PreviewCell:
    """
    One cell: as sent and the figure that it becomes, or why there is none. The channel is told
    where the column goes to several.
    """

    sent: str
    figure: str = ""
    channel: str = ""
    problem: str = ""


@dataclass(slots=True)
class PreviewLine:
    """
    One line: its number in the file, its stamp as sent and as an instant, its cells.
    """

    number: int
    stamp: str
    at: dt.datetime | None = None
    problem: str = ""
    cells: list[PreviewCell] = field(default_factory=list)


@dataclass(slots=True)
class Preview:
    """
    `problem` says why the file cannot be read so; `notes` what is odd with a column.
    """

    columns: list[str] = field(default_factory=list)
    lines: list[PreviewLine] = field(default_factory=list)
    problem: str = ""
    notes: list[str] = field(default_factory=list)
    header: list[str] = field(default_factory=list)


def preview(sample: bytes, spec: Spec, *, units: Units, known: Collection[str]) -> Preview:
    """
    Return how the first lines of a sample are read. A value without a channel is read too.

    :param known: the keys of the site's channels
    """
    shown = Preview(columns=[value.column for value in spec.values])
    try:
        table = Table(io.BytesIO(sample), spec)
        shown.header = table.header
        times = [table.place(name) for name in spec.time.columns]
        rows = [
            (number, row)
            for lines in islice(table.lines(), 1)
            for number, row in zip(lines.numbers, lines.rows, strict=True)
        ][:SHOWN]
        fitting = [(n, row) for n, row in rows if len(row) > max(times)]
        stamps = Stamps(
            spec.time, lambda row: " ".join(row[n].strip() for n in times), lambda row: None
        )
        settled = [stamps.read(fitting), stamps.rest()]
        instants = {
            line[0]: instant
            for part in settled
            for line, instant in zip(part.lines, part.instants, strict=True)
        }
        shown.lines = [_line(number, row, times, instants) for number, row in rows]
        for value in spec.values:
            _add_column(shown, table, spec, value, rows, units, known)
    except NotReadable as problem:
        shown.problem = str(problem)
    return shown


def _line(
    number: int, row: list[str], times: list[int], instants: dict[int, str | NoInstant]
) -> PreviewLine:
    stamp = " ".join(row[n].strip() for n in times if n < len(row))
    instant = instants.get(number)
    if instant is None:
        return PreviewLine(number, stamp, problem="The line is too short.")
    if type(instant) is NoInstant:
        return PreviewLine(number, stamp, problem=str(instant))
    return PreviewLine(number, stamp, at=dt.datetime.fromisoformat(instant))


def _add_column(
    shown: Preview, table: Table, spec: Spec, value: Value, rows: list[tuple[int, list[str]]],
    units: Units, known: Collection[str],
) -> None:  # fmt: skip
    place = table.place(value.column)
    cells = {
        number: PreviewCell(row[place].strip() if place < len(row) else "") for number, row in rows
    }
    for line in shown.lines:
        line.cells.append(cells[line.number])
    try:
        figures = Figures(table, spec, value, units)
    except NotReadable as problem:
        shown.notes.append(str(problem))
        return
    whole = [(number, row) for number, row in rows if len(row) > figures.widest]
    unknown = set()
    several = bool(places_in(value.channel))
    parts = figures.read([n for n, _ in whole], [row for _, row in whole], ["-"] * len(whole))
    for part in parts:
        for number, refused in part.refused:
            cells[number].problem = refused.detail
        for number, key, text in zip(part.numbers, part.channels, part.values, strict=True):
            cell = cells[number]
            cell.channel, cell.figure = (key or "") if several else "", text or ""
            if plain_value((text or "").partition(" ")[0]) is None:
                cell.problem = f"{cell.sent!r} is not a number."
            elif value.channel and key not in known:
                unknown.add(key or "")
    if unknown:
        some = ", ".join(sorted(unknown)[:5])
        shown.notes.append(
            f"Column {value.column!r}: the site has no channel {some}. Such readings are kept"
            " until there is one."
        )
