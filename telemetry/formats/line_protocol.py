"""
InfluxDB line protocol, as Telegraf and the clients of InfluxDB send it:

    measurement,tag=text field=12.5,other=3i 1735689600000000000

Each field is a row. What a line is about is named by its tag `channel`, else its tag `point`,
else its measurement; the channel is `<name>.<field>`, or just the name for a field called
`value`. Other tags are not looked at. A line without time stamp means when it was received.

https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator
from decimal import Decimal, InvalidOperation
from typing import BinaryIO

from telemetry.domain.readings import all_plain, instant_of_count
from telemetry.formats import lines
from telemetry.formats.frame import Columns, Delivery, Format, NotReadable, Refused

# Nanoseconds of each unit, by the names of both versions of the interface.
_UNITS = {
    "ns": 1, "n": 1, "us": 10**3, "u": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9,
    "h": 3600 * 10**9,
}  # fmt: skip
# No time stamp can hold a space.
_NOW = " "

_TEXT = r"(?:\\[,= ]|[^,= ])++"
_STRING = r'"(?:\\.|[^"\\])*+'
_SERIES = re.compile(rf"((?:\\[, ]|[^, ])++)((?:,{_TEXT}={_TEXT})*+)", re.DOTALL)
_TAG = re.compile(rf",({_TEXT})=({_TEXT})", re.DOTALL)
_FIELD = re.compile(rf'({_TEXT})=({_STRING}"|[^"=, ]++)', re.DOTALL)
_FIELDS = rf'{_TEXT}=(?:{_STRING}"|[^"=, ]++)'
_LINE = re.compile(
    rf"(?P<series>{_SERIES.pattern})[ ]++(?P<fields>{_FIELDS}(?:,{_FIELDS})*+)"
    r"(?:[ ]++(?P<stamp>-?[0-9]++))?",
    re.DOTALL,
)
_LEFT_OPEN = re.compile(rf"{_SERIES.pattern}[ ]++(?:{_FIELDS},)*+{_TEXT}={_STRING}\\?", re.DOTALL)
_MOST_LINES, _LONGEST = 100, 1 << 16

_ESCAPED = re.compile(r"\\([,= ])")
_WHOLE = re.compile(r"(-?[0-9]+)i|([0-9]+)u")
_TRUTH = {
    **dict.fromkeys(("t", "T", "true", "True", "TRUE"), "1"),
    **dict.fromkeys(("f", "F", "false", "False", "FALSE"), "0"),
}
_FLOAT = re.compile(r"-?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]{1,3})?")
_NANO = Decimal("1E-9")


def parse(stream: BinaryIO, delivery: Delivery) -> Iterator[Columns]:
    """
    Yield the fields of the lines, numbered by line; comments and empty lines are no rows.

    :raises NotReadable: if the precision is not known or a line does not end
    """
    reader = _Reader(_instants(delivery))
    for piece in lines.pieces(stream, errors="replace"):
        yield reader.columns(piece)
    yield reader.rest()


def _instants(delivery: Delivery) -> Callable[[str], dt.datetime | None]:
    precision = delivery.options.get("precision") or "ns"
    unit = _UNITS.get(precision)
    if unit is None:
        raise NotReadable(f"The precision {precision[:20]!r} is none of ns, us, ms, s.")

    def instant(text: str) -> dt.datetime | None:
        return delivery.received_at if text == _NOW else instant_of_count(text, unit)

    return instant


class _Names(dict[str, str | None]):
    """
    The name that each measurement with its tags stands for; None where it cannot be read.
    """

    def __missing__(self, series: str) -> str | None:
        found = _SERIES.fullmatch(series)
        if found is None:
            return None
        tags = dict(_TAG.findall(found[2]))
        name = tags.get("channel") or tags.get("point") or found[1]
        self[series] = plain = _ESCAPED.sub(r"\1", name)
        return plain


class _Reader:
    """
    Reads line by line. `_open` is a line that goes on, since quotes may hold line ends.
    """

    def __init__(self, instant: Callable[[str], dt.datetime | None]) -> None:
        self._instant = instant
        self._names = _Names()
        self._number = 0
        self._open: list[str] = []
        self._open_since = 0
        self._forget()

    def _forget(self) -> None:
        self._numbers: list[int] = []
        self._channels: list[str] = []
        self._ats: list[str] = []
        self._values: list[str] = []
        self._refused: list[tuple[int, Refused]] = []

    def columns(self, piece: str) -> Columns:
        """
        Return the rows of some lines.
        """
        # Tags that change with every line must not fill the memory.
        if len(self._names) > 100_000:
            self._names.clear()
        text = piece.removesuffix("\n")
        odd = self._open or any(sign in text for sign in '"\\#\r')
        quick = None if odd else self._quickly(text)
        if quick is not None:
            return quick
        for line in text.split("\n"):
            self._number += 1
            if '"' in line or "\\" in line or self._open:
                self._quoted(line)
            elif not self._simple(line):
                self._careful(line, self._number)
        return self._taken()

    def _quickly(self, text: str) -> Columns | None:
        """
        Cut lines of one field each at their spaces; None where a line is otherwise.
        """
        # A line end between two spaces becomes a part of its own, and so in the fields.
        parts = text.replace("\n", " \n ").split(" ")
        fields = parts[1::4]
        ends = parts[3::4]
        if len(parts) % 4 != 3 or set(ends) - {"\n"} or len(ends) != text.count("\n"):
            return None
        pairs = "=\n=".join(fields)
        cells = pairs.split("=")
        if "," in pairs or len(cells) != 3 * len(fields) - 1 or set(cells[2::3]) - {"\n"}:
            return None
        names = [*map(self._names.__getitem__, parts[0::4])]
        if None in names or not all(cells) or not all(parts):
            return None
        keys = cells[0::3]
        channels = [
            name if key == "value" else f"{name}.{key}"
            for name, key in zip(names, keys, strict=True)
        ]
        numbers = range(self._number + 1, self._number + 1 + len(fields))
        self._number += len(fields)
        return Columns(numbers, channels, parts[2::4], _figures(cells[1::3]), (), self._instant)

    def rest(self) -> Columns:
        """
        Return what is left when the text has ended within quotes.
        """
        if self._open:
            self._give_up()
        return self._taken()

    def _taken(self) -> Columns:
        taken = Columns(
            self._numbers,
            self._channels,
            self._ats,
            _figures(self._values),
            self._refused,
            self._instant,
        )
        self._forget()
        return taken

    def _simple(self, line: str) -> bool:
        """
        Take a line as most are, split at its spaces and commas; False where that is not enough.
        """
        parts = line.split(" ")
        if len(parts) == 3:
            series, fields, stamp = parts
        elif len(parts) == 2:
            series, fields = parts
            stamp = _NOW
        else:
            return False
        name = self._names[series]
        if name is None or line[0] == "#" or stamp[-1:] in {"", "\r"} or fields[-1:] == "\r":
            return False
        pairs = [field.split("=") for field in fields.split(",")]
        if not all(len(pair) == 2 and pair[0] and pair[1] for pair in pairs):
            return False
        for key, value in pairs:
            self._add(self._number, name, key, stamp, value)
        return True

    def _quoted(self, line: str) -> None:
        if not self._open:
            self._open_since = self._number
        self._open.append(line)
        together = "\n".join(self._open)
        if not _LEFT_OPEN.fullmatch(together.lstrip(" ")):
            self._open = []
            self._careful(together, self._open_since)
        elif len(self._open) == _MOST_LINES or len(together) > _LONGEST:
            self._give_up()

    def _give_up(self) -> None:
        text = "\n".join(self._open)
        self._refused.append(
            (self._open_since, Refused("The quotes of this line do not end.", text))
        )
        self._open = []

    def _careful(self, line: str, number: int) -> None:
        text = line.strip(" \r\t")
        if not text or text[0] == "#":
            return
        found = _LINE.fullmatch(text)
        name = self._names[found["series"]] if found else None
        if found is None or name is None:
            why = "This line is not `measurement,tags field=value timestamp`."
            self._refused.append((number, Refused(why, text)))
            return
        for key, value in _FIELD.findall(found["fields"]):
            plain_key = _ESCAPED.sub(r"\1", key)
            self._add(number, name, plain_key, found["stamp"] or _NOW, value)

    def _add(self, number: int, name: str, key: str, stamp: str, value: str) -> None:
        self._numbers.append(number)
        self._channels.append(name if key == "value" else f"{name}.{key}")
        self._ats.append(stamp)
        self._values.append(value)


def _figures(texts: list[str]) -> list[str]:
    return texts if all_plain(texts) else [*map(_figure, texts)]


def _figure(text: str) -> str:
    """
    Return a whole number, a truth value or a float as plain figure, anything else as it is. A
    float is binary, so its text can have more than the nine decimals that are stored.
    """
    whole = _WHOLE.fullmatch(text)
    if whole:
        return whole[1] or whole[2]
    if not _FLOAT.fullmatch(text):
        return _TRUTH.get(text, text)
    try:
        value = Decimal(text)
        rounded = value.quantize(_NANO)
    except InvalidOperation:
        return text
    return text if rounded == value else f"{rounded:f}"


FORMAT = Format(
    name="line",
    media_types=("text/plain",),
    extensions=("lp", "line", "influx"),
    parse=parse,
    example=b"heat,host=gw energy=12.5,supply=60i 1767225600000000000\n",
)
