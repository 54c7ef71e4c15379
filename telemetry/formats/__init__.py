"""
Bytes to rows. Each format gives the texts of a row as they stand; nothing is judged here.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, NamedTuple


class Row(NamedTuple):
    """
    One row as sent; None where the field is absent.
    """

    channel: str | None
    at: str | None
    value: str | None


class NotReadable(Exception):
    """
    The body as a whole is not of its format; nothing of it can be taken.
    """


FIELDS = ("channel", "at", "value")


def csv_rows(stream: BinaryIO) -> Iterator[Row]:
    """
    Yield the rows of comma-separated text with a header naming channel, at and value.

    :raises NotReadable: if it is not UTF-8 text or a column is absent
    """
    # utf-8-sig: spreadsheets put a byte order mark in front.
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
    try:
        reader = csv.reader(text)
        header = [name.strip().lower() for name in next(reader, [])]
        absent = [name for name in FIELDS if name not in header]
        if absent:
            raise NotReadable(f"The first line must name the columns {', '.join(FIELDS)}.")
        channel, at, value = (header.index(name) for name in FIELDS)
        width = max(channel, at, value)
        for cells in reader:
            if len(cells) > width:
                yield Row(cells[channel], cells[at], cells[value])
            elif cells:
                padded = [*cells, *[None] * (width + 1 - len(cells))]
                yield Row(padded[channel], padded[at], padded[value])
    except (UnicodeDecodeError, csv.Error) as problem:
        raise NotReadable(f"Not readable as CSV in UTF-8: {problem}.") from None
    finally:
        text.detach()


def json_rows(stream: BinaryIO) -> Iterator[Row]:
    """
    Yield the rows of a JSON array of objects with channel, at and value.

    :raises NotReadable: if it is not JSON or not such an array
    """
    try:
        # Figures stay text, so that no digit of a register is lost on the way.
        body = json.load(stream, parse_float=str, parse_int=str, parse_constant=str)
    except (ValueError, RecursionError) as problem:
        raise NotReadable(f"Not readable as JSON: {problem}.") from None
    if not isinstance(body, list) or not all(isinstance(item, dict) for item in body):
        raise NotReadable("Send a JSON array of objects with channel, at and value.")
    for item in body:
        yield Row(*(_text(item.get(name)) for name in FIELDS))


def _text(given: Any) -> str | None:
    return given if given is None or isinstance(given, str) else json.dumps(given)


FORMATS: dict[str, Callable[[BinaryIO], Iterator[Row]]] = {"csv": csv_rows, "json": json_rows}
