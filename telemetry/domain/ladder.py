"""
The ladder of estimates applied to one unbroken stretch (domain reference, VEE): which rung serves,
and how much of the energy falls into each slot of time. Energies in kWh.
"""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from telemetry.domain.estimates import (
    LIKE_DAYS,
    LIKE_DAYS_UP_TO,
    LINEAR_UP_TO,
    average_of_neighbours,
    like_days,
    profile_scaled,
)
from telemetry.domain.quality import Flag
from telemetry.domain.vee import HOUR, hours

Slot = tuple[dt.datetime, dt.datetime]
DAY = dt.timedelta(days=1)


class Rung(enum.StrEnum):
    """
    How an estimate was made. The first four share a metered total; the others make one up.
    """

    LINEAR = "evenly"
    BACKUP_PROFILE = "in the shape of the backup meter"
    POWER_PROFILE = "in the shape of the power"
    LIKE_PROFILE = "in the shape of like days"
    BACKUP = "backup meter"
    LIKE_DAYS = "same hours of like days"
    NEIGHBOURS = "average of the time before and after"
    PRIOR_YEAR = "same days of the year before"


@dataclass(frozen=True, slots=True)
class Known:
    """
    What there is to estimate from, kWh a slot; None where a slot has nothing. `before` and `after`
    are kWh and days of the time on either side, each as long as the stretch.
    """

    backup: Sequence[Decimal | None]
    power: Sequence[Decimal | None]
    like: Sequence[Decimal | None]
    year_before: Sequence[Decimal | None]
    before: tuple[Decimal, int] | None = None
    after: tuple[Decimal, int] | None = None


@dataclass(frozen=True, slots=True)
class Spread:
    """
    kWh of each slot, the rung that gave them, and what they may be called.
    """

    rung: Rung
    flag: Flag
    kwh: list[Decimal]


class NotEstimable(Exception):
    """
    No rung of the ladder reaches; the message says why.
    """


def spread(slots: Sequence[Slot], known: Known, *, total: Decimal | None) -> Spread:
    """
    Return what each slot gets. A `total` that was metered is only shared; without one the energy
    is estimated.

    :raises NotEstimable: if nothing is known to estimate from
    """
    if total is not None:
        return _share(slots, known, total)
    lasts = slots[-1][1] - slots[0][0]
    backup = _whole(known.backup)
    if backup is not None:
        return Spread(Rung.BACKUP, Flag.ESTIMATED, backup)
    like = _whole(known.like)
    if like is not None and lasts <= LIKE_DAYS_UP_TO:
        return Spread(Rung.LIKE_DAYS, Flag.ESTIMATED, like)
    if known.before is not None:
        year = _whole(known.year_before) if known.after is None else None
        if year is None:
            days = hours(lasts) / 24
            kwh = average_of_neighbours(previous=known.before, following=known.after, days=days)
            even = [hours(end - start) for start, end in slots]
            return Spread(Rung.NEIGHBOURS, Flag.ESTIMATED, profile_scaled(kwh, even))
    year = _whole(known.year_before)
    if year is not None:
        return Spread(Rung.PRIOR_YEAR, Flag.ESTIMATED, year)
    raise NotEstimable(
        "There is nothing to estimate from: no backup meter, no like days, no time before or"
        " after it and no year before."
    )


def _share(slots: Sequence[Slot], known: Known, total: Decimal) -> Spread:
    even = [hours(end - start) for start, end in slots]
    if slots[-1][1] - slots[0][0] <= LINEAR_UP_TO:
        return Spread(Rung.LINEAR, Flag.SCALED, profile_scaled(total, even))
    for rung, parts in (
        (Rung.BACKUP_PROFILE, known.backup),
        (Rung.POWER_PROFILE, known.power),
        (Rung.LIKE_PROFILE, known.like),
    ):
        profile = _whole(parts)
        if profile is not None and sum(profile) > 0 and min(profile) >= 0:
            return Spread(rung, Flag.SCALED, profile_scaled(total, profile))
    return Spread(Rung.LINEAR, Flag.SCALED, profile_scaled(total, even))


def _whole(parts: Sequence[Decimal | None]) -> list[Decimal] | None:
    found = [part for part in parts if part is not None]
    return found if found and len(found) == len(parts) else None


def day_type(day: dt.date, holidays: Container[dt.date] = ()) -> int:
    """
    Return which days are alike: those from Monday to Friday, Saturdays, and Sundays with public
    holidays.
    """
    return 6 if day in holidays else max(day.weekday(), 4)


def of_slot(
    slot: Slot, hourly: Mapping[dt.datetime, Decimal], origin: dt.datetime
) -> Decimal | None:
    """
    Return the kWh that whole hours give a slot, each by its share; None where one is missing.
    `origin` is the start of some hour as the site counts them.
    """
    start, end = slot
    at = origin + (start - origin) // HOUR * HOUR
    total = Decimal(0)
    while at < end:
        if at not in hourly:
            return None
        total += hourly[at] * hours(min(end, at + HOUR) - max(start, at))
        at += HOUR
    return round(total, 9)


def like_hours(
    slots: Sequence[Slot], usual: Mapping[tuple[int, int], Sequence[Decimal]],
    keys: Sequence[tuple[int, int]],
) -> list[Decimal | None]:  # fmt: skip
    """
    Return for each slot what the same hour of like days had. `keys` are each slot's day type and
    hour; `usual` the kWh of such hours, newest first.
    """
    means = like_days([list(usual.get(key, ()))[:LIKE_DAYS] for key in keys])
    return [
        None if mean is None else round(mean * hours(end - start), 9)
        for mean, (start, end) in zip(means, slots, strict=True)
    ]
