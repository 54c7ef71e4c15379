"""
What decisions in force make of the effective series: the latest one at an instant counts, a
person's before a rule's. A pure function of the decisions, so taking one back leaves what was
there without it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django.db import connection

from telemetry.archive import bring_back
from telemetry.models import Channel, Decision

Span = tuple[dt.datetime, dt.datetime]


def settle(*, channel: Channel, decisions: Sequence[int], at: dt.datetime) -> Span | None:
    """
    Bring the values in force at the instants of some decisions of a channel to what its decisions
    in force say; return what that makes dirty. What rules of readings say is theirs to mend.
    """
    if not decisions:
        return None
    parameters: dict[str, Any] = {"channel": channel.pk, "decisions": list(decisions), "at": at}
    with connection.cursor() as cursor:
        cursor.execute(_END, parameters)
        cursor.execute(_BEGIN, parameters)
        cursor.execute(_TOUCHED_SPAN, parameters)
        first, last = cursor.fetchone()
    return None if first is None else around(channel.pk, first, last)


def drop_obsolete(*, channel: Channel, findings: Sequence[int], at: dt.datetime) -> list[Span]:
    """
    Take proposals out of force whose findings are gone: the data have come. An edit of a person
    stays, whatever came.
    """
    if not findings:
        return []
    old = Decision.objects.select_for_update().filter(
        finding__in=findings, source__in=[Decision.Source.ACCEPTED, Decision.Source.RULE],
        state=Decision.State.IN_FORCE,
    ).exclude(wanted=[])  # fmt: skip
    keys = [decision.pk for decision in old]
    Decision.objects.filter(pk__in=keys).update(state=Decision.State.SUPERSEDED)
    span = settle(channel=channel, decisions=keys, at=at)
    return [] if span is None else [span]


# `wanted` holds [instant, value or null, flag] a time.
_PARTS = """
WITH touched AS (
  SELECT DISTINCT (w ->> 0)::timestamptz AS at
  FROM telemetry_decision d CROSS JOIN jsonb_array_elements(d.wanted) w
  WHERE d.id = ANY(%(decisions)s)
), reach AS (SELECT min(at) AS low, max(at) AS high FROM touched
), said AS (
  SELECT d.id, d.decided_at, d.source = 'rule' AS by_rule, d.method,
    (w ->> 0)::timestamptz AS at, (w ->> 1)::numeric(24, 9) AS value, w ->> 2 AS flag
  FROM reach, telemetry_decision d CROSS JOIN jsonb_array_elements(d.wanted) w
  WHERE d.channel_id = %(channel)s AND d.state = 'in_force'
    AND d.span && tstzrange(reach.low, reach.high, '[]')
), should AS (
  SELECT DISTINCT ON (at) said.* FROM said JOIN touched USING (at)
  ORDER BY at, by_rule, decided_at DESC, id DESC
)
"""
_END = f"""
{_PARTS}
UPDATE telemetry_veevalue v SET superseded_at = greatest(%(at)s, v.recorded_at)
FROM touched t LEFT JOIN should s USING (at), telemetry_decision d
WHERE v.channel_id = %(channel)s AND v.superseded_at IS NULL AND v.at = t.at
  AND d.id = v.decision_id
  -- With nothing decided any more, only decided values end; rules' marks are their own affair.
  AND CASE WHEN s.id IS NULL THEN d.wanted <> '[]' ELSE s.id <> v.decision_id END
"""  # noqa: S608 - the parts are constants of this module
_BEGIN = f"""
{_PARTS}
INSERT INTO telemetry_veevalue (channel_id, at, value, flag, method, decision_id, recorded_at)
SELECT %(channel)s, s.at, s.value, s.flag, s.method, s.id, %(at)s FROM should s
WHERE NOT EXISTS (SELECT FROM telemetry_veevalue v WHERE v.channel_id = %(channel)s
  AND v.at = s.at AND v.superseded_at IS NULL)
"""  # noqa: S608
_TOUCHED_SPAN = f"{_PARTS} SELECT low, high FROM reach"  # noqa: S608

_AROUND = """
SELECT
  coalesce((SELECT at FROM telemetry_effective WHERE channel_id = %(channel)s AND at < %(first)s
    ORDER BY at DESC LIMIT 1), %(first)s),
  coalesce((SELECT at FROM telemetry_effective WHERE channel_id = %(channel)s AND at > %(last)s
    ORDER BY at LIMIT 1), %(last)s) + interval '1 microsecond'
"""


def around(channel_id: int, first: dt.datetime, last: dt.datetime) -> Span:
    """
    Return what a change of the effective series from `first` to `last` makes dirty: from the
    value before it to the one after it.
    """
    bring_back([channel_id], first, last)
    with connection.cursor() as cursor:
        cursor.execute(_AROUND, {"channel": channel_id, "first": first, "last": last})
        lower, upper = cursor.fetchone()
    return lower, upper
