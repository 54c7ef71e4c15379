"""
JSON: one array of objects with channel, at and value, or one such object a line.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, BinaryIO

from telemetry.formats import lines
from telemetry.formats.frame import Columns, Delivery, Format, NotReadable, Refused

_WANTED = "an array of objects with channel, at and value"
_STEP = 1 << 20
_GAP = re.compile(r"[ \t\r\n]*")
# Figures stay text, so that no digit of a register is lost on the way.
_decoder = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=str)
# Reads one value at a place of a text; quicker than `raw_decode`, which only calls it.
_scan: Callable[[str, int], tuple[Any, int]] = _decoder.scan_once  # type: ignore[attr-defined]
_NOT_JSON = (ValueError, StopIteration, RecursionError)


def parse_array(stream: BinaryIO, delivery: Delivery) -> Iterator[Columns]:
    """
    Yield the objects of a JSON array while it streams.

    :raises NotReadable: if it is not JSON or not such an array
    """
    taken = 0
    for items in _Array(stream).items():
        yield _columns(range(taken + 1, taken + 1 + len(items)), items)
        taken += len(items)


def parse_lines(stream: BinaryIO, delivery: Delivery) -> Iterator[Columns]:
    """
    Yield the objects of JSON lines; empty lines are no rows. Rows are numbered by line.

    :raises NotReadable: if a line does not end
    """
    numbered = count(1)
    for piece in lines.pieces(stream, errors="replace"):
        numbers, items, refused = [], [], []
        for line in piece.removesuffix("\n").split("\n"):
            number = next(numbered)
            text = line.strip()
            if not text:
                continue
            try:
                item, end = _scan(text, 0)
            except _NOT_JSON:
                refused.append((number, Refused("This line is not JSON.", text)))
                continue
            if type(item) is dict and end == len(text):
                numbers.append(number)
                items.append(item)
            else:
                refused.append((number, Refused("This line is not one JSON object.", text)))
        yield _columns(numbers, items, refused)


class _Array:
    """
    Reads the elements of an array, as many at a time as the text at hand holds.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._decode = codecs.getincrementaldecoder("utf-8-sig")().decode
        self._text = ""
        self._at = 0
        self._ended = False

    def items(self) -> Iterator[list[dict[str, Any]]]:
        self._expect("[")
        more = self._next() != "]"
        while more:
            found: list[dict[str, Any]] = []
            more = self._take(found)
            yield found
        self._expect("]")
        if self._next():
            raise NotReadable("Something follows the JSON array.")

    def _take(self, found: list[dict[str, Any]]) -> bool:
        """
        Add the objects of the text at hand and say whether another has to follow.
        """
        if self._next() != "{":
            raise NotReadable(f"Send {_WANTED}.")
        text, at = self._text, self._at
        while True:
            try:
                item, end = _scan(text, at)
            except _NOT_JSON as problem:
                if not found:
                    # Perhaps it is only cut off here.
                    self._more_or_refuse(problem)
                return True
            found.append(item)
            gap = _GAP.match(text, end)
            self._at = after = gap.end() if gap else end
            if text[after : after + 1] != ",":
                return self._next_comma()
            gap = _GAP.match(text, after + 1)
            self._at = at = gap.end() if gap else after + 1
            if text[at : at + 1] != "{":
                return True

    def _next_comma(self) -> bool:
        if self._next() != ",":
            return False
        self._at += 1
        return True

    def _more_or_refuse(self, problem: BaseException) -> None:
        if self._ended or len(self._text) - self._at > lines.LONGEST:
            why = problem if isinstance(problem, ValueError) else "it is nested too deep"
            raise NotReadable(f"Not readable as JSON: {why}.")
        self._read()

    def _read(self) -> None:
        data = self._stream.read(_STEP)
        self._ended = not data
        try:
            more = self._decode(data, self._ended)
        except UnicodeDecodeError as problem:
            raise NotReadable(f"Not readable as JSON: {problem.reason}.") from None
        self._text = self._text[self._at :] + more
        self._at = 0

    def _next(self) -> str:
        """
        Return the next character that is no space, "" at the end.
        """
        while True:
            gap = _GAP.match(self._text, self._at)
            self._at = gap.end() if gap else self._at
            if self._at < len(self._text) or self._ended:
                return self._text[self._at : self._at + 1]
            self._read()

    def _expect(self, wanted: str) -> None:
        found = self._next()
        if found != wanted:
            where = f"{found!r} stands" if found else "the text ends"
            raise NotReadable(f"Not readable as JSON: {where} where {wanted!r} should be. "
                              f"Send {_WANTED}.")  # fmt: skip
        self._at += 1


def _columns(
    numbers: range | list[int],
    items: list[dict[str, Any]],
    refused: list[tuple[int, Refused]] | None = None,
) -> Columns:
    return Columns(
        numbers,
        _texts([item.get("channel") for item in items]),
        _texts([item.get("at") for item in items]),
        _texts([item.get("value") for item in items]),
        refused or [],
    )


def _texts(given: list[Any]) -> list[str | None]:
    if set(map(type, given)) <= {str, type(None)}:
        return given
    return [text if text is None or isinstance(text, str) else json.dumps(text) for text in given]


JSON = Format(
    name="json",
    media_types=("application/json",),
    extensions=("json",),
    parse=parse_array,
    example=b'[{"channel": "heat.energy", "at": "2026-01-01T00:00:00Z", "value": 12.5}]',
)
NDJSON = Format(
    name="ndjson",
    media_types=("application/x-ndjson", "application/ndjson", "application/jsonl"),
    extensions=("ndjson", "jsonl"),
    parse=parse_lines,
    example=b'{"channel": "heat.energy", "at": "2026-01-01T00:00:00Z", "value": 12.5}\n',
)
