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
from telemetry.queries import EnergyFlow, MatchedHour, MonthEnergy, UptimeDay


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
        number=partial(_short_number, decimals=decimals),
        tone=tone,
        no_data=gettext("no data"),
    )


def _short_number(value: Any, decimals: int) -> str:
    # The round numbers up the side have no decimals to show.
    return words.number(value, 0 if value is None or value == round(value) else decimals)


def _month_title(month: MonthEnergy, running: dt.date | None) -> str:
    # The drawing writes the value behind it.
    name = words.month(month.month)
    return gettext("%s so far") % name if month.month == running else name


def flow_drawing(flow: EnergyFlow) -> charts.Chart:
    """
    Draw where the electricity of a site went, in kWh.
    """
    first = 1 if flow.own_kwh else 0
    rest = flow.facility_kwh - flow.it_kwh
    # Heat beyond what the servers used was lifted by a heat pump, whose electricity is in the rest.
    takers = [name for _, name, kwh in flow.heat if kwh]
    # Only one took heat: no column of its own for what stands there already.
    taken = takers[0] if len(takers) == 1 else ""
    from_servers = min(flow.heat_kwh, flow.it_kwh)
    nodes = [
        charts.Node("own", gettext("Own production"), "solar", 0),
        charts.Node("grid", gettext("Grid"), "elec", 0),
        charts.Node("site", gettext("Electricity"), "elec", first),
        charts.Node("it", gettext("Servers"), "it", first + 1),
        charts.Node("rest", gettext("Cooling and other"), "lost", first + 1),
        charts.Node("heat", taken or gettext("Heat handed over"), "heat", first + 2),
        charts.Node("air", gettext("Not handed over"), "lost", first + 2),
        *(charts.Node(f"to {pk}", name, "heat", first + 3) for pk, name, _ in flow.heat),
    ]
    flows = [
        charts.Flow("own", "site", flow.own_kwh),
        charts.Flow("grid", "site", (flow.facility_kwh - flow.own_kwh) if first else 0),
        charts.Flow("site", "it", flow.it_kwh),
        charts.Flow("site", "rest", rest),
        charts.Flow("it", "heat", from_servers),
        charts.Flow("it", "air", flow.it_kwh - from_servers),
        charts.Flow("rest", "heat", flow.heat_kwh - from_servers),
        *(charts.Flow("heat", f"to {pk}", 0 if taken else kwh) for pk, _, kwh in flow.heat),
    ]
    flows = [one for one in flows if one.value]
    used = {key for one in flows for key in (one.source, one.target)}
    return charts.sankey(
        [node for node in nodes if node.key in used],
        flows,
        unit="kWh",
        number=partial(words.number, decimals=0),
        remainder=gettext("Used up there"),
    )


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
