"""
The rules of validation that need whole days, other channels or other meters. They are looked at
after the rollups, day by day, where something they rest on changed.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Iterable, Sequence
from decimal import Decimal

from django.db import connection, transaction
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange

from sites.domain import local_days
from telemetry.archive import bring_back
from telemetry.domain import vee
from telemetry.domain.quality import Flag
from telemetry.models import Channel, Decision, Finding, VeeValue
from telemetry.operations.day_rules import (
    DAY,
    DueDaysOf,
    cross_checks,
    no_heat,
    spikes,
    sums,
    usual,
)
from telemetry.operations.estimating import estimate_again, estimate_by_rule
from telemetry.operations.quality import let_go, note, record_values
from telemetry.operations.quality_reach import Span
from telemetry.operations.settling import around

DAY_RULES = ("spike", "high_low", "iqr", "sum", "zero", "xcheck")
# What these find casts doubt on the register of the whole day.
_MARKING = frozenset({"sum", "xcheck"})
_LOCK = 0x57A9


def mark_due_days(*, channel: Channel, spans: Sequence[Span], at: dt.datetime) -> None:
    """
    Note the local days of some spans of a channel for every channel whose day rules rest on it.
    Opens no transaction: it belongs to the rollup's.
    """
    if channel.kind in (Channel.Kind.HEARTBEAT, Channel.Kind.GAUGE) and (
        channel.quantity not in _TELLS_HEAT
    ):
        return
    with connection.cursor() as cursor:
        cursor.execute(
            _MARK,
            {
                "channel": channel.pk, "point": channel.point_id, "site": channel.site_id,
                "zone": channel.site.timezone, "at": at,
                "lowers": [lower for lower, _ in spans], "uppers": [upper for _, upper in spans],
            },
        )  # fmt: skip


_TELLS_HEAT = frozenset(
    {Channel.Quantity.SUPPLY, Channel.Quantity.RETURN, Channel.Quantity.FLOW,
     Channel.Quantity.MODE}
)  # fmt: skip


@transaction.atomic(durable=True)
def mark_due(*, channel_id: int, span: Span, at: dt.datetime) -> None:
    """
    Let the day rules look at a stretch of a channel again.
    """
    channel = Channel.objects.select_related("site").get(pk=channel_id)
    mark_due_days(channel=channel, spans=[span], at=at)


# A channel's own day; its point's register, which is compared with its power and temperatures;
# where servers or the operating mode are metered, the heat of the site; and where it is the backup
# meter, what it stands in for.
_MARK = """
WITH days AS (
  SELECT DISTINCT daterange((lower AT TIME ZONE %(zone)s)::date,
    ((upper - interval '1 microsecond') AT TIME ZONE %(zone)s)::date, '[]') AS days
  FROM unnest(%(lowers)s::timestamptz[], %(uppers)s::timestamptz[]) s(lower, upper)
), judged AS (
  SELECT c.id FROM telemetry_channel c JOIN telemetry_meteringpoint p ON p.id = c.point_id
  JOIN telemetry_channel me ON me.id = %(channel)s
  JOIN telemetry_meteringpoint mine ON mine.id = me.point_id
  WHERE c.site_id = %(site)s AND c.quantity IN ('energy', 'power')
    AND c.kind IN ('register', 'interval')
    AND (c.id = me.id
      OR c.point_id = %(point)s AND c.quantity = 'energy'
      OR p.boundary = 'heat_handoff' AND c.quantity = 'energy'
        AND (mine.boundary IN ('it', 'tenant_feed', 'heat_handoff') AND me.quantity = c.quantity
          OR mine.boundary IN ('it', 'tenant_feed') AND me.quantity = 'power'
          OR me.quantity = 'mode')
      -- Whose gaps it fills as the backup meter.
      OR EXISTS (SELECT FROM telemetry_rulesetting s
        WHERE s.site_id = c.site_id AND s.rule = 'gap' AND s.thresholds ->> 'backup' = me.key
          AND coalesce(s.channel_id, c.id) = c.id
          AND coalesce(s.point_id, c.point_id) = c.point_id))
)
INSERT INTO telemetry_duedays (channel_id, days, marked_at)
SELECT judged.id, days.days, %(at)s FROM judged, days
WHERE NOT EXISTS (SELECT FROM telemetry_duedays d
  WHERE d.channel_id = judged.id AND d.days @> days.days)
"""

_TAKE = """
WITH taken AS (
  DELETE FROM telemetry_duedays WHERE channel_id = %(channel)s RETURNING days
), merged AS (SELECT unnest(range_agg(days)) AS days FROM taken)
SELECT lower(days), upper(days) FROM merged ORDER BY days
"""


@transaction.atomic(durable=True)
def check_days(*, channel_id: int, at: dt.datetime) -> int:
    """
    Look at the due days of one channel; return how many there were. What was found is noted, and
    where a rule casts doubt on readings their hours become due to be rolled up again. Checking
    again says the same; of two workers one looks.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", [_LOCK, channel_id])
        if not cursor.fetchone()[0]:
            return 0
        cursor.execute(_TAKE, {"channel": channel_id})
        stretches = cursor.fetchall()
    if not stretches:
        return 0
    channel = Channel.objects.select_related("site", "point__site").get(pk=channel_id)
    due = [first + n * DAY for first, end in stretches for n in range((end - first).days)]
    days = DueDaysOf.read(channel, due)
    found: list[tuple[str, dt.date, vee.Breach | None]] = []
    for look in (usual, spikes, sums, no_heat, cross_checks):
        found += look(days)
    dirty = _settle(days, found, at)
    dirty += estimate_again(channel=channel, since=days.period(due[0]).start, at=at)
    dirty += estimate_by_rule(channel=channel, at=at)
    for span in dirty:
        channel.dirty_ranges.create(span=span, marked_at=at)
    return len(due)


# --- Noting what was found -------------------------------------------------------------------


def _settle(
    days: DueDaysOf, found: Iterable[tuple[str, dt.date, vee.Breach | None]], at: dt.datetime
) -> list[Span]:
    """
    Note what was found, close what is over, and mark or unmark the registers of doubtful days;
    return what that changed.
    """
    looked = {(rule, day): breach for rule, day, breach in found}
    if not looked:
        return []
    reach = local_days(
        min(day for _, day in looked), max(day for _, day in looked) + DAY, days.zone
    )
    there = zoneinfo.ZoneInfo(days.zone)
    known = {
        (finding.rule, finding.span.lower.astimezone(there).date()): finding
        for finding in Finding.objects.select_for_update()
        .filter(
            channel=days.channel, rule__in=DAY_RULES,
            span__overlap=DateTimeTZRange(reach.start, reach.end),
        )
        .exclude(state=Finding.State.GONE)
    }  # fmt: skip
    dirty: list[Span] = []
    for key, breach in looked.items():
        old = known.get(key)
        finding = None
        if breach is not None:
            finding = note(days.channel, breach, old, at)
        elif old is not None and not _is_mended(old):
            let_go([old], at)
        if key[0] in _MARKING and (finding or old):
            doubted = finding is not None and finding.severity == vee.HIGH
            doubted = doubted and finding.state != Finding.State.DISMISSED  # type: ignore[union-attr]
            dirty += _mark(days, key[1], finding or old, doubted, at)  # type: ignore[arg-type]
    return dirty


def _is_mended(finding: Finding) -> bool:
    # These rules look at what counts: what a decision mended must not end the decision.
    alive = [Decision.State.IN_FORCE, Decision.State.PROPOSED]
    return finding.decisions.filter(state__in=alive).exclude(wanted=[]).exists()


_READINGS = """
SELECT DISTINCT ON (date_bin('1 hour', r.at, %(start)s)) r.at, r.value
FROM telemetry_reading r
WHERE r.channel_id = %(channel)s AND r.at > %(start)s AND r.at < %(end)s
  AND NOT EXISTS (
    SELECT FROM telemetry_veevalue v JOIN telemetry_decision d ON d.id = v.decision_id
    WHERE v.channel_id = r.channel_id AND v.at = r.at AND v.superseded_at IS NULL
      AND d.finding_id IS DISTINCT FROM %(finding)s
  )
ORDER BY date_bin('1 hour', r.at, %(start)s), r.at DESC
"""


def _mark(
    days: DueDaysOf, day: dt.date, finding: Finding, doubted: bool, at: dt.datetime
) -> list[Span]:
    """
    Let one reading of each hour of a doubtful day be marked suspect, or take the marks away.
    """
    period = days.period(day)
    wanted: dict[dt.datetime, Decimal] = {}
    if doubted:
        bring_back([days.channel.pk], period.start, period.end)
        with connection.cursor() as cursor:
            cursor.execute(
                _READINGS,
                {"channel": days.channel.pk, "start": period.start, "end": period.end,
                 "finding": finding.pk},
            )  # fmt: skip
            wanted = dict(cursor.fetchall())
    marks = VeeValue.objects.filter(decision__finding=finding, superseded_at__isnull=True)
    there = {mark.at: mark.pk for mark in marks}
    ended = [pk for instant, pk in there.items() if instant not in wanted]
    fresh = {
        instant: (
            vee.Replacement(instant, value, Flag.SUSPECT, "two measurements disagree"), finding
        )
        for instant, value in wanted.items() if instant not in there
    }  # fmt: skip
    VeeValue.objects.filter(pk__in=ended).update(superseded_at=at)
    record_values(days.channel, fresh, at)
    changed = [i for i, pk in there.items() if pk in set(ended)] + list(fresh)
    return [around(days.channel.pk, min(changed), max(changed))] if changed else []
