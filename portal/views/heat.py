"""
A heat customer's pages: is it warm, how much heat was used, how warm the water was.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone

from billing import queries as billing
from portal.views import heat_charts as figures
from portal.views.base import PortalRequest, for_kind
from portal.views.heat_buildings import chosen_building
from portal.views.heat_supply import counted_csv, counted_month, kept_months, last_kept
from portal.views.lists import Column, csv_answer
from sites.access import Kind, Viewer
from sites.domain import Period, local_days, local_month
from telemetry import queries as telemetry

HOME_DAYS = 3
# Days before this are a slip of the pen, and no zone knows them well.
FIRST_DAY = dt.date(2000, 1, 1)
# How far back the table of months goes.
MONTHS_BACK = 36


def _month_before(month: dt.date, count: int = 1) -> dt.date:
    months = month.year * 12 + month.month - 1 - count
    return dt.date(months // 12, months % 12 + 1, 1)


@for_kind(Kind.PARTNER)
def home(request: PortalRequest) -> HttpResponseBase:
    """
    The state of a building's heat, its bill and its months; the buildings where there are several.
    """
    buildings, building = chosen_building(request)
    now = timezone.now()
    if building is None:
        return render(request, "heat/nothing.html")
    seen = telemetry.hand_offs(
        viewer=request.viewer, delivery_point_ids=[b.pk for b in buildings], now=now
    )
    if len(buildings) > 1 and "building" not in request.GET:
        return _all_buildings(request, buildings, seen)
    hand_off = seen.get(building.pk)
    rows = _months(request.viewer, building, hand_off, now)
    if request.GET.get("format") == "csv":
        return _months_csv(rows)
    zone = ZoneInfo(building.site.timezone)
    full = [row for row in rows if row.month < now.astimezone(zone).date().replace(day=1)]
    bills = billing.bills(viewer=request.viewer, building=building.pk)
    context = {
        "buildings": buildings,
        "building": building,
        "hand_off": hand_off,
        "zone": building.site.timezone,
        "today": now.astimezone(zone).date(),
        "bills": billing.with_balance(bills)[:3],
        **_months_context(full[-12:], building),
        "so_far": rows[-1] if rows and len(full) < len(rows) else None,
        "kept": last_kept(request.viewer, building, now.astimezone(zone).date()),
        **_temperatures(request.viewer, building, hand_off, days=HOME_DAYS, now=now),
    }
    return render(request, "heat/home.html", context)


def _all_buildings(
    request: PortalRequest, buildings: Sequence[Any], seen: dict[int, telemetry.HandOff]
) -> HttpResponseBase:
    rows = [(building, seen.get(building.pk)) for building in buildings]
    context = {
        "rows": rows,
        "too_cool": sum(h is not None and h.state in {"cool", "none"} for _, h in rows),
        "bills": billing.with_balance(billing.bills(viewer=request.viewer))[:5],
        "today": timezone.localdate(),
        "operators": {b.site.operator_id: b.site.operator for b in buildings}.values(),
    }
    return render(request, "heat/buildings.html", context)


def _months(
    viewer: Viewer, building: Any, hand_off: Any, now: dt.datetime
) -> list[figures.MonthRow]:
    """
    Return the months of a building up to the running one.
    """
    if hand_off is None:
        return []
    this = now.astimezone(ZoneInfo(building.site.timezone)).date().replace(day=1)
    first = _month_before(this, MONTHS_BACK)
    energies = telemetry.monthly_energy(
        viewer=viewer, point_ids=[hand_off.point_id], first_month=first, last_month=this
    )
    billed = billing.billed_months(viewer=viewer, building=building.pk, first_month=first)
    return figures.month_rows(energies.get(hand_off.point_id, []), billed)


def _months_context(rows: Sequence[figures.MonthRow], building: Any) -> dict[str, Any]:
    href = f"{reverse('heat-usage')}?building={building.pk}&month="
    return {
        "months": rows,
        "months_chart": figures.months_chart(rows, href=href) if rows else None,
        "last_month": rows[-1] if rows else None,
        "compared": sum(row.agrees is not None for row in rows),
        "differing": [row for row in rows if row.agrees is False],
        "estimated": any(row.kwh is not None and row.quality == "estimated" for row in rows),
        "years_before": any(row.before is not None for row in rows),
    }


def _months_csv(rows: Sequence[figures.MonthRow]) -> HttpResponseBase:
    columns: list[Column[figures.MonthRow]] = [
        Column("month", value=lambda r: f"{r.month:%Y-%m}"),
        Column("heat_kwh", value=lambda r: r.known_kwh),
        Column("coverage", value=lambda r: r.coverage),
        Column("quality", value=lambda r: r.quality),
        Column("billed_kwh", value=lambda r: r.billed_kwh),
        Column("bills", value=lambda r: " ".join(bill.number for bill in r.bills)),
    ]
    return csv_answer(rows, columns, filename="heat-by-month.csv")


def _temperatures(
    viewer: Viewer, building: Any, hand_off: Any, *, days: int, now: dt.datetime
) -> dict[str, Any]:
    """
    Return the hours of the last local days, today included, with their drawing.
    """
    if hand_off is None or hand_off.supply_channel is None:
        return {"days": days, "warmth": None, "temperature_chart": None}
    zone = ZoneInfo(building.site.timezone)
    today = now.astimezone(zone).date()
    start = local_days(today - dt.timedelta(days=days - 1), today, str(zone)).start
    # The running hour has no mean yet; it is no gap either.
    period = Period(start, max(now - dt.timedelta(hours=1), start + dt.timedelta(hours=1)))
    hours = {
        name: _series(viewer, channel, "hour", period)
        for name, channel in [
            ("supply", hand_off.supply_channel),
            ("back", hand_off.return_channel),
        ]
    }
    warmth = figures.warmth(hours["supply"], building.required_supply_c)
    known = any(hour.mean is not None for part in hours.values() for hour in part)
    return {
        "days": days,
        "period": period,
        "hours": hours,
        "warmth": warmth,
        "temperature_chart": figures.temperature_chart(
            hours["supply"], hours["back"], zone=zone, required_c=building.required_supply_c,
            start=period.start, end=now,
        ) if known else None,
    }  # fmt: skip


def _series(
    viewer: Viewer, channel_id: int | None, grain: str, period: Period
) -> list[telemetry.SeriesPoint]:
    if channel_id is None:
        return []
    return telemetry.energy_series(viewer=viewer, channel_id=channel_id, grain=grain, period=period)


def _hand_off(viewer: Viewer, building: Any, now: dt.datetime) -> Any:
    seen = telemetry.hand_offs(viewer=viewer, delivery_point_ids=[building.pk], now=now)
    return seen.get(building.pk)


@for_kind(Kind.PARTNER)
def usage(request: PortalRequest) -> HttpResponseBase:
    """
    The heat of one month day by day, and the way to the other months.
    """
    buildings, building = chosen_building(request)
    now = timezone.now()
    if building is None:
        return render(request, "heat/nothing.html")
    hand_off = _hand_off(request.viewer, building, now)
    zone = ZoneInfo(building.site.timezone)
    day = _asked_day(request, now.astimezone(zone).date())
    if day is not None:
        return _day(request, buildings, building, hand_off, day, now)
    rows = _months(request.viewer, building, hand_off, now)
    month = _asked_month(request, rows, now.astimezone(zone).date())
    period = local_month(month.year, month.month, building.site.timezone)
    channel = hand_off.energy_channel if hand_off is not None else None
    if request.GET.get("format") == "csv" and request.GET.get("of") == "counted":
        name = f"heat-counted-{month:%Y-%m}.csv"
        return counted_csv(request.viewer, building, period, name)
    if request.GET.get("format") == "csv":
        until = Period(
            period.start, max(min(period.end, now), period.start + dt.timedelta(hours=1))
        )
        return _hours_csv(
            _series(request.viewer, channel, "hour", until), zone, f"heat-{month:%Y-%m}.csv"
        )
    days = [day for day in _series(request.viewer, channel, "day", period) if day.start_at <= now]
    finished = [day for day in days if day.end_at <= now]
    context = {
        "buildings": buildings,
        "building": building,
        "hand_off": hand_off,
        "zone": building.site.timezone,
        "month": month,
        "running": period.end > now,
        "row": next((row for row in rows if row.month == month), None),
        **counted_month(request.viewer, building, period),
        "rows": rows[::-1],
        "days": days,
        "total": sum((day.kwh for day in days if day.kwh is not None), Decimal(0)),
        "chart": figures.days_chart(finished, zone) if _any_kwh(finished) else None,
        "incomplete": sum(day.coverage < 1 for day in finished),
        "spread": any(day.quality in figures.SPREAD for day in finished),
        "earlier": _month_before(month) if rows and rows[0].month < month else None,
        "later": _month_before(month, -1) if rows and month < rows[-1].month else None,
    }
    return render(request, "heat/usage.html", context)


def _asked_day(request: PortalRequest, today: dt.date) -> dt.date | None:
    try:
        asked = dt.date.fromisoformat(request.GET.get("day", ""))
    except ValueError:
        return None
    return asked if FIRST_DAY <= asked <= today else None


def _day(
    request: PortalRequest,
    buildings: Sequence[Any],
    building: Any,
    hand_off: telemetry.HandOff | None,
    day: dt.date,
    now: dt.datetime,
) -> HttpResponseBase:
    """
    The hours of one local day, 23 to 25 of them, as far as they have passed.
    """
    zone = ZoneInfo(building.site.timezone)
    tomorrow = day + dt.timedelta(days=1)
    channel = hand_off.energy_channel if hand_off is not None else None
    hours = [
        hour
        for hour in _series(
            request.viewer, channel, "hour", local_days(day, tomorrow, building.site.timezone)
        )
        if hour.end_at <= now
    ]
    if request.GET.get("format") == "csv":
        return _hours_csv(hours, zone, f"heat-{day}.csv")
    known = [hour.kwh for hour in hours if hour.kwh is not None]
    context = {
        "buildings": buildings,
        "building": building,
        "hand_off": hand_off,
        "zone": building.site.timezone,
        "day": day,
        "running": tomorrow > now.astimezone(zone).date(),
        "hours": [(figures.hour_name(hour.start_at, zone), hour) for hour in hours],
        "total": sum(known, Decimal(0)) if known else None,
        "chart": figures.hours_chart(hours, zone) if known else None,
        "incomplete": sum(hour.coverage < 1 for hour in hours),
        "spread": any(hour.quality in figures.SPREAD for hour in hours),
        "earlier": day - dt.timedelta(days=1),
        "later": tomorrow if tomorrow <= now.astimezone(zone).date() else None,
    }
    return render(request, "heat/day.html", context)


def _any_kwh(days: Sequence[telemetry.SeriesPoint]) -> bool:
    return any(day.kwh is not None for day in days)


def _asked_month(
    request: PortalRequest, rows: Sequence[figures.MonthRow], today: dt.date
) -> dt.date:
    """
    Return the month of the address, else the newest with readings, else the running one. What
    is not a month or still to come counts as not asked.
    """
    this = today.replace(day=1)
    try:
        asked = dt.date.fromisoformat(f"{request.GET.get('month', '')}-01")
    except ValueError:
        asked = None
    if asked is not None and FIRST_DAY <= asked <= this:
        return asked
    known = [row.month for row in rows if row.known_kwh is not None]
    return known[-1] if known else this


def _times(zone: ZoneInfo) -> list[Column[telemetry.SeriesPoint]]:
    return [
        Column("start_utc", value=lambda p: p.start_at.astimezone(dt.UTC).isoformat()),
        Column("start_local", value=lambda p: p.start_at.astimezone(zone).isoformat()),
    ]


def _hours_csv(
    hours: Sequence[telemetry.SeriesPoint], zone: ZoneInfo, filename: str
) -> HttpResponseBase:
    columns = [
        *_times(zone),
        Column("kwh", value=lambda p: p.kwh),
        Column("quality", value=lambda p: p.quality),
    ]
    return csv_answer(hours, columns, filename=filename)


@for_kind(Kind.PARTNER)
def temperature(request: PortalRequest) -> HttpResponseBase:
    """
    How warm the water arrived and went back over the last 7 or 30 days.
    """
    buildings, building = chosen_building(request)
    now = timezone.now()
    if building is None:
        return render(request, "heat/nothing.html")
    hand_off = _hand_off(request.viewer, building, now)
    days = 30 if request.GET.get("days") == "30" else 7
    shown = _temperatures(request.viewer, building, hand_off, days=days, now=now)
    zone = ZoneInfo(building.site.timezone)
    if request.GET.get("format") == "csv":
        return _temperatures_csv(shown.get("hours", {}), zone)
    context = {
        "buildings": buildings,
        "building": building,
        "hand_off": hand_off,
        "zone": building.site.timezone,
        "now": now,
        "by_day": list(_by_day(request.viewer, hand_off, shown)),
        "kept_months": kept_months(request.viewer, building, now.astimezone(zone).date()),
        **shown,
    }
    return render(request, "heat/temperature.html", context)


def _by_day(
    viewer: Viewer, hand_off: Any, shown: dict[str, Any]
) -> Iterator[tuple[telemetry.SeriesPoint, telemetry.SeriesPoint | None]]:
    if shown["warmth"] is None:
        return
    period = shown["period"]
    back = {day.start_at: day for day in _series(viewer, hand_off.return_channel, "day", period)}
    for day in reversed(_series(viewer, hand_off.supply_channel, "day", period)):
        yield day, back.get(day.start_at)


def _temperatures_csv(hours: dict[str, Any], zone: ZoneInfo) -> HttpResponseBase:
    back = {hour.start_at: hour.mean for hour in hours.get("back", [])}
    columns: list[Column[telemetry.SeriesPoint]] = [
        *_times(zone),
        Column("supply_c", value=lambda p: p.mean),
        Column("return_c", value=lambda p: back.get(p.start_at)),
        Column("quality", value=lambda p: p.quality),
    ]
    return csv_answer(hours.get("supply", []), columns, filename="temperature.csv")
