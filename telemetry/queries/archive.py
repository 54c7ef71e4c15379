"""
Which months are in the archive, which could go there, and what stands against it.
"""

from __future__ import annotations

import datetime as dt
import enum

from django.db import connection
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.db.models import QuerySet

from sites.access import Viewer
from telemetry.models import ArchivedMonth, Decision, DirtyRange, Finding, Incident

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


def archived_months(
    *,
    viewer: Viewer,
    site: str = "",
    state: str = "",
    year: int | None = None,
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
    return found.order_by("-month", "site__name", "-revision")
