"""
JSON: one array of objects with channel, at and value.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, BinaryIO

from telemetry.formats.frame import FIELDS, Columns, Delivery, Format, NotReadable, Row, in_columns


def parse_array(stream: BinaryIO, delivery: Delivery) -> Iterator[Columns]:
    """
    Yield the objects of a JSON array.

    :raises NotReadable: if it is not JSON or not such an array
    """
    try:
        # Figures stay text, so that no digit of a register is lost on the way.
        body = json.load(stream, parse_float=str, parse_int=str, parse_constant=str)
    except (ValueError, RecursionError) as problem:
        raise NotReadable(f"Not readable as JSON: {problem}.") from None
    if not isinstance(body, list) or not all(isinstance(item, dict) for item in body):
        raise NotReadable("Send a JSON array of objects with channel, at and value.")
    yield from in_columns(Row(*(_text(item.get(name)) for name in FIELDS)) for item in body)


def _text(given: Any) -> str | None:
    return given if given is None or isinstance(given, str) else json.dumps(given)


JSON = Format(
    name="json", media_types=("application/json",), extensions=("json",), parse=parse_array
)
