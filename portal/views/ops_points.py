"""
A metering point for its operator: its meters, its rollups as a chart, its readings as sent.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from django.http import Http404, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.translation import gettext

from portal.forms.points import PointFilter
from portal.views.base import PortalRequest, for_kind
from portal.views.channels import figure
from portal.views.lists import Column, csv_answer, listing
from sites.access import Action, Kind
from sites.domain import local_days
from telemetry import queries
from telemetry.queries import validation


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
    waiting = validation.findings_of_points(viewer=request.viewer, point_ids=[pk])
    context = {
        "point": shown,
        "channels": channels,
        **_meters(request, shown),
        **(figure(request, channel, form) if channel is not None else {}),
        "waiting_findings": waiting.get(pk),
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
