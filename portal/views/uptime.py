"""
Days of uptime with what lies behind each: incidents and announced work.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest

from portal.drawings import uptime_drawing
from portal.views.lists import Column
from sites.domain import Period, local_days
from telemetry.domain import availability
from telemetry.domain.service_levels import counts_for_credits, minutes_of


@dataclass(frozen=True, slots=True)
class DayStory:
    """
    One local day and what happened on it.
    """

    day: Any
    incidents: list[Any]
    work: list[Any]


@dataclass(frozen=True, slots=True)
class Strip:
    """
    Days of uptime as figures, as a drawing whose days lead to their story, and the story of the
    day that was asked for, None where none was.
    """

    days: Sequence[Any]
    uptime: availability.Uptime
    drawing: Any
    zone: str
    story: DayStory | None
    incidents: Sequence[Any]
    work: Sequence[Any]


def span_of(days: Sequence[Any], zone: str) -> Period | None:
    """
    Return the stretch of some local days, None where there are none.
    """
    if not days:
        return None
    return local_days(days[0].day, days[-1].day + dt.timedelta(days=1), zone)


def strip_of(
    request: HttpRequest,
    days: Sequence[Any],
    *,
    zone: str,
    incidents: Iterable[Any] = (),
    work: Iterable[Any] = (),
    now: dt.datetime,
) -> Strip:
    """
    Return days with their stories. A day on which something was lost, not known or planned, or
    that an incident touches, can be asked for by `?day=2026-10-31`.
    """
    found, announced = list(incidents), list(work)
    stories = {
        day.day: _story(day, zone=zone, incidents=found, work=announced, now=now) for day in days
    }
    kept = {k: v for k, v in request.GET.items() if k not in {"day", "format"}}
    hrefs = {
        day: f"?{urlencode({**kept, 'day': day.isoformat()})}#day"
        for day, story in stories.items()
        if _worth_telling(story)
    }
    return Strip(
        days=days,
        uptime=availability.total(days),
        drawing=uptime_drawing(days, hrefs=hrefs, stories=stories),
        zone=zone,
        story=stories.get(_asked_day(request)),
        incidents=found,
        work=announced,
    )


def _asked_day(request: HttpRequest) -> dt.date:
    try:
        return dt.date.fromisoformat(request.GET.get("day", ""))
    except ValueError:
        return dt.date.min


def _worth_telling(story: DayStory) -> bool:
    day = story.day
    happened = story.incidents or story.work or day.down_s or day.planned_s or day.unknown_s
    return bool(happened) and not day.before_start


def _story(
    day: Any, *, zone: str, incidents: Iterable[Any], work: Iterable[Any], now: dt.datetime
) -> DayStory:
    period = local_days(day.day, day.day + dt.timedelta(days=1), zone)
    return DayStory(
        day,
        [i for i in incidents
         if i.started_at < period.end and (i.ended_at or now) > period.start],
        [w for w in work if w.span.lower < period.end and w.span.upper > period.start],
    )  # fmt: skip


def credit_share(uptime: availability.Uptime) -> Decimal | None:
    """
    Return the share that service credits are counted with, in whole minutes; None where nothing
    counts.
    """
    up, counted = counts_for_credits(**minutes_of(uptime))
    return Decimal(up) / counted if counted else None


def day_columns() -> Sequence[Column[Any]]:
    """
    Return the columns of days of uptime as CSV, in seconds.
    """
    return [
        Column("day", value=lambda d: d.day),
        Column("up_s", value=lambda d: d.up_s),
        Column("down_s", value=lambda d: d.down_s),
        Column("unknown_s", value=lambda d: d.unknown_s),
        Column("planned_s", value=lambda d: d.planned_s),
        Column("before_start_s", value=lambda d: d.before_start_s),
    ]
