"""
A metering point for its operator: its meters, its rollups as a chart, its readings as sent.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from django.http import Http404, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.translation import gettext

from portal.forms.points import STRETCHES, PointFilter
from portal.views.base import PortalRequest, for_kind
from portal.views.lists import Column, csv_answer, listing
from sites.access import Action, Kind
from sites.domain import Period, local_days
from telemetry import queries
from telemetry.domain.units import REGISTER_BASE

# A chart gets at most this many buckets of one grain; beyond it the next coarser grain is drawn.
MOST_HOURS = dt.timedelta(days=62)
MOST_DAYS = dt.timedelta(days=1100)


def _reading_columns(zone: str) -> Sequence[Column[Any]]:
    there = ZoneInfo(zone)
    return [
        Column("at_utc", value=lambda r: r.at.isoformat()),
        Column("at_local", gettext("Time"), ("at",), lambda r: r.at.astimezone(there).isoformat()),
        Column("value", gettext("Value as sent"), ("value",), lambda r: r.value, numeric=True),
    ]


@for_kind(Kind.OPERATOR)
def point(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    One metering point with the chart and the days of one of its channels.
    """
    shown = get_object_or_404(queries.points(viewer=request.viewer), pk=pk)
    channels = list(queries.channels(viewer=request.viewer, point_id=pk))
    form = PointFilter(request.GET, channels=channels)
    channel = form.channel()
    days: Sequence[Any] = []
    period = None
    if channel is not None:
        period = form.period(zone=shown.site.timezone, today=_today(shown.site.timezone))
        days = queries.energy_series(
            viewer=request.viewer, channel_id=channel.pk, grain=form.grain(), period=period
        )
    if request.GET.get("format") == "csv" and channel is not None:
        return csv_answer(days, _bucket_columns(shown.site.timezone), filename=f"{channel.key}.csv")
    context = {
        "point": shown,
        "channels": channels,
        "channel": channel,
        "unit": _unit(channel),
        "form": form,
        "stretches": STRETCHES,
        "buckets": days,
        "summary": _summary(channel, days),
        **_meters(request, shown),
        "period": period,
    }
    return render(request, "ops/point.html", context)


def _meters(request: PortalRequest, shown: Any) -> dict[str, Any]:
    viewer = request.viewer
    there = list(
        queries.meters_at(viewer=viewer, point_id=shown.pk, today=_today(shown.site.timezone))
    )
    present = there[0].meter if there and shown.serial is not None else None
    losses: Iterable[Any] = ()
    if shown.boundary == "heat_source":
        losses = queries.loss_policies(viewer=viewer, delivery_point_id=shown.delivery_point_id)
    return {
        "installations": there,
        "working": present
        and queries.working_point(viewer=viewer, point_id=shown.pk, meter=present),
        "may_manage": viewer.can(Action.MANAGE_METERING),
        "losses": losses,
    }


def _today(zone: str) -> dt.date:
    return timezone.now().astimezone(ZoneInfo(zone)).date()


def _unit(channel: Any) -> str:
    if channel is None:
        return ""
    if channel.kind == "register":
        return REGISTER_BASE[channel.quantity]
    sent: str = channel.unit
    return {"heartbeat": "%", "energy": "kWh"}.get(channel.quantity, sent)


def _figure(channel: Any, bucket: Any) -> Any:
    if channel.kind == "register":
        return bucket.kwh
    if channel.kind == "heartbeat":
        return None if bucket.mean is None else bucket.mean * 100
    return bucket.mean


def _bucket_columns(zone: str) -> Sequence[Column[Any]]:
    there = ZoneInfo(zone)
    return [
        Column("start_utc", value=lambda b: b.start_at.isoformat()),
        Column("start_local", value=lambda b: b.start_at.astimezone(there).isoformat()),
        Column("energy_kwh", value=lambda b: b.kwh),
        Column("mean", value=lambda b: b.mean),
        Column("minimum", value=lambda b: b.minimum),
        Column("maximum", value=lambda b: b.maximum),
        Column("coverage", value=lambda b: b.coverage),
        Column("quality", value=lambda b: b.quality),
    ]


def _summary(channel: Any, buckets: Sequence[Any]) -> dict[str, Any]:
    known = [
        (figure, bucket) for bucket in buckets if (figure := _figure(channel, bucket)) is not None
    ]
    if not known:
        return {}
    figures = [figure for figure, _ in known]
    return {
        "highest": max(known, key=lambda pair: pair[0]),
        "lowest": min(known, key=lambda pair: pair[0]),
        "total": sum(figures) if channel.kind == "register" else None,
        "known": len(known),
        "all": len(buckets),
        "rows": [(bucket, _figure(channel, bucket)) for bucket in buckets],
    }


@for_kind(Kind.OPERATOR)
def series(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    The rollups of a channel as columns for the chart: `t` in Unix seconds, `v` with null in gaps.
    """
    shown = get_object_or_404(queries.points(viewer=request.viewer), pk=pk)
    form = PointFilter(
        request.GET, channels=list(queries.channels(viewer=request.viewer, point_id=pk))
    )
    channel = form.channel()
    if channel is None:
        raise Http404
    zone = shown.site.timezone
    period = _zoomed(request, form.period(zone=zone, today=_today(zone)))
    lasts = period.end - period.start
    grain = "hour" if lasts <= MOST_HOURS else "day" if lasts <= MOST_DAYS else "month"
    rows = queries.energy_series(
        viewer=request.viewer, channel_id=channel.pk, grain=grain, period=period
    )
    figures = [(bucket.start_at.timestamp(), _figure(channel, bucket)) for bucket in rows]
    return JsonResponse(
        {
            "t": [at for at, _ in figures],
            "v": [None if figure is None else float(figure) for _, figure in figures],
            "zone": zone,
            "unit": _unit(channel),
            "label": channel.get_quantity_display(),
        }
    )


def _zoomed(request: PortalRequest, whole: Period) -> Period:
    try:
        start, end = (
            dt.datetime.fromtimestamp(float(request.GET[name]), dt.UTC) for name in ("from", "to")
        )
    except (KeyError, ValueError, OverflowError, OSError):
        return whole
    return Period(start, end) if start < end else whole


@for_kind(Kind.OPERATOR)
def readings(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    The readings of a channel as the meter sent them, by day.
    """
    shown = get_object_or_404(queries.points(viewer=request.viewer), pk=pk)
    form = PointFilter(
        request.GET, channels=list(queries.channels(viewer=request.viewer, point_id=pk))
    )
    channel = form.channel()
    if channel is None:
        raise Http404
    zone = shown.site.timezone
    day = form.cleaned_data.get("day") or _last_day(channel, zone)
    span = local_days(day, day + dt.timedelta(days=1), zone)
    rows = queries.readings_between(
        viewer=request.viewer, channel_id=channel.pk, start=span.start, end=span.end
    ).order_by("-at")
    columns = _reading_columns(zone)
    if request.GET.get("format") == "csv":
        return csv_answer(rows, columns, filename=f"{channel.key}-{day}.csv")
    context = {
        "point": shown,
        "channel": channel,
        "day": day,
        "before": day - dt.timedelta(days=1),
        "after": day + dt.timedelta(days=1),
        "listing": listing(request, rows, columns, default_sort="-at_local", per_page=100),
    }
    template = "ops/_reading_rows.html" if request.htmx else "ops/readings.html"
    return render(request, template, context)


def _last_day(channel: Any, zone: str) -> dt.date:
    if channel.last_hour is None:
        return _today(zone)
    there: dt.datetime = channel.last_hour.astimezone(ZoneInfo(zone))
    return there.date()
