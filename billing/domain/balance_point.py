"""
The base temperature of a baseline: degree days of each bill from daily mean temperatures, and the
search for the temperature below which a building is heated (its balance point).

CalTRACK 2.0 section 3.3: of candidates at most 1.67 K apart, each fitted on its own degree days,
the one with the highest adjusted R² among those whose figures make sense.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from billing.domain.baseline import Fit, degree_days, fit

# Degrees C, half a degree apart: what buildings with and without much heat of their own are
# heated below.
CANDIDATES = tuple(n / 2 for n in range(2 * 8, 2 * 22 + 1))
# CalTRACK 2.0: what a fit must see of the cold, K x d, and of the days of a bill.
LEAST_DEGREE_DAYS = 20.0
LEAST_DAYS_KNOWN = 0.9
# Adjusted R² closer than this says nothing of which base temperature is right.
AS_GOOD = 0.002


@dataclass(frozen=True, slots=True)
class Bill:
    """
    Heat used from one local day to another, both included, kWh.
    """

    first: dt.date
    last: dt.date
    use_kwh: float

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    def each_day(self) -> Iterator[dt.date]:
        return (self.first + dt.timedelta(days=n) for n in range(self.days))


def means_of(bill: Bill, means: Mapping[dt.date, float]) -> list[float]:
    """
    Return the daily mean temperatures that are known of a bill's days, degrees C.

    :raises ValueError: if less than nine in ten are
    """
    known = [means[day] for day in bill.each_day() if day in means]
    if len(known) < LEAST_DAYS_KNOWN * bill.days:
        raise ValueError(
            f"Of the bill from {bill.first} to {bill.last} the temperatures of {len(known)} of"
            f" {bill.days} days are known; nine in ten are asked."
        )
    return known


def degree_days_of(bill: Bill, known: Sequence[float], base: float) -> float:
    """
    Return the heating degree days of a bill, K x d; days without a temperature count as the mean of
    the others.
    """
    return degree_days(known, base=base) / len(known) * bill.days


@dataclass(frozen=True, slots=True)
class Candidate:
    """
    A base temperature that was tried, degrees C: the degree days of each bill below it, and how
    well they tell the use. `refused` says why it cannot be chosen; empty where it can.
    """

    base_temperature: float
    degree_days: tuple[float, ...]
    fit: Fit | None
    refused: str = ""


def search(
    bills: Sequence[Bill], means: Mapping[dt.date, float],
    candidates: Sequence[float] = CANDIDATES,
) -> list[Candidate]:  # fmt: skip
    """
    Return each base temperature with its fit, in the order given.

    :raises ValueError: if two bills overlap, or the temperatures of one are not known
    """
    ordered = sorted(bills, key=lambda bill: bill.first)
    for before, after in pairwise(ordered):
        if after.first <= before.last:
            raise ValueError(f"The bills from {before.first} and {after.first} overlap.")
    known = [means_of(bill, means) for bill in bills]
    return [_tried(bills, known, base) for base in candidates]


def _tried(bills: Sequence[Bill], known: Sequence[Sequence[float]], base: float) -> Candidate:
    cold = tuple(degree_days_of(b, days, base) for b, days in zip(bills, known, strict=True))
    if math.fsum(cold) < LEAST_DEGREE_DAYS:
        return Candidate(base, cold, None, "fewer than 20 K d below it")
    try:
        found = fit([b.days for b in bills], cold, [b.use_kwh for b in bills])
    except ValueError as problem:
        return Candidate(base, cold, None, str(problem))
    if found.slope_kwh <= 0:
        return Candidate(base, cold, found, "use does not rise with the cold")
    if found.base_kwh <= 0:
        return Candidate(base, cold, found, "base use is not above zero")
    return Candidate(base, cold, found)


def chosen(tried: Sequence[Candidate]) -> Candidate:
    """
    Return the candidate with the highest adjusted R², of equal ones the first.

    :raises ValueError: if none can be chosen
    """
    able = [one for one in tried if not one.refused]
    if not able:
        why = "; ".join(sorted({one.refused for one in tried}))
        raise ValueError(f"No base temperature fits: {why}.")
    return max(able, key=_r2_adjusted)


def as_good(tried: Sequence[Candidate]) -> tuple[float, float]:
    """
    Return the lowest and highest base temperature that fit about as well as the chosen one.
    """
    least = _r2_adjusted(chosen(tried)) - AS_GOOD
    near = [one.base_temperature for one in tried if not one.refused and _r2_adjusted(one) >= least]
    return min(near), max(near)


def _r2_adjusted(one: Candidate) -> float:
    return one.fit.r2_adjusted if one.fit is not None else -math.inf
