"""
Time stamps by a pattern of strptime, quick for the many rows of one day.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable

Reader = Callable[[str], dt.datetime]

_DAY_AND_TIME = re.compile(r"((?:%[dmyYbBjeaA]|[^%])+) (%[HI](?:%[MSpf]|[^%])*)")
_KEPT = 20_000


def reader_of(pattern: str) -> Reader:
    """
    Return what reads a stamp: `datetime.fromisoformat` for "iso", else strptime. The function
    raises ValueError for a text that does not fit.
    """
    if pattern == "iso":
        return dt.datetime.fromisoformat
    parts = _DAY_AND_TIME.fullmatch(pattern)
    if parts is None:
        return lambda text: dt.datetime.strptime(text, pattern)  # noqa: DTZ007 - zone follows
    return _in_two(*parts.groups())


def _in_two(day_pattern: str, time_pattern: str) -> Reader:
    spaces = day_pattern.count(" ") + 1
    days: dict[str, dt.datetime] = {}
    times: dict[str, dt.timedelta] = {}

    def read(text: str) -> dt.datetime:
        words = text.split(" ", spaces)
        day, time = " ".join(words[:spaces]), " ".join(words[spaces:])
        try:
            return days[day] + times[time]
        except KeyError:
            pass
        if len(days) + len(times) > _KEPT:
            days.clear()
            times.clear()
        midnight = days[day] = dt.datetime.strptime(day, day_pattern)  # noqa: DTZ007 - zone follows
        clock = dt.datetime.strptime(time, time_pattern)  # noqa: DTZ007 - only a time of day
        since = times[time] = clock - dt.datetime(1900, 1, 1)  # noqa: DTZ001 - where strptime starts
        return midnight + since

    return read
