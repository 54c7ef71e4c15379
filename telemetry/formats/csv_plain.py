"""
Tables as text: by a saved column mapping where one is named, else comma-separated with a header
that names the columns channel, at and value.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
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
    pieces = (io.StringIO(piece, newline="") for piece in lines.pieces(stream))
    try:
        reader = csv.reader(chain.from_iterable(pieces))
        header = [name.strip().lower() for name in next(reader, [])]
        if not set(FIELDS) <= set(header):
            raise NotReadable(f"The first line must name the columns {', '.join(FIELDS)}.")
        places = [header.index(name) for name in FIELDS]
        filled = filter(None, reader)
        taken = 0
        while rows := list(islice(filled, ROWS_AT_ONCE)):
            yield _columns(rows, places, taken)
            taken += len(rows)
    except csv.Error as problem:
        raise NotReadable(f"Not readable as CSV: {problem}.") from None


def _columns(rows: list[list[str]], places: list[int], taken: int) -> Columns:
    width = max(places)
    numbers = range(taken + 1, taken + 1 + len(rows))
    if min(map(len, rows)) <= width:
        # A short row lacks its last fields.
        channels, ats, values = (
            [row[place] if place < len(row) else None for row in rows] for place in places
        )
        return Columns(numbers, channels, ats, values)
    channel, at, value = places
    return Columns(
        numbers,
        [row[channel] for row in rows],
        [row[at] for row in rows],
        [row[value] for row in rows],
    )


FORMAT = Format(
    name="csv",
    media_types=("text/csv", "text/tab-separated-values"),
    extensions=("csv", "tsv", "txt"),
    parse=parse,
)
