"""
Reads of rolled-up quantities.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from django.db.models import Min, QuerySet

from sites.access import Viewer
from sites.domain import Period
from telemetry.models import DirtyRange, DueDays, Rollup


class ReadingMissing(Exception):
    """
    A stretch of the period has no reading at its edge, so its energy is not known.
    """


def energy_over(*, channel_id: int, period: Period) -> Decimal:
    """
    Return the kWh a register counted over a period that begins and ends on local hours.

    :raises ReadingMissing: naming the first hour that is not covered; a gap is never zero
    """
    hours = Rollup.objects.filter(
        channel_id=channel_id,
        grain=Rollup.Grain.HOUR,
        start_at__gte=period.start,
        start_at__lt=period.end,
    ).order_by("start_at")
    expected = period.start
    total = Decimal(0)
    for start, energy, coverage in hours.values_list("start_at", "energy_kwh", "coverage"):
        if start != expected or coverage < 1 or energy is None:
            raise ReadingMissing(expected)
        total += energy
        expected += dt.timedelta(hours=1)
    if expected != period.end:
        raise ReadingMissing(expected)
    return total


def rollups_between(
    *,
    viewer: Viewer,
    grain: str,
    start: dt.datetime | None = None,
    end: dt.datetime | None = None,
    channel_id: int | None = None,
    site: str | None = None,
) -> QuerySet[Rollup]:
    """
    Return the rollups of a grain that the viewer may see and that begin from `start` until
    before `end`, of all channels, one channel or the site with that slug, oldest first.
    """
    wanted = {
        "start_at__gte": start, "start_at__lt": end, "channel_id": channel_id,
        "channel__site__slug": site,
    }  # fmt: skip
    given = {name: limit for name, limit in wanted.items() if limit is not None}
    seen = Rollup.objects.visible_to(viewer).filter(grain=grain, **given)
    return seen.order_by("start_at", "channel_id")


def channels_to_roll_up(*, limit: int) -> list[int]:
    """
    Return the channels with dirty ranges, those that wait longest first.
    """
    return _longest_waiting(DirtyRange.objects.all(), limit)


def channels_with_due_days(*, limit: int) -> list[int]:
    """
    Return the channels whose day rules are due and that have nothing left to roll up, those that
    wait longest first.
    """
    dirty = DirtyRange.objects.values("channel_id")
    return _longest_waiting(DueDays.objects.exclude(channel_id__in=dirty), limit)


def _longest_waiting(rows: QuerySet[Any], limit: int) -> list[int]:
    return list(
        rows.values("channel_id")
        .annotate(since=Min("marked_at"))
        .order_by("since")
        .values_list("channel_id", flat=True)[:limit]
    )


def channels_waiting() -> set[int]:
    """
    Return the channels with dirty ranges.
    """
    return set(DirtyRange.objects.values_list("channel_id", flat=True).distinct())
