"""
What every format is made of: the bytes of a delivery go in, rows come out, in columns because
that is how they are checked and stored quickly. Nothing is judged here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import BinaryIO, NamedTuple

from telemetry.domain.readings import utc_instant

FIELDS = ("channel", "at", "value")
ROWS_AT_ONCE = 20_000
# Of a refused text so many characters are kept: the longest telegram, written with blanks, has
# a fifth of it.
KEPT_TEXT = 4096


class NotReadable(Exception):
    """
    The body as a whole is not of its format; nothing of it can be taken.
    """


class Row(NamedTuple):
    """
    One row as sent; None where the field is absent.
    """

    channel: str | None
    at: str | None
    value: str | None


class Refused(NamedTuple):
    """
    A row of which the format itself could make nothing: why, in words for its sender, and the
    text as it came. It counts as a row and is kept.
    """

    detail: str
    text: str
    field: str = "row"


class Heard(NamedTuple):
    """
    The status byte of a meter's telegram (EN 13757-3).
    """

    meter_id: int
    at: dt.datetime
    status: int


class Learnt(NamedTuple):
    """
    What a meter's full radio telegram says of its records, with the signature of that by which
    compact telegrams name it (EN 13757-3, annex G).
    """

    meter_id: int
    signature: int
    heads: tuple[bytes, ...]


# What a text gives: channel, instant and value of its readings, or why there are none.
Again = list[tuple[str, str, str]] | Refused


@dataclass(slots=True)
class Columns:
    """
    Some rows side by side: the nth entries belong together. `numbers` say which row or line of
    the delivery each comes from; `instant` reads the time stamps. `missing` counts fields that
    stand for no reading, `skipped` rows that are none by agreement with the sender. `heard` is what
    meters said of themselves, `learnt` what their compact telegrams leave out.
    """

    numbers: Sequence[int]
    channels: Sequence[str | None]
    ats: Sequence[str | None]
    values: Sequence[str | None]
    refused: Sequence[tuple[int, Refused]] = field(default_factory=list)
    instant: Callable[[str], dt.datetime | None] = utc_instant
    missing: int = 0
    skipped: int = 0
    heard: Sequence[Heard] = ()
    learnt: Sequence[Learnt] = ()


@dataclass(frozen=True, slots=True)
class Delivery:
    """
    What a parser may want to know beside the bytes. The options are those of the address
    (`?precision=s`) or of the command line.
    """

    site_id: int
    received_at: dt.datetime
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Format:
    """
    A format with the names it goes by. The first media type is the one to recommend.

    `parse` raises NotReadable where the body as a whole is not of the format; it streams, so
    what it has yielded before is then forgotten by whoever stores it. What it wants to know from
    the database it asks before it returns: while the rows are drawn, the connection copies them.

    `example` is a small delivery; the fuzz test begins with it.

    `again`, for the meters of a site, reads a kept text of which nothing could be made when it was
    received. A format without it can only have been sent something that is not of it: no key or
    meter mends that, its sender sends it again.
    """

    name: str
    media_types: tuple[str, ...]
    extensions: tuple[str, ...]
    parse: Callable[[BinaryIO, Delivery], Iterator[Columns]]
    example: bytes = b""
    again: Callable[[int], Callable[[str, dt.datetime], Again]] | None = None


def in_columns(rows: Iterable[Row | Refused]) -> Iterator[Columns]:
    """
    Number the rows from 1 and gather them, for parsers that yield one at a time.
    """
    rows = iter(rows)
    taken = 0
    while together := list(islice(rows, ROWS_AT_ONCE)):
        numbered = list(enumerate(together, start=taken + 1))
        good = [(number, row) for number, row in numbered if isinstance(row, Row)]
        yield Columns(
            [number for number, _ in good],
            [row.channel for _, row in good],
            [row.at for _, row in good],
            [row.value for _, row in good],
            [(number, row) for number, row in numbered if isinstance(row, Refused)],
        )
        taken += len(together)
