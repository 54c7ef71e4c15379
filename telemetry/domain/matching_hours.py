"""
Clean electricity compared with the load hour by hour, beside the sum over the whole time.

The two answer different questions and are never the same figure: an hour's surplus covers no
other hour.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
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


def of_sums(
    load_kwh: Decimal,
    clean_kwh: Decimal,
    matched_kwh: Decimal,
    *,
    grid_share: Decimal | None = None,
) -> Match:
    """
    Return the shares from sums over hours; `grid_share` is the grid's carbon-free share where it
    is known only as one figure for all of them.
    """
    if load_kwh <= 0:
        return Match(load_kwh, clean_kwh, matched_kwh, None, None, None)
    rest = load_kwh - matched_kwh
    known = grid_share is not None or rest <= 0
    return Match(
        load_kwh=load_kwh,
        clean_kwh=clean_kwh,
        matched_kwh=matched_kwh,
        hourly=matched_kwh / load_kwh,
        annual=min(ONE, clean_kwh / load_kwh),
        carbon_free=(matched_kwh + rest * (grid_share or 0)) / load_kwh if known else None,
    )


def together(matches: Iterable[Match]) -> Match:
    """
    Return several services as one; the shares are of the sums, never means of shares.
    """
    known = list(matches)
    loads = [m for m in known if m.load_kwh > 0]
    merged = of_sums(
        _sum(m.load_kwh for m in known),
        _sum(m.clean_kwh for m in known),
        _sum(m.matched_kwh for m in known),
    )
    free = [m.carbon_free * m.load_kwh for m in loads if m.carbon_free is not None]
    complete = bool(loads) and len(free) == len(loads)
    return replace(merged, carbon_free=_sum(free) / merged.load_kwh if complete else None)


def _sum(figures: Iterable[Decimal]) -> Decimal:
    return sum(figures, Decimal(0))
