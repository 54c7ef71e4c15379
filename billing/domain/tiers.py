"""
Prices that depend on how much or when: tiers, bands of time, minimum take.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from telemetry.domain.shares import share_units

_WH = Decimal("0.001")


@dataclass(frozen=True, slots=True)
class Tier:
    """
    A price per kWh up to a quantity; None: without end.
    """

    up_to: Decimal | None
    price: Decimal


def check_tiers(tiers: Sequence[Tier]) -> None:
    """
    Refuse tiers that leave out or repeat a quantity.

    :raises ValueError: if they do not rise, or the last one has an end
    """
    ends = [tier.up_to for tier in tiers]
    if not tiers or ends[-1] is not None or None in ends[:-1]:
        raise ValueError("Exactly the last tier is without end.")
    rising = [end for end in ends if end is not None]
    if any(b <= a for a, b in zip([Decimal(0), *rising], rising, strict=False)):
        raise ValueError("Each tier must end above the one before.")


def graduated(
    quantity: Decimal, tiers: Sequence[Tier], *, taken: Decimal = Decimal(0)
) -> list[tuple[Tier, Decimal]]:
    """
    Return each tier's part of a quantity; what was `taken` before in the tiers' span of time
    fills the first of them.
    """
    check_tiers(tiers)
    parts = []
    reached, end = taken, taken + quantity
    for tier in tiers:
        stop = end if tier.up_to is None else min(end, tier.up_to)
        if stop > reached:
            parts.append((tier, stop - reached))
            reached = stop
    return parts


def volume(
    quantity: Decimal, tiers: Sequence[Tier], *, taken: Decimal = Decimal(0)
) -> list[tuple[Tier, Decimal]]:
    """
    Return the one tier that prices the whole quantity: the one the total falls in.
    """
    check_tiers(tiers)
    total = taken + quantity
    tier = next(t for t in tiers if t.up_to is None or total <= t.up_to)
    return [(tier, quantity)]


@dataclass(frozen=True, slots=True)
class Band:
    """
    A price for some hours of the local clock: `months` 1 to 12, `weekdays` 0 for Monday to 6,
    hours from `first_hour` up to, not including, `end_hour`. Hours no band names fall to the
    last band.
    """

    name: str
    price: Decimal
    months: frozenset[int] = frozenset(range(1, 13))
    weekdays: frozenset[int] = frozenset(range(7))
    first_hour: int = 0
    end_hour: int = 24

    def holds(self, local: dt.datetime) -> bool:
        """
        Say whether the hour that begins at this local time is one of the band's.
        """
        return (
            local.month in self.months
            and local.weekday() in self.weekdays
            and self.first_hour <= local.hour < self.end_hour
        )


def by_band(
    hours: Iterable[tuple[dt.datetime, Decimal]], bands: Sequence[Band], *, total: Decimal
) -> list[tuple[Band, Decimal]]:
    """
    Share a metered total over the bands by their hours' energy, in whole Wh that add up to the
    total exactly. Hours are given with local start; an hour the clock shows twice counts twice.

    :raises ValueError: if there is energy but no hour has any
    """
    weights: dict[str, Decimal] = {band.name: Decimal(0) for band in bands}
    for local, kwh in hours:
        band = next((band for band in bands if band.holds(local)), bands[-1])
        weights[band.name] += kwh
    units = int((total / _WH).to_integral_value(rounding=ROUND_HALF_UP))
    if not units:
        return [(band, Decimal(0)) for band in bands]
    shared = share_units(units, [weights[band.name] for band in bands])
    return [(band, part * _WH) for band, part in zip(bands, shared, strict=True)]


def shortfall(taken: Decimal, minimum: Decimal) -> Decimal:
    """
    Return the kWh of a take-or-pay minimum that were not taken; never below zero.
    """
    return max(Decimal(0), minimum - taken)
