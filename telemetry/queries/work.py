"""
Announced work against what is agreed: how much of it counts as planned time.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.backends.postgresql.psycopg_any import DateTimeTZRange

from sites.access import Viewer
from sites.models import Site
from telemetry.domain import service_levels, spans, supply
from telemetry.models import MaintenancePolicy, MaintenanceWindow, Part
from telemetry.queries.outages import planned_time, work_beside


def planned_seconds(
    *, viewer: Viewer, windows: Sequence[MaintenanceWindow]
) -> dict[int, int]:  # fmt: skip
    """
    Return of each window how many seconds of it count as planned, beside all other work on the
    same subject and within the terms of its site.
    """
    if not windows:
        return {}
    sites = {w.site_id: w.site for w in windows}
    others = _announced(
        viewer, sites, min(w.span.lower for w in windows), max(w.span.upper for w in windows)
    )
    policies = {p.site_id: p for p in MaintenancePolicy.objects.filter(site__in=sites)}
    found = {}
    for window in windows:
        if window.cancelled_at is not None:
            found[window.pk] = 0
            continue
        beside = [_work(w) for w in others[window.site_id] if _meets(w, window)]
        policy = policies.get(window.site_id) or MaintenancePolicy(site_id=window.site_id)
        time = planned_time(beside, policy, window.site.timezone)
        own = [(window.span.lower, window.span.upper)]
        found[window.pk] = spans.seconds(spans.common(time, own))
    return found


def _announced(
    viewer: Viewer, sites: Iterable[int], start: dt.datetime, end: dt.datetime
) -> defaultdict[int, list[MaintenanceWindow]]:
    found: defaultdict[int, list[MaintenanceWindow]] = defaultdict(list)
    rows = MaintenanceWindow.objects.visible_to(viewer).filter(
        work_beside(start, end), site__in=list(sites), cancelled_at__isnull=True
    )
    for window in rows:
        found[window.site_id].append(window)
    return found


def _work(window: MaintenanceWindow) -> service_levels.Work:
    return service_levels.Work(window.span.lower, window.span.upper, window.announced_at)


def _meets(one: MaintenanceWindow, other: MaintenanceWindow) -> bool:
    """
    Say whether two announcements take time from a common customer.
    """
    if Part.ALL not in {one.part, other.part} and one.part != other.part:
        return False
    for name in ("hosting_service_id", "delivery_point_id"):
        mine, theirs = getattr(one, name), getattr(other, name)
        if mine is not None and theirs is not None and mine != theirs:
            return False
    return True


@dataclass(frozen=True, slots=True)
class MonthOfWork:
    """
    One local month that announced work reaches into, in minutes: what other work has taken of the
    allowance, and what this takes.
    """

    month: dt.date
    taken_min: int
    takes_min: int


@dataclass(frozen=True, slots=True)
class WorkCheck:
    """
    What would become of work that is about to be announced.
    """

    notice_h: int
    allowance_min: int
    yearly_min: int | None
    hours: list[supply.Band]
    ahead: dt.timedelta
    months: list[MonthOfWork]
    planned_s: int
    total_s: int

    @property
    def in_time(self) -> bool:
        return self.ahead >= dt.timedelta(hours=self.notice_h)

    @property
    def wholly_planned(self) -> bool:
        return self.planned_s == self.total_s


def check_work(
    *, viewer: Viewer, site: Site, part: str, service_id: int | None, delivery_id: int | None,
    start: dt.datetime, end: dt.datetime, at: dt.datetime,
) -> WorkCheck:  # fmt: skip
    """
    Return what would become of work from `start` to `end` if it was announced at `at`.
    """
    policy = MaintenancePolicy.objects.visible_to(viewer).filter(site=site).first()
    policy = policy or MaintenancePolicy(site=site)
    window = MaintenanceWindow(
        site=site, part=part, hosting_service_id=service_id, delivery_point_id=delivery_id,
        span=DateTimeTZRange(start, end), announced_at=at,
    )  # fmt: skip
    beside = [
        _work(w) for w in _announced(viewer, [site.pk], start, end)[site.pk] if _meets(w, window)
    ]
    before = planned_time(beside, policy, site.timezone)
    after = planned_time([*beside, _work(window)], policy, site.timezone)
    own = [(start, end)]
    months = []
    for month, span in _months(start, end, zoneinfo.ZoneInfo(site.timezone)):
        taken = spans.seconds(spans.common(before, [span]))
        takes = spans.seconds(spans.common(after, [span])) - taken
        months.append(MonthOfWork(month, taken // 60, max(0, takes) // 60))
    return WorkCheck(
        notice_h=policy.notice_h, allowance_min=policy.allowance_min,
        yearly_min=policy.yearly_min, hours=policy.bands, ahead=start - at,
        months=months, planned_s=spans.seconds(spans.common(after, own)),
        total_s=spans.seconds(own),
    )  # fmt: skip


def _months(
    start: dt.datetime, end: dt.datetime, zone: zoneinfo.ZoneInfo
) -> Iterable[tuple[dt.date, spans.Span]]:
    month = start.astimezone(zone).date().replace(day=1)
    while True:
        following = (month + dt.timedelta(days=32)).replace(day=1)
        edges = [
            dt.datetime.combine(day, dt.time(), tzinfo=zone).astimezone(dt.UTC)
            for day in (month, following)
        ]
        yield month, (edges[0], edges[1])
        if edges[1] >= end:
            return
        month = following


def windows_to_mail(*, at: dt.datetime, limit: int) -> list[int]:
    """
    Return the announcements that nobody was e-mailed of yet and that are not over; for tasks.
    """
    rows = MaintenanceWindow.objects.filter(
        mailed_at__isnull=True, cancelled_at__isnull=True, span__endswith__gt=at
    )
    return list(rows.order_by("pk").values_list("pk", flat=True)[:limit])
