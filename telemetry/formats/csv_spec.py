"""
What a column mapping says: how a table of one source is read, column by column. It is kept as
JSON, so a mapping is data; this is the only place that knows its keys.
"""

from __future__ import annotations

import codecs
import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from telemetry.domain.conversion import known_units, unit_as_written
from telemetry.domain.local_times import UnknownZone, zone_of

ENCODINGS = {"utf-8": "UTF-8", "latin-1": "Latin-1", "cp1252": "Windows-1252", "utf-16": "UTF-16"}
SEPARATORS = {",": "Comma", ";": "Semicolon", "\t": "Tab", "|": "Vertical bar"}
DECIMALS = {".": "Point", ",": "Comma"}
THOUSANDS = {"": "None", ",": "Comma", ".": "Point", "'": "Apostrophe", " ": "Space"}
REPEATED_HOUR = {
    "order": "Told by the order of the rows",
    "first": "Always the first pass (summer time)",
    "second": "Always the second pass (standard time)",
    "refuse": "Refused",
}
NAMED_FORMATS = ("iso", "unix", "unix_ms")
MOST_LINES = 200
MOST_COLUMNS = 1000
# A name in a channel's text that stands for the cell of that column.
PLACE = re.compile(r"\{([^{}]+)\}")


class BadMapping(Exception):
    """
    The mapping says something that cannot be. `problems` holds (key, what is wrong) pairs.
    """

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        super().__init__(" ".join(f"{key}: {text}" for key, text in problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Time:
    """
    Where the time stamp stands and what its clock is.

    Two columns are joined by a space. `format` is "iso", "unix" (seconds), "unix_ms" or a
    pattern of strptime; a two-digit year from 69 on is of the last century. Without `zone` the
    stamp states its own offset; a stamp with an offset is always taken by that.
    """

    columns: tuple[str, ...] = ()
    format: str = "iso"
    zone: str = ""
    repeated_hour: str = "order"


@dataclass(frozen=True, slots=True)
class Value:
    """
    A column of figures and the channel they go to.

    `channel` may name cells of the same row: "{node}.power", "{Adr}/{Nr.}". A `unit`, or the
    one in `unit_column`, is converted to the channel's; without one, figures are taken to be in
    the channel's. `missing` adds to the mapping's own marks. `decimals` rounds.
    """

    column: str = ""
    channel: str = ""
    unit: str = ""
    unit_column: str = ""
    missing: tuple[str, ...] = ()
    decimals: int | None = None


@dataclass(frozen=True, slots=True)
class Skip:
    """
    Rows that are no readings at all: those in which a column holds one of the values.
    """

    column: str = ""
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Spec:
    """
    A whole mapping. Columns go by their name in the header, or by "#3" for the third.

    `channels` translates what `Value.channel` makes of a row ("1/1") to a channel's key; with
    `unlisted` "skip" what is not in it is left out, with "refuse" it is kept as refused.
    """

    encoding: str = "utf-8"
    separator: str = ","
    decimal: str = "."
    thousands: str = ""
    skip_lines: int = 0
    header_lines: int = 1
    name_line: int = 1
    footer_lines: int = 0
    skip_starting_with: tuple[str, ...] = ()
    skip_rows: tuple[Skip, ...] = ()
    missing: tuple[str, ...] = ("",)
    time: Time = field(default_factory=Time)
    values: tuple[Value, ...] = ()
    channels: Mapping[str, str] = field(default_factory=dict)
    unlisted: str = "refuse"

    def as_json(self) -> Any:
        """
        Return what `spec_of` reads back.
        """
        return _listed(asdict(self))


def _listed(value: Any) -> Any:
    # JSON has no tuples.
    if isinstance(value, dict):
        return {key: _listed(part) for key, part in value.items()}
    return [_listed(part) for part in value] if isinstance(value, list | tuple) else value


def places_in(channel: str) -> list[str]:
    """
    Return the columns whose cells a channel's text names.
    """
    return PLACE.findall(channel)


def spec_of(given: Any) -> Spec:
    """
    Return the mapping that a JSON object states.

    :raises BadMapping: if a key is not known, a value not possible or something is absent
    """
    reader = _Reader()
    spec = reader.spec(given)
    if reader.problems:
        raise BadMapping(reader.problems)
    return spec


class _Reader:
    """
    Reads the parts of a mapping and gathers what is wrong with them.
    """

    def __init__(self) -> None:
        self.problems: list[tuple[str, str]] = []

    def wrong(self, key: str, text: str) -> None:
        self.problems.append((key, text))

    def spec(self, given: Any) -> Spec:
        parts = self._parts("mapping", given, Spec)
        for key in ("skip_lines", "header_lines", "name_line", "footer_lines"):
            if not _whole(parts.get(key, 0), MOST_LINES):
                self.wrong(key, f"must be a whole number up to {MOST_LINES}.")
                del parts[key]
        for key in ("skip_starting_with", "missing"):
            if key in parts:
                parts[key] = self._texts(key, parts[key])
        parts["time"] = self._time(parts.get("time", {}))
        parts["values"] = tuple(
            self._value(f"values {n}", value)
            for n, value in enumerate(self._list("values", parts.get("values", [])), start=1)
        )
        parts["skip_rows"] = tuple(
            self._skip(f"skip_rows {n}", rule)
            for n, rule in enumerate(self._list("skip_rows", parts.get("skip_rows", [])), start=1)
        )
        table = parts.get("channels", {})
        if not isinstance(table, dict) or not all(_text(v) for pair in table.items() for v in pair):
            self.wrong("channels", "must give a channel's key for each text.")
            del parts["channels"]
        spec = Spec(**parts)
        self._fits(spec)
        return spec

    def _fits(self, spec: Spec) -> None:
        self._one_of("encoding", spec.encoding, ENCODINGS)
        self._one_of("separator", spec.separator, SEPARATORS)
        self._one_of("decimal", spec.decimal, DECIMALS)
        self._one_of("thousands", spec.thousands, THOUSANDS)
        self._one_of("unlisted", spec.unlisted, {"skip": "", "refuse": ""})
        if spec.thousands == spec.decimal:
            self.wrong("thousands", "must differ from the decimal sign.")
        if spec.header_lines and not 1 <= spec.name_line <= spec.header_lines:
            self.wrong("name_line", "must be one of the header lines.")
        if not spec.values:
            self.wrong("values", "must name at least one column with its channel.")
        if len(spec.values) > MOST_COLUMNS:
            self.wrong("values", f"may hold at most {MOST_COLUMNS} columns.")

    def _time(self, given: Any) -> Time:
        parts = self._parts("time", given, Time)
        parts["columns"] = self._texts("time.columns", parts.get("columns", []))
        time = Time(**parts)
        if not 1 <= len(time.columns) <= 2:
            self.wrong(
                "time.columns", "must name one column, or one of the date and one of the time."
            )
        self._one_of("time.repeated_hour", time.repeated_hour, REPEATED_HOUR)
        if not _is_time_format(time.format):
            self.wrong(
                "time.format", "must be iso, unix, unix_ms or a pattern with day, month and year."
            )
        if time.format.startswith("unix") and time.zone not in {"", "UTC"}:
            self.wrong("time.zone", "Unix time has no zone.")
        if time.zone:
            try:
                zone_of(time.zone)
            except UnknownZone:
                self.wrong(
                    "time.zone", f"{time.zone} is no zone: say UTC, +01:00 or Europe/Berlin."
                )
        return time

    def _value(self, key: str, given: Any) -> Value:
        parts = self._parts(key, given, Value)
        parts["missing"] = self._texts(f"{key}.missing", parts.get("missing", []))
        decimals = parts.get("decimals")
        if decimals is not None and not _whole(decimals, 9):
            self.wrong(f"{key}.decimals", "must be a whole number up to 9.")
            del parts["decimals"]
        value = Value(**parts)
        for name in ("column", "channel"):
            if not getattr(value, name):
                self.wrong(f"{key}.{name}", "must be given.")
        if value.unit and unit_as_written(value.unit) not in known_units():
            self.wrong(f"{key}.unit", f"{value.unit} is not a unit the portal knows.")
        if value.unit and value.unit_column:
            self.wrong(f"{key}.unit_column", "cannot be given together with a unit.")
        return value

    def _skip(self, key: str, given: Any) -> Skip:
        parts = self._parts(key, given, Skip)
        rule = Skip(parts.get("column", ""), self._texts(f"{key}.values", parts.get("values", [])))
        if not rule.column or not rule.values:
            self.wrong(key, "must name a column and values.")
        return rule

    def _parts(self, key: str, given: Any, kind: type) -> dict[str, Any]:
        """
        Return the parts that `kind` has, those of plain text checked to be text.
        """
        if not isinstance(given, dict):
            self.wrong(key, "must be an object.")
            return {}
        known = {f.name: f.type for f in fields(kind)}
        parts = {}
        for name, value in given.items():
            if name not in known:
                self.wrong(f"{key}.{name}", "is not known.")
            elif known[name] == "str" and not _text(value):
                self.wrong(f"{key}.{name}", "must be text.")
            else:
                parts[name] = value
        return parts

    def _list(self, key: str, given: Any) -> list[Any]:
        if isinstance(given, list | tuple):
            return list(given)
        self.wrong(key, "must be a list.")
        return []

    def _texts(self, key: str, given: Any) -> tuple[str, ...]:
        if isinstance(given, list | tuple) and all(_text(text) for text in given):
            return tuple(given)
        self.wrong(key, "must be a list of texts.")
        return ()

    def _one_of(self, key: str, value: str, known: Mapping[str, str]) -> None:
        if value not in known:
            shown = ", ".join(repr(name) for name in known)
            self.wrong(key, f"{value!r} is not one of {shown}.")


def _text(value: Any) -> bool:
    # NUL cannot be kept in the database.
    return isinstance(value, str) and len(value) <= 200 and "\0" not in value


def _whole(value: Any, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most


def _is_time_format(text: str) -> bool:
    if text in NAMED_FORMATS:
        return True
    if "%" not in text:
        return False
    # A pattern that loses the day, the year or the half of the day would put readings elsewhere.
    probe = dt.datetime(2031, 7, 23, 15, 45, tzinfo=dt.UTC)
    try:
        read = dt.datetime.strptime(probe.strftime(text), text)  # noqa: DTZ007 - only its date
    except (ValueError, re.error):
        return False
    return read.date() == probe.date() and read.hour in {0, probe.hour}


def codec_of(encoding: str) -> str:
    """
    Return the codec of a mapping's encoding; a byte order mark is passed over.
    """
    return "utf-8-sig" if encoding == "utf-8" else codecs.lookup(encoding).name
