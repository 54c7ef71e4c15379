"""
One channel as a zoomable figure, for everybody whose scope holds it: what is drawn, what it comes
to, the same figures as a table, and files of them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.http import Http404, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, pgettext
from django.views.decorators.http import conditional_page

from portal.exports import csv_file, parquet_file
from portal.forms.points import COMPARISONS, STRETCHES, PointFilter
from portal.templatetags.portal import quality_words
from portal.views.base import PortalRequest, for_members
from sites.domain import Period
from telemetry import queries
from telemetry.archive import ArchiveUnreadable
from telemetry.domain.units import REGISTER_BASE

# Beside a channel at most so many others are drawn: more colours are not told apart.
MOST_BESIDE = 3
_TONES = {
    "heat_handoff": "heat", "heat_source": "heat", "it": "it", "tenant_feed": "it",
    "water": "water",
}  # fmt: skip
_SPARE_TONES = ("elec", "water", "it", "heat", "solar")
# Over more hours the quarters of three channels would keep the page waiting.
_LONGEST_FLOW = 24 * 100
_GRAINS = ("readings", "quarter", "hour", "day", "month")


def figure(
    request: PortalRequest, channel: Any, form: PointFilter, *, name: str = ""
) -> dict[str, Any]:
    """
    Return what the figure of a channel needs in its template.
    """
    zone = channel.point.site.timezone
    today = timezone.now().astimezone(ZoneInfo(zone)).date()
    period = form.period(zone=zone, today=today)
    compared = form.compared(zone=zone, today=today)
    grain = form.grain(today=today)
    fitting = _fitting(request, channel)
    beside = _beside(request, fitting)
    first, last = form.days(today=today)
    return {
        "channel": channel,
        "zone": zone,
        "unit": queries.chart_unit(channel),
        "counts": REGISTER_BASE.get(channel.quantity) if channel.kind == "register" else None,
        "tone": _tone(channel),
        "name": name or channel.get_quantity_display(),
        "form": form,
        "stretches": STRETCHES,
        "comparisons": COMPARISONS,
        "period": period,
        "first": first,
        "last": last,
        "earlier": _shifted(first, last, -1),
        "later": _shifted(first, last, 1) if last < today else None,
        "totals": _totals(request, channel, period),
        "before": _totals(request, channel, compared) if compared else None,
        "compared": compared,
        **_flow(request, channel, period),
        "grain": grain,
        "rows": _rows(request, channel, grain, period),
        "beside": [
            (other, tone) for other, tone in zip(beside, _others_tones(channel), strict=False)
        ],
        "fitting": [other for other in fitting if other not in beside],
        "may_add": len(beside) < MOST_BESIDE,
        "series_url": _series_url(channel, beside, period, compared),
        "exports": list(_exports(channel, period)),
    }


def _tone(channel: Any) -> str:
    return _TONES.get(channel.point.boundary, "elec")


def _others_tones(channel: Any) -> list[str]:
    return [tone for tone in _SPARE_TONES if tone != _tone(channel)]


def _fitting(request: PortalRequest, channel: Any) -> list[Any]:
    """
    Return the other channels of the site that are drawn in the same unit.
    """
    unit = queries.chart_unit(channel)
    there = queries.channels(viewer=request.viewer, site_id=channel.site_id)
    return [c for c in there if c.pk != channel.pk and queries.chart_unit(c) == unit]


def _beside(request: PortalRequest, fitting: Sequence[Any]) -> list[Any]:
    wanted = request.GET.getlist("also")[:MOST_BESIDE]
    by_id = {str(other.pk): other for other in fitting}
    return [by_id[pk] for pk in dict.fromkeys(wanted) if pk in by_id]


def _shifted(first: dt.date, last: dt.date, by: int) -> dict[str, str]:
    step = dt.timedelta(days=((last - first).days + 1) * by)
    return {"first": f"{first + step:%Y-%m-%d}", "last": f"{last + step:%Y-%m-%d}"}


def _totals(request: PortalRequest, channel: Any, period: Period) -> dict[str, Any] | None:
    found = queries.channel_totals(viewer=request.viewer, channel_id=channel.pk, period=period)
    if found is None or not found.known_s:
        return None
    # What is still to come was not missed.
    lasts = min(period.end, max(timezone.now(), period.start)) - period.start
    elapsed = lasts.total_seconds() or 1.0
    return {
        "known": min(found.known_s / elapsed, 1.0),
        "estimated": found.estimated / found.total if found.total else 0,
        **{name: getattr(found, name) for name in (
            "total", "peak", "peak_at", "mean", "lowest", "highest")},
    }  # fmt: skip


def _flow(request: PortalRequest, channel: Any, period: Period) -> dict[str, Any]:
    """
    Return how warm what flowed was over a period, where a temperature is shown.
    """
    if channel.quantity not in {"supply", "return", "e8", "e9"} or period.hours > _LONGEST_FLOW:
        return {}
    words = {
        "meter": gettext("the meter itself"), "volume": gettext("volume"),
        "flow": gettext("flow"), "energy": gettext("energy"),
    }  # fmt: skip
    weighed, found = queries.flow_temperatures(
        viewer=request.viewer, point_id=channel.point_id, grain="whole", period=period
    )
    if weighed is None or not found or found[0].supply_c is None:
        return {}
    return {"weighed": words[weighed.value], "flow_c": found[0]}


def _rows(request: PortalRequest, channel: Any, grain: str, period: Period) -> list[Any]:
    """
    Return the buckets of the table with their figure, those still to come left out.
    """
    buckets = queries.energy_series(
        viewer=request.viewer, channel_id=channel.pk, grain=grain, period=period
    )
    now = timezone.now()
    return [
        (bucket, bucket.kwh if channel.kind == "register" else _scaled(channel, bucket.mean))
        for bucket in buckets
        if bucket.start_at <= now
    ]


def _scaled(channel: Any, mean: Any) -> Any:
    return None if mean is None else float(mean) * queries.chart_factor(channel)


def _series_url(
    channel: Any, beside: Sequence[Any], period: Period, compared: Period | None
) -> str:
    asked: list[tuple[str, Any]] = [
        ("start", int(period.start.timestamp())),
        ("end", int(period.end.timestamp())),
        *(("also", other.pk) for other in beside),
    ]
    if compared is not None:
        asked.append(("before", int(compared.start.timestamp())))
    return f"{reverse('channel-series', args=[channel.pk])}?{urlencode(asked)}"


def _exports(channel: Any, period: Period) -> Iterator[tuple[str, str, str]]:
    words = {
        "readings": gettext("Readings"), "quarter": gettext("Quarter-hours"),
        "hour": gettext("Hours"), "day": gettext("Days"), "month": gettext("Months"),
    }  # fmt: skip
    for grain in _GRAINS:
        asked = {
            "grain": grain, "start": int(period.start.timestamp()),
            "end": int(period.end.timestamp()),
        }  # fmt: skip
        address = f"{reverse('channel-export', args=[channel.pk])}?{urlencode(asked)}"
        yield words[grain], f"{address}&format=csv", f"{address}&format=parquet"


@for_members
def channel(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    One channel over a stretch of time.
    """
    shown = get_object_or_404(queries.channels(viewer=request.viewer), pk=pk)
    form = PointFilter(request.GET, channels=[shown])
    return render(request, "portal/channel.html", figure(request, shown, form))


# --- What the script asks for ----------------------------------------------------------------


def _asked(request: PortalRequest, first: str, last: str) -> Period | None:
    try:
        start, end = (
            dt.datetime.fromtimestamp(float(request.GET[name]), dt.UTC) for name in (first, last)
        )
        return Period(start, end)
    except (KeyError, ValueError, OverflowError, OSError):
        return None


@conditional_page
@for_members
def series(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    A channel, those beside it and the period it is compared with, as columns for the chart:
    `t` in Unix seconds, `v` with null in gaps, `low` and `high` within each bucket. The answer
    carries its digest, so that what did not change is not sent again.
    """
    shown = get_object_or_404(queries.channels(viewer=request.viewer), pk=pk)
    whole = _asked(request, "start", "end")
    if whole is None:
        raise Http404
    period = _asked(request, "from", "to") or whole
    given = request.GET.get("points", "")
    points = min(max(int(given), 100), 4000) if given.isdecimal() and len(given) < 6 else 1000
    beside = _beside(request, _fitting(request, shown)) if "also" in request.GET else []
    drawn = [
        _line(request, shown, period, points, tone=_tone(shown)),
        *(
            _line(request, other, period, points, tone=tone)
            for other, tone in zip(beside, _others_tones(shown), strict=False)
        ),
    ]
    before = _earlier(request, shown, whole, period, points)
    return JsonResponse(
        {
            "zone": shown.point.site.timezone,
            "unit": queries.chart_unit(shown),
            "label": shown.get_quantity_display(),
            "range": [period.start.timestamp(), period.end.timestamp()],
            "series": [*drawn, *([before] if before else [])],
        }
    )


def _line(
    request: PortalRequest, channel: Any, period: Period, points: int, *, tone: str,
    shift: float = 0,
) -> dict[str, Any]:  # fmt: skip
    line = queries.chart_line(
        viewer=request.viewer, channel_id=channel.pk, period=period, points=points
    )
    if line is None:
        raise Http404
    has_band = line.low != line.value or line.high != line.value
    return {
        "label": channel_name(channel),
        "tone": tone,
        "step": channel.kind != "gauge",
        "t": [round(at + shift, 3) for at in line.at],
        "v": _rounded(line.value),
        "low": _rounded(line.low) if has_band else None,
        "high": _rounded(line.high) if has_band else None,
        "stretches": [
            [start + shift, end + shift, quality, str(quality_words()[quality])]
            for start, end, quality in line.stretches
        ],
    }


def _earlier(
    request: PortalRequest, channel: Any, whole: Period, period: Period, points: int
) -> dict[str, Any] | None:
    """
    Return the period compared with, moved to lie under the one shown.
    """
    try:
        begins = dt.datetime.fromtimestamp(float(request.GET["before"]), dt.UTC)
        back = whole.start - begins
        earlier = Period(period.start - back, period.end - back)
    except (KeyError, ValueError, OverflowError, OSError):
        return None
    line = _line(request, channel, earlier, points, tone="lost", shift=back.total_seconds())
    name = pgettext("a period", "Before")
    return {**line, "label": name, "low": None, "high": None, "stretches": [], "before": True}


def _rounded(values: Sequence[float | None]) -> list[float | None]:
    # Six digits are more than a screen shows.
    return [None if value is None else float(f"{value:.6g}") for value in values]


def channel_name(channel: Any) -> str:
    """
    Name a channel by its point and what it measures.
    """
    return f"{channel.point.name}, {channel.get_quantity_display()}"


@for_members
def export(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    The readings or buckets of a channel over a period as CSV or Parquet.
    """
    shown = get_object_or_404(queries.channels(viewer=request.viewer), pk=pk)
    period = _asked(request, "start", "end")
    grain = request.GET.get("grain", "readings")
    if period is None or grain not in _GRAINS:
        raise Http404
    try:
        columns, lots = queries.export_rows(channel=shown, grain=grain, period=period)
    except ArchiveUnreadable:
        words = gettext("These readings lie in an archive file that cannot be read at the moment.")
        return HttpResponse(words, status=503, content_type="text/plain; charset=utf-8")
    zone = shown.point.site.timezone
    stem = f"{shown.key}-{grain}-{period.start.astimezone(ZoneInfo(zone)):%Y-%m-%d}"
    if request.GET.get("format") == "parquet":
        about: dict[bytes | str, bytes | str] = {
            "site": shown.point.site.slug, "zone": zone, "channel": shown.key,
            "quantity": shown.quantity, "kind": shown.kind, "unit_as_sent": shown.unit,
        }  # fmt: skip
        return parquet_file(columns, lots, about=about, filename=f"{stem}.parquet")
    return csv_file(columns, lots, zone=zone, filename=f"{stem}.csv")
