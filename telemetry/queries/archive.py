"""
Which months are in the archive, which could go there, and what stands against it.
"""

from __future__ import annotations

import datetime as dt
import enum
from dataclasses import dataclass

from django.db import connection
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.db.models import Count, QuerySet, Sum

from sites.access import Viewer
from telemetry.models import ArchivedChannel, ArchivedMonth, Decision, DirtyRange, Finding, Incident

# Rules look back as far, and gateways that were offline have had their chance by then.
SETTLED = dt.timedelta(days=14)


class Hindrance(enum.StrEnum):
    """
    What stands against sealing a month.
    """

    NOT_OVER = "not_over"
    NO_READINGS = "no_readings"
    UNDER_WAY = "under_way"
    ARCHIVED = "archived"
    DIRTY = "dirty"
    FINDING = "finding"
    DECISION = "decision"
    INCIDENT = "incident"
    DISPUTE = "dispute"


def utc_month(month: dt.date) -> tuple[dt.datetime, dt.datetime]:
    """
    Return when a month begins and ends in UTC, as the partitions of readings do.
    """
    start = dt.datetime(month.year, month.month, 1, tzinfo=dt.UTC)
    return start, (start + dt.timedelta(days=32)).replace(day=1)


def archive_hindrances(*, site_id: int, month: dt.date, at: dt.datetime) -> list[Hindrance]:
    """
    Return what stands against sealing a month of a site now, but for disputes, which the database
    itself looks for.
    """
    start, end = utc_month(month)
    if end + SETTLED > at:
        return [Hindrance.NOT_OVER]
    there = ArchivedMonth.objects.filter(site_id=site_id, month=month)
    current = there.exclude(state=ArchivedMonth.State.REOPENED).first()
    if current is not None and current.state not in ArchivedMonth.IN_USE:
        return [Hindrance.UNDER_WAY]
    if current is not None and not current.late:
        return [Hindrance.ARCHIVED]
    overlap = DateTimeTZRange(start, end)
    of_site = {"channel__site_id": site_id, "span__overlap": overlap}
    open_findings = [Finding.State.OPEN, Finding.State.WAITING]
    against = {
        Hindrance.NO_READINGS: not _has_readings(site_id, start, end),
        Hindrance.DIRTY: DirtyRange.objects.filter(**of_site).exists(),
        Hindrance.FINDING: Finding.objects.filter(state__in=open_findings, **of_site).exists(),
        Hindrance.DECISION: Decision.objects.filter(
            state=Decision.State.PROPOSED, **of_site
        ).exists(),
        Hindrance.INCIDENT: Incident.objects.filter(
            site_id=site_id, ended_at__isnull=True, withdrawn_at__isnull=True, started_at__lt=end
        ).exists(),
    }
    return [hindrance for hindrance, stands in against.items() if stands]


def _has_readings(site_id: int, start: dt.datetime, end: dt.datetime) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM telemetry_channel c CROSS JOIN LATERAL (SELECT FROM"
            " telemetry_reading r WHERE r.channel_id = c.id AND r.at >= %s AND r.at < %s LIMIT 1) x"
            " WHERE c.site_id = %s)",
            [start, end, site_id],
        )
        return bool(cursor.fetchone()[0])


def archives_under_way(*, limit: int) -> list[int]:
    """
    Return the archives that are sealed and not verified yet, those that wait longest first.
    """
    waiting = ArchivedMonth.objects.filter(
        state__in=[ArchivedMonth.State.SEALED, ArchivedMonth.State.WRITTEN]
    )
    return list(waiting.order_by("sealed_at").values_list("pk", flat=True)[:limit])


def months_that_leave(*, until: dt.datetime) -> list[dt.date]:
    """
    Return the months of which something has waited since `until` or longer to leave the database.
    """
    waiting = ArchivedChannel.objects.filter(leaving_since__lte=until)
    return sorted(set(waiting.values_list("archive__month", flat=True)))


def months_to_seal(*, now: dt.datetime, older_than: int, limit: int) -> list[tuple[int, dt.date]]:
    """
    Return site and month of what was read longer ago than some months and is not archived, or is
    and had late readings since. A month that somebody brought back stays.
    """
    count = now.year * 12 + now.month - 1 - older_than
    before = dt.date(count // 12, count % 12 + 1, 1)
    with connection.cursor() as cursor:
        cursor.execute(_TO_SEAL, {"before": before, "limit": limit})
        return list(cursor.fetchall())


_TO_SEAL = """
-- Apart: else a plan may read months from the names of all tables before it knows the partitions.
WITH months AS MATERIALIZED (
  SELECT to_date(right(c.relname, 6), 'YYYYMM') AS month
  FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
  WHERE i.inhparent = 'telemetry_reading'::regclass
)
SELECT s.id, m.month FROM sites_site s CROSS JOIN months m
LEFT JOIN LATERAL (
  SELECT a.state, a.late FROM telemetry_archivedmonth a
  WHERE a.site_id = s.id AND a.month = m.month ORDER BY a.revision DESC LIMIT 1
) newest ON true
WHERE m.month < %(before)s
  AND (newest.state IS NULL OR newest.state IN ('verified', 'dropped') AND newest.late > 0)
  AND EXISTS (
    SELECT FROM telemetry_channel c CROSS JOIN LATERAL (
      SELECT FROM telemetry_reading r WHERE r.channel_id = c.id
        AND r.at >= m.month::timestamp AT TIME ZONE 'UTC'
        AND r.at < (m.month + interval '1 month')::timestamp AT TIME ZONE 'UTC' LIMIT 1) x
    WHERE c.site_id = s.id)
ORDER BY m.month, s.id LIMIT %(limit)s
"""


def archived_place(*, archive_id: int) -> ArchivedMonth:
    """
    Return an archive for a task.
    """
    return ArchivedMonth.objects.get(pk=archive_id)


@dataclass(frozen=True, slots=True)
class ArchiveTotals:
    """
    What is in the archive: months of sites, readings, and bytes there and before.
    """

    months: int
    readings: int
    archived_bytes: int
    hot_bytes: int
    late: int
    problems: int


def archive_totals(*, viewer: Viewer) -> ArchiveTotals:
    """
    Return the sums over what is in the archive of the viewer's sites.
    """
    own = ArchivedMonth.objects.visible_to(viewer)
    found = own.filter(state__in=ArchivedMonth.IN_USE).aggregate(
        months=Count("pk"), readings=Sum("rows"), archived=Sum("bytes"), hot=Sum("hot_bytes"),
        late=Sum("late"),
    )  # fmt: skip
    return ArchiveTotals(
        months=found["months"], readings=found["readings"] or 0,
        archived_bytes=found["archived"] or 0, hot_bytes=found["hot"] or 0,
        late=found["late"] or 0, problems=own.exclude(problem="").count(),
    )  # fmt: skip


def archived_channels(*, viewer: Viewer, archive_id: int) -> QuerySet[ArchivedChannel]:
    """
    Return what an archive the viewer may see holds of each channel, by key.
    """
    own = ArchivedMonth.objects.visible_to(viewer).filter(pk=archive_id)
    found = ArchivedChannel.objects.filter(archive__in=own).select_related("channel__point")
    return found.order_by("channel__key")


def archived_months(
    *,
    viewer: Viewer,
    site: str = "",
    state: str = "",
    year: int | None = None,
    late: bool = False,
) -> QuerySet[ArchivedMonth]:
    """
    Return the archives the viewer may see, the newest month first.
    """
    found = ArchivedMonth.objects.visible_to(viewer).select_related("site", "key", "sealed_by")
    if site:
        found = found.filter(site__slug=site)
    if state:
        found = found.filter(state=state)
    if year:
        found = found.filter(month__year=year)
    if late:
        found = found.filter(late__gt=0, state__in=ArchivedMonth.IN_USE)
    return found.order_by("-month", "site__name", "-revision")
