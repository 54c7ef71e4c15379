"""
Reads of probes and of what they found.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import OuterRef, Q, QuerySet, Subquery

from sites.access import Viewer
from telemetry.models import Probe, ProbeResult


def probes(
    *, viewer: Viewer, search: str = "", site: int | None = None, state: str = ""
) -> QuerySet[Probe]:
    """
    Return the probes that were not ended, with what each found last (`last_at`, `last_ok`,
    `last_ms`, `last_answer`). `state` is up, down, paused or none, for those never asked.
    """
    newest = ProbeResult.objects.filter(probe=OuterRef("pk")).order_by("-at")
    rows = (
        Probe.objects.visible_to(viewer)
        .filter(ended_at__isnull=True)
        .select_related("site", "hosting_service")
        .annotate(
            last_at=Subquery(newest.values("at")[:1]),
            last_ok=Subquery(newest.values("ok")[:1]),
            last_ms=Subquery(newest.values("took_ms")[:1]),
            last_answer=Subquery(newest.values("answer")[:1]),
        )
    )
    if search:
        rows = rows.filter(
            Q(name__icontains=search) | Q(target__icontains=search)
            | Q(site__name__icontains=search)
        )  # fmt: skip
    if site is not None:
        rows = rows.filter(site=site)
    if state == "paused":
        rows = rows.filter(paused_at__isnull=False)
    elif state in {"up", "down"}:
        rows = rows.filter(paused_at__isnull=True, last_ok=state == "up")
    elif state == "none":
        rows = rows.filter(last_at__isnull=True)
    return rows.order_by("site__name", "name")


def probe_to_ask(*, probe_id: int) -> Probe | None:
    """
    Return a probe that was not ended; for tasks.
    """
    return Probe.objects.filter(pk=probe_id, ended_at__isnull=True).first()


def probe_results(*, viewer: Viewer, probe_id: int) -> QuerySet[ProbeResult]:
    """
    Return what a probe found, newest first.
    """
    return ProbeResult.objects.visible_to(viewer).filter(probe=probe_id).order_by("-at")


@dataclass(frozen=True, slots=True)
class ProbeStretch:
    """
    A stretch of a probe's history: how often it asked, how often in vain, and how long answers
    took in milliseconds, half of them at most `median_ms` and 95 % at most `p95_ms`.
    """

    at: dt.datetime
    asked: int
    failed: int
    median_ms: float | None
    p95_ms: float | None


def probe_history(
    *, viewer: Viewer, probe_id: int, start: dt.datetime, end: dt.datetime, step: dt.timedelta
) -> list[ProbeStretch]:
    """
    Return a probe's history in stretches of `step`, oldest first; one without results has asked
    nothing. Empty where the viewer may not see the probe.
    """
    if not Probe.objects.visible_to(viewer).filter(pk=probe_id).exists():
        return []
    with connection.cursor() as cursor:
        given: dict[str, Any] = {"probe": probe_id, "start": start, "end": end, "step": step}
        cursor.execute(_HISTORY, given)
        return [ProbeStretch(*row) for row in cursor.fetchall()]


_HISTORY = """
WITH stretches AS (
  SELECT s AS at FROM generate_series(
    %(start)s::timestamptz, %(end)s::timestamptz - interval '1 second', %(step)s::interval) s
), found AS (
  SELECT date_bin(%(step)s::interval, r.at, %(start)s::timestamptz) AS at, count(*) AS asked,
    count(*) FILTER (WHERE NOT r.ok) AS failed,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY r.took_ms) AS median,
    percentile_cont(0.95) WITHIN GROUP (ORDER BY r.took_ms) AS p95
  FROM telemetry_proberesult r
  WHERE r.probe_id = %(probe)s AND r.at >= %(start)s AND r.at < %(end)s GROUP BY 1
)
SELECT s.at, coalesce(f.asked, 0), coalesce(f.failed, 0), f.median, f.p95
FROM stretches s LEFT JOIN found f USING (at) ORDER BY s.at
"""
