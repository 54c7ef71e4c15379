"""
Series for charts and the figures of this moment.
"""

from __future__ import annotations

import datetime as dt
import enum
import zoneinfo
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from django.db import connection

from sites.access import Viewer
from sites.domain import Period, local_days, local_month
from sites.models import Site
from telemetry.models import Channel, MeteringPoint, Rollup
from telemetry.queries.jointly import months_between
from telemetry.queries.quarters import QUARTER, quarter_hours

MISSING = Rollup.Quality.MISSING.value
# How long a site may be silent before it counts as giving no data.
SILENT_AFTER = dt.timedelta(hours=3)
# A value older than this says nothing about now.
STALE_AFTER = dt.timedelta(days=2)


@dataclass(frozen=True, slots=True)
class MonthEnergy:
    """
    kWh of a local month as far as known, None where nothing is; `coverage` is its measured share.
    """

    month: dt.date
    kwh: Decimal | None
    coverage: Decimal
    quality: str


def monthly_energy(
    *, viewer: Viewer, point_ids: Iterable[int], first_month: dt.date, last_month: dt.date
) -> dict[int, list[MonthEnergy]]:
    """
    Return every month from `first_month` to `last_month`, both included, of each visible point
    that measures energy.
    """
    visible = MeteringPoint.objects.visible_to(viewer).filter(pk__in=list(point_ids))
    months = months_between(first_month, last_month)
    found: defaultdict[int, dict[dt.date, MonthEnergy]] = defaultdict(dict)
    for point_id, energy in months_of_points(visible.values_list("pk", flat=True), months):
        found[point_id][energy.month] = energy
    empty = Decimal(0)
    return {
        point_id: [
            of_point.get(month, MonthEnergy(month, None, empty, MISSING)) for month in months
        ]
        for point_id, of_point in found.items()
    }


def boundary_energy(
    *,
    viewer: Viewer,
    boundary: str,
    first_month: dt.date,
    last_month: dt.date,
    site_ids: Iterable[int] | None = None,
) -> list[MonthEnergy]:
    """
    Return every month summed over the visible points of a boundary, at all sites or at some.
    The coverage is that of all of them together, the quality that of the worst.
    """
    visible = MeteringPoint.objects.visible_to(viewer).filter(boundary=boundary)
    if site_ids is not None:
        visible = visible.filter(site_id__in=list(site_ids))
    months = months_between(first_month, last_month)
    with connection.cursor() as cursor:
        cursor.execute(
            _TOGETHER,
            {
                "points": list(visible.values_list("pk", flat=True)),
                "months": months,
                "worst_first": Rollup.Quality.values,
            },
        )
        found = {month: MonthEnergy(month, *rest) for month, *rest in cursor.fetchall()}
    return [found.get(month, MonthEnergy(month, None, Decimal(0), MISSING)) for month in months]


def months_of_points(
    point_ids: Iterable[int], months: list[dt.date]
) -> Iterator[tuple[int, MonthEnergy]]:
    """
    Return the months of each point that measures energy, as far as there are any. Scopes nothing:
    callers give points their reader may see.
    """
    points = list(point_ids)
    if not points or not months:
        return
    with connection.cursor() as cursor:
        cursor.execute(_MONTHS, {"points": points, "months": months})
        for point_id, month, kwh, coverage, quality in cursor.fetchall():
            if month is not None:
                yield point_id, MonthEnergy(month, kwh, coverage, quality)


_MONTHS = """
WITH source AS (
  SELECT DISTINCT ON (c.point_id) c.point_id, c.id, s.timezone
  FROM telemetry_channel c JOIN sites_site s ON s.id = c.site_id
  WHERE c.point_id = ANY(%(points)s) AND c.quantity IN ('energy', 'power')
    AND c.kind IN ('register', 'interval')
  ORDER BY c.point_id, c.quantity
)
SELECT source.point_id, m.month, r.energy_kwh, coalesce(r.coverage, 0),
  coalesce(r.quality, 'missing')
FROM source CROSS JOIN unnest(%(months)s::date[]) AS m(month)
LEFT JOIN telemetry_rollup r ON r.channel_id = source.id AND r.grain = 'month'
  AND r.start_at = m.month::timestamp AT TIME ZONE source.timezone
ORDER BY 1, 2
"""
# Months of one name are equally long but for a clock change, which the share can bear.
_TOGETHER = f"""
SELECT month, sum(kwh), avg(coverage),
  coalesce((%(worst_first)s::text[])[min(array_position(%(worst_first)s, quality))], 'missing')
FROM ({_MONTHS}) AS each(point_id, month, kwh, coverage, quality)
GROUP BY month
"""  # noqa: S608 - a constant of this module


@dataclass(frozen=True, slots=True)
class SeriesPoint:
    """
    One bucket of a series; figures are None where nothing was measured. Mean, minimum and
    maximum are in the unit the channel sends.
    """

    start_at: dt.datetime
    end_at: dt.datetime
    kwh: Decimal | None
    mean: Decimal | None
    minimum: Decimal | None
    maximum: Decimal | None
    coverage: Decimal
    quality: str


def energy_series(
    *, viewer: Viewer, channel_id: int, grain: str, period: Period
) -> list[SeriesPoint]:
    """
    Return every quarter of an hour, hour, local day or local month ("quarter", "hour", "day",
    "month") that begins in the period, gaps included; empty where the viewer may not see the
    channel.
    """
    channel = (
        Channel.objects.visible_to(viewer).select_related("site").filter(pk=channel_id).first()
    )
    if channel is None:
        return []
    if grain == Rollup.Grain.QUARTER:
        return [
            SeriesPoint(
                q.start_at, q.start_at + QUARTER, q.energy_kwh, q.mean, q.minimum, q.maximum,
                q.coverage, q.quality,
            )
            for q in quarter_hours(channel_id=channel_id, period=period)
        ]  # fmt: skip
    rows = Rollup.objects.filter(
        channel_id=channel_id, grain=grain, start_at__gte=period.start, start_at__lt=period.end
    )
    found = {
        row[0]: SeriesPoint(*row)
        for row in rows.values_list(
            "start_at", "end_at", "energy_kwh", "mean", "minimum", "maximum", "coverage",
            "quality",
        )
    }  # fmt: skip
    return [
        found.get(
            bucket.start,
            SeriesPoint(bucket.start, bucket.end, None, None, None, None, Decimal(0), MISSING),
        )
        for bucket in _buckets(grain, period, channel.site.timezone)
    ]


def _buckets(grain: str, period: Period, timezone: str) -> Iterator[Period]:
    zone = zoneinfo.ZoneInfo(timezone)
    local = period.start.astimezone(zone)
    if grain == Rollup.Grain.HOUR:
        past = local - local.replace(minute=0, second=0, microsecond=0)
        start = period.start - past + (dt.timedelta(hours=1) if past else dt.timedelta())
        while start < period.end:
            yield Period(start, start + dt.timedelta(hours=1))
            start += dt.timedelta(hours=1)
        return
    day = local.date()
    if grain == Rollup.Grain.MONTH:
        last = period.end.astimezone(zone).date()
        months = months_between(day.replace(day=1), last.replace(day=1))
        buckets = [local_month(month.year, month.month, timezone) for month in months]
    else:
        count = (period.end.astimezone(zone).date() - day).days + 1
        days = [day + dt.timedelta(days=n) for n in range(count)]
        buckets = [local_days(d, d + dt.timedelta(days=1), timezone) for d in days]
    yield from (b for b in buckets if period.start <= b.start < period.end)


@dataclass(frozen=True, slots=True)
class LastValue:
    """
    The latest value of a channel in the unit it sends.
    """

    at: dt.datetime
    value: Decimal
    unit: str


def last_values(
    *, viewer: Viewer, point_ids: Iterable[int], now: dt.datetime
) -> dict[int, dict[str, LastValue]]:
    """
    Return the latest gauge and mean values of the visible points by quantity, none of them
    older than two days or later than `now`.
    """
    channels = {
        channel.pk: channel
        for channel in Channel.objects.visible_to(viewer).filter(
            point_id__in=list(point_ids), kind__in=[Channel.Kind.GAUGE, Channel.Kind.INTERVAL]
        )
    }
    found: defaultdict[int, dict[str, LastValue]] = defaultdict(dict)
    if not channels:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            _LAST_VALUES,
            {"channels": list(channels), "since": now - STALE_AFTER, "now": now},
        )
        for channel_id, at, value in cursor.fetchall():
            channel = channels[channel_id]
            found[channel.point_id][channel.quantity] = LastValue(at, value, channel.unit)
    return dict(found)


_LAST_VALUES = """
SELECT c.id, last.at, last.value FROM unnest(%(channels)s::bigint[]) AS c(id)
CROSS JOIN LATERAL (
  SELECT r.at, r.value FROM telemetry_reading r
  WHERE r.channel_id = c.id AND r.at > %(since)s AND r.at <= %(now)s
  ORDER BY r.at DESC LIMIT 1
) last
"""


class State(enum.StrEnum):
    """
    What a site does now. Unread: readings come in, but none yet that tells the heat, as from a
    meter read once a day.
    """

    NOT_STARTED = "not_started"
    NO_DATA = "no_data"
    UNREAD = "unread"
    IDLE = "idle"
    DELIVERING = "delivering"


@dataclass(frozen=True, slots=True)
class SiteState:
    """
    A site at this moment. `heat_kw` is the mean of the last full hour measured, which began at
    `heat_hour`; `heat_partial`: a hand-off that also counts was not measured.
    """

    state: State
    last_reading_at: dt.datetime | None = None
    heat_kw: Decimal | None = None
    heat_hour: dt.datetime | None = None
    heat_partial: bool = False
    supply_c: Decimal | None = None
    supply_at: dt.datetime | None = None


def site_states(
    *, viewer: Viewer, now: dt.datetime, site_ids: Iterable[int] | None = None
) -> dict[int, SiteState]:
    """
    Return what each visible site does now, from the channels the viewer may see.
    """
    sites = Site.objects.visible_to(viewer)
    visible = Channel.objects.visible_to(viewer)
    if site_ids is not None:
        sites = sites.filter(pk__in=list(site_ids))
        visible = visible.filter(site_id__in=list(site_ids))
    of_site: defaultdict[int, list[_Now]] = defaultdict(list)
    # Tuples: making a thousand models would take longer than the questions.
    wanted = [_Place(*row) for row in sites.values_list("pk", "timezone", "phase", "started_on")]
    channels = dict(visible.values_list("pk", "site_id"))
    with connection.cursor() as cursor:
        cursor.execute(
            _NOW,
            {
                "channels": list(channels),
                "now": now,
                "stale": now - STALE_AFTER,
                "silent": now - SILENT_AFTER,
            },
        )
        for channel_id, *rest in cursor.fetchall():
            of_site[channels[channel_id]].append(_Now(*rest))
    return {site.pk: _state(site, of_site[site.pk], now) for site in wanted}


@dataclass(frozen=True, slots=True)
class _Now:
    is_heat: bool
    is_supply: bool
    last_at: dt.datetime | None
    value: Decimal | None
    hour: dt.datetime | None
    kwh: Decimal | None


class _Place(NamedTuple):
    pk: int
    timezone: str
    phase: str
    started_on: dt.date


def _state(site: _Place, channels: list[_Now], now: dt.datetime) -> SiteState:
    today = now.astimezone(zoneinfo.ZoneInfo(site.timezone)).date()
    if site.phase == Site.Phase.PLANNED or site.started_on > today:
        return SiteState(State.NOT_STARTED)
    last_at = max((c.last_at for c in channels if c.last_at is not None), default=None)
    supply = max(
        ((c.last_at, c.value) for c in channels
         if c.is_supply and c.last_at is not None and c.value is not None),
        default=None,
    )  # fmt: skip
    if supply is not None and supply[0] < now - STALE_AFTER:
        supply = None
    heat = [c for c in channels if c.is_heat]
    hours = [(c.hour, c.kwh) for c in heat if c.hour is not None and c.kwh is not None]
    heat_kw = sum((kwh for _, kwh in hours), Decimal(0)) if hours else None
    if last_at is None or last_at < now - SILENT_AFTER:
        state = State.NO_DATA
    elif heat and heat_kw is None:
        state = State.UNREAD
    else:
        state = State.DELIVERING if heat_kw else State.IDLE
    return SiteState(
        state=state,
        last_reading_at=last_at,
        heat_kw=heat_kw,
        heat_hour=max((hour for hour, _ in hours), default=None),
        heat_partial=0 < len(hours) < len(heat),
        supply_c=supply[1] if supply else None,
        supply_at=supply[0] if supply else None,
    )


# The newest reading lies in the last rolled-up hour or after it, so no older partition is read.
_NOW = """
SELECT c.id,
  p.boundary = 'heat_handoff' AND c.quantity = 'energy',
  p.boundary = 'heat_handoff' AND c.quantity = 'supply',
  last.at, last.value, heat.start_at, heat.energy_kwh
FROM unnest(%(channels)s::bigint[]) AS wanted(id)
JOIN telemetry_channel c ON c.id = wanted.id
JOIN telemetry_meteringpoint p ON p.id = c.point_id
LEFT JOIN LATERAL (
  SELECT r.start_at FROM telemetry_rollup r
  WHERE r.channel_id = c.id AND r.grain = 'hour' AND r.start_at <= %(now)s AND r.samples > 0
  ORDER BY r.start_at DESC LIMIT 1
) rolled ON true
LEFT JOIN LATERAL (
  SELECT r.at, r.value FROM telemetry_reading r
  WHERE r.channel_id = c.id AND r.at <= %(now)s
    AND r.at >= coalesce(rolled.start_at, %(stale)s)
  ORDER BY r.at DESC LIMIT 1
) last ON true
LEFT JOIN LATERAL (
  SELECT r.start_at, r.energy_kwh FROM telemetry_rollup r
  WHERE p.boundary = 'heat_handoff' AND c.quantity = 'energy'
    AND r.channel_id = c.id AND r.grain = 'hour' AND r.coverage = 1
    AND r.energy_kwh IS NOT NULL AND r.end_at <= %(now)s AND r.start_at > %(silent)s
  ORDER BY r.start_at DESC LIMIT 1
) heat ON true
"""
