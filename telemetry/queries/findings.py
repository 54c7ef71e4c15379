"""
The exceptions of validation and what was decided about them, for the operator's people.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import Count, Q, QuerySet

from sites.access import Viewer
from telemetry.domain import vee
from telemetry.models import Channel, Decision, Finding, Rollup
from telemetry.queries.estimation import effective, read

# As many points as a drawing can show; beyond it the lowest and highest of each stretch.
_MOST_POINTS = 500
_AROUND = dt.timedelta(days=1)


def findings(
    *, viewer: Viewer, search: str = "", site: int | None = None, rule: str = "",
    state: str = "", severity: int | None = None, point: int | None = None,
) -> QuerySet[Finding]:  # fmt: skip
    """
    Return the findings that the viewer may see, the gravest and newest first. `state` may be that
    of a finding or "live": what waits for somebody.
    """
    rows = Finding.objects.visible_to(viewer).select_related(
        "channel__point__site", "channel__site", "decided_by", "batch"
    )
    if search:
        rows = rows.filter(
            Q(channel__key__icontains=search) | Q(channel__point__name__icontains=search)
            | Q(channel__site__name__icontains=search) | Q(detail__icontains=search)
        )  # fmt: skip
    if state == "live":
        rows = rows.filter(state__in=[Finding.State.OPEN, Finding.State.WAITING])
    elif state:
        rows = rows.filter(state=state)
    wanted = {
        "channel__site_id": site, "rule": rule or None, "severity": severity,
        "channel__point_id": point,
    }  # fmt: skip
    rows = rows.filter(**{name: value for name, value in wanted.items() if value is not None})
    return rows.order_by("severity", "-span__startswith", "pk")


def findings_of_points(*, viewer: Viewer, point_ids: Iterable[int]) -> dict[int, int]:
    """
    Return how many findings wait for somebody at each point that has any.
    """
    rows = findings(viewer=viewer, state="live").filter(channel__point_id__in=list(point_ids))
    counted = rows.order_by().values("channel__point_id").annotate(n=Count("pk"))
    return dict(counted.values_list("channel__point_id", "n"))


def open_by_severity(*, viewer: Viewer) -> dict[int, int]:
    """
    Return how many findings are open of each severity.
    """
    rows = Finding.objects.visible_to(viewer).filter(state=Finding.State.OPEN)
    counted = rows.order_by().values("severity").annotate(n=Count("pk"))
    return dict(counted.values_list("severity", "n"))


def decisions(
    *, viewer: Viewer, search: str = "", site: int | None = None, state: str = "",
    source: str = "", finding: int | None = None, channel: int | None = None,
) -> QuerySet[Decision]:  # fmt: skip
    """
    Return what people decided and what rules estimated, newest first; marks of rules are no
    decisions of this kind.
    """
    rows = Decision.objects.visible_to(viewer).exclude(source=Decision.Source.RULE, wanted=[])
    rows = rows.select_related(
        "channel__point__site", "channel__site", "finding", "proposed_by", "approved_by", "undoes"
    )
    if search:
        rows = rows.filter(
            Q(channel__key__icontains=search) | Q(channel__point__name__icontains=search)
            | Q(channel__site__name__icontains=search) | Q(reason__icontains=search)
            | Q(proposed_by__name__icontains=search) | Q(approved_by__name__icontains=search)
        )  # fmt: skip
    wanted = {
        "channel__site_id": site, "state": state or None, "source": source or None,
        "finding_id": finding, "channel_id": channel,
    }  # fmt: skip
    rows = rows.filter(**{name: value for name, value in wanted.items() if value is not None})
    return rows.order_by("-at", "-pk")


def channel_of(*, viewer: Viewer) -> QuerySet[Channel]:
    """
    Return the channels that the viewer may see, with site and point.
    """
    return Channel.objects.visible_to(viewer).select_related("point", "site")


@dataclass(frozen=True, slots=True)
class Hour:
    """
    One hour as it counts now: kWh, or the mean in the channel's unit.
    """

    start_at: dt.datetime
    figure: Decimal | None
    quality: str


@dataclass(frozen=True, slots=True)
class Surroundings:
    """
    A channel from a day before a stretch until a day after it: readings as they were sent, what
    counts, and the hours.
    """

    start: dt.datetime
    end: dt.datetime
    sent: list[vee.Reading]
    counts: list[vee.Reading]
    hours: list[Hour]


def surroundings(*, channel: Channel, start: dt.datetime, end: dt.datetime) -> Surroundings:
    """
    Return what lies around a stretch of a channel that the caller may see.
    """
    lower, upper = start - _AROUND, end + _AROUND
    rows = Rollup.objects.filter(
        channel=channel, grain=Rollup.Grain.HOUR, start_at__gte=lower, start_at__lt=upper
    ).order_by("start_at")
    is_energy = channel.kind == Channel.Kind.REGISTER or channel.quantity == Channel.Quantity.POWER
    return Surroundings(
        start=lower,
        end=upper,
        sent=_thinned(read(channel.pk, lower, upper)),
        counts=_thinned(
            [row for row in effective(channel.pk, lower, upper).items() if lower <= row[0] < upper]
        ),
        hours=[
            Hour(row.start_at, row.energy_kwh if is_energy else row.mean, row.quality)
            for row in rows
        ],
    )


def _thinned(rows: Sequence[vee.Reading]) -> list[vee.Reading]:
    if len(rows) <= _MOST_POINTS:
        return list(rows)
    size = -(-len(rows) // (_MOST_POINTS // 2))
    found: list[vee.Reading] = []
    for n in range(0, len(rows), size):
        part = rows[n : n + size]

        def by_value(row: vee.Reading) -> Decimal:
            return row[1]

        found += sorted({min(part, key=by_value), max(part, key=by_value)})
    return found


def contradictions(*, finding: Finding, limit: int) -> list[tuple[Any, ...]]:
    """
    Return instant, the value that is stored and another that was sent, of a contradiction.
    """
    with connection.cursor() as cursor:
        cursor.execute(_CONTRADICTIONS, {"finding": finding.pk, "limit": limit})
        return list(cursor.fetchall())


_CONTRADICTIONS = """
SELECT r.at, r.value, k.value_text
FROM telemetry_finding f JOIN telemetry_channel c ON c.id = f.channel_id
JOIN telemetry_ingestbatch b ON b.site_id = c.site_id
JOIN telemetry_rejectedreading k ON k.batch_id = b.id AND k.reason = 'conflict'
  AND k.channel_text = c.key
JOIN telemetry_reading r ON r.channel_id = c.id AND r.at = k.at_text::timestamptz
WHERE f.id = %(finding)s AND f.span @> r.at
ORDER BY r.at, k.id LIMIT %(limit)s
"""


def edits_of_letter(*, letter_id: int) -> list[Decision]:
    """
    Return the edits that a letter tells of and that still wait, oldest first; for the task that
    sends it.
    """
    rows = Decision.objects.filter(approval_notices__letter=letter_id, state="proposed")
    return list(rows.select_related("channel__point__site", "proposed_by").order_by("at", "pk"))


def told_of_edit(*, decision: Decision) -> list[str]:
    """
    Return the names of those who were asked by e-mail to approve an edit.
    """
    notices = decision.approval_notices.select_related("user").order_by("user__name", "pk")
    return [str(notice.user) for notice in notices]
