"""
Text in lines, many at a time, and never a line that fills the memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from telemetry.formats.frame import NotReadable

_STEP = 1 << 20
LONGEST = 1 << 20


def pieces(stream: BinaryIO, *, errors: str = "strict") -> Iterator[str]:
    """
    Yield the text in pieces that end with a line, the last one perhaps without its line end.

    :raises NotReadable: if a line is longer than a mebibyte or, with strict errors, the text is
        not UTF-8
    """
    rest = b""
    start = True
    while data := stream.read(_STEP):
        lines, end, rest = (rest + data).rpartition(b"\n")
        if len(rest) > LONGEST:
            raise NotReadable("A line is longer than a mebibyte.")
        if end:
            yield _text(lines + end, errors, start)
            start = False
    if rest:
        yield _text(rest, errors, start)


def _text(data: bytes, errors: str, start: bool) -> str:
    try:
        # Spreadsheets put a byte order mark in front.
        return data.decode("utf-8-sig" if start else "utf-8", errors)
    except UnicodeDecodeError as problem:
        raise NotReadable(f"Not readable as text in UTF-8: {problem.reason}.") from None
