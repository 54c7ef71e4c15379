"""
What a cumulative register says between two readings. The rollup does the same in SQL for whole
channels; here it is for one pair, to explain a figure and to test the other by.
"""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

HOUR = dt.timedelta(hours=1)
# How far over its greatest power a meter may seem to go: clocks and rounding.
MARGIN = Decimal("1.1")


class Step(enum.StrEnum):
    """
    What happened to a register from one reading to the next.
    """

    NORMAL = "normal"
    SUSPECT = "suspect"
    ROLLOVER = "rollover"
    RESET = "reset"


def step(
    before: Decimal,
    after: Decimal,
    *,
    modulus: Decimal,
    max_power_kw: Decimal,
    hours: Decimal,
    margin: Decimal = MARGIN,
) -> tuple[Step, Decimal]:
    """
    Return what happened and the kWh counted; after a reset these are only a lower bound.
    """
    most = max_power_kw * hours * margin
    change = after - before
    if change >= 0:
        return (Step.NORMAL if change <= most else Step.SUSPECT), change
    # A register that passed its greatest figure did so once at most.
    if 0 <= change + modulus <= most:
        return Step.ROLLOVER, change + modulus
    return Step.RESET, after


def register_at(
    at: dt.datetime, first: tuple[dt.datetime, Decimal], second: tuple[dt.datetime, Decimal]
) -> Decimal:
    """
    Return the register at an instant between two readings, taken to run evenly; to nine decimals.
    """
    (t1, r1), (t2, r2) = first, second
    share = Fraction((at - t1) / dt.timedelta(microseconds=1)) / Fraction(
        (t2 - t1) / dt.timedelta(microseconds=1)
    )
    exact = Fraction(r1) + Fraction(r2 - r1) * share
    return round(Decimal(exact.numerator) / Decimal(exact.denominator), 9)


def hourly(
    first: tuple[dt.datetime, Decimal], second: tuple[dt.datetime, Decimal]
) -> list[tuple[dt.datetime, Decimal]]:
    """
    Return the energy between two readings by the UTC hours it falls in; the parts add up.
    """
    t2, r2 = second
    parts = []
    begin, opening = first
    while begin < t2:
        end = min(floor_hour(begin) + HOUR, t2)
        closing = r2 if end == t2 else register_at(end, first, second)
        parts.append((floor_hour(begin), closing - opening))
        begin, opening = end, closing
    return parts


def floor_hour(at: dt.datetime) -> dt.datetime:
    """
    Return the start of the UTC hour an instant lies in.
    """
    return at.astimezone(dt.UTC).replace(minute=0, second=0, microsecond=0)


def dirty_hours(previous: dt.datetime, following: dt.datetime) -> tuple[dt.datetime, dt.datetime]:
    """
    Return the hours [from, to) a late reading between its neighbours changes.
    """
    last = floor_hour(following)
    return floor_hour(previous), last if last == following else last + HOUR


@dataclass(frozen=True, slots=True)
class Exchange:
    """
    Energy over the exchange of a meter, kWh; what passed while there was none is estimated.
    """

    measured_kwh: Decimal
    estimated_kwh: Decimal

    @property
    def total_kwh(self) -> Decimal:
        return self.measured_kwh + self.estimated_kwh


def exchange(
    *,
    old: tuple[Decimal, Decimal],
    new: tuple[Decimal, Decimal],
    gap_hours: Decimal,
    mean_kw_before: Decimal,
) -> Exchange:
    """
    Return the energy from the first and last register of each meter and the gap between them.
    """
    return Exchange(
        measured_kwh=(old[1] - old[0]) + (new[1] - new[0]),
        estimated_kwh=mean_kw_before * gap_hours,
    )


def volume_weighted(volumes: Sequence[Decimal], temperatures: Sequence[Decimal]) -> Decimal | None:
    """
    Return the mean temperature of what flowed, °C; None where nothing did.
    """
    total = sum(volumes, Decimal(0))
    if total == 0:
        return None
    return sum((v * t for v, t in zip(volumes, temperatures, strict=True)), Decimal(0)) / total
