"""
When heat is delivered: bands of the week by the wall clock, less seasons in which it rests.
"""

from __future__ import annotations

import datetime as dt
import itertools
import re
import zoneinfo
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from telemetry.domain import spans
from telemetry.domain.spans import Span

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAY_MIN = 1440
QUARTER_MIN = 15


@dataclass(frozen=True, slots=True, order=True)
class Band:
    """
    Minutes of the wall clock, [begins, ends), on one weekday from 0 for Monday.
    """

    weekday: int
    begins: int
    ends: int


@dataclass(frozen=True, slots=True, order=True)
class Closure:
    """
    The days of every year from `first` to `last`, both included, as month × 100 + day.
    """

    first: int
    last: int

    def holds(self, day: dt.date) -> bool:
        number = day.month * 100 + day.day
        if self.first <= self.last:
            return self.first <= number <= self.last
        return number >= self.first or number <= self.last


class NotUnderstood(ValueError):
    """
    A line that says no band or season; the message says what is wrong with which line.
    """


_BAND = re.compile(
    r"(?P<days>[A-Za-z, –-]+?)\s+(?P<from>\d{1,2}:\d\d)\s*[-–]\s*(?P<to>\d{1,2}:\d\d)"
)


def read_bands(text: str) -> list[Band]:
    """
    Return the bands of a text, one line each: "Mon-Fri 06:00-22:00" or "Sat, Sun 08:00-24:00".

    :raises NotUnderstood: naming the line
    """
    found: list[Band] = []
    for line in filter(None, (line.strip() for line in text.splitlines())):
        match = _BAND.fullmatch(line)
        if match is None:
            raise NotUnderstood(f"“{line}” is not of the form “Mon-Fri 06:00-22:00”.")
        begins, ends = (_minute(match[name], line) for name in ("from", "to"))
        if begins >= ends:
            raise NotUnderstood(
                f"“{line}” ends before it begins; split a night at 24:00 and 00:00."
            )
        found += [Band(day, begins, ends) for day in _days(match["days"], line)]
    found.sort()
    for one, other in itertools.pairwise(found):
        if one.weekday == other.weekday and other.begins < one.ends:
            raise NotUnderstood(f"Two bands overlap on {WEEKDAYS[one.weekday]}.")
    return found


def _minute(text: str, line: str) -> int:
    hour, minute = (int(part) for part in text.split(":"))
    total = hour * 60 + minute
    if minute > 59 or total > _DAY_MIN:
        raise NotUnderstood(f"“{text}” in “{line}” is no time of day.")
    if total % QUARTER_MIN:
        raise NotUnderstood(f"“{text}” in “{line}” is not on a quarter of an hour.")
    return total


def _days(text: str, line: str) -> list[int]:
    found: set[int] = set()
    for part in filter(None, (part.strip() for part in text.split(","))):
        ends = [_weekday(name.strip(), line) for name in re.split("[-–]", part)]
        if len(ends) > 2:
            raise NotUnderstood(f"“{part}” in “{line}” is no weekday or range of them.")
        first, last = ends[0], ends[-1]
        # Fri-Mon goes over the turn of the week.
        found |= {(first + n) % 7 for n in range((last - first) % 7 + 1)}
    return sorted(found)


def _weekday(name: str, line: str) -> int:
    for number, known in enumerate(WEEKDAYS):
        if name[:3].lower() == known.lower():
            return number
    raise NotUnderstood(f"“{name}” in “{line}” is no weekday; write Mon, Tue … Sun.")


_SEASON = re.compile(
    r"(\d{1,2})\s*([A-Za-z]{3})[a-z]*\s*[-–]\s*(\d{1,2})\s*([A-Za-z]{3})[a-z]*", re.ASCII
)


def read_closures(text: str) -> list[Closure]:
    """
    Return the seasons of a text, one line each: "1 Jun - 31 Aug".

    :raises NotUnderstood: naming the line
    """
    found = []
    for line in filter(None, (line.strip() for line in text.splitlines())):
        match = _SEASON.fullmatch(line)
        if match is None:
            raise NotUnderstood(f"“{line}” is not of the form “1 Jun - 31 Aug”.")
        found.append(
            Closure(_day_of_year(match[1], match[2], line), _day_of_year(match[3], match[4], line))
        )
    return sorted(found)


def _day_of_year(day: str, month: str, line: str) -> int:
    name = month.capitalize()
    try:
        # 2024 has a 29 February.
        dt.date(2024, MONTHS.index(name) + 1, int(day))
    except ValueError:
        raise NotUnderstood(f"“{day} {month}” in “{line}” is no day of the year.") from None
    return (MONTHS.index(name) + 1) * 100 + int(day)


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


def write_bands(bands: Iterable[Band]) -> list[str]:
    """
    Return bands as lines that `read_bands` understands, days with the same times together.
    """
    times: dict[int, list[tuple[int, int]]] = {}
    for band in sorted(bands):
        times.setdefault(band.weekday, []).append((band.begins, band.ends))
    lines = []
    day = 0
    while day < 7:
        last = day
        while last + 1 < 7 and times.get(last + 1) == times.get(day):
            last += 1
        name = WEEKDAYS[day] if last == day else f"{WEEKDAYS[day]}-{WEEKDAYS[last]}"
        lines += [f"{name} {_clock(a)}-{_clock(b)}" for a, b in times.get(day, [])]
        day = last + 1
    return lines


def write_closures(closures: Iterable[Closure]) -> list[str]:
    """
    Return seasons as lines that `read_closures` understands.
    """

    def name(number: int) -> str:
        return f"{number % 100} {MONTHS[number // 100 - 1]}"

    return [f"{name(c.first)} - {name(c.last)}" for c in sorted(closures)]


def windows(
    *,
    first: dt.date,
    end: dt.date,
    bands: Sequence[Band],
    closures: Sequence[Closure],
    timezone: str,
) -> list[Span]:
    """
    Return the time in which heat is delivered on the local days from `first` up to but not
    including `end`, in UTC. Without bands that is all day, clock changes included.
    """
    zone = zoneinfo.ZoneInfo(timezone)
    found = []
    day = first
    while day < end:
        if not any(closure.holds(day) for closure in closures):
            held = [(0, _DAY_MIN)]
            if bands:
                held = [(b.begins, b.ends) for b in bands if b.weekday == day.weekday()]
            found += [(_instant(day, a, zone), _instant(day, b, zone)) for a, b in held]
        day += dt.timedelta(days=1)
    return spans.merged(found)


def _instant(day: dt.date, minute: int, zone: zoneinfo.ZoneInfo) -> dt.datetime:
    if minute == _DAY_MIN:
        day, minute = day + dt.timedelta(days=1), 0
    clock = dt.time(minute // 60, minute % 60)
    return dt.datetime.combine(day, clock, tzinfo=zone).astimezone(dt.UTC)
