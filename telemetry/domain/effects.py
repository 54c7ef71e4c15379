"""
What a series counts between instants, for one that is not stored: to show what a change would do
before it is made. The rollup does the same in SQL.
"""

from __future__ import annotations

import datetime as dt
import itertools
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from telemetry.domain.registers import register_at
from telemetry.domain.vee import Dial, Reading


@dataclass(frozen=True, slots=True)
class Stay:
    """
    A meter at its point from `begins` until `ends`; None: open.
    """

    begins: dt.datetime | None
    ends: dt.datetime | None
    dial: Dial

    def has(self, at: dt.datetime) -> bool:
        return (self.begins is None or self.begins <= at) and (self.ends is None or at < self.ends)


def counted(
    rows: Sequence[Reading], stays: Sequence[Stay], edges: Sequence[dt.datetime]
) -> list[Decimal | None]:
    """
    Return the kWh between each edge and the next, as far as readings tell; None where nothing is
    known, or a register fell for good. Readings are in order, in native units.
    """
    found: list[Decimal | None] = [None] * (len(edges) - 1)
    for stay in stays:
        own = _without_zeros([row for row in rows if stay.has(row[0])])
        for n, part in enumerate(_of_stay(own, stay.dial, edges)):
            if part is not None:
                found[n] = (found[n] or Decimal(0)) + part
    return found


def _without_zeros(rows: Sequence[Reading]) -> list[Reading]:
    # A register that has counted does not read zero again: that is lost communication.
    first = next((n for n, (_, value) in enumerate(rows) if value != 0), len(rows))
    return [row for n, row in enumerate(rows) if row[1] != 0 or n < first]


def _of_stay(
    rows: Sequence[Reading], dial: Dial, edges: Sequence[dt.datetime]
) -> list[Decimal | None]:
    if len(rows) < 2:
        return [None] * (len(edges) - 1)
    counter: list[Reading] = [(rows[0][0], Decimal(0))]
    resets: list[dt.datetime] = []
    for before, here in itertools.pairwise(rows):
        change = here[1] - before[1]
        if change < 0:
            rolled = change + dial.modulus
            if dial.can_rise(rolled, here[0] - before[0]):
                change = rolled
            else:
                resets.append(here[0])
                change = Decimal(0)
        counter.append((here[0], counter[-1][1] + change))
    return [_between(counter, resets, start, end, dial) for start, end in itertools.pairwise(edges)]


def _between(
    counter: Sequence[Reading], resets: Sequence[dt.datetime], start: dt.datetime,
    end: dt.datetime, dial: Dial,
) -> Decimal | None:  # fmt: skip
    start, end = max(start, counter[0][0]), min(end, counter[-1][0])
    if start >= end or any(start < at <= end for at in resets):
        return None
    return (_at(counter, end) - _at(counter, start)) * dial.kwh


def _at(counter: Sequence[Reading], at: dt.datetime) -> Decimal:
    place = bisect_right(counter, at, key=lambda row: row[0])
    before = counter[place - 1]
    return before[1] if before[0] == at else register_at(at, before, counter[place])
