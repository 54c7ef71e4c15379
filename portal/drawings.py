"""
Figures of the queries as drawings, the same on every audience's pages.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

from django.utils.translation import gettext, ngettext

from portal import charts
from portal.templatetags import portal as words
from telemetry.queries import MatchedHour, MonthEnergy, UptimeDay


def first_of_month(day: dt.date, *, back: int = 0) -> dt.date:
    """
    Return the first day of the month so many months before the one of `day`.
    """
    count = day.year * 12 + day.month - 1 - back
    return dt.date(count // 12, count % 12 + 1, 1)


def month_drawing(
    months: Sequence[MonthEnergy], *, tone: str = "heat", running: dt.date | None = None
) -> charts.Chart:
    """
    Draw months as bars in MWh or, where all are small, kWh. `running` is the month that is not
    over; its bar says so.
    """
    largest = max((month.kwh for month in months if month.kwh is not None), default=0)
    unit, divisor, decimals = ("MWh", 1000, 1) if largest >= 10_000 else ("kWh", 1, 0)
    bars = [
        charts.Bar(
            label=words.month(month.month, "short"),
            value=None if month.kwh is None else month.kwh / divisor,
            estimated=0,
            title=_month_title(month, running),
        )
        for month in months
    ]
    return charts.month_bars(
        bars,
        unit=unit,
        number=partial(words.number, decimals=decimals),
        tone=tone,
        no_data=gettext("no data"),
    )


def _month_title(month: MonthEnergy, running: dt.date | None) -> str:
    # The drawing writes the value behind it.
    name = words.month(month.month)
    return gettext("%s so far") % name if month.month == running else name


def uptime_drawing(
    days: Sequence[UptimeDay],
    *,
    hrefs: Mapping[dt.date, str] | None = None,
    stories: Mapping[dt.date, Any] | None = None,
) -> charts.Chart:
    """
    Draw days as an uptime strip; the last is today. What is not known is hatched, never up. A day
    with an address leads to its story, and says how many incidents it has.
    """
    cells = [
        charts.UptimeDay(
            minutes=(day.up_s + day.down_s + day.unknown_s + day.planned_s) / 60,
            lost=day.down_s / 60,
            reduced=day.planned_s / 60,
            unknown=day.unknown_s / 60,
            started=not day.before_start,
            today=day is days[-1],
            title=_uptime_title(day, stories.get(day.day) if stories else None),
            href=(hrefs or {}).get(day.day, ""),
        )
        for day in days
    ]
    return charts.uptime_strip(cells)


def _uptime_title(day: UptimeDay, story: Any) -> str:
    name = words.day(day.day, "medium")
    if day.before_start:
        return gettext("%s: not started") % name
    told = []
    if day.share is None and not day.planned_s:
        told.append(gettext("no data"))
    else:
        lost = round(day.down_s / 60)
        told.append(
            ngettext("%s minute lost", "%s minutes lost", lost) % lost
            if lost
            else gettext("no minute lost")
        )
        for seconds, text in (
            (day.unknown_s, gettext("%s min not known")),
            (day.planned_s, gettext("%s min planned")),
        ):
            if seconds:
                told.append(text % max(1, round(seconds / 60)))
    if story is not None and story.incidents:
        count = len(story.incidents)
        told.append(ngettext("%s incident", "%s incidents", count) % count)
    return f"{name}: {', '.join(told)}"


def hours_drawing(hours: Sequence[MatchedHour]) -> charts.Chart:
    """
    Draw each hour filled as far as it was matched; days and hours are those of the site.
    """
    first = hours[0].at.date()
    cells = [
        charts.HourCell(
            day=(hour.at.date() - first).days,
            hour=hour.at.hour,
            share=float(hour.matched_kwh / hour.load_kwh) if hour.load_kwh > 0 else None,
        )
        for hour in hours
    ]
    return charts.hour_map(cells)


def by_hour_of_day(hours: Sequence[MatchedHour]) -> list[tuple[int, Decimal, Decimal]]:
    """
    Return for each hour of the day the kWh used and matched, all days together: what the map
    shows, as a table.
    """
    used, matched = defaultdict[int, Decimal](Decimal), defaultdict[int, Decimal](Decimal)
    for hour in hours:
        used[hour.at.hour] += hour.load_kwh
        matched[hour.at.hour] += hour.matched_kwh
    return [(n, used[n], matched[n]) for n in sorted(used)]
