"""
The time stamps of a mapped table: texts to instants in UTC.

A stamp with an offset is taken by it; others by the clock of the mapping's zone. A time that
spring leaves out is refused. A time that autumn repeats waits until the series has left the hour,
and the order of its rows tells the two passes apart, or it is refused.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from telemetry.domain.local_times import Clock, passes_by_order, zone_of
from telemetry.formats.csv_patterns import reader_of
from telemetry.formats.csv_spec import Time

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_KEPT = 200_000
# No honest file has more rows in one repeated hour than this.
_MOST_WAITING = 50_000

Line = tuple[int, list[str]]


class NoInstant(str):
    """
    Why a stamp is no instant, in words for whoever sent it.
    """

    __slots__ = ()


@dataclass(slots=True)
class Stamped:
    """
    Lines side by side with their instant as ISO 8601 in UTC, or why they have none.
    """

    lines: list[Line] = field(default_factory=list)
    instants: list[str | NoInstant] = field(default_factory=list)

    def add(self, line: Line, instant: str | NoInstant) -> None:
        self.lines.append(line)
        self.instants.append(instant)


@dataclass(slots=True)
class _Waiting:
    """
    The rows of one series within a repeated hour.
    """

    before: dt.datetime | None
    rows: list[tuple[Line, dt.datetime]] = field(default_factory=list)


class Stamps:
    """
    Reads the stamps of one file, in the order of its lines.

    :param text_of: gives a row's stamp
    :param series_of: tells apart the series within the file, whose order is judged each by itself
    """

    def __init__(
        self,
        time: Time,
        text_of: Callable[[list[str]], str],
        series_of: Callable[[list[str]], Hashable],
    ) -> None:
        self._time = time
        self._read = reader_of(time.format)
        self._zone = zone_of(time.zone) if time.zone else None
        self._clock = Clock(self._zone or dt.UTC)
        self._text_of = text_of
        self._series_of = series_of
        self._known: dict[str, str | NoInstant | None] = {}
        self._waiting: dict[Hashable, _Waiting] = {}
        self._previous: dict[Hashable, dt.datetime] = {}

    def read(self, lines: list[Line]) -> Stamped:
        """
        Return the lines whose instant is settled; others come with a later call or `rest`.
        """
        known = self._known
        if len(known) > _KEPT:
            known.clear()
        found: list[str | NoInstant | None] = []
        for _, row in lines:
            text = self._text_of(row)
            try:
                found.append(known[text])
            except KeyError:
                instant = known[text] = self._instant(text)
                found.append(instant)
        if None not in found and not self._waiting:
            self._remember(lines)
            return Stamped(lines, found)  # type: ignore[arg-type]
        return self._one_by_one(lines, found)

    def rest(self) -> Stamped:
        """
        Return the lines that still wait at the end of the file.
        """
        settled = Stamped()
        for series in list(self._waiting):
            self._settle(series, None, settled)
        return settled

    def _remember(self, lines: list[Line]) -> None:
        # Only the last row matters to the next call; a file of many series shows its order later.
        if self._zone is not None and lines:
            _, row = lines[-1]
            local = self._local(self._text_of(row))
            self._previous = {} if local is None else {self._series_of(row): local}

    def _one_by_one(self, lines: list[Line], found: list[str | NoInstant | None]) -> Stamped:
        settled = Stamped()
        for line, instant in zip(lines, found, strict=True):
            series = self._series_of(line[1])
            local = self._local(self._text_of(line[1]))
            waiting = self._waiting.get(series)
            # Another autumn's hour right after: the file has nothing in between.
            if waiting is not None and instant is None and _far(waiting.rows[-1][1], local):
                self._settle(series, local, settled)
                waiting = None
            if instant is None and local is not None:
                if waiting is None:
                    waiting = self._waiting[series] = _Waiting(self._previous.get(series))
                waiting.rows.append((line, local))
                if len(waiting.rows) > _MOST_WAITING:
                    self._settle(series, None, settled)
                continue
            if waiting is not None and local is not None:
                self._settle(series, local, settled)
            settled.add(line, instant)  # type: ignore[arg-type]
            if local is not None:
                self._previous[series] = local
        return settled

    def _settle(self, series: Hashable, after: dt.datetime | None, settled: Stamped) -> None:
        waiting = self._waiting.pop(series)
        times = [local for _, local in waiting.rows]
        passes = passes_by_order(times, before=waiting.before, after=after)
        for n, (line, local) in enumerate(waiting.rows):
            if passes is None:
                settled.add(line, self._untold(local))
            else:
                settled.add(line, self._clock.instants(local)[passes[n]].isoformat())

    def _untold(self, local: dt.datetime) -> NoInstant:
        return NoInstant(
            f"{local:%H:%M} on {local:%Y-%m-%d} comes twice in {self._time.zone} and the order of"
            " the rows does not tell which it is. The mapping can say which to take."
        )

    def _instant(self, text: str) -> str | NoInstant | None:
        """
        Return the instant, why there is none, or None where the order of rows has to tell.
        """
        if self._time.format.startswith("unix"):
            return self._unix(text)
        stamp = self._stamp(text)
        if stamp is None:
            return NoInstant(f"{text!r} is not a time as the mapping says ({self._time.format}).")
        try:
            if stamp.tzinfo is not None:
                return stamp.astimezone(dt.UTC).isoformat()
            if self._zone is None:
                return NoInstant(f"{text!r} has no offset and the mapping no zone.")
            offset = self._clock.offset_of_day(stamp.date())
            if offset is not None:
                return f"{(stamp - offset).isoformat()}+00:00"
            return self._on_a_day_of_change(stamp)
        except OverflowError:
            return NoInstant(f"{text!r} lies outside of the calendar.")

    def _on_a_day_of_change(self, local: dt.datetime) -> str | NoInstant | None:
        instants = self._clock.instants(local)
        if not instants:
            return NoInstant(
                f"{local:%H:%M} on {local:%Y-%m-%d} does not exist in {self._time.zone}: the"
                " clocks went forward."
            )
        if len(instants) == 1 or self._time.repeated_hour == "first":
            return instants[0].isoformat()
        if self._time.repeated_hour == "second":
            return instants[1].isoformat()
        return None if self._time.repeated_hour == "order" else self._untold(local)

    def _unix(self, text: str) -> str | NoInstant:
        unit = (
            dt.timedelta(milliseconds=1) if self._time.format == "unix_ms" else dt.timedelta(0, 1)
        )
        try:
            return (_EPOCH + float(text) * unit).isoformat()
        except (ValueError, OverflowError):
            return NoInstant(f"{text!r} is not Unix time.")

    def _stamp(self, text: str) -> dt.datetime | None:
        try:
            return self._read(text)
        except ValueError:
            return None

    def _local(self, text: str) -> dt.datetime | None:
        if self._zone is None:
            return None
        stamp = self._stamp(text)
        return stamp if stamp is not None and stamp.tzinfo is None else None


def _far(one: dt.datetime, other: dt.datetime | None) -> bool:
    return other is not None and abs(one - other) > dt.timedelta(days=1)
