"""
Uptime of sites and services from rolled-up heartbeats; days with incidents or announced work are
counted from the heartbeats themselves.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db import connection

from sites.access import Viewer
from sites.domain import local_days
from sites.models import Site
from telemetry.archive import bring_back_each
from telemetry.domain.availability import LATE, Uptime, total, uptime_of
from telemetry.models import Channel, MeteringPoint
from telemetry.queries.jointly import service_start
from telemetry.queries.outages import Overlay, overlays

# Which heartbeat speaks for a site: the first of these that the viewer may see.
_RANK = [
    MeteringPoint.Boundary.FACILITY,
    MeteringPoint.Boundary.IT,
    MeteringPoint.Boundary.TENANT_FEED,
    MeteringPoint.Boundary.HEAT_HANDOFF,
    MeteringPoint.Boundary.HEAT_SOURCE,
    MeteringPoint.Boundary.COOLING,
]


@dataclass(frozen=True, slots=True)
class SubjectUptime(Uptime):
    """
    The uptime of a site or service; `boundary` is whose heartbeats tell it, None where none do.
    """

    boundary: str | None = None


@dataclass(frozen=True, slots=True)
class UptimeDay(Uptime):
    """
    One local day of a site.
    """

    day: dt.date = dt.date.min

    @property
    def before_start(self) -> bool:
        return self.before_start_s > 0 and self.known_s + self.unknown_s == 0


def availability(
    *, viewer: Viewer, site_ids: Iterable[int], first: dt.date, end: dt.date, now: dt.datetime
) -> dict[int, SubjectUptime]:
    """
    Return the uptime of the visible sites over the local days from `first` up to but not
    including `end`, and never past the last full hour before `now`.
    """
    sites = list(Site.objects.visible_to(viewer).filter(pk__in=list(site_ids)))
    beats = _heartbeats(viewer, site_ids=[site.pk for site in sites])
    chosen = {site.pk: _of_best_boundary(beats[site.pk]) for site in sites}
    return _uptimes(
        [(site.pk, site, *chosen[site.pk]) for site in sites], first=first, end=end, now=now
    )


def service_availability(
    *, viewer: Viewer, service_ids: Iterable[int], first: dt.date, end: dt.date, now: dt.datetime
) -> dict[int, SubjectUptime]:
    """
    Return the uptime of the visible services that have a heartbeat of their own.
    """
    channels = (
        Channel.objects.visible_to(viewer)
        .filter(kind=Channel.Kind.HEARTBEAT, point__hosting_service_id__in=list(service_ids))
        .select_related("point__site")
    )
    by_service: defaultdict[int, list[int]] = defaultdict(list)
    site_of: dict[int, Site] = {}
    for channel in channels:
        service_id = channel.point.hosting_service_id
        if service_id is not None:
            by_service[service_id].append(channel.pk)
            site_of[service_id] = channel.point.site
    feed = MeteringPoint.Boundary.TENANT_FEED.value
    return _uptimes(
        [(pk, site_of[pk], feed, ids) for pk, ids in by_service.items()],
        first=first, end=end, now=now,
    )  # fmt: skip


def uptime_days(
    *,
    viewer: Viewer,
    site_id: int,
    now: dt.datetime,
    days: int = 90,
    service_id: int | None = None,
) -> list[UptimeDay]:
    """
    Return the last local days of a site, oldest first, ending with today up to its last full
    hour; empty where the viewer may not see the site. With `service_id` only its heartbeats.
    """
    site = Site.objects.visible_to(viewer).filter(pk=site_id).first()
    if site is None:
        return []
    beats = _heartbeats(viewer, site_ids=[site_id])[site_id]
    if service_id is not None:
        beats = [beat for beat in beats if beat.service_id == service_id]
    channels = _of_best_boundary(beats)[1]
    today = now.astimezone(zoneinfo.ZoneInfo(site.timezone)).date()
    first, end = today - dt.timedelta(days=days - 1), today + dt.timedelta(days=1)
    known = _seconds_by_day(channels, site=site, first=first, end=end, now=now)
    known |= _recounted(channels, sites=[site], first=first, end=end, now=now)
    strip = []
    for n in range(days):
        day = first + dt.timedelta(days=n)
        stretch = _Stretch.of(site, day, day + dt.timedelta(days=1), now)
        uptime = stretch.uptime([known.get((channel, day), _NOTHING) for channel in channels])
        strip.append(
            UptimeDay(
                uptime.up_s, uptime.down_s, uptime.unknown_s, uptime.before_start_s,
                uptime.planned_s, day=day,
            )
        )  # fmt: skip
    return strip


# Seconds up, down and planned of one channel.
Known = tuple[int, int, int]
_NOTHING: Known = (0, 0, 0)


@dataclass(frozen=True, slots=True)
class _Heartbeat:
    channel_id: int
    boundary: str
    service_id: int | None


def _heartbeats(viewer: Viewer, *, site_ids: Sequence[int]) -> defaultdict[int, list[_Heartbeat]]:
    found: defaultdict[int, list[_Heartbeat]] = defaultdict(list)
    rows = (
        Channel.objects.visible_to(viewer)
        .filter(kind=Channel.Kind.HEARTBEAT, point__site_id__in=site_ids)
        .values_list("point__site_id", "pk", "point__boundary", "point__hosting_service_id")
        .order_by("pk")
    )
    for site_id, channel_id, boundary, service_id in rows:
        found[site_id].append(_Heartbeat(channel_id, boundary, service_id))
    return found


def _of_best_boundary(beats: list[_Heartbeat]) -> tuple[str | None, list[int]]:
    for boundary in _RANK:
        channels = [beat.channel_id for beat in beats if beat.boundary == boundary]
        if channels:
            return boundary.value, channels
    return None, []


@dataclass(frozen=True, slots=True)
class _Stretch:
    """
    Seconds of a stretch of local days before and in service, as far as they are over.
    """

    before_s: int
    in_service_s: int

    @classmethod
    def of(cls, site: Site, first: dt.date, end: dt.date, now: dt.datetime) -> _Stretch:
        period = local_days(first, end, site.timezone)
        # The hour that is running is not rolled up yet; it is not unknown either.
        last = min(period.end, now.replace(minute=0, second=0, microsecond=0))
        begin = min(max(period.start, service_start(site)), period.end)
        return cls(
            before_s=round((begin - period.start).total_seconds()),
            in_service_s=max(0, round((last - begin).total_seconds())),
        )

    def uptime(self, channels: Sequence[Known]) -> Uptime:
        """
        Return the seconds from those known of each channel; several count one beside the other.
        """
        if not channels:
            return Uptime(unknown_s=self.in_service_s, before_start_s=self.before_s)
        return total(
            Uptime(
                up_s=up,
                down_s=down,
                unknown_s=max(0, self.in_service_s - up - down - planned),
                before_start_s=self.before_s,
                planned_s=planned,
            )
            for up, down, planned in channels
        )


def _uptimes(
    subjects: Sequence[tuple[int, Site, str | None, list[int]]],
    *,
    first: dt.date,
    end: dt.date,
    now: dt.datetime,
) -> dict[int, SubjectUptime]:
    rows = []
    for _, site, _, channels in subjects:
        period = local_days(first, end, site.timezone)
        begin = max(period.start, service_start(site))
        rows += [(channel, begin, min(period.end, now)) for channel in channels]
    known: dict[int, Known] = {}
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(_SECONDS, [list(column) for column in zip(*rows, strict=True)])
            known = {channel: (up, down, 0) for channel, up, down in cursor.fetchall()}
        _correct(known, [site for _, site, _, _ in subjects], rows, first=first, end=end, now=now)
    found = {}
    for subject, site, boundary, channels in subjects:
        stretch = _Stretch.of(site, first, end, now)
        uptime = stretch.uptime([known.get(channel, _NOTHING) for channel in channels])
        found[subject] = SubjectUptime(
            uptime.up_s, uptime.down_s, uptime.unknown_s, uptime.before_start_s,
            uptime.planned_s, boundary=boundary,
        )  # fmt: skip
    return found


def _correct(
    known: dict[int, Known],
    sites: Sequence[Site],
    rows: Sequence[tuple[int, dt.datetime, dt.datetime]],
    *,
    first: dt.date,
    end: dt.date,
    now: dt.datetime,
) -> None:
    """
    Replace what the rollups say of the days on which something happened.
    """
    exact = _recounted([row[0] for row in rows], sites=sites, first=first, end=end, now=now)
    if not exact:
        return
    zones = {site.pk: site for site in sites}
    site_of = dict(
        Channel.objects.filter(pk__in={key for key, _ in exact}).values_list("pk", "site_id")
    )
    for site_id in set(site_of.values()):
        own = sorted({key for key, _ in exact if site_of[key] == site_id})
        rolled = _seconds_by_day(own, site=zones[site_id], first=first, end=end, now=now)
        for (channel, day), right in exact.items():
            if site_of[channel] != site_id:
                continue
            was, wrong = known.get(channel, _NOTHING), rolled.get((channel, day), _NOTHING)
            up, down, planned = (a - b + c for a, b, c in zip(was, wrong, right, strict=True))
            known[channel] = (up, down, planned)


def _recounted(
    channels: Sequence[int],
    *,
    sites: Sequence[Site],
    first: dt.date,
    end: dt.date,
    now: dt.datetime,
) -> dict[tuple[int, dt.date], Known]:
    """
    Count the days of each channel that announced work or an incident touches, second by second
    from the heartbeats themselves.
    """
    if not sites or not channels:
        return {}
    widest = [local_days(first, end, zone) for zone in {site.timezone for site in sites}]
    over = overlays(
        sites=sites, start=min(p.start for p in widest), end=max(p.end for p in widest)
    )  # fmt: skip
    if not over:
        return {}
    last = now.replace(minute=0, second=0, microsecond=0)
    zones = {site.pk: site for site in sites}
    wanted: list[_Day] = []
    touched = {site for site, _ in over}
    for channel in Channel.objects.filter(pk__in=channels, site__in=touched).select_related(
        "point"
    ):
        site = zones[channel.site_id]
        service = channel.point.hosting_service_id
        found = over.get((channel.site_id, service)) or over.get((channel.site_id, None))
        if found is None:
            continue
        day = first
        while day < end:
            period = local_days(day, day + dt.timedelta(days=1), site.timezone)
            begin, until = max(period.start, service_start(site)), min(period.end, last)
            if begin < until and found.touches(begin, until):
                wanted.append(
                    _Day(channel.pk, day, begin, until, channel.interval_s or 3600, found)
                )
            day += dt.timedelta(days=1)
    return _counted(wanted)


@dataclass(frozen=True, slots=True)
class _Day:
    channel_id: int
    day: dt.date
    start: dt.datetime
    end: dt.datetime
    interval_s: int
    over: Overlay


def _counted(wanted: Sequence[_Day]) -> dict[tuple[int, dt.date], Known]:
    if not wanted:
        return {}
    beats: defaultdict[tuple[int, dt.date], list[tuple[dt.datetime, bool]]] = defaultdict(list)
    channels = [d.channel_id for d in wanted]
    starts = [d.start - LATE * dt.timedelta(seconds=d.interval_s) for d in wanted]
    ends = [d.end for d in wanted]
    bring_back_each([*zip(channels, starts, ends, strict=True)])
    with connection.cursor() as cursor:
        cursor.execute(_BEATS, [channels, [d.day for d in wanted], starts, ends])
        for channel_id, day, at, value in cursor.fetchall():
            beats[channel_id, day].append((at, value >= _HALF))
    found = {}
    for d in wanted:
        told = uptime_of(
            beats[d.channel_id, d.day], interval_s=d.interval_s, start=d.start, end=d.end,
            service_start=d.start, planned=d.over.planned, outages=d.over.down,
            overrun=d.over.overrun,
        )  # fmt: skip
        found[d.channel_id, d.day] = (told.up_s, told.down_s, told.planned_s)
    return found


_HALF = Decimal("0.5")
_BEATS = """
SELECT w.channel_id, w.day, r.at, r.value
FROM unnest(%s::bigint[], %s::date[], %s::timestamptz[], %s::timestamptz[])
  AS w(channel_id, day, starts, ends)
JOIN telemetry_reading r ON r.channel_id = w.channel_id AND r.at >= w.starts AND r.at < w.ends
ORDER BY w.channel_id, w.day, r.at
"""


def _seconds_by_day(
    channels: list[int], *, site: Site, first: dt.date, end: dt.date, now: dt.datetime
) -> dict[tuple[int, dt.date], Known]:
    if not channels:
        return {}
    period = local_days(first, end, site.timezone)
    begin = max(period.start, service_start(site))
    with connection.cursor() as cursor:
        cursor.execute(_SECONDS_BY_DAY, [site.timezone, channels, begin, min(period.end, now)])
        return {(channel, day): (up, down, 0) for channel, day, up, down in cursor.fetchall()}


# A heartbeat's mean is its up share of the time it spoke for, which is its coverage. Days are
# local days of the site, so whole ones serve.
_UP_AND_DOWN = """
  round(sum(r.mean * r.coverage * extract(epoch FROM r.end_at - r.start_at)))::bigint,
  round(sum((1 - r.mean) * r.coverage * extract(epoch FROM r.end_at - r.start_at)))::bigint
"""
_SECONDS = f"""
SELECT r.channel_id, {_UP_AND_DOWN}
FROM unnest(%s::bigint[], %s::timestamptz[], %s::timestamptz[]) AS s(channel_id, begins, ends)
JOIN telemetry_rollup r ON r.channel_id = s.channel_id AND r.grain = 'day'
  AND r.start_at >= s.begins AND r.start_at < s.ends
WHERE r.mean IS NOT NULL GROUP BY 1
"""  # noqa: S608 - the parts are constants of this module
_SECONDS_BY_DAY = f"""
SELECT r.channel_id, (r.start_at AT TIME ZONE %s)::date, {_UP_AND_DOWN}
FROM telemetry_rollup r
WHERE r.channel_id = ANY(%s) AND r.grain = 'day' AND r.start_at >= %s AND r.start_at < %s
  AND r.mean IS NOT NULL
GROUP BY 1, 2
"""  # noqa: S608 - the parts are constants of this module
