"""
Sets of half-open stretches of time [start, end).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from decimal import Decimal

Span = tuple[dt.datetime, dt.datetime]
# A figure that holds over a stretch; None: not known.
Step = tuple[dt.datetime, dt.datetime, Decimal | None]


def merged(spans: Iterable[Span]) -> list[Span]:
    """
    Return the time of any of the stretches, in order, without overlaps; empty ones vanish.
    """
    found: list[Span] = []
    for start, end in sorted(spans):
        if start >= end:
            continue
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def common(first: Iterable[Span], second: Iterable[Span]) -> list[Span]:
    """
    Return the time that lies in both.
    """
    left, right = merged(first), merged(second)
    found, i, j = [], 0, 0
    while i < len(left) and j < len(right):
        start, end = max(left[i][0], right[j][0]), min(left[i][1], right[j][1])
        if start < end:
            found.append((start, end))
        if left[i][1] <= right[j][1]:
            i += 1
        else:
            j += 1
    return found


def without(spans: Iterable[Span], taken: Iterable[Span]) -> list[Span]:
    """
    Return the time of the first that does not lie in the second.
    """
    found, holes = [], merged(taken)
    for start, end in merged(spans):
        reached = start
        for hole_start, hole_end in holes:
            if hole_end <= reached:
                continue
            if hole_start >= end:
                break
            if hole_start > reached:
                found.append((reached, hole_start))
            reached = hole_end
        if reached < end:
            found.append((reached, end))
    return found


def seconds(spans: Iterable[Span]) -> int:
    """
    Return how long the stretches are together, overlaps counted once.
    """
    return round(sum((end - start).total_seconds() for start, end in merged(spans)))


def steps(
    readings: Sequence[tuple[dt.datetime, Decimal]], *, hold: dt.timedelta, end: dt.datetime
) -> list[Step]:
    """
    Return readings in order of time as figures that hold until the next one, none longer than
    `hold` and none after `end`.
    """
    found: list[Step] = []
    for n, (at, value) in enumerate(readings):
        until = readings[n + 1][0] if n + 1 < len(readings) else end
        until = min(until, at + hold, end)
        if until > at:
            found.append((at, until, value))
    return found


def where(figures: Iterable[Step], low: Decimal | None, high: Decimal | None) -> list[Span]:
    """
    Return when a known figure lay outside [low, high]; None: open on that side.
    """
    return merged(
        (start, end)
        for start, end, value in figures
        if value is not None
        and ((low is not None and value < low) or (high is not None and value > high))
    )
