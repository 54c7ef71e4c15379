"""
Wall-clock times to instants: the hour that autumn repeats and the one that spring leaves out.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_FIXED = re.compile(r"(?:UTC|GMT)?([+-])(\d{1,2}):?(\d{2})", re.ASCII)
_DAY = dt.timedelta(days=1)


class UnknownZone(Exception):
    """
    The text is neither UTC, an offset such as +01:00, nor a zone of the IANA database.
    """


def zone_of(text: str) -> dt.tzinfo:
    """
    Return the zone that the text names: UTC, a fixed offset, or an IANA zone.

    :raises UnknownZone: for anything else
    """
    if text.upper() in {"UTC", "Z"}:
        return dt.UTC
    fixed = _FIXED.fullmatch(text)
    if fixed is not None:
        sign, hours, minutes = fixed.groups()
        if int(hours) > 14 or int(minutes) > 59:
            raise UnknownZone(text)
        ahead = dt.timedelta(hours=int(hours), minutes=int(minutes))
        return dt.timezone(ahead if sign == "+" else -ahead)
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UnknownZone(text) from None


class Clock:
    """
    A wall clock in one zone. Days without a clock change are answered from memory.
    """

    def __init__(self, zone: dt.tzinfo) -> None:
        self.zone = zone
        self._offsets: dict[dt.date, dt.timedelta | None] = {}

    def offset_of_day(self, day: dt.date) -> dt.timedelta | None:
        """
        Return how far the clock is ahead of UTC throughout a day; None where that changes.
        """
        try:
            return self._offsets[day]
        except KeyError:
            found = self._offsets[day] = self._offset(day)
            return found

    def _offset(self, day: dt.date) -> dt.timedelta | None:
        if isinstance(self.zone, dt.timezone):
            return self.zone.utcoffset(None)
        midnight = dt.datetime.combine(day, dt.time(), self.zone)
        if day == dt.date.max:
            return midnight.utcoffset()
        # A change at midnight itself shows in the fold.
        offsets = {
            at.replace(fold=fold).utcoffset()
            for at in (midnight, midnight + _DAY)
            for fold in (0, 1)
        }
        return offsets.pop() if len(offsets) == 1 else None

    def instants(self, local: dt.datetime) -> list[dt.datetime]:
        """
        Return the instants in UTC at which the clock showed a time without zone: none in the
        hour that spring leaves out, two in the hour that autumn repeats, earlier first.
        """
        found = []
        for fold in (0, 1):
            instant = local.replace(tzinfo=self.zone, fold=fold).astimezone(dt.UTC)
            shown = instant.astimezone(self.zone).replace(tzinfo=None)
            if shown == local and instant not in found:
                found.append(instant)
        return found


def passes_by_order(
    times: Sequence[dt.datetime], *, before: dt.datetime | None, after: dt.datetime | None
) -> list[int] | None:
    """
    Tell the two passes of a repeated hour apart by the order of a series: 0 for the first pass,
    1 for the second, in the order given; None where the order does not tell.

    `times` are the series' rows within the hour; `before` and `after` its neighbours outside.
    The series must run steadily forwards, or steadily backwards, and turn over exactly once.
    A series that shows the hour only once tells nothing: it may be either pass.
    """
    found = []
    for sign in (1, -1):
        turns = [n for n in range(1, len(times)) if _goes_on(times[n - 1], times[n], sign) is False]
        steady = (before is None or _goes_on(before, times[0], sign)) and (
            after is None or _goes_on(times[-1], after, sign)
        )
        if len(turns) == 1 and steady:
            first = 0 if sign == 1 else 1
            found.append([first] * turns[0] + [1 - first] * (len(times) - turns[0]))
    return found[0] if len(found) == 1 else None


def _goes_on(one: dt.datetime, other: dt.datetime, sign: int) -> bool:
    return one < other if sign == 1 else one > other
