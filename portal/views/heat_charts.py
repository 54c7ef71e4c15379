"""
The figures and drawings of a heat customer's pages, from series to what a template prints.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.translation import gettext

from portal import charts
from portal.templatetags import portal as words
from telemetry.queries import MonthEnergy, SeriesPoint

# A month on the page and on the bill are rounded apart: by less than this they agree, in kWh.
AGREEMENT = Decimal("0.01")
# Qualities of a total that is known while its course is not.
SPREAD = {"estimated", "scaled"}
_TENTH = Decimal("0.1")


@dataclass(frozen=True, slots=True)
class MonthRow:
    """
    One month of a building: heat, the same month a year before, and what was billed. `kwh` and
    `before` are None unless every hour is known; `known_kwh` is what is known.
    """

    month: dt.date
    kwh: Decimal | None
    known_kwh: Decimal | None
    before: Decimal | None
    coverage: Decimal
    quality: str
    bills: Sequence[Any]

    @property
    def billed_kwh(self) -> Decimal | None:
        """
        What the bills of the month charge, None where they charge no heat.
        """
        charged = [bill.charged_kwh for bill in self.bills if bill.charged_kwh is not None]
        return sum(charged, Decimal(0)) if charged else None

    @property
    def left_out_kwh(self) -> Decimal:
        """
        What the bills of the month do not charge because it does not count.
        """
        parts = [part.get("not_counted", {}) for bill in self.bills for part in bill.inputs]
        return sum((Decimal(kwh) for part in parts for kwh in part.values()), Decimal(0))

    @property
    def agrees(self) -> bool | None:
        """
        Whether the month and its bills say the same; None where one of them says nothing.
        """
        if self.kwh is None or self.billed_kwh is None:
            return None
        return abs(self.kwh - self.billed_kwh - self.left_out_kwh) < AGREEMENT


def a_year_before(month: dt.date) -> dt.date:
    """
    Return the same month of the year before.
    """
    return month.replace(year=month.year - 1)


def month_rows(energies: Sequence[MonthEnergy], billed: dict[dt.date, list[Any]]) -> list[MonthRow]:
    """
    Return the months from the first with readings on, each with the year before it and its bills.
    """
    by_month = {energy.month: energy for energy in energies}

    def whole(month: dt.date) -> Decimal | None:
        energy = by_month.get(month)
        return energy.kwh if energy is not None and energy.coverage == 1 else None

    first = next((n for n, energy in enumerate(energies) if energy.kwh is not None), None)
    return [
        MonthRow(
            month=energy.month,
            kwh=whole(energy.month),
            known_kwh=energy.kwh,
            before=whole(a_year_before(energy.month)),
            coverage=energy.coverage,
            quality=energy.quality,
            bills=billed.get(energy.month, []),
        )
        for energy in (energies[first:] if first is not None else [])
    ]


def months_chart(rows: Sequence[MonthRow], *, href: str) -> charts.Chart:
    """
    Draw months beside the same months a year before; `href` ends where the month is put.
    """
    bars = [
        charts.Bar(
            label=words.month(row.month, "short"),
            value=row.kwh,
            estimated=row.kwh if row.kwh is not None and row.quality == "estimated" else 0,
            before=row.before,
            title=words.month(row.month),
            href=f"{href}{row.month:%Y-%m}",
        )
        for row in rows
    ]
    return charts.month_bars(bars, unit="kWh", number=words.number, no_data=gettext("not complete"))


def days_chart(days: Sequence[SeriesPoint], zone: ZoneInfo) -> charts.Chart:
    """
    Draw the days of a month; a day that is not wholly known is hatched.
    """
    bars = []
    for day in days:
        local = day.start_at.astimezone(zone).date()
        whole = day.kwh if day.coverage == 1 else None
        bars.append(
            charts.Bar(
                label=str(local.day),
                value=whole,
                estimated=whole if whole is not None and day.quality in SPREAD else 0,
                title=words.day(local),
            )
        )
    return charts.month_bars(
        bars, unit="kWh", number=words.number, narrow_last=31, no_data=gettext("not complete")
    )


def hour_name(start: dt.datetime, zone: ZoneInfo) -> str:
    """
    Name the hour that begins at an instant by the local clock, 02:00 twice on one night a year.
    """
    local = start.astimezone(zone)
    clock = f"{local:%H:%M}"
    if local.replace(fold=0).utcoffset() == local.replace(fold=1).utcoffset():
        return clock
    return gettext("%s (second)") % clock if local.fold else gettext("%s (first)") % clock


def hours_chart(hours: Sequence[SeriesPoint], zone: ZoneInfo) -> charts.Chart:
    """
    Draw the hours of a day; an hour that is not wholly known is hatched.
    """
    bars = []
    for hour in hours:
        whole = hour.kwh if hour.coverage == 1 else None
        bars.append(
            charts.Bar(
                label=f"{hour.start_at.astimezone(zone):%H}",
                value=whole,
                estimated=whole if whole is not None and hour.quality in SPREAD else 0,
                title=hour_name(hour.start_at, zone),
            )
        )
    return charts.month_bars(
        bars, unit="kWh", number=partial(words.number, decimals=1), ticks=words.number,
        narrow_last=25, no_data=gettext("not complete"),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Warmth:
    """
    How often water arrived as warm as asked for, in hours that were measured.
    """

    measured: int
    warm_enough: int
    missing: int
    lowest: Decimal | None

    @property
    def cooler(self) -> int:
        """
        Hours in which it was cooler.
        """
        return self.measured - self.warm_enough


def warmth(hours: Sequence[SeriesPoint], required_c: Decimal) -> Warmth:
    """
    Count hours by their mean as the page prints it, to one decimal.
    """
    means = [hour.mean.quantize(_TENTH) for hour in hours if hour.mean is not None]
    return Warmth(
        measured=len(means),
        warm_enough=sum(mean >= required_c for mean in means),
        missing=len(hours) - len(means),
        lowest=min(means, default=None),
    )


def temperature_chart(
    supply: Sequence[SeriesPoint],
    back: Sequence[SeriesPoint],
    *,
    zone: ZoneInfo,
    required_c: Decimal,
    start: dt.datetime,
    end: dt.datetime,
) -> charts.Chart:
    """
    Draw hourly means of the water that arrives and that goes back; where an hour was not
    measured the line stops.
    """
    named = [
        (gettext("Arriving"), "heat", supply),
        (gettext("Going back"), "elec", back),
    ]
    lines = [
        charts.Line(name, tone, [charts.Point(hour.start_at, hour.mean) for hour in hours])
        for name, tone, hours in named
        if hours
    ]
    return charts.line_chart(
        lines,
        zone=zone,
        unit="°C",
        number=partial(words.number, decimals=1),
        ticks=words.number,
        day=partial(words.day, style="short"),
        month=partial(words.month, style="short"),
        limits=[charts.Limit(required_c, gettext("asked for"))],
        max_gap=dt.timedelta(minutes=90),
        start=start,
        end=end,
    )
