"""
What a meter's own memory holds for the end of a month, beside the register as it was read.
"""

from __future__ import annotations

import datetime as dt
import enum
import zoneinfo
from dataclasses import dataclass
from decimal import Decimal

# A stored register is that of the month's end when it was taken within this of it.
NEAR = dt.timedelta(seconds=60)


def edge_near(at: dt.datetime, zone: zoneinfo.ZoneInfo) -> dt.datetime | None:
    """
    Return the local midnight at which a month begins within a minute of an instant, in UTC.
    """
    month = (at + NEAR).astimezone(zone).date().replace(day=1)
    edge = dt.datetime.combine(month, dt.time(), tzinfo=zone).astimezone(dt.UTC)
    return edge if abs(at - edge) <= NEAR else None


def edge_of(stamp: dt.date, zone: zoneinfo.ZoneInfo) -> dt.datetime | None:
    """
    Return the month's edge that a meter's date or time of its clock stands for, in UTC: a date
    alone is the end of a month's last day or the beginning of its first. None: it is no edge.
    """
    if isinstance(stamp, dt.datetime):
        return edge_near(stamp.replace(tzinfo=zone), zone)
    if stamp.day != 1:
        stamp += dt.timedelta(days=1)
    if stamp.day != 1:
        return None
    return dt.datetime.combine(stamp, dt.time(), tzinfo=zone).astimezone(dt.UTC)


def last_set_day(
    month: int, day: int, clock: dt.time, *, before: dt.datetime, zone: zoneinfo.ZoneInfo
) -> dt.datetime | None:
    """
    Return when a yearly set day by the meter's clock was last, without its zone; None where the
    day does not exist.
    """
    for year in (before.astimezone(zone).year, before.astimezone(zone).year - 1):
        try:
            found = dt.datetime.combine(dt.date(year, month, day), clock)
        except ValueError:
            return None
        if found.replace(tzinfo=zone) <= before:
            return found
    return None


class Verdict(enum.StrEnum):
    """
    Whether the meter's memory and the register as read agree.
    """

    OK = "ok"
    FAIL = "fail"
    # Nothing was read on one side of the edge.
    TOO_FEW = "too_few"


@dataclass(frozen=True, slots=True)
class MonthEnd:
    """
    One stored register beside what the readings around it say, in the meter's unit; deviation and
    resolution in kWh. `apart_s` is how far the two readings lie from each other.
    """

    at: dt.datetime
    serial: str
    unit: str
    stored: Decimal
    read: Decimal | None
    apart_s: int | None
    deviation_kwh: Decimal | None
    resolution_kwh: Decimal
    limit_kwh: Decimal

    @property
    def verdict(self) -> Verdict:
        if self.deviation_kwh is None:
            return Verdict.TOO_FEW
        return Verdict.OK if abs(self.deviation_kwh) <= self.limit_kwh else Verdict.FAIL


def between(
    at: dt.datetime, before: tuple[dt.datetime, Decimal], after: tuple[dt.datetime, Decimal]
) -> Decimal:
    """
    Return the register at an instant between two readings, running evenly (domain reference,
    interval rollups).
    """
    (t1, r1), (t2, r2) = before, after
    if t2 == t1:
        return r1
    share = Decimal((at - t1).total_seconds()) / Decimal((t2 - t1).total_seconds())
    return r1 + (r2 - r1) * share
