"""
The set-based statement that rolls up registers.

A register channel is cut at every local hour, and at every quarter of an hour where readings fell
inside the hour: between two readings the register is taken to run evenly (domain reference, VEE
ladder), R(b) = R1 + (R2 - R1)(b - t1)/(t2 - t1), rounded once to nine decimals. Energy is the
difference of two such figures, so quarters add up to hours, and hours to any longer stretch, to
the last digit. An hour that ran evenly from end to end keeps no quarters: each is a fourth of it.
"""

import functools

from telemetry.operations import rollup_sql as sql

_NOTED_REGISTER = sql.NOTED.format(
    begins="""greatest(date_bin('1 hour', v.at - interval '1 microsecond', edges.origin),
      (SELECT p.at FROM telemetry_reading p WHERE p.channel_id = %(channel)s AND p.at < v.at
        ORDER BY p.at DESC LIMIT 1))""",
    ends="""least(date_bin('1 hour', v.at, edges.origin) + interval '1 hour',
      (SELECT p.at FROM telemetry_reading p WHERE p.channel_id = %(channel)s AND p.at > v.at
        ORDER BY p.at LIMIT 1))""",
)

_THINNED = """
inside AS (
  SELECT i.id, p.at, p.value,
    date_bin('15 minutes', p.at - interval '1 microsecond', edges.origin) AS quarter,
    p.value <> 0 AND coalesce((p.value - lag(p.value) OVER w)::float8 BETWEEN 0
      AND i.a_second * date_part('epoch', p.at - lag(p.at) OVER w), true) AS calm
  FROM installed i, edges, telemetry_reading p
  WHERE p.channel_id = %(channel)s AND p.at > edges.lo AND p.at < edges.hi
    AND p.at >= i.begins AND p.at < i.ends
  WINDOW w AS (PARTITION BY i.id ORDER BY p.at)
), by_quarter AS (
  SELECT id, quarter, {calm} AS calm, min(at) AS first_at, max(at) AS last_at,
    min(value) AS low, max(value) AS high
  FROM inside GROUP BY id, quarter
), thinned AS (
  -- Of a quarter in which the register only rose as it can, the first and last reading tell all:
  -- what happens between the cuts adds up, and the cuts lie outside. Other quarters stay whole.
  SELECT id, first_at AS at, low AS value FROM by_quarter WHERE calm
  UNION ALL
  SELECT id, last_at, high FROM by_quarter WHERE calm AND last_at <> first_at
  UNION ALL
  -- NOT IN is always looked up in a hash; IN would be planned as a join of a handful of rows and
  -- go through all pairs.
  SELECT id, at, value FROM inside
  WHERE (id, quarter) NOT IN (SELECT id, quarter FROM by_quarter WHERE calm)
"""
_SAMPLES = """
samples AS (
  SELECT date_bin('15 minutes', at, edges.origin) AS quarter, count(*) AS n
  FROM telemetry_reading, edges
  WHERE channel_id = %(channel)s AND at >= edges.lo AND at < edges.hi GROUP BY 1
"""

_RAW = """
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
  ) r"""

# The same from the quarters of a calm register, of which one meter was there all the time.
_CALM_THINNED = """
by_quarter AS (
  SELECT i.id, q.*
  FROM installed i, unnest(%(quarter)s::timestamptz[], %(n)s::bigint[],
    %(first_at)s::timestamptz[], %(last_at)s::timestamptz[], %(low)s::numeric[],
    %(high)s::numeric[]) AS q(quarter, n, first_at, last_at, low, high)
"""
_CALM_RAW = """  SELECT id, first_at AS at, low AS value FROM by_quarter
  UNION ALL
  SELECT id, last_at, high FROM by_quarter WHERE last_at <> first_at"""
# There a quarter ends with a reading on its end, which is the next one's sample.
_CALM_SAMPLES = """
samples AS (
  SELECT quarter, sum(n)::bigint AS n
  FROM (
    SELECT quarter, n - (last_at = quarter + interval '15 minutes')::int AS n FROM by_quarter
    UNION ALL
    SELECT last_at, 1 FROM by_quarter WHERE last_at = quarter + interval '15 minutes'
  ) counted, edges WHERE n > 0 AND quarter >= edges.lo AND quarter < edges.hi GROUP BY quarter
"""

_HOURS = f"""
WITH {sql.EDGES},
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
), {{thinned}}
), raw AS (
{{raw}}
  UNION
  -- The figures taken when a meter came and went are readings as good as any.
  SELECT id, begins, first_register FROM installed
  WHERE first_register IS NOT NULL AND begins > '-infinity'
  UNION
  SELECT id, ends, last_register FROM installed
  WHERE last_register IS NOT NULL AND ends < 'infinity'
  UNION
  -- What the meter itself kept for a month's end, within a minute of it, where it fits between
  -- the readings on either side.
  SELECT i.id, m.at, m.value FROM installed i CROSS JOIN edges
  JOIN telemetry_channel k ON k.point_id = %(point)s AND k.quantity = 'month_end'
    AND %(quantity)s = 'energy'
  JOIN telemetry_reading m ON m.channel_id = k.id AND m.at >= edges.lo AND m.at <= edges.hi
    AND m.at >= i.begins AND m.at < i.ends
  CROSS JOIN LATERAL (
    SELECT date_trunc('month', (m.at + interval '1 minute') AT TIME ZONE %(zone)s)
      AT TIME ZONE %(zone)s AS month
  ) begins
  WHERE m.at BETWEEN begins.month - interval '1 minute' AND begins.month + interval '1 minute'
    AND NOT EXISTS (
      SELECT FROM telemetry_reading p WHERE p.channel_id = %(channel)s AND p.at = m.at)
    AND m.value >= coalesce((SELECT p.value FROM telemetry_reading p
      WHERE p.channel_id = %(channel)s AND p.at < m.at AND p.at >= i.begins AND p.value <> 0
      ORDER BY p.at DESC LIMIT 1), m.value)
    AND m.value <= coalesce((SELECT p.value FROM telemetry_reading p
      WHERE p.channel_id = %(channel)s AND p.at > m.at AND p.at < i.ends AND p.value <> 0
      ORDER BY p.at LIMIT 1), m.value)
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
    coalesce(sum(reset::int) OVER w, 0) AS resets,
    coalesce(sum(suspect::int) OVER w, 0) AS leaps,
    coalesce(next_at, at + interval '1 microsecond') AS until,
    date_bin('1 hour', at - interval '1 microsecond', origin) + interval '1 hour' AS hour_from,
    date_bin('15 minutes', at - interval '1 microsecond', origin)
      + interval '15 minutes' AS quarter_from
  FROM moved, edges
  WINDOW w AS (PARTITION BY id ORDER BY at ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
), cuts AS (
  -- Every local hour within a step, every quarter of the hours it begins and ends in, and the
  -- ends of the readings themselves.
  SELECT r.*, c.cut,
    CASE WHEN c.cut = r.at THEN 0 ELSE round(coalesce(r.delta, 0)
      * extract(epoch FROM c.cut - r.at) / extract(epoch FROM r.next_at - r.at), 9) END AS part
  FROM running r
  CROSS JOIN LATERAL (
    SELECT generate_series(quarter_from,
      least(until, hour_from) - interval '1 microsecond', interval '15 minutes') AS cut
    UNION ALL
    SELECT generate_series(greatest(hour_from, lo),
      least(until - interval '1 microsecond', hi), interval '1 hour')
    UNION ALL
    SELECT generate_series(last.hour + interval '15 minutes',
      until - interval '1 microsecond', interval '15 minutes')
    FROM (SELECT date_bin('1 hour', until, origin) AS hour) last WHERE last.hour >= hour_from
    UNION ALL
    -- On the quarter it is in the series already.
    SELECT r.at WHERE (r.next_at IS NULL OR r.is_first) AND quarter_from <> r.at
  ) c
), spans AS (
  SELECT id, cut AS begins, lead(cut) OVER w AS ends,
    before + part AS counter, lead(before + part) OVER w AS next_counter,
    mod(value + part, modulus) AS dial, lead(mod(value + part, modulus)) OVER w AS next_dial,
    numerator, denominator,
    -- A reset anywhere between the two cuts leaves the difference unknown.
    lead(resets + (reset AND cut > at)::int) OVER w > resets AS broken,
    suspect OR lead(leaps + (suspect AND cut > at)::int) OVER w > leaps AS suspect,
    cut <> at AND next_at - at > interval '1 hour'
      OR lead(cut <> at AND next_at - at > interval '1 hour') OVER w AS scaled,
    -- Half a quarter late is the most that readings of each quarter may be.
    cut <> at AND next_at - at > interval '22 minutes 30 seconds'
      OR lead(cut <> at AND next_at - at > interval '22 minutes 30 seconds') OVER w AS spread
  FROM cuts WINDOW w AS (PARTITION BY id ORDER BY cut)
), based AS (
  -- Conversion is rounded from the start of the hour, so that quarters add up to it.
  SELECT s.*, hour,
    first_value(counter) OVER (PARTITION BY id, hour ORDER BY begins) AS base
  FROM spans s, edges CROSS JOIN LATERAL (SELECT date_bin('1 hour', s.begins, origin) AS hour) h
  WHERE s.ends IS NOT NULL AND s.begins >= edges.lo AND s.begins < edges.hi
), gaps AS (
  -- Between two meters the mean power of the hours before stands in, where it is known.
  SELECT n.gap_kw, lower(n.valid) AS ends,
    (SELECT max(upper(o.valid)) FROM telemetry_installation o
      WHERE o.point_id = n.point_id AND upper(o.valid) <= lower(n.valid)) AS begins
  FROM telemetry_installation n
  WHERE n.point_id = %(point)s AND n.gap_kw IS NOT NULL AND %(quantity)s = 'energy'
), pieces AS (
  SELECT hour, begins, ends, dial, next_dial, broken, suspect, scaled, spread,
    false AS estimated,
    CASE WHEN NOT broken THEN round((next_counter - base) * numerator / denominator, 9)
      - round((counter - base) * numerator / denominator, 9) END AS energy
  FROM based
  UNION ALL
  SELECT hour, part.begins, part.ends, NULL, NULL, false, false, false, false, true,
    round(gap_kw * extract(epoch FROM part.ends - part.begins) / 3600, 9)
  FROM gaps, edges,
    generate_series(greatest(date_bin('1 hour', gaps.begins, edges.origin), edges.lo),
      least(gaps.ends, edges.hi) - interval '1 microsecond', interval '1 hour') AS hour
  CROSS JOIN LATERAL (
    SELECT CASE WHEN gaps.begins <= hour AND gaps.ends >= hour + interval '1 hour'
      THEN interval '1 hour' ELSE interval '15 minutes' END AS width
  ) w
  CROSS JOIN LATERAL generate_series(hour, hour + interval '59 minutes', width) AS start
  CROSS JOIN LATERAL (
    SELECT greatest(gaps.begins, start) AS begins, least(gaps.ends, start + width) AS ends
  ) part
  WHERE part.begins < part.ends
), {{samples}}
), {_NOTED_REGISTER}, parts AS (
  -- Quarters of an hour, or the hour itself where it ran evenly.
  SELECT p.hour, date_bin('15 minutes', p.begins, edges.origin) AS start_at,
    bool_or(p.ends - p.begins = interval '1 hour') AS whole,
    (array_agg(p.dial ORDER BY p.begins) FILTER (WHERE NOT p.estimated))[1] AS opening,
    (array_agg(p.next_dial ORDER BY p.begins DESC) FILTER (WHERE NOT p.estimated))[1] AS closing,
    sum(p.energy) AS energy, sum(p.energy) FILTER (WHERE p.estimated) AS filled,
    sum(extract(epoch FROM p.ends - p.begins)) AS seconds,
    coalesce(sum(extract(epoch FROM p.ends - p.begins)) FILTER (WHERE NOT p.broken), 0) AS known,
    bool_or(p.broken) AS broken, bool_or(p.suspect) AS suspect, bool_or(p.scaled) AS scaled,
    bool_or(p.spread) AS spread, bool_or(p.estimated) AS estimated
  FROM pieces p, edges GROUP BY p.hour, 2
), told AS (
  SELECT p.*, coalesce(n.suspect, h.suspect, false) AS noted_suspect,
    coalesce(n.estimated, h.estimated, false) AS noted_estimated,
    coalesce(n.edited, h.edited, false) AS noted_edited,
    coalesce(n.scaled, h.scaled, false) AS noted_scaled,
    CASE WHEN coalesce(n.estimated, h.estimated, false) THEN p.energy ELSE p.filled END AS guessed,
    -- The mean power of a whole quarter, or of the hour that ran evenly.
    CASE WHEN p.whole AND known = 3600 THEN p.energy
      WHEN NOT p.whole AND known = 900 THEN p.energy * 4 END AS kw
  FROM parts p LEFT JOIN noted n ON n.quarter = p.start_at AND NOT p.whole
  LEFT JOIN noted_hours h ON h.hour = p.hour AND p.whole
), buckets AS (
  SELECT 'quarter' AS grain, t.start_at, t.start_at + interval '15 minutes' AS end_at, t.opening,
    t.closing, t.energy AS energy_kwh, coalesce(t.guessed, 0) AS estimated_kwh, t.kw AS peak_kw,
    CASE WHEN t.kw IS NOT NULL THEN t.start_at END AS peak_at, NULL::numeric AS mean,
    NULL::numeric AS minimum, NULL::numeric AS maximum, coalesce(n.n, 0) AS samples,
    round(t.known / 900, 6) AS coverage,
    CASE WHEN t.broken OR t.seconds < 900 THEN 'missing'
      WHEN t.suspect OR t.noted_suspect THEN 'suspect'
      WHEN t.estimated OR t.noted_estimated THEN 'estimated'
      WHEN t.noted_edited THEN 'edited'
      WHEN t.spread OR t.noted_scaled THEN 'scaled' ELSE 'actual' END AS quality
  FROM told t LEFT JOIN samples n ON n.quarter = t.start_at WHERE NOT t.whole
  UNION ALL
  SELECT 'hour', t.hour, t.hour + interval '1 hour',
    (array_agg(t.opening ORDER BY t.start_at) FILTER (WHERE t.opening IS NOT NULL))[1],
    (array_agg(t.closing ORDER BY t.start_at DESC) FILTER (WHERE t.closing IS NOT NULL))[1],
    sum(t.energy), coalesce(sum(t.guessed), 0), max(t.kw),
    (array_agg(t.start_at ORDER BY t.kw DESC, t.start_at) FILTER (WHERE t.kw IS NOT NULL))[1],
    NULL, NULL, NULL, coalesce(max(n.n), 0), round(sum(t.known) / 3600, 6),
    CASE WHEN bool_or(t.broken) OR sum(t.seconds) < 3600 THEN 'missing'
      WHEN bool_or(t.suspect OR t.noted_suspect) THEN 'suspect'
      WHEN bool_or(t.estimated OR t.noted_estimated) THEN 'estimated'
      WHEN bool_or(t.noted_edited) THEN 'edited'
      WHEN bool_or(t.scaled OR t.noted_scaled) THEN 'scaled' ELSE 'actual' END
  FROM told t LEFT JOIN (
    SELECT date_bin('1 hour', quarter, edges.origin) AS hour, sum(n)::bigint AS n
    FROM samples, edges GROUP BY 1
  ) n USING (hour)
  GROUP BY t.hour
), {sql.FINE_GONE}
{sql.INSERT}
"""  # noqa: S608 - the parts are constants of this module


def _from(thinned: str, samples: str, raw: str) -> str:
    parts = {"{thinned}": thinned, "{samples}": samples, "{raw}": raw}
    return functools.reduce(lambda text, part: text.replace(*part), parts.items(), _HOURS)


_FROM_READINGS = _from(_THINNED, _SAMPLES, _RAW)
HOURS = _FROM_READINGS.replace("{calm}", "bool_and(calm)")
CALM_HOURS = _from(_CALM_THINNED, _CALM_SAMPLES, _CALM_RAW)
# The same rows from every reading, for tests to compare with.
HOURS_UNTHINNED = _FROM_READINGS.replace("{calm}", "false")

# Whether the first and last reading of a range count, where nothing was set aside.
ENDS_COUNT = """
SELECT
  (SELECT value FROM telemetry_reading WHERE channel_id = %(channel)s AND at >= %(lower)s
    ORDER BY at LIMIT 1) <> 0
  AND (SELECT value FROM telemetry_reading WHERE channel_id = %(channel)s AND at <= %(upper)s
    ORDER BY at DESC LIMIT 1) <> 0
"""

# A changed reading of a register has to do with its neighbours that count: neither set aside nor
# zero after lost communication. Where a range begins or ends with others, or has none that counts
# (the rules may have set all of them aside), it reaches further.
WIDEN = """
WITH wanted AS (
  SELECT
    (SELECT at FROM telemetry_reading WHERE channel_id = %(channel)s AND at >= %(lower)s
      ORDER BY at LIMIT 1) AS first_sent,
    (SELECT at FROM telemetry_reading WHERE channel_id = %(channel)s AND at <= %(upper)s
      ORDER BY at DESC LIMIT 1) AS last_sent,
    (SELECT at FROM telemetry_effective WHERE channel_id = %(channel)s AND at >= %(lower)s
      AND at <= %(upper)s AND value <> 0 ORDER BY at LIMIT 1) AS first_at,
    (SELECT at FROM telemetry_effective WHERE channel_id = %(channel)s AND at >= %(lower)s
      AND at <= %(upper)s AND value <> 0 ORDER BY at DESC LIMIT 1) AS last_at
)
SELECT
  least(%(lower)s, CASE WHEN first_at IS NULL OR first_sent < first_at THEN coalesce(
    (SELECT at FROM telemetry_effective WHERE channel_id = %(channel)s AND at < %(lower)s
      AND value <> 0 ORDER BY at DESC LIMIT 1),
    (SELECT at FROM telemetry_effective WHERE channel_id = %(channel)s AND at < %(lower)s
      ORDER BY at DESC LIMIT 1)) END),
  greatest(%(upper)s, CASE WHEN last_at IS NULL OR last_sent > last_at THEN coalesce(
    (SELECT at FROM telemetry_effective WHERE channel_id = %(channel)s AND at > %(upper)s
      AND value <> 0 ORDER BY at LIMIT 1),
    (SELECT at FROM telemetry_effective WHERE channel_id = %(channel)s AND at > %(upper)s
      ORDER BY at DESC LIMIT 1)) END)
FROM wanted
"""
