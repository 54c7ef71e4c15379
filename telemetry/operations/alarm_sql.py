"""
The statements by which alarms are found. Each is one look at all rules of its kinds.
"""

from telemetry.domain.meter_status import FAULT

# A channel a rule has not looked at before is looked at from an hour back; its silence began with
# its last reading, else with the rule.
NEW_WATCHES = """
INSERT INTO telemetry_alarmwatch (rule_id, channel_id, looked_until, raised)
SELECT r.id, c.id,
  CASE WHEN r.kind = 'no_data' THEN coalesce((
    SELECT x.at FROM telemetry_reading x WHERE x.channel_id = c.id AND x.at <= %(now)s
      AND x.at > %(now)s - interval '60 days' ORDER BY x.at DESC LIMIT 1), r.created_at)
  ELSE greatest(r.created_at, %(now)s - interval '1 hour') - interval '1 hour' END,
  false
FROM telemetry_alarmrule r
JOIN telemetry_channel c ON c.site_id = r.site_id
JOIN telemetry_meteringpoint p ON p.id = c.point_id
WHERE r.ended_at IS NULL AND r.kind NOT IN ('gateway_silent', 'calibration', 'meter_fault')
  AND CASE
    WHEN r.channel_id IS NOT NULL THEN c.id = r.channel_id
    WHEN r.kind = 'supply_low' THEN c.quantity = 'supply' AND p.boundary = 'heat_handoff'
    WHEN r.kind = 'bypass' THEN c.quantity = 'mode'
    ELSE r.kind = 'no_data'
  END
  AND NOT EXISTS (
    SELECT FROM telemetry_alarmwatch w WHERE w.rule_id = r.id AND w.channel_id = c.id)
ON CONFLICT DO NOTHING
"""

# Rules about figures whose site sent something since the last look. The overlap is for
# deliveries that take long to store.
RULES_TO_LOOK_AT = """
SELECT r.id FROM telemetry_alarmrule r
LEFT JOIN LATERAL (
  SELECT b.received_at FROM telemetry_ingestbatch b
  WHERE b.site_id = r.site_id ORDER BY b.received_at DESC LIMIT 1
) newest ON true
WHERE r.ended_at IS NULL AND r.kind IN ('above', 'below', 'rate', 'supply_low', 'bypass')
  AND (r.looked_at IS NULL OR newest.received_at > r.looked_at - interval '15 minutes')
"""

# Heat that nobody calls for cannot be too cool.
NEW_SAMPLES = """
SELECT w.id, n.at, n.value, NOT (r.kind = 'supply_low' AND coalesce(call.value = 0, false))
FROM telemetry_alarmwatch w
JOIN telemetry_alarmrule r ON r.id = w.rule_id
JOIN telemetry_channel c ON c.id = w.channel_id
LEFT JOIN telemetry_channel asks ON r.kind = 'supply_low' AND asks.point_id = c.point_id
  AND asks.quantity = 'call'
CROSS JOIN LATERAL (
  SELECT x.at, x.value FROM telemetry_reading x
  WHERE x.channel_id = w.channel_id AND x.at > w.looked_until AND x.at <= %(now)s
  ORDER BY x.at LIMIT %(limit)s
) n
LEFT JOIN LATERAL (
  SELECT y.value FROM telemetry_reading y
  WHERE y.channel_id = asks.id AND y.at <= n.at AND y.at > n.at - interval '1 day'
  ORDER BY y.at DESC LIMIT 1
) call ON true
WHERE w.rule_id = ANY(%(rules)s)
ORDER BY w.id, n.at
"""

# Only channels that would be silent by what was known of them are asked for newer readings.
NEWEST_OF_SILENT = """
UPDATE telemetry_alarmwatch w SET looked_until = newest.at
FROM telemetry_alarmwatch v JOIN telemetry_alarmrule r ON r.id = v.rule_id
CROSS JOIN LATERAL (
  SELECT x.at FROM telemetry_reading x
  WHERE x.channel_id = v.channel_id AND x.at > v.looked_until AND x.at <= %(now)s
  ORDER BY x.at DESC LIMIT 1
) newest
WHERE v.id = w.id AND r.kind = 'no_data' AND r.ended_at IS NULL
  AND v.looked_until <= %(now)s - r."limit" * interval '1 minute'
"""

# What holds by the clock now: rule, subject, channel, place, since, value.
HOLDING = f"""
SELECT r.id, 'channel:' || w.channel_id, w.channel_id, p.name || ': ' || c.quantity,
  w.looked_until, NULL::numeric
FROM telemetry_alarmrule r
JOIN telemetry_alarmwatch w ON w.rule_id = r.id
JOIN telemetry_channel c ON c.id = w.channel_id
JOIN telemetry_meteringpoint p ON p.id = c.point_id
WHERE r.kind = 'no_data' AND r.ended_at IS NULL
  AND w.looked_until <= %(now)s - r."limit" * interval '1 minute'
UNION ALL
SELECT r.id, 'gateway:' || g.id, NULL, g.name, coalesce(g.last_seen_at, g.created_at), NULL
FROM telemetry_alarmrule r
JOIN telemetry_gateway g ON g.site_id = r.site_id AND g.revoked_at IS NULL
WHERE r.kind = 'gateway_silent' AND r.ended_at IS NULL
  AND coalesce(g.last_seen_at, g.created_at) <= %(now)s - r."limit" * interval '1 minute'
UNION ALL
SELECT r.id, 'meter:' || m.id, NULL, p.name || ': ' || m.serial,
  (m.calibration_due - r."limit"::integer)::timestamp AT TIME ZONE s.timezone,
  m.calibration_due - (%(now)s AT TIME ZONE s.timezone)::date
FROM telemetry_alarmrule r
JOIN sites_site s ON s.id = r.site_id
JOIN telemetry_meteringpoint p ON p.site_id = r.site_id
JOIN telemetry_installation i ON i.point_id = p.id AND i.valid @> %(now)s
JOIN telemetry_meter m ON m.id = i.meter_id
WHERE r.kind = 'calibration' AND r.ended_at IS NULL
  AND m.calibration_due - r."limit"::integer <= (%(now)s AT TIME ZONE s.timezone)::date
UNION ALL
SELECT r.id, 'meter:' || m.id, NULL, p.name || ': ' || m.serial, lower(st.span), NULL
FROM telemetry_alarmrule r
JOIN telemetry_meteringpoint p ON p.site_id = r.site_id
JOIN telemetry_installation i ON i.point_id = p.id AND i.valid @> %(now)s
JOIN telemetry_meter m ON m.id = i.meter_id
CROSS JOIN LATERAL (
  SELECT x.span, x.status FROM telemetry_meterstatus x WHERE x.meter_id = m.id
  ORDER BY x.span DESC LIMIT 1
) st
WHERE r.kind = 'meter_fault' AND r.ended_at IS NULL AND st.status & {FAULT} <> 0
"""  # noqa: S608 - a constant

OPEN = """
INSERT INTO telemetry_alarm (rule_id, site_id, channel_id, subject, place, state, severity, since,
  opened_at, value, resolved_at)
SELECT r.id, r.site_id, n.channel, n.subject, left(n.place, 200),
  CASE WHEN n.over IS NULL THEN 'open' ELSE 'resolved' END, r.severity, n.since, %(now)s, n.value,
  CASE WHEN n.over IS NOT NULL THEN %(now)s::timestamptz END
FROM unnest(%(rules)s::bigint[], %(subjects)s::text[], %(channels)s::bigint[], %(places)s::text[],
  %(sinces)s::timestamptz[], %(values)s::numeric[], %(overs)s::timestamptz[])
  AS n(rule, subject, channel, place, since, value, over)
JOIN telemetry_alarmrule r ON r.id = n.rule
ON CONFLICT DO NOTHING
RETURNING id, resolved_at
"""

RESOLVE = """
UPDATE telemetry_alarm a SET state = 'resolved', resolved_at = %(now)s
FROM unnest(%(rules)s::bigint[], %(subjects)s::text[]) AS n(rule, subject)
WHERE a.rule_id = n.rule AND a.subject = n.subject AND a.state <> 'resolved'
RETURNING a.id
"""

# Alarms by the clock that hold no longer.
LAPSED = """
SELECT a.rule_id, a.subject FROM telemetry_alarm a
JOIN telemetry_alarmrule r ON r.id = a.rule_id
WHERE a.state <> 'resolved'
  AND r.kind IN ('no_data', 'gateway_silent', 'calibration', 'meter_fault')
  AND NOT EXISTS (
    SELECT FROM unnest(%(rules)s::bigint[], %(subjects)s::text[]) AS n(rule, subject)
    WHERE n.rule = a.rule_id AND n.subject = a.subject)
"""

REMEMBER = """
UPDATE telemetry_alarmwatch w SET looked_until = n.until, last_value = n.value,
  beyond_since = n.beyond, raised = n.raised
FROM unnest(%(ids)s::bigint[], %(untils)s::timestamptz[], %(values)s::numeric[],
  %(beyonds)s::timestamptz[], %(raised)s::boolean[]) AS n(id, until, value, beyond, raised)
WHERE w.id = n.id
"""

# A site keeps quiet while somebody silenced it. Announced work keeps quiet what it touches: all of
# the site, its heat or the rest, one service or one delivery point. What is not about a channel,
# such as a gateway, is quiet during work on a whole part.
QUIET = """(
  EXISTS (SELECT FROM telemetry_alarmsilence s
    WHERE s.site_id = a.site_id AND s.span @> %(now)s::timestamptz)
  OR EXISTS (SELECT FROM telemetry_maintenancewindow m
    LEFT JOIN telemetry_channel c ON c.id = a.channel_id
    LEFT JOIN telemetry_meteringpoint p ON p.id = c.point_id
    WHERE m.site_id = a.site_id AND m.cancelled_at IS NULL AND m.span @> %(now)s::timestamptz
      AND CASE
        WHEN m.part = 'all' THEN true
        WHEN m.hosting_service_id IS NOT NULL
          THEN coalesce(p.hosting_service_id = m.hosting_service_id, false)
        WHEN m.delivery_point_id IS NOT NULL
          THEN coalesce(p.delivery_point_id = m.delivery_point_id, false)
        ELSE p.id IS NULL
          OR (m.part = 'heat') = (p.boundary IN ('heat_handoff', 'heat_source', 'uplift'))
      END)
)"""

# One letter per contact and stretch, whatever number of alarms. Who was told that one began is told
# that it is over by itself.
LETTERS = f"""
WITH due AS (
  SELECT a.id AS alarm_id, c.id AS contact_id, false AS is_over
  FROM telemetry_alarm a
  JOIN telemetry_escalationcontact c ON c.site_id = a.site_id AND c.ended_at IS NULL
  WHERE a.state = 'open' AND a.opened_at <= %(now)s - c.after_min * interval '1 minute'
    AND NOT EXISTS (SELECT FROM telemetry_alarmnotice n
      WHERE n.alarm_id = a.id AND n.contact_id = c.id)
    AND NOT {QUIET}
  UNION ALL
  SELECT a.id, c.id, true
  FROM telemetry_alarm a JOIN telemetry_alarmnotice b ON b.alarm_id = a.id AND NOT b.is_over
  JOIN telemetry_escalationcontact c ON c.id = b.contact_id AND c.ended_at IS NULL
  WHERE a.resolved_at > %(since)s AND a.resolved_by_id IS NULL
    AND NOT EXISTS (SELECT FROM telemetry_alarmnotice n
      WHERE n.alarm_id = a.id AND n.contact_id = c.id AND n.is_over)
    AND NOT {QUIET}
), letters AS (
  INSERT INTO telemetry_alarmletter (contact_id, slot, made_at, problem)
  SELECT DISTINCT contact_id, %(slot)s::timestamptz, %(now)s::timestamptz, '' FROM due
  ON CONFLICT DO NOTHING
  RETURNING id, contact_id
), told AS (
  INSERT INTO telemetry_alarmnotice (alarm_id, contact_id, letter_id, is_over)
  SELECT due.alarm_id, due.contact_id, letters.id, due.is_over
  FROM due JOIN letters USING (contact_id)
  RETURNING alarm_id, contact_id
), written AS (
  INSERT INTO telemetry_alarmentry (alarm_id, at, step, text)
  SELECT told.alarm_id, %(now)s, 'told', c.name || ' <' || c.email || '>'
  FROM told JOIN telemetry_escalationcontact c ON c.id = told.contact_id
)
SELECT count(*) FROM letters
"""  # noqa: S608 - constants of this module

TO_ANNOUNCE = f"""
SELECT a.id FROM telemetry_alarm a
WHERE a.state <> 'resolved' AND a.announced_at IS NULL AND NOT {QUIET}
ORDER BY a.id FOR UPDATE
"""  # noqa: S608 - constants of this module
