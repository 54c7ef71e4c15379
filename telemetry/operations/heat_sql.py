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
), held AS MATERIALIZED (
  SELECT * FROM telemetry_heatentry
  WHERE delivery_point_id = %(place)s AND start_at >= %(start)s AND start_at < %(end)s
), fresh AS MATERIALIZED (
  -- Only what changed is written.
  SELECT * FROM entries n WHERE NOT EXISTS (
    SELECT FROM held h WHERE h.start_at = n.start_at AND h.superseded_at IS NULL
      AND (h.channel_id, h.terms_id, h.metered_kwh, h.not_counted_kwh, h.estimated_kwh, h.reason,
        h.supply_c, h.return_c, h.mode)
      IS NOT DISTINCT FROM (%(energy)s, %(terms)s::bigint, n.kwh, n.lost, n.guess, n.reason,
        n.supply_c, n.return_c, n.mode)
  )
), superseded AS (
  -- What is not known any more leaves the ledger too.
  UPDATE telemetry_heatentry e SET superseded_at = %(at)s
  WHERE e.delivery_point_id = %(place)s AND e.start_at >= %(start)s AND e.start_at < %(end)s
    AND e.superseded_at IS NULL AND (
      e.start_at IN (SELECT start_at FROM fresh) OR e.start_at NOT IN (SELECT start_at FROM heat)
    )
  RETURNING e.start_at
), done AS (
  -- Counting them makes sure that all are superseded before the first is entered anew.
  SELECT count(*) FROM superseded
), versions AS (
  SELECT start_at, max(version) AS newest FROM held GROUP BY start_at
)
INSERT INTO telemetry_heatentry (delivery_point_id, start_at, channel_id, terms_id, metered_kwh,
  counted_kwh, not_counted_kwh, estimated_kwh, reason, supply_c, return_c, mode, version,
  computed_at)
SELECT %(place)s, start_at, %(energy)s, %(terms)s, kwh, kwh - lost, lost, guess, reason, supply_c,
  return_c, mode, coalesce(newest, 0) + 1, %(at)s
FROM done CROSS JOIN fresh LEFT JOIN versions USING (start_at)
"""

# A delivery point without a meter has no ledger.
FORGET = """
UPDATE telemetry_heatentry SET superseded_at = %(at)s
WHERE delivery_point_id = %(place)s AND start_at >= %(start)s AND start_at < %(end)s
  AND superseded_at IS NULL
"""
