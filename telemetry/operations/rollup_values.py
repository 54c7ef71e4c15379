"""
The set-based statements that roll up gauges, interval means and heartbeats.
"""

from telemetry.operations import rollup_sql as sql

_NOTED_GAUGE = sql.NOTED.format(begins="v.at", ends="v.at + interval '1 microsecond'")
_NOTED_MEAN = sql.NOTED.format(
    begins="v.at",
    ends="""least(v.at + make_interval(secs => %(interval)s),
      date_bin('1 hour', v.at, edges.origin) + interval '1 hour')""",
)


# A gauge says what it reads at an instant; an hour with one reading is as covered as it gets.
# Where it was read four times an hour or more, its quarters are kept too.
GAUGE_HOURS = f"""
WITH {sql.EDGES}, quarters AS (
  SELECT date_bin('15 minutes', at, edges.origin) AS start_at,
    date_bin('1 hour', at, edges.origin) AS hour, count(*) AS n, sum(value) AS total,
    min(value) AS low, max(value) AS high
  FROM telemetry_reading, edges
  WHERE channel_id = %(channel)s AND at >= edges.lo AND at < edges.hi GROUP BY 1, 2
), {_NOTED_GAUGE}, parts AS (
  SELECT *, sum(n) OVER (PARTITION BY hour) >= 4 AS kept,
    round(total / n * %(kw)s::numeric, 9) AS kw
  FROM quarters
), hours AS (
  SELECT hour, sum(n)::bigint AS n, sum(total) / sum(n) AS mean, min(low) AS low,
    max(high) AS high, max(kw) FILTER (WHERE kept) AS kw,
    (array_agg(start_at ORDER BY kw DESC, start_at) FILTER (WHERE kept))[1] AS kw_at
  FROM parts GROUP BY hour
), buckets AS (
  SELECT 'quarter' AS grain, start_at, start_at + interval '15 minutes' AS end_at,
    NULL::numeric AS opening, NULL::numeric AS closing, NULL::numeric AS energy_kwh,
    0 AS estimated_kwh, kw AS peak_kw, CASE WHEN kw IS NOT NULL THEN start_at END AS peak_at,
    round(total / n, 9) AS mean, low AS minimum, high AS maximum, n AS samples, 1 AS coverage,
    {{quality}} AS quality
  FROM parts LEFT JOIN noted o ON o.quarter = start_at WHERE kept
  UNION ALL
  SELECT 'hour', hour, hour + interval '1 hour', NULL, NULL, NULL, 0,
    coalesce(kw, round(mean * %(kw)s::numeric, 9)),
    CASE WHEN %(kw)s::numeric IS NOT NULL THEN coalesce(kw_at, hour) END,
    round(mean, 9), low, high, n, 1, {{quality}}
  FROM hours LEFT JOIN noted_hours o USING (hour)
), {sql.FINE_GONE}
{sql.INSERT}
""".replace(  # noqa: S608 - the parts are constants of this module
    "{quality}",
    """CASE WHEN o.suspect THEN 'suspect' WHEN o.estimated THEN 'estimated'
      WHEN o.edited THEN 'edited' WHEN o.scaled THEN 'scaled' ELSE 'actual' END""",
)

# An interval mean and a heartbeat speak until the next one, which is seldom on the second, or for
# their own interval where that one is missing (more than half an interval late); and for no
# other time. What reaches over the end of a quarter is cut there.
MEAN_HOURS = f"""
WITH {sql.EDGES}, lasting AS (
  SELECT make_interval(secs => %(interval)s) AS one,
    make_interval(secs => %(interval)s * 1.5) AS most
), read AS (
  SELECT r.at, r.value, lead(r.at) OVER (ORDER BY r.at) AS next_at
  FROM telemetry_reading r, edges, lasting
  WHERE r.channel_id = %(channel)s AND r.at > edges.lo - lasting.most AND r.at < edges.hi
), spoken AS (
  SELECT at, value, CASE WHEN next_at <= at + most THEN next_at ELSE at + one END AS until
  FROM read, lasting
), pieces AS (
  SELECT q AS start_at, date_bin('1 hour', q, edges.origin) AS hour, s.at, s.value,
    greatest(s.at, q) AS begins, least(s.until, q + interval '15 minutes') AS ends,
    s.at > date_bin('1 hour', q, edges.origin)
      OR s.until < date_bin('1 hour', q, edges.origin) + interval '1 hour' AS divides
  FROM spoken s, edges
  CROSS JOIN LATERAL generate_series(
    greatest(date_bin('15 minutes', s.at, edges.origin), edges.lo),
    least(s.until, edges.hi) - interval '1 microsecond', interval '15 minutes'
  ) q
), quarters AS (
  SELECT start_at, hour, count(*) FILTER (WHERE at >= start_at) AS n,
    sum(value * extract(epoch FROM ends - begins)) AS total,
    sum(extract(epoch FROM ends - begins)) AS seconds, min(value) AS low, max(value) AS high,
    bool_or(divides) AS divides
  FROM pieces GROUP BY start_at, hour
), parts AS (
  -- An hour that one mean speaks for keeps no quarters. Rounding runs through the hour, so that
  -- its quarters add up to it.
  SELECT *, %(quarters)s AND bool_or(divides) OVER (PARTITION BY hour) AS kept,
    round(sum(total) OVER w * %(kw)s::numeric / 3600, 9)
      - coalesce(round(sum(total) OVER before * %(kw)s::numeric / 3600, 9), 0) AS energy,
    CASE WHEN seconds = 900 THEN round(total * %(kw)s::numeric / seconds, 9) END AS kw
  FROM quarters
  WINDOW w AS (PARTITION BY hour ORDER BY start_at),
    before AS (PARTITION BY hour ORDER BY start_at ROWS BETWEEN UNBOUNDED PRECEDING
      AND 1 PRECEDING)
), {_NOTED_MEAN}, told AS (
  SELECT p.*, n.suspect, n.estimated, n.edited, n.scaled,
    CASE WHEN coalesce(CASE WHEN p.kept THEN n.estimated ELSE h.estimated END, false)
      THEN coalesce(p.energy, 0) ELSE 0 END AS guessed
  FROM parts p LEFT JOIN noted n ON n.quarter = p.start_at
  LEFT JOIN noted_hours h ON h.hour = p.hour
), hours AS (
  SELECT hour, sum(energy) AS energy, sum(guessed) AS guessed, sum(total) AS total,
    sum(seconds) AS seconds, sum(n)::bigint AS n, min(low) AS low, max(high) AS high,
    max(kw) AS kw,
    (array_agg(start_at ORDER BY kw DESC, start_at) FILTER (WHERE kw IS NOT NULL))[1] AS kw_at
  FROM told GROUP BY hour
), buckets AS (
  SELECT 'quarter' AS grain, start_at, start_at + interval '15 minutes' AS end_at,
    NULL::numeric AS opening, NULL::numeric AS closing, energy AS energy_kwh,
    guessed AS estimated_kwh, kw AS peak_kw, CASE WHEN kw IS NOT NULL THEN start_at END AS peak_at,
    round(total / seconds, 9) AS mean, low AS minimum, high AS maximum, n AS samples,
    round(seconds / 900, 6) AS coverage,
    CASE WHEN seconds < 900 THEN 'missing' WHEN o.suspect THEN 'suspect'
      WHEN o.estimated THEN 'estimated' WHEN o.edited THEN 'edited'
      WHEN o.scaled OR %(interval)s > 1350 THEN 'scaled' ELSE 'actual' END AS quality
  FROM told o WHERE kept
  UNION ALL
  SELECT 'hour', hour, hour + interval '1 hour', NULL, NULL, energy, guessed, kw, kw_at,
    round(total / seconds, 9), low, high, n, round(seconds / 3600, 6),
    CASE WHEN seconds < 3600 THEN 'missing' WHEN o.suspect THEN 'suspect'
      WHEN o.estimated THEN 'estimated' WHEN o.edited THEN 'edited' WHEN o.scaled THEN 'scaled'
      ELSE 'actual' END
  FROM hours LEFT JOIN noted_hours o USING (hour)
), {sql.FINE_GONE}
{sql.INSERT}
"""  # noqa: S608 - the parts are constants of this module
