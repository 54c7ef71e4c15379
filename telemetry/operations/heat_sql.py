"""
The set-based statements of the heat ledger.
"""

# Overlapping ranges become one, so that nothing is computed twice.
TAKE = """
WITH taken AS (
  DELETE FROM telemetry_heatdirty WHERE delivery_point_id = %(place)s RETURNING span
), merged AS (SELECT unnest(range_agg(span)) AS span FROM taken)
SELECT lower(span), upper(span) FROM merged ORDER BY span
"""

# Whose heat a channel tells of: its own delivery point's, or, for what is measured once a site,
# that of all of them.
MARK = """
INSERT INTO telemetry_heatdirty (delivery_point_id, span, marked_at)
SELECT d.id, tstzrange(%(lower)s, %(upper)s), %(at)s
FROM telemetry_channel c JOIN telemetry_meteringpoint p ON p.id = c.point_id
JOIN sites_deliverypoint d ON d.id = p.delivery_point_id
  OR (p.delivery_point_id IS NULL AND c.quantity IN ('mode', 'outdoor') AND d.site_id = c.site_id)
WHERE c.id = %(channel)s
"""

# One quarter-hour is judged by the means of its own, or of its hour where it has no reading; the
# first reason that applies stands. Estimated energy counts up to a share of its local day.
LEDGER = """
WITH heat AS (
  SELECT r.start_at, r.start_at + interval '15 minutes' AS end_at, r.energy_kwh AS kwh,
    least(r.estimated_kwh, r.energy_kwh) AS guess,
    date_bin('1 hour', r.start_at, '2000-01-01'::timestamp AT TIME ZONE %(zone)s) AS hour,
    (r.start_at AT TIME ZONE %(zone)s)::date AS day
  FROM telemetry_quarters(ARRAY[%(energy)s]::bigint[], %(start)s, %(end)s) r
  WHERE r.energy_kwh IS NOT NULL
), days AS (
  SELECT day, sum(kwh) AS kwh, sum(guess) AS guess FROM heat GROUP BY day
), looked AS (
  SELECT h.*, d.guess * 100 > d.kwh * %(estimated)s::numeric AS too_much,
    coalesce(sq.mean, sh.mean) AS supply_c, coalesce(rq.mean, rh.mean) AS return_c,
    m.mode, %(windows)s::tstzmultirange @> h.start_at AS inside,
    %(partner)s::tstzmultirange && tstzrange(h.start_at, h.end_at) AS closed,
    %(unverified)s::tstzmultirange @> h.start_at AS unverified
  FROM heat h JOIN days d USING (day)
  LEFT JOIN telemetry_rollup sq ON sq.channel_id = %(supply)s AND sq.grain = 'quarter'
    AND sq.start_at = h.start_at
  LEFT JOIN telemetry_rollup sh ON sh.channel_id = %(supply)s AND sh.grain = 'hour'
    AND sh.start_at = h.hour
  LEFT JOIN telemetry_rollup rq ON rq.channel_id = %(back)s AND rq.grain = 'quarter'
    AND rq.start_at = h.start_at
  LEFT JOIN telemetry_rollup rh ON rh.channel_id = %(back)s AND rh.grain = 'hour'
    AND rh.start_at = h.hour
  LEFT JOIN LATERAL (
    -- The state it begins in and those it changes to; a quarter-hour with several is partial.
    SELECT CASE WHEN min(v) = max(v) THEN greatest(0, least(2, round(min(v)))) ELSE 1 END::smallint
      AS mode
    FROM (
      (SELECT e.value AS v FROM telemetry_effective e
        WHERE e.channel_id = %(mode)s AND e.at <= h.start_at AND e.at > h.start_at - %(holds)s
        ORDER BY e.at DESC LIMIT 1)
      UNION ALL
      SELECT e.value FROM telemetry_effective e
      WHERE e.channel_id = %(mode)s AND e.at > h.start_at AND e.at < h.end_at
    ) states HAVING count(*) > 0
  ) m ON %(mode)s::bigint IS NOT NULL
), judged AS (
  SELECT *, CASE
      WHEN mode = 2 THEN 'rejected'
      WHEN closed AND 'partner' = ANY(%(reasons)s) THEN 'partner'
      WHEN NOT inside AND 'outside' = ANY(%(reasons)s) THEN 'outside'
      -- As pages print it, so that 55.0 is never called cooler than 55.
      WHEN round(supply_c, 1) < %(supply_min)s::numeric AND 'cool' = ANY(%(reasons)s) THEN 'cool'
      WHEN round(return_c, 1) > %(return_max)s::numeric AND 'return' = ANY(%(reasons)s)
        THEN 'return'
      WHEN unverified AND 'meter' = ANY(%(reasons)s) THEN 'meter'
      WHEN too_much AND guess > 0 AND 'estimated' = ANY(%(reasons)s) THEN 'estimated'
      ELSE '' END AS reason
  FROM looked
), entries AS (
  SELECT *, CASE reason WHEN '' THEN 0 WHEN 'estimated' THEN guess ELSE kwh END AS lost
  FROM judged
), gone AS (
  -- What is not known any more leaves the ledger.
  DELETE FROM telemetry_heatentry e
  WHERE e.delivery_point_id = %(place)s AND e.start_at >= %(start)s AND e.start_at < %(end)s
    AND NOT EXISTS (SELECT FROM heat h WHERE h.start_at = e.start_at)
)
INSERT INTO telemetry_heatentry AS was (delivery_point_id, start_at, channel_id, terms_id,
  metered_kwh, counted_kwh, not_counted_kwh, estimated_kwh, reason, supply_c, return_c, mode,
  version, computed_at)
SELECT %(place)s, start_at, %(energy)s, %(terms)s, kwh, kwh - lost, lost, guess, reason, supply_c,
  return_c, mode, 1, %(at)s
FROM entries
ON CONFLICT (delivery_point_id, start_at) DO UPDATE SET
  channel_id = EXCLUDED.channel_id, terms_id = EXCLUDED.terms_id,
  metered_kwh = EXCLUDED.metered_kwh, counted_kwh = EXCLUDED.counted_kwh,
  not_counted_kwh = EXCLUDED.not_counted_kwh, estimated_kwh = EXCLUDED.estimated_kwh,
  reason = EXCLUDED.reason, supply_c = EXCLUDED.supply_c, return_c = EXCLUDED.return_c,
  mode = EXCLUDED.mode, version = was.version + 1, computed_at = EXCLUDED.computed_at
WHERE (was.channel_id, was.terms_id, was.metered_kwh, was.counted_kwh, was.estimated_kwh,
    was.reason, was.supply_c, was.return_c, was.mode)
  IS DISTINCT FROM (EXCLUDED.channel_id, EXCLUDED.terms_id, EXCLUDED.metered_kwh,
    EXCLUDED.counted_kwh, EXCLUDED.estimated_kwh, EXCLUDED.reason, EXCLUDED.supply_c,
    EXCLUDED.return_c, EXCLUDED.mode)
"""

# A delivery point without a meter has no ledger.
FORGET = """
DELETE FROM telemetry_heatentry
WHERE delivery_point_id = %(place)s AND start_at >= %(start)s AND start_at < %(end)s
"""
