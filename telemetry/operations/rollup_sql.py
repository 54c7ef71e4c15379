"""
The set-based statements of the rollups.

A register channel is cut at every local hour: between two readings the register is taken to run
evenly (domain reference, VEE ladder), R(b) = R1 + (R2 - R1)(b - t1)/(t2 - t1), rounded once to nine
decimals. Energy is the difference of two such figures, so hours add up to any longer stretch to
the last digit.
"""

# Overlapping ranges become one, so that nothing is computed twice.
TAKE_DIRTY = """
WITH taken AS (
  DELETE FROM telemetry_dirtyrange WHERE channel_id = %(channel)s RETURNING span
), merged AS (SELECT unnest(range_agg(span)) AS span FROM taken)
SELECT lower(span), upper(span) FROM merged ORDER BY span
"""

_UPSERT = """
ON CONFLICT (channel_id, grain, start_at) DO UPDATE SET
  end_at = EXCLUDED.end_at, opening = EXCLUDED.opening, closing = EXCLUDED.closing,
  energy_kwh = EXCLUDED.energy_kwh, estimated_kwh = EXCLUDED.estimated_kwh, mean = EXCLUDED.mean,
  minimum = EXCLUDED.minimum, maximum = EXCLUDED.maximum, samples = EXCLUDED.samples,
  coverage = EXCLUDED.coverage, quality = EXCLUDED.quality,
  version = telemetry_rollup.version + 1, computed_at = EXCLUDED.computed_at
WHERE (telemetry_rollup.opening, telemetry_rollup.closing, telemetry_rollup.energy_kwh,
    telemetry_rollup.estimated_kwh,
    telemetry_rollup.mean, telemetry_rollup.minimum, telemetry_rollup.maximum,
    telemetry_rollup.samples, telemetry_rollup.coverage, telemetry_rollup.quality)
  IS DISTINCT FROM (EXCLUDED.opening, EXCLUDED.closing, EXCLUDED.energy_kwh,
    EXCLUDED.estimated_kwh, EXCLUDED.mean,
    EXCLUDED.minimum, EXCLUDED.maximum, EXCLUDED.samples, EXCLUDED.coverage, EXCLUDED.quality)
"""

_INSERT = """
INSERT INTO telemetry_rollup (channel_id, grain, start_at, end_at, opening, closing, energy_kwh,
  estimated_kwh, mean, minimum, maximum, samples, coverage, quality, version, computed_at)
"""

# What rules and people said about values that count; the worse of two wins. A register's figure
# speaks for both hours it divides, any other value for its own.
_NOTED = """
noted AS (
  SELECT hour, bool_or(flag = 'suspect') AS suspect, bool_or(flag = 'estimated') AS estimated,
    bool_or(flag = 'edited') AS edited, bool_or(flag = 'scaled') AS scaled
  FROM (
    SELECT date_bin('1 hour', v.at - b.back, edges.origin) AS hour, v.flag
    FROM telemetry_veevalue v, edges, (VALUES {backs}) b(back)
    WHERE v.channel_id = %(channel)s AND v.superseded_at IS NULL AND v.value IS NOT NULL
      AND v.at >= edges.lo AND v.at <= edges.hi
  ) n GROUP BY hour
)
"""
_NOTED_REGISTER = _NOTED.replace("{backs}", "(interval '0'), (interval '1 microsecond')")
_NOTED_VALUE = _NOTED.replace("{backs}", "(interval '0')")

# Hours are those of the site's wall clock: in Kolkata they begin at half past in UTC.
_EDGES = """
edges AS (
  SELECT origin,
    date_bin('1 hour', %(lower)s, origin) AS lo,
    date_bin('1 hour', %(upper)s - interval '1 microsecond', origin) + interval '1 hour' AS hi
  FROM (SELECT '2000-01-01'::timestamp AT TIME ZONE %(zone)s AS origin) z
)
"""

_REGISTER_HOURS = f"""
WITH {_EDGES},
factors AS (
  SELECT * FROM unnest(%(units)s::text[], %(numerators)s::numeric[], %(denominators)s::numeric[])
    AS f(unit, numerator, denominator)
), dials AS (
  -- The register that counts the channel's quantity: the meter's main one or a further one.
  SELECT id AS meter_id, unit, multiplier, register_modulus, max_power_kw AS most, true AS main
  FROM telemetry_meter
  WHERE %(quantity)s = CASE WHEN kind IN ('water', 'gas') THEN 'volume' ELSE 'energy' END
  UNION ALL
  SELECT meter_id, unit, multiplier, register_modulus, max_an_hour, false
  FROM telemetry_meterregister WHERE quantity = %(quantity)s
), installed AS (
  SELECT i.id, coalesce(lower(i.valid), '-infinity') AS begins,
    coalesce(upper(i.valid), 'infinity') AS ends,
    CASE WHEN d.main THEN i.first_register END AS first_register,
    CASE WHEN d.main THEN i.last_register END AS last_register,
    d.register_modulus AS modulus, d.most AS max_power_kw,
    d.multiplier * f.numerator AS numerator, f.denominator,
    -- A little less than it could count a second: what is within needs no closer look.
    (d.most * f.denominator / (d.multiplier * f.numerator) / 3600)::float8 AS a_second
  FROM telemetry_installation i
  JOIN dials d USING (meter_id) JOIN factors f ON f.unit = d.unit, edges
  WHERE i.point_id = %(point)s AND i.valid && tstzrange(edges.lo, edges.hi, '[]')
), inside AS (
  SELECT i.id, p.at, p.value,
    date_bin('1 hour', p.at - interval '1 microsecond', edges.origin) AS hour,
    p.value <> 0 AND coalesce((p.value - lag(p.value) OVER w)::float8 BETWEEN 0
      AND i.a_second * date_part('epoch', p.at - lag(p.at) OVER w), true) AS calm
  FROM installed i, edges, telemetry_reading p
  WHERE p.channel_id = %(channel)s AND p.at > edges.lo AND p.at < edges.hi
    AND p.at >= i.begins AND p.at < i.ends
  WINDOW w AS (PARTITION BY i.id ORDER BY p.at)
), by_hour AS (
  SELECT id, hour, {{calm}} AS calm, min(at) AS first_at, max(at) AS last_at, min(value) AS low,
    max(value) AS high
  FROM inside GROUP BY id, hour
), thinned AS (
  -- Of an hour in which the register only rose as it can, the first and last reading tell all:
  -- what happens between the cuts adds up, and the cuts lie outside. Other hours stay whole.
  SELECT id, first_at AS at, low AS value FROM by_hour WHERE calm
  UNION ALL
  SELECT id, last_at, high FROM by_hour WHERE calm AND last_at <> first_at
  UNION ALL
  -- NOT IN is always looked up in a hash; IN would be planned as a join of a handful of rows and
  -- go through all pairs.
  SELECT id, at, value FROM inside
  WHERE (id, hour) NOT IN (SELECT id, hour FROM by_hour WHERE calm)
), raw AS (
  -- What was read in the stretch, the last before it and the first after it; of these also the
  -- nearest that is not zero, since a zero may be lost communication.
  SELECT i.id, r.at, r.value FROM installed i, edges
  CROSS JOIN LATERAL (
    (SELECT p.at, p.value FROM telemetry_reading p
      WHERE p.channel_id = %(channel)s AND p.at <= edges.lo AND p.at >= i.begins AND p.at < i.ends
      ORDER BY p.at DESC LIMIT 1)
    UNION ALL
    (SELECT p.at, p.value FROM telemetry_reading p
      WHERE p.channel_id = %(channel)s AND p.at <= edges.lo AND p.at >= i.begins AND p.at < i.ends
        AND p.value <> 0
      ORDER BY p.at DESC LIMIT 1)
    UNION ALL
    SELECT t.at, t.value FROM thinned t WHERE t.id = i.id
    UNION ALL
    (SELECT p.at, p.value FROM telemetry_reading p
      WHERE p.channel_id = %(channel)s AND p.at >= edges.hi AND p.at >= i.begins AND p.at < i.ends
      ORDER BY p.at LIMIT 1)
    UNION ALL
    (SELECT p.at, p.value FROM telemetry_reading p
      WHERE p.channel_id = %(channel)s AND p.at >= edges.hi AND p.at >= i.begins AND p.at < i.ends
        AND p.value <> 0
      ORDER BY p.at LIMIT 1)
  ) r
  UNION
  -- The figures taken when a meter came and went are readings as good as any.
  SELECT id, begins, first_register FROM installed
  WHERE first_register IS NOT NULL AND begins > '-infinity'
  UNION
  SELECT id, ends, last_register FROM installed
  WHERE last_register IS NOT NULL AND ends < 'infinity'
), counted AS (
  -- A register that has counted does not read zero again: such rows are lost communication.
  SELECT id, at, value FROM (
    SELECT *, bool_or(value <> 0) OVER (PARTITION BY id ORDER BY at) AS has_counted FROM raw
  ) marked WHERE value <> 0 OR NOT has_counted
), steps AS (
  SELECT id, at, value, lead(at) OVER w AS next_at, lead(value) OVER w - value AS change,
    lag(at) OVER w IS NULL AS is_first
  FROM counted WINDOW w AS (PARTITION BY id ORDER BY at)
), judged AS (
  SELECT s.*, i.modulus, i.numerator, i.denominator,
    i.max_power_kw * 1.1 * extract(epoch FROM s.next_at - s.at) / 3600
      * i.denominator / i.numerator AS most
  FROM steps s JOIN installed i USING (id)
), moved AS (
  SELECT *, CASE WHEN change >= 0 THEN change
      WHEN change + modulus <= most THEN change + modulus END AS delta,
    next_at IS NOT NULL AND change < 0 AND change + modulus > most AS reset,
    change > most AS suspect
  FROM judged
), running AS (
  SELECT *, coalesce(sum(coalesce(delta, 0)) OVER w, 0) AS before,
    coalesce(sum(reset::int) OVER w, 0) AS resets
  FROM moved
  WINDOW w AS (PARTITION BY id ORDER BY at ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
), cuts AS (
  -- Every local hour within a step, and the ends of the readings themselves.
  SELECT r.*, c.cut,
    CASE WHEN c.cut = r.at THEN 0 ELSE round(coalesce(r.delta, 0)
      * extract(epoch FROM c.cut - r.at) / extract(epoch FROM r.next_at - r.at), 9) END AS part
  FROM running r, edges
  CROSS JOIN LATERAL (
    SELECT generate_series(
      date_bin('1 hour', r.at - interval '1 microsecond', edges.origin) + interval '1 hour',
      coalesce(r.next_at - interval '1 microsecond', r.at), interval '1 hour') AS cut
    -- On the hour it is in the series already.
    UNION ALL SELECT r.at WHERE (r.next_at IS NULL OR r.is_first)
      AND date_bin('1 hour', r.at, edges.origin) <> r.at
  ) c
), spans AS (
  SELECT id, cut AS begins, lead(cut) OVER w AS ends,
    before + part AS counter, lead(before + part) OVER w AS next_counter,
    mod(value + part, modulus) AS dial, lead(mod(value + part, modulus)) OVER w AS next_dial,
    numerator, denominator,
    -- A reset anywhere between the two cuts leaves the difference unknown.
    lead(resets + (reset AND cut > at)::int) OVER w > resets AS broken,
    suspect, cut <> at AND next_at - at > interval '1 hour'
      OR lead(cut <> at AND next_at - at > interval '1 hour') OVER w AS scaled
  FROM cuts WINDOW w AS (PARTITION BY id ORDER BY cut)
), gaps AS (
  -- Between two meters the mean power of the hours before stands in, where it is known.
  SELECT n.gap_kw, lower(n.valid) AS ends,
    (SELECT max(upper(o.valid)) FROM telemetry_installation o
      WHERE o.point_id = n.point_id AND upper(o.valid) <= lower(n.valid)) AS begins
  FROM telemetry_installation n
  WHERE n.point_id = %(point)s AND n.gap_kw IS NOT NULL AND %(quantity)s = 'energy'
), hours AS (
  SELECT date_bin('1 hour', s.begins, edges.origin) AS hour, s.begins, s.ends, s.dial, s.next_dial,
    s.broken, s.suspect, s.scaled, false AS estimated,
    CASE WHEN NOT s.broken
      THEN round((s.next_counter - s.counter) * s.numerator / s.denominator, 9) END AS energy
  FROM spans s, edges
  WHERE s.ends IS NOT NULL AND s.begins >= edges.lo AND s.begins < edges.hi
  UNION ALL
  SELECT hour, part.begins, part.ends, NULL, NULL, false, false, false, true,
    round(gap_kw * extract(epoch FROM part.ends - part.begins) / 3600, 9)
  FROM gaps, edges,
    generate_series(greatest(date_bin('1 hour', gaps.begins, edges.origin), edges.lo),
      least(gaps.ends, edges.hi) - interval '1 microsecond', interval '1 hour') AS hour
  CROSS JOIN LATERAL (
    SELECT greatest(gaps.begins, hour) AS begins, least(gaps.ends, hour + interval '1 hour') AS ends
  ) part
), samples AS (
  SELECT date_bin('1 hour', at, edges.origin) AS hour, count(*) AS n
  FROM telemetry_reading, edges
  WHERE channel_id = %(channel)s AND at >= edges.lo AND at < edges.hi GROUP BY 1
), {_NOTED_REGISTER}
{_INSERT}
SELECT %(channel)s, 'hour', h.hour, h.hour + interval '1 hour',
  (array_agg(h.dial ORDER BY h.begins) FILTER (WHERE NOT h.estimated))[1],
  (array_agg(h.next_dial ORDER BY h.begins DESC) FILTER (WHERE NOT h.estimated))[1],
  sum(h.energy),
  coalesce(sum(h.energy) FILTER (WHERE h.estimated OR coalesce(o.estimated, false)), 0),
  NULL, NULL, NULL,
  coalesce(max(n.n), 0),
  coalesce(sum(extract(epoch FROM h.ends - h.begins)) FILTER (WHERE NOT h.broken), 0) / 3600,
  CASE WHEN bool_or(h.broken) OR sum(extract(epoch FROM h.ends - h.begins)) < 3600 THEN 'missing'
    WHEN bool_or(h.suspect OR coalesce(o.suspect, false)) THEN 'suspect'
    WHEN bool_or(h.estimated OR coalesce(o.estimated, false)) THEN 'estimated'
    WHEN bool_or(coalesce(o.edited, false)) THEN 'edited'
    WHEN bool_or(h.scaled OR coalesce(o.scaled, false)) THEN 'scaled'
    ELSE 'actual' END,
  1, %(at)s
FROM hours h LEFT JOIN samples n USING (hour) LEFT JOIN noted o USING (hour)
GROUP BY h.hour
{_UPSERT}
"""  # noqa: S608 - the parts are constants of this module

# A gauge says what it reads at an instant; an hour with one reading is as covered as it gets.
GAUGE_HOURS = f"""
WITH {_EDGES}, hours AS (
  SELECT date_bin('1 hour', at, edges.origin) AS hour, count(*) AS n, avg(value) AS mean,
    min(value) AS low, max(value) AS high
  FROM telemetry_reading, edges
  WHERE channel_id = %(channel)s AND at >= edges.lo AND at < edges.hi GROUP BY 1
), {_NOTED_VALUE}
{_INSERT}
SELECT %(channel)s, 'hour', hour, hour + interval '1 hour', NULL, NULL, NULL, 0, round(mean, 9),
  low, high, n, 1,
    CASE WHEN o.suspect THEN 'suspect' WHEN o.estimated THEN 'estimated'
    WHEN o.edited THEN 'edited' WHEN o.scaled THEN 'scaled' ELSE 'actual' END,
  1, %(at)s
FROM hours LEFT JOIN noted o USING (hour)
{_UPSERT}
"""  # noqa: S608 - the parts are constants of this module

REGISTER_HOURS = _REGISTER_HOURS.replace("{calm}", "bool_and(calm)")
# The same rows from every reading, for tests to compare with.
REGISTER_HOURS_UNTHINNED = _REGISTER_HOURS.replace("{calm}", "false")

# An interval mean and a heartbeat speak until the next one, which is seldom on the second, or for
# their own interval where that one is missing (more than half an interval late); and for no
# other time. What reaches over the end of an hour is cut there.
MEAN_HOURS = f"""
WITH {_EDGES}, lasting AS (
  SELECT make_interval(secs => %(interval)s) AS one,
    make_interval(secs => %(interval)s * 1.5) AS most
), read AS (
  SELECT r.at, r.value, lead(r.at) OVER (ORDER BY r.at) AS next_at
  FROM telemetry_reading r, edges, lasting
  WHERE r.channel_id = %(channel)s AND r.at > edges.lo - lasting.most AND r.at < edges.hi
), spoken AS (
  SELECT at, value, CASE WHEN next_at <= at + most THEN next_at ELSE at + one END AS until
  FROM read, lasting
), parts AS (
  SELECT h AS hour, s.at, s.value,
    extract(epoch FROM least(s.until, h + interval '1 hour') - greatest(s.at, h)) AS seconds
  FROM spoken s, edges
  CROSS JOIN LATERAL generate_series(
    date_bin('1 hour', s.at, edges.origin), s.until - interval '1 microsecond', interval '1 hour'
  ) h
  WHERE h >= edges.lo AND h < edges.hi
), hours AS (
  SELECT hour, count(*) FILTER (WHERE at >= hour) AS n, sum(value * seconds) AS total,
    sum(seconds) AS seconds, min(value) AS low, max(value) AS high
  FROM parts GROUP BY hour
), {_NOTED_VALUE}
{_INSERT}
SELECT %(channel)s, 'hour', hour, hour + interval '1 hour', NULL, NULL,
  round(total * %(kw)s::numeric / 3600, 9),
  CASE WHEN o.estimated THEN coalesce(round(total * %(kw)s::numeric / 3600, 9), 0) ELSE 0 END,
  round(total / seconds, 9), low, high, n, round(seconds / 3600, 6),
  CASE WHEN seconds < 3600 THEN 'missing' WHEN o.suspect THEN 'suspect'
    WHEN o.estimated THEN 'estimated' WHEN o.edited THEN 'edited' WHEN o.scaled THEN 'scaled'
    ELSE 'actual' END,
  1, %(at)s
FROM hours LEFT JOIN noted o USING (hour)
{_UPSERT}
"""  # noqa: S608 - the parts are constants of this module

# A longer bucket is the sum of its parts; its worst part is its quality.
COARSER = f"""
WITH ends AS (
  SELECT date_trunc(%(grain)s, %(lower)s::timestamptz AT TIME ZONE %(zone)s)
      AT TIME ZONE %(zone)s AS lo,
    (date_trunc(%(grain)s, %(upper)s::timestamptz AT TIME ZONE %(zone)s)
      + ('1 ' || %(grain)s)::interval) AT TIME ZONE %(zone)s AS hi
), named AS (
  SELECT r.*, date_trunc(%(grain)s, r.start_at AT TIME ZONE %(zone)s) AS bucket
  FROM ends, telemetry_rollup r
  WHERE r.channel_id = %(channel)s AND r.grain = %(part)s
    AND r.start_at >= ends.lo AND r.start_at < ends.hi
), parts AS (
  SELECT bucket AT TIME ZONE %(zone)s AS bucket_start,
    (bucket + ('1 ' || %(grain)s)::interval) AT TIME ZONE %(zone)s AS bucket_end, named.*,
    -- What speaks for a time is weighed by it, what is read at instants by their number.
    CASE WHEN %(by_time)s THEN coverage * extract(epoch FROM end_at - start_at)
      ELSE samples END AS weight
  FROM named
)
{_INSERT}
SELECT %(channel)s, %(grain)s, bucket_start, bucket_end,
  (array_agg(opening ORDER BY start_at))[1], (array_agg(closing ORDER BY start_at DESC))[1],
  sum(energy_kwh), sum(estimated_kwh),
  round(sum(mean * weight) / nullif(sum(weight) FILTER (WHERE mean IS NOT NULL), 0), 9),
  min(minimum), max(maximum), sum(samples),
  round(sum(coverage * extract(epoch FROM end_at - start_at))
    / extract(epoch FROM bucket_end - bucket_start), 6),
  CASE WHEN bool_or(quality = 'missing')
      OR sum(end_at - start_at) < bucket_end - bucket_start THEN 'missing'
    WHEN bool_or(quality = 'suspect') THEN 'suspect'
    WHEN bool_or(quality = 'estimated') THEN 'estimated'
    WHEN bool_or(quality = 'edited') THEN 'edited'
    WHEN bool_or(quality = 'scaled') THEN 'scaled' ELSE 'actual' END,
  1, %(at)s
FROM parts GROUP BY bucket_start, bucket_end
{_UPSERT}
"""  # noqa: S608 - the parts are constants of this module

# Where every reading of an hour was set aside, what was rolled up from them goes too.
FORGET = """
DELETE FROM telemetry_rollup r
WHERE r.channel_id = %(channel)s AND r.grain = 'hour'
  AND r.start_at >= %(lower)s - interval '1 hour' AND r.start_at < %(upper)s
  AND NOT EXISTS (
    SELECT FROM telemetry_effective e WHERE e.channel_id = %(channel)s
      AND e.at >= r.start_at - make_interval(secs => %(interval)s) AND e.at < r.end_at
  )
"""

# Of a channel of which nothing was corrected, the readings are the effective series.
CORRECTED = """
SELECT EXISTS (SELECT FROM telemetry_veevalue
  WHERE channel_id = %s AND superseded_at IS NULL)
"""


def effective(statement: str) -> str:
    """
    Return a statement that reads the effective series instead of the readings.
    """
    return statement.replace("telemetry_reading", "telemetry_effective")
