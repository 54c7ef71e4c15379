"""
Tables as text: by a saved column mapping where one is named, else comma-separated with a header
that names the columns channel, at and value.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import BinaryIO

from telemetry.formats import lines
from telemetry.formats.csv_mapped import parse_mapped
from telemetry.formats.frame import (
    FIELDS,
    ROWS_AT_ONCE,
    Columns,
    Delivery,
    Format,
    NotReadable,
)


def parse(stream: BinaryIO, delivery: Delivery) -> Iterator[Columns]:
    """
    Return the rows under the header; empty lines are no rows. The option "mapping" names a
    column mapping of the site's operator.

    :raises NotReadable: if it is not UTF-8 text or a column is absent
    """
    if "mapping" in delivery.options:
        return parse_mapped(stream, delivery, delivery.options["mapping"])
    return _plain(stream)


def _plain(stream: BinaryIO) -> Iterator[Columns]:
    try:
        yield from _parse(lines.pieces(stream))
    except csv.Error as problem:
        raise NotReadable(f"Not readable as CSV: {problem}.") from None


def _parse(pieces: Iterator[str]) -> Iterator[Columns]:
    first = next(pieces, "")
    head, _, rest = first.partition("\n")
    if '"' in head or "\r" in head[:-1]:
        # Quotes may hold line ends, so that the header may go on.
        reader = _reader(chain([first], pieces))
        header = next(reader, [])
        rows: Iterator[list[str]] = reader
        rest = ""
    else:
        header = head.removesuffix("\r").split(",")
        rows = iter(())
    names = [name.strip().lower() for name in header]
    if not set(FIELDS) <= set(names):
        raise NotReadable(f"The first line must name the columns {', '.join(FIELDS)}.")
    places = [names.index(name) for name in FIELDS]
    taken = 0
    for columns in chain(_slowly(rows, places), _quickly(chain([rest], pieces), header, places)):
        columns.numbers = range(taken + 1, taken + 1 + len(columns.values))
        taken += len(columns.values)
        yield columns


def _quickly(pieces: Iterator[str], header: list[str], places: list[int]) -> Iterator[Columns]:
    """
    Cut pieces without quotes at their commas and line ends, as long as there are as many commas
    in each line.
    """
    width = len(header)
    for piece in pieces:
        if '"' in piece:
            # A quoted text may go on in the next piece.
            yield from _slowly(_reader(chain([piece], pieces)), places)
            return
        text = piece.replace("\r\n", "\n")
        text = text if text.endswith("\n") or not text else f"{text}\n"
        # A line end between two commas becomes a cell of its own.
        cells = text.replace("\n", ",\n,").split(",")
        ends = cells[width :: width + 1]
        aligned = len(cells) == len(ends) * (width + 1) + 1 and not set(ends) - {"\n"}
        if not aligned or len(ends) != text.count("\n") or "\r" in text:
            yield from _slowly(_reader([piece]), places)
        else:
            channels, ats, values = (cells[place : -1 : width + 1] for place in places)
            yield Columns((), channels, ats, values)


def _reader(pieces: Iterable[str]) -> Iterator[list[str]]:
    return csv.reader(chain.from_iterable(io.StringIO(piece, newline="") for piece in pieces))


def _slowly(rows: Iterator[list[str]], places: list[int]) -> Iterator[Columns]:
    filled = filter(None, rows)
    while together := list(islice(filled, ROWS_AT_ONCE)):
        # A short row lacks its last fields.
        channels, ats, values = (
            [row[place] if place < len(row) else None for row in together] for place in places
        )
        yield Columns((), channels, ats, values)


FORMAT = Format(
    name="csv",
    media_types=("text/csv", "text/tab-separated-values"),
    extensions=("csv", "tsv", "txt"),
    parse=parse,
    example=b"channel,at,value\nheat.energy,2026-01-01T00:00:00Z,12.5\n",
)
