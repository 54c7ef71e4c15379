"""
Rules of validation that compare usage with usage: leaps, unusual days, registers against intervals.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple


class Ratio(NamedTuple):
    """
    A figure compared with its limit. None: there is nothing to compare with.
    """

    ratio: Decimal | None
    fails: bool


def spike(intervals: Sequence[Decimal], *, over: Decimal) -> Ratio:
    """
    Compare the highest interval of a day with the third highest: (x1 - x3) / x3.
    """
    highest = sorted(intervals, reverse=True)
    if len(highest) < 3 or highest[2] <= 0:
        return Ratio(None, False)
    ratio = (highest[0] - highest[2]) / highest[2]
    return Ratio(ratio, ratio > over)


def high_low(
    usage: Decimal, days: Decimal, *, reference: Decimal, reference_days: Decimal,
    low: Decimal = Decimal("0.5"), high: Decimal = Decimal(2),
) -> Ratio:  # fmt: skip
    """
    Compare the daily use, kWh, with that of a reference period.
    """
    if reference <= 0 or not days or not reference_days:
        return Ratio(None, False)
    ratio = (usage / days) / (reference / reference_days)
    return Ratio(ratio, not low <= ratio <= high)


def far_above(
    usage: Decimal, usual: Sequence[Decimal], *, times: Decimal, least: Decimal = Decimal(0)
) -> Ratio:
    """
    Say whether a figure lies above the median of the usual ones by more than some
    interquartile ranges (CalTRACK 2.3.6), and by `least` at the least, since days that are all
    alike have no range. The `ratio` is how many.
    """
    if len(usual) < 8:
        return Ratio(None, False)
    ordered = sorted(usual)
    spread = _quantile(ordered, 3) - _quantile(ordered, 1)
    above = usage - _quantile(ordered, 2)
    fails = above > times * spread and above >= least
    return Ratio(above / spread if spread else None, fails)


def _quantile(ordered: Sequence[Decimal], quarter: int) -> Decimal:
    place = Decimal(len(ordered) - 1) * quarter / 4
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def sums_differ(
    intervals: Decimal, register: Decimal, *, resolution: Decimal, share: Decimal,
    resolutions: Decimal,
) -> tuple[Decimal, Decimal, bool]:  # fmt: skip
    """
    Return by how many kWh power summed over time and the register differ, how many they may, and
    whether they differ by more.
    """
    apart = abs(intervals - register)
    limit = max(resolutions * resolution, share * abs(register))
    return apart, limit, apart > limit
