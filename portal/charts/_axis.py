"""
Axes: round numbers up the side, days and months of the site's zone along the foot.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from zoneinfo import ZoneInfo

Say = Callable[[dt.date], str]


def nice_ticks(lowest: float, highest: float, about: int = 4) -> list[float]:
    """
    Return round numbers (1, 2 or 5 times a power of ten) that enclose both, in about so many steps.
    """
    if highest <= lowest:
        highest = lowest + (abs(lowest) or 1)
    rough = (highest - lowest) / about
    power = 10.0 ** math.floor(math.log10(rough))
    # The nearest round step in ratio: the bounds are the geometric means between neighbours.
    bounds = (2**0.5, 10**0.5, 50**0.5)
    step = power * (1, 2, 5, 10)[sum(rough / power >= bound for bound in bounds)]
    first = math.floor(lowest / step + 1e-9)
    last = math.ceil(highest / step - 1e-9)
    digits = max(0, -math.floor(math.log10(step)))
    return [round(i * step, digits) + 0.0 for i in range(first, last + 1)]


@dataclass(frozen=True, slots=True)
class Scale:
    """
    Maps values to heights on the drawing, top being the smaller coordinate.
    """

    ticks: list[float]
    top: float
    bottom: float

    def at(self, value: float) -> float:
        """
        Return the height of a value.
        """
        low, high = self.ticks[0], self.ticks[-1]
        return self.bottom - (value - low) / (high - low) * (self.bottom - self.top)


def _midnights(start: dt.datetime, end: dt.datetime, zone: ZoneInfo) -> Iterator[dt.datetime]:
    day = start.astimezone(zone).date()
    while True:
        midnight = dt.datetime.combine(day, dt.time(), zone).astimezone(dt.UTC)
        if midnight > end:
            return
        if midnight >= start:
            yield midnight
        day += dt.timedelta(days=1)


def time_ticks(
    start: dt.datetime, end: dt.datetime, *, zone: ZoneInfo, day: Say, month: Say, about: int
) -> list[tuple[dt.datetime, str]]:
    """
    Return instants and their labels: hours within two days, else days, else months of the zone.
    """
    hours = (end - start).total_seconds() / 3600
    if hours <= 48:
        return _hours(start, end, zone, math.ceil(hours / about))
    days = list(_midnights(start, end, zone))
    if len(days) <= 62:
        every = max(1, math.ceil(len(days) / about))
        return [(at, day(at.astimezone(zone).date())) for at in days[::every]]
    firsts = [at for at in days if at.astimezone(zone).day == 1]
    every = max(1, math.ceil(len(firsts) / about))
    return [(at, month(at.astimezone(zone).date())) for at in firsts[::every]]


def _hours(
    start: dt.datetime, end: dt.datetime, zone: ZoneInfo, least: int
) -> list[tuple[dt.datetime, str]]:
    every = next(step for step in (1, 2, 3, 6, 12, 24) if step >= least or step == 24)
    found = []
    at = start.astimezone(dt.UTC).replace(minute=0, second=0, microsecond=0)
    # Quarter hours, because zones of half and three quarters of an hour exist.
    while at <= end:
        there = at.astimezone(zone)
        if at >= start and there.minute == 0 and there.hour % every == 0:
            found.append((at, f"{there:%H:%M}"))
        at += dt.timedelta(minutes=15)
    return found
