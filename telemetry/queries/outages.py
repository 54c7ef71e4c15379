"""
What happened to a site, service or delivery point: incidents and announced work as people read
them, and as stretches of time that availability is counted with.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.db.models import F, OuterRef, Q, QuerySet, Subquery

from sites.access import Viewer
from sites.domain import Period
from sites.models import Site
from telemetry.domain import service_levels, spans
from telemetry.domain.spans import Span
from telemetry.models import (
    Incident,
    MaintenancePolicy,
    MaintenanceWindow,
    Probe,
    ProbeResult,
)

FAR = dt.datetime(9999, 1, 1, tzinfo=dt.UTC)


def incidents(
    *,
    viewer: Viewer,
    search: str = "",
    site: int | None = None,
    part: str = "",
    state: str = "",
    period: Period | None = None,
    service_id: int | None = None,
    delivery_id: int | None = None,
) -> QuerySet[Incident]:
    """
    Return the incidents the viewer may see, newest first. With a service or delivery point also
    those of its whole site.
    """
    rows = Incident.objects.visible_to(viewer).select_related(
        "site", "hosting_service", "delivery_point"
    )
    if search:
        rows = rows.filter(Q(title__icontains=search) | Q(text__icontains=search))
    if site is not None:
        rows = rows.filter(site=site)
    if part:
        rows = rows.filter(part=part)
    if state:
        rows = rows.filter(ended_at__isnull=state == "open")
    if period is not None:
        rows = rows.filter(started_at__lt=period.end).filter(
            Q(ended_at__isnull=True) | Q(ended_at__gt=period.start)
        )
    if service_id is not None:
        rows = rows.filter(
            Q(hosting_service=service_id) | Q(hosting_service__isnull=True, part__in=["it", "all"])
        )
    if delivery_id is not None:
        rows = rows.filter(
            Q(delivery_point=delivery_id) | Q(delivery_point__isnull=True, part__in=["heat", "all"])
        )
    return rows.order_by("-started_at", "-pk")


def maintenance(
    *,
    viewer: Viewer,
    search: str = "",
    site: int | None = None,
    coming_after: dt.datetime | None = None,
    period: Period | None = None,
) -> QuerySet[MaintenanceWindow]:
    """
    Return the announced work the viewer may see, latest first; with `coming_after` only what is
    not over by then nor called off.
    """
    rows = MaintenanceWindow.objects.visible_to(viewer).select_related(
        "site", "hosting_service", "delivery_point"
    )
    if search:
        rows = rows.filter(Q(reason__icontains=search) | Q(text__icontains=search))
    if site is not None:
        rows = rows.filter(site=site)
    if coming_after is not None:
        rows = rows.filter(cancelled_at__isnull=True, span__endswith__gt=coming_after)
    if period is not None:
        rows = rows.filter(span__overlap=DateTimeTZRange(period.start, period.end))
    return rows.order_by("-span", "-pk")


def maintenance_policy(*, viewer: Viewer, site_id: int) -> MaintenancePolicy:
    """
    Return what is agreed about work at a site, the usual terms where nothing was set.
    """
    held = MaintenancePolicy.objects.visible_to(viewer).filter(site=site_id).first()
    return held or MaintenancePolicy(site_id=site_id)


def probes(*, viewer: Viewer, site_id: int | None = None) -> QuerySet[Probe]:
    """
    Return the probes that ask, with what each found last (`last_ok`, `last_at`, `last_answer`).
    """
    newest = ProbeResult.objects.filter(probe=OuterRef("pk")).order_by("-at")
    rows = Probe.objects.visible_to(viewer).filter(ended_at__isnull=True)
    if site_id is not None:
        rows = rows.filter(site=site_id)
    return (
        rows.select_related("site", "hosting_service")
        .annotate(
            last_at=Subquery(newest.values("at")[:1]),
            last_ok=Subquery(newest.values("ok")[:1]),
            last_answer=Subquery(newest.values("answer")[:1]),
        )
        .order_by("site__name", "name")
    )


def probe_to_ask(*, probe_id: int) -> Probe | None:
    """
    Return a probe that still asks; for tasks.
    """
    return Probe.objects.filter(pk=probe_id, ended_at__isnull=True).first()


@dataclass(frozen=True, slots=True)
class Overlay:
    """
    What stands over the heartbeats of one subject: planned time, and outages.
    """

    planned: tuple[Span, ...] = ()
    down: tuple[Span, ...] = ()

    def touches(self, start: dt.datetime, end: dt.datetime) -> bool:
        return any(a < end and b > start for a, b in (*self.planned, *self.down))


def overlays(
    *, sites: Iterable[Site], start: dt.datetime, end: dt.datetime
) -> dict[tuple[int, int | None], Overlay]:
    """
    Return what stands over the servers of the sites in [start, end), by site and service; the
    service None stands for the site's own heartbeat. Subjects that nothing happened to are not
    in it. The allowance of planned work is of whole months, so these are looked at whole.
    """
    by_id = {site.pk: site for site in sites}
    found = defaultdict(list)
    lost = defaultdict(list)
    work = MaintenanceWindow.objects.filter(
        site__in=by_id, part__in=["it", "all"], cancelled_at__isnull=True,
        span__overlap=DateTimeTZRange(start - dt.timedelta(days=32), end),
    )  # fmt: skip
    for window in work:
        found[window.site_id, window.hosting_service_id].append(_work(window))
    rows = Incident.objects.filter(
        site__in=by_id, part__in=["it", "all"], withdrawn_at__isnull=True, started_at__lt=end
    ).filter(Q(ended_at__isnull=True) | Q(ended_at__gt=start))
    for incident in rows.annotate(service=F("hosting_service_id")):
        lost[incident.site_id, incident.hosting_service_id].append(
            (incident.started_at, incident.ended_at or FAR)
        )
    return _overlays(by_id, found, lost)


def _work(window: MaintenanceWindow) -> service_levels.Work:
    return service_levels.Work(window.span.lower, window.span.upper, window.announced_at)


def _overlays(
    sites: dict[int, Site],
    work: dict[tuple[int, int | None], list[service_levels.Work]],
    lost: dict[tuple[int, int | None], list[Span]],
) -> dict[tuple[int, int | None], Overlay]:
    touched = {site for site, _ in (*work, *lost)}
    policies = {p.site_id: p for p in MaintenancePolicy.objects.filter(site__in=touched)}
    keys = {(site, None) for site in touched} | set(work) | set(lost)
    made = {}
    for site_id, service in keys:
        policy = policies.get(site_id) or MaintenancePolicy(site_id=site_id)
        own = {(site_id, service), (site_id, None)}
        made[site_id, service] = Overlay(
            planned=tuple(
                planned_time(
                    [w for key in own for w in work.get(key, ())], policy, sites[site_id].timezone
                )
            ),
            down=tuple(spans.merged(s for key in own for s in lost.get(key, ()))),
        )
    return made


def planned_time(
    work: Iterable[service_levels.Work], policy: MaintenancePolicy, timezone: str
) -> list[Span]:
    """
    Return the time of announced work that the policy lets count as planned.
    """
    return service_levels.planned(
        work,
        notice=dt.timedelta(hours=policy.notice_h),
        allowance=dt.timedelta(minutes=policy.allowance_min),
        zone=zoneinfo.ZoneInfo(timezone),
    )
