"""
What a delivery itself shows: readings that contradict what is stored, and clocks that are ahead.
"""

from __future__ import annotations

import datetime as dt

from django.db import connection

from telemetry.domain.vee import DEFAULTS


def note_conflicts(*, batch_id: int, at: dt.datetime) -> None:
    """
    Note, once a channel however often it happens, that a batch contradicts stored readings; what
    was sent is kept with the batch. Opens no transaction: it belongs to the ingest's.
    """
    with connection.cursor() as cursor:
        cursor.execute(_CONFLICTS, {"batch": batch_id, "at": at})


def note_clocks(*, batch_id: int, at: dt.datetime) -> None:
    """
    Note the channels of a batch whose newest reading is ahead of the clock by more than their
    setting allows, taken in or refused. Opens no transaction: it belongs to the ingest's.
    """
    with connection.cursor() as cursor:
        cursor.execute(_CLOCKS, {"batch": batch_id, "at": at, "ahead": DEFAULTS["time"]["ahead_s"]})


# The nearest setting of a rule for a channel at an instant.
_SETTING = """
  LEFT JOIN LATERAL (
    SELECT s.enabled, s.thresholds FROM telemetry_rulesetting s
    WHERE s.site_id = c.site_id AND s.rule = '{rule}' AND s.valid @> %(at)s::timestamptz
      AND (s.channel_id = c.id OR s.point_id = c.point_id
        OR s.channel_id IS NULL AND s.point_id IS NULL)
    ORDER BY s.channel_id NULLS LAST, s.point_id NULLS LAST LIMIT 1
  ) setting ON true
"""
# One open finding a channel and rule grows with every delivery like it.
_KEEP = """
, grown AS (
  UPDATE telemetry_finding f SET
    span = range_merge(f.span, n.span), batch_id = %(batch)s, detail = n.detail,
    measured = {measured}
  FROM now_found n WHERE f.channel_id = n.id AND f.rule = '{rule}' AND f.state = 'open'
  RETURNING f.channel_id
)
INSERT INTO telemetry_finding (channel_id, rule, span, severity, measured, "limit", detail,
  proposal, state, batch_id, found_at, note)
SELECT n.id, '{rule}', n.span, {severity}, n.measured, n.most, n.detail, 'none', 'open',
  %(batch)s, %(at)s, ''
FROM now_found n WHERE n.id NOT IN (SELECT channel_id FROM grown)
"""
_CONFLICTS = f"""
WITH now_found AS (
  SELECT c.id,
    tstzrange(min(r.at), max(r.at) + interval '1 microsecond') AS span,
    count(*)::numeric AS measured, NULL::numeric AS most,
    'Another value was sent for an instant that had one; the first is kept.' AS detail
  FROM ingest_staged s
  JOIN telemetry_reading r ON r.channel_id = s.channel_id AND r.value <> s.value
    AND r.at = to_timestamp(s.us / 1e6::float8)
  JOIN telemetry_channel c ON c.id = s.channel_id
  {_SETTING.format(rule="dup")}
  WHERE coalesce(setting.enabled, true)
  GROUP BY c.id
)
{_KEEP.format(rule="dup", severity=2, measured="f.measured + n.measured")}
"""  # noqa: S608 - the parts are constants of this module
_CLOCKS = f"""
WITH stamps AS (
  SELECT channel_id AS id, to_timestamp(max(us) / 1e6::float8) AS newest
  FROM ingest_staged GROUP BY channel_id
  UNION ALL
  SELECT c.id, max(k.at_text::timestamptz)
  FROM telemetry_rejectedreading k
  JOIN telemetry_ingestbatch b ON b.id = k.batch_id
  JOIN telemetry_channel c ON c.site_id = b.site_id AND c.key = k.channel_text
  WHERE k.batch_id = %(batch)s AND k.reason = 'future'
    AND k.at_text ~ '^\\d{{4}}-\\d\\d-\\d\\d[T ]\\d\\d:\\d\\d(:\\d\\d|Z|[+-])'
  GROUP BY c.id
), newest AS (SELECT id, max(newest) AS newest FROM stamps GROUP BY id
), now_found AS (
  SELECT c.id, tstzrange(%(at)s, n.newest + interval '1 microsecond') AS span,
    round(extract(epoch FROM n.newest - %(at)s), 3) AS measured,
    coalesce((setting.thresholds ->> 'ahead_s')::numeric, %(ahead)s) AS most,
    'A reading was sent with a time that had not come yet.' AS detail
  FROM newest n JOIN telemetry_channel c ON c.id = n.id
  {_SETTING.format(rule="time")}
  WHERE coalesce(setting.enabled, true) AND n.newest > %(at)s
    + make_interval(secs => coalesce((setting.thresholds ->> 'ahead_s')::float8, %(ahead)s))
)
{_KEEP.format(rule="time", severity=2, measured="greatest(f.measured, n.measured)")}
"""  # noqa: S608
