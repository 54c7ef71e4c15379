"""
Clean electricity compared with the load hour by hour, beside the sum over the whole time.

The two answer different questions and are never the same figure: an hour's surplus covers no
other hour.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class Hour:
    """
    An hour's load and the carbon-free kWh held for it; `grid_share` is the carbon-free share of
    the grid at the time, None where it is not known.
    """

    load_kwh: Decimal
    clean_kwh: Decimal
    grid_share: Decimal | None = None

    @property
    def matched_kwh(self) -> Decimal:
        return min(self.load_kwh, self.clean_kwh)

    @property
    def unmatched_kwh(self) -> Decimal:
        return self.load_kwh - self.matched_kwh


@dataclass(frozen=True, slots=True)
class Match:
    """
    Shares of the load, 0 to 1: matched in the same hour; covered over the whole time; and, with
    the grid's own carbon-free share for the rest, carbon-free (CFE). None without load, and
    `carbon_free` None where the grid's share of an hour with a rest is not known.
    """

    load_kwh: Decimal
    clean_kwh: Decimal
    matched_kwh: Decimal
    hourly: Decimal | None
    annual: Decimal | None
    carbon_free: Decimal | None


def match(hours: Iterable[Hour]) -> Match:
    """
    Return the shares of the load that are carbon-free over some hours.
    """
    hours = list(hours)
    load = _sum(hour.load_kwh for hour in hours)
    clean = _sum(hour.clean_kwh for hour in hours)
    matched = _sum(hour.matched_kwh for hour in hours)
    if load <= 0:
        return Match(load, clean, matched, None, None, None)
    from_grid = [
        None if hour.grid_share is None else hour.unmatched_kwh * hour.grid_share
        for hour in hours
        if hour.unmatched_kwh > 0
    ]
    known = [kwh for kwh in from_grid if kwh is not None]
    complete = len(known) == len(from_grid)
    return Match(
        load_kwh=load,
        clean_kwh=clean,
        matched_kwh=matched,
        hourly=matched / load,
        annual=min(ONE, clean / load),
        carbon_free=(matched + _sum(known)) / load if complete else None,
    )


def _sum(figures: Iterable[Decimal]) -> Decimal:
    return sum(figures, Decimal(0))
