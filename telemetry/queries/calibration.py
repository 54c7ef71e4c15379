"""
Reads of verification terms, and which meters are past theirs.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from dataclasses import dataclass

from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.db.models import Q

from sites.domain import Period
from telemetry.models import CalibrationRule, Installation


def rule_of(*, country: str, kind: str, day: dt.date) -> CalibrationRule | None:
    """
    Return the rule of a country for a kind of meter on a day, else that for any other country;
    None where there is neither.
    """
    return (
        CalibrationRule.objects.filter(
            superseded_at__isnull=True, country__in=["", country], meter_kind=kind,
            valid__contains=day,
        )
        # The country's own comes before "".
        .order_by("-country")
        .first()
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class ExpiredMeter:
    """
    A meter that measured on days after its verification had ended; `blocks`: no invoice may be
    made from it in the country.
    """

    serial: str
    point_name: str
    country: str
    due: dt.date
    blocks: bool


def expired_meters(*, point_id: int, period: Period) -> list[ExpiredMeter]:
    """
    Return the meters of a point that were past their verification within a period.
    """
    installed = (
        Installation.objects.filter(
            point_id=point_id,
            valid__overlap=DateTimeTZRange(period.start, period.end),
            meter__calibration_due__isnull=False,
        )
        .select_related("meter", "point__site")
        .order_by("valid")
    )
    found = []
    for installation in installed:
        site, meter = installation.point.site, installation.meter
        last = min(installation.valid.upper or period.end, period.end)
        # The last instant is the end of the day before it.
        last_day = (last - dt.timedelta(microseconds=1)).astimezone(
            zoneinfo.ZoneInfo(site.timezone)
        ).date()  # fmt: skip
        due = meter.calibration_due
        if due is None or last_day <= due:
            continue
        rule = rule_of(country=site.country, kind=meter.kind, day=last_day)
        blocks = rule is not None and rule.when_expired == CalibrationRule.Expired.BLOCK
        found.append(ExpiredMeter(meter.serial, installation.point.name, site.country, due, blocks))
    return found


def verified_until(*, point_id: int, at: dt.datetime) -> list[tuple[str, dt.date | None]]:
    """
    Return serial and last day of verification of the meter at a point just before an instant.
    """
    there = Installation.objects.filter(point_id=point_id, valid__startswith__lt=at).filter(
        Q(valid__upper_inf=True) | Q(valid__endswith__gte=at)
    )
    return list(there.order_by("valid").values_list("meter__serial", "meter__calibration_due"))
