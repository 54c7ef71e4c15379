"""
The ladder of estimates (domain reference, VEE): a total that was metered is spread over time, and
only where the total is unknown is anything made up. Nothing here reaches across a reset or an
exchange; callers hand in one unbroken stretch. Energies in kWh unless a register's own unit.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

# Up to here a register runs evenly between two readings (CPUC); longer gaps need a profile.
LINEAR_UP_TO = dt.timedelta(hours=2)
# Up to here a stretch of unknown total is filled from the same hours of like days.
LIKE_DAYS_UP_TO = dt.timedelta(days=7)
LIKE_DAYS = 3
# AVBFernwärmeV § 21 (2): corrections reach back two years at most.
CORRECTION_YEARS = 2


def profile_scaled(total: Decimal, profile: Sequence[Decimal]) -> list[Decimal]:
    """
    Return a total shared over slots in the shape of a profile, to nine decimals; equally where
    the profile says nothing. The parts add up to the total: the last slot takes the rest.
    """
    whole = sum(profile, Decimal(0))
    shares = [Fraction(1, len(profile))] * len(profile)
    if whole > 0:
        shares = [Fraction(part) / Fraction(whole) for part in profile]
    exact = [Fraction(total) * share for share in shares]
    parts = [round(Decimal(e.numerator) / Decimal(e.denominator), 9) for e in exact[:-1]]
    return [*parts, total - sum(parts, Decimal(0))]


def like_days(slots: Sequence[Sequence[Decimal]]) -> list[Decimal | None]:
    """
    Return for each slot the mean of the latest three valid days of the same type, newest first
    in `slots`; None where no such day has a value.
    """
    newest = [values[:LIKE_DAYS] for values in slots]
    return [sum(v, Decimal(0)) / len(v) if v else None for v in newest]


def average_of_neighbours(
    *, previous: tuple[Decimal, int], following: tuple[Decimal, int] | None, days: int | Decimal
) -> Decimal:
    """
    Return the kWh of a stretch of days from those before and after it, each as kWh and days
    (AVBFernwärmeV § 21 (1)). Without a following period the preceding one stands alone.
    """
    known = [previous] if following is None else [previous, following]
    daily = [kwh / count for kwh, count in known]
    return sum(daily, Decimal(0)) / len(daily) * days


def correction_from(
    *, detected: dt.date, error_start: dt.date | None, previous_period_start: dt.date
) -> dt.date:
    """
    Return the day from which a wrong meter is corrected: two years back at most where the extent
    is known (`error_start`), else the start of the preceding reading period (AVBFernwärmeV § 21).
    """
    if error_start is None:
        return previous_period_start
    # 29 February has no namesake two years before.
    day = min(detected.day, 28) if (detected.month, detected.day) == (2, 29) else detected.day
    return max(error_start, detected.replace(year=detected.year - CORRECTION_YEARS, day=day))
