"""
What happened to a site, service or delivery point: incidents and announced work as people read
them, and as stretches of time that availability is counted with.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.db.models import Count, F, Q, QuerySet, Value

from sites.access import Viewer
from sites.domain import Period
from sites.models import Site
from telemetry.domain import service_levels, spans
from telemetry.domain.spans import Span
from telemetry.models import (
    Alarm,
    Incident,
    MaintenancePolicy,
    MaintenanceWindow,
)

FAR = dt.datetime(9999, 1, 1, tzinfo=dt.UTC)


def incidents(
    *,
    viewer: Viewer,
    search: str = "",
    site: int | None = None,
    part: str = "",
    cause: str = "",
    state: str = "",
    period: Period | None = None,
    service_id: int | None = None,
    delivery_id: int | None = None,
) -> QuerySet[Incident]:
    """
    Return the incidents the viewer may see, newest first, with how long each `lasted`. With a
    service or delivery point also those of its whole site. `state` is open, over or withdrawn;
    without it, those that were withdrawn are left out.
    """
    rows = (
        Incident.objects.visible_to(viewer)
        .filter(withdrawn_at__isnull=state != "withdrawn")
        .select_related("site", "hosting_service", "delivery_point")
        .annotate(lasted=F("ended_at") - F("started_at"))
    )
    if search:
        rows = rows.filter(
            Q(title__icontains=search) | Q(text__icontains=search)
            | Q(site__name__icontains=search) | Q(hosting_service__name__icontains=search)
        )  # fmt: skip
    if site is not None:
        rows = rows.filter(site=site)
    if part:
        rows = rows.filter(part__in=[part, "all"])
    if cause:
        rows = rows.filter(cause=cause)
    if state in {"open", "over"}:
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


def incident_of(*, viewer: Viewer, incident_id: int) -> Incident | None:
    """
    Return one incident, also one that was withdrawn, with whom it touched.
    """
    rows = Incident.objects.visible_to(viewer).select_related(
        "site", "hosting_service", "delivery_point"
    )
    rows = rows.annotate(lasted=F("ended_at") - F("started_at"))
    return rows.prefetch_related("affected").filter(pk=incident_id).first()


@dataclass(frozen=True, slots=True)
class Attention:
    """
    What waits for somebody: alarms nobody took, incidents that are not over.
    """

    alarms: int = 0
    incidents: int = 0


def attention(*, viewer: Viewer) -> Attention:
    """
    Return what waits for somebody, in one query.
    """
    alarms = Alarm.objects.visible_to(viewer).filter(state=Alarm.State.OPEN)
    lasting = Incident.objects.visible_to(viewer).filter(
        ended_at__isnull=True, withdrawn_at__isnull=True
    )
    counted = [
        rows.order_by().values(what=Value(what)).annotate(n=Count("pk"))
        for what, rows in (("alarms", alarms), ("incidents", lasting))
    ]
    return Attention(**{row["what"]: row["n"] for row in counted[0].union(counted[1], all=True)})


def maintenance(
    *,
    viewer: Viewer,
    search: str = "",
    site: int | None = None,
    coming_after: dt.datetime | None = None,
    called_off: bool = True,
    period: Period | None = None,
    service_id: int | None = None,
) -> QuerySet[MaintenanceWindow]:
    """
    Return the announced work the viewer may see, latest first; with `coming_after` only what is
    not over by then nor called off. With a service also that on its whole site.
    """
    rows = MaintenanceWindow.objects.visible_to(viewer).select_related(
        "site", "hosting_service", "delivery_point", "by"
    )
    if not called_off:
        rows = rows.filter(cancelled_at__isnull=True)
    if service_id is not None:
        rows = rows.filter(
            Q(hosting_service=service_id) | Q(hosting_service__isnull=True, part__in=["it", "all"])
        )
    if search:
        rows = rows.filter(
            Q(reason__icontains=search) | Q(text__icontains=search)
            | Q(site__name__icontains=search)
        )  # fmt: skip
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


def maintenance_policies(*, viewer: Viewer) -> dict[int, MaintenancePolicy]:
    """
    Return what was agreed about work, by site; sites with the usual terms are not in it.
    """
    return {p.site_id: p for p in MaintenancePolicy.objects.visible_to(viewer)}


@dataclass(frozen=True, slots=True)
class Overlay:
    """
    What stands over the heartbeats of one subject: planned time, outages, and announced work
    beyond what its terms allow.
    """

    planned: tuple[Span, ...] = ()
    down: tuple[Span, ...] = ()
    overrun: tuple[Span, ...] = ()

    def touches(self, start: dt.datetime, end: dt.datetime) -> bool:
        return any(a < end and b > start for a, b in (*self.planned, *self.down, *self.overrun))


def overlays(
    *, sites: Iterable[Site], start: dt.datetime, end: dt.datetime
) -> dict[tuple[int, int | None], Overlay]:
    """
    Return what stands over the servers of the sites in [start, end), by site and service; the
    service None stands for the site's own heartbeat. Subjects that nothing happened to are not
    in it.
    """
    by_id = {site.pk: site for site in sites}
    found = defaultdict(list)
    lost = defaultdict(list)
    work = MaintenanceWindow.objects.filter(
        work_beside(start, end), site__in=by_id, part__in=["it", "all"], cancelled_at__isnull=True,
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
        announced = [w for key in own for w in work.get(key, ())]
        planned = planned_time(announced, policy, sites[site_id].timezone)
        made[site_id, service] = Overlay(
            planned=tuple(planned),
            down=tuple(spans.merged(s for key in own for s in lost.get(key, ()))),
            overrun=tuple(spans.without([(w.start, w.end) for w in announced], planned)),
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
        terms=service_levels.WorkTerms(
            notice=dt.timedelta(hours=policy.notice_h),
            allowance=dt.timedelta(minutes=policy.allowance_min),
            yearly=None if policy.yearly_min is None else dt.timedelta(minutes=policy.yearly_min),
            hours=policy.bands,
        ),
        timezone=timezone,
    )


def work_beside(start: dt.datetime, end: dt.datetime) -> Q:
    """
    Return which announced work stands beside that of [start, end): an allowance is of whole local
    months, and of whole years where one is agreed for them.
    """
    month, year = dt.timedelta(days=32), dt.timedelta(days=367)
    return Q(span__overlap=DateTimeTZRange(start - month, end + month)) | Q(
        site__maintenance_policy__yearly_min__isnull=False,
        span__overlap=DateTimeTZRange(start - year, end + month),
    )
