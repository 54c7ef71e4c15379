"""
Time as lived at a site: half-open periods in UTC, cut at local midnights.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Period:
    """
    A half-open stretch of time [start, end), held in UTC.
    """

    start: dt.datetime
    end: dt.datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ValueError("Period bounds must be timezone-aware.")
        # Two datetimes sharing a ZoneInfo compare and subtract as wall clock, so an hour goes
        # missing over a clock change. UTC has no such trap.
        object.__setattr__(self, "start", self.start.astimezone(dt.UTC))
        object.__setattr__(self, "end", self.end.astimezone(dt.UTC))
        if self.end <= self.start:
            raise ValueError("A period must end after it starts.")

    @property
    def hours(self) -> float:
        """
        Hours that really pass, clock changes included.
        """
        return (self.end - self.start).total_seconds() / 3600


def local_days(first: dt.date, end: dt.date, timezone: str) -> Period:
    """
    Return the local days from `first` up to but not including `end`.
    """
    zone = zoneinfo.ZoneInfo(timezone)
    return Period(
        start=dt.datetime.combine(first, dt.time(), tzinfo=zone),
        end=dt.datetime.combine(end, dt.time(), tzinfo=zone),
    )


def local_month(year: int, month: int, timezone: str) -> Period:
    """
    Return the calendar month as lived at the site.
    """
    following = dt.date(year + month // 12, month % 12 + 1, 1)
    return local_days(dt.date(year, month, 1), following, timezone)
