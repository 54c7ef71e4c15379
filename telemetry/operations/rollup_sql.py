"""
What the statements of the rollups share: ranges, buckets that are written, longer buckets, and what
a rebuild wants. Statements for registers and for other channels stand beside this module.
"""

# Overlapping ranges become one, so that nothing is computed twice.
TAKE_DIRTY = """
WITH taken AS (
  DELETE FROM telemetry_dirtyrange WHERE channel_id = %(channel)s RETURNING span, marked_at
), merged AS (
  SELECT unnest(range_agg(span)) AS span, max(marked_at) AS marked_at FROM taken
)
SELECT lower(span), upper(span), marked_at FROM merged ORDER BY span
"""

# What a bucket says; in this order it is compared, so that only what changed is written.
FIGURES = (
    "end_at", "opening", "closing", "energy_kwh", "estimated_kwh", "peak_kw", "peak_at", "mean",
    "minimum", "maximum", "samples", "coverage", "quality",
)  # fmt: skip
COLUMNS = ", ".join(("grain", "start_at", *FIGURES))
INSERT = f"""
INSERT INTO telemetry_rollup (channel_id, {COLUMNS}, version, computed_at)
SELECT %(channel)s, {COLUMNS}, 1, %(at)s FROM buckets
ON CONFLICT (channel_id, grain, start_at) DO UPDATE SET
  {", ".join(f"{name} = EXCLUDED.{name}" for name in FIGURES)},
  version = telemetry_rollup.version + 1, computed_at = EXCLUDED.computed_at
WHERE ({", ".join(f"telemetry_rollup.{name}" for name in FIGURES)})
  IS DISTINCT FROM ({", ".join(f"EXCLUDED.{name}" for name in FIGURES)})
"""  # noqa: S608 - the parts are constants of this module

# What the readings no longer say, since some were set aside, goes.
_GONE = """
gone AS (
  DELETE FROM telemetry_rollup r USING {edges} e
  WHERE r.channel_id = %(channel)s AND r.grain IN ({grains}) AND r.start_at >= e.lo
    AND r.start_at < e.hi AND (r.grain, r.start_at) NOT IN (SELECT grain, start_at FROM buckets)
)
"""
FINE_GONE = _GONE.format(edges="edges", grains="'quarter', 'hour'")
COARSE_GONE = _GONE.format(edges="ends", grains="%(grain)s")

# Hours are those of the site's wall clock: in Kolkata they begin at half past in UTC. Quarters of
# an hour are the same everywhere.
EDGES = """
edges AS (
  SELECT origin,
    date_bin('1 hour', %(lower)s, origin) AS lo,
    date_bin('1 hour', %(upper)s - interval '1 microsecond', origin) + interval '1 hour' AS hi
  FROM (SELECT '2000-01-01'::timestamp AT TIME ZONE %(zone)s AS origin) z
)
"""

# What rules and people said about values that count; the worse of two wins. A register's figure
# speaks for the time from the reading before it to the one after it within the hours it divides,
# a mean for its interval within its hour, a gauge for its own quarter.
NOTED = """
noted AS (
  SELECT q AS quarter, date_bin('1 hour', q, n.origin) AS hour,
    bool_or(flag = 'suspect') AS suspect, bool_or(flag = 'estimated') AS estimated,
    bool_or(flag = 'edited') AS edited, bool_or(flag = 'scaled') AS scaled
  FROM (
    SELECT v.at, v.flag, edges.origin, {begins} AS begins, {ends} AS ends
    FROM telemetry_veevalue v, edges
    WHERE v.channel_id = %(channel)s AND v.superseded_at IS NULL AND v.value IS NOT NULL
      AND v.at >= edges.lo AND v.at <= edges.hi
  ) n
  CROSS JOIN LATERAL generate_series(
    date_bin('15 minutes', n.begins, n.origin), n.ends - interval '1 microsecond',
    interval '15 minutes'
  ) q
  GROUP BY q, n.origin
), noted_hours AS (
  SELECT hour, bool_or(suspect) AS suspect, bool_or(estimated) AS estimated,
    bool_or(edited) AS edited, bool_or(scaled) AS scaled
  FROM noted GROUP BY hour
)
"""

# A longer bucket is the sum of its parts; its worst part is its quality.
COARSER = f"""
WITH ends AS (
  SELECT date_trunc(%(grain)s, %(lower)s::timestamptz AT TIME ZONE %(zone)s)
      AT TIME ZONE %(zone)s AS lo,
    (date_trunc(%(grain)s,
      (%(upper)s::timestamptz - interval '1 microsecond') AT TIME ZONE %(zone)s)
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
), buckets AS (
  SELECT %(grain)s AS grain, bucket_start AS start_at, bucket_end AS end_at,
    (array_agg(opening ORDER BY start_at))[1] AS opening,
    (array_agg(closing ORDER BY start_at DESC))[1] AS closing,
    sum(energy_kwh) AS energy_kwh, sum(estimated_kwh) AS estimated_kwh, max(peak_kw) AS peak_kw,
    (array_agg(peak_at ORDER BY peak_kw DESC, start_at) FILTER (WHERE peak_kw IS NOT NULL))[1]
      AS peak_at,
    round(sum(mean * weight) / nullif(sum(weight) FILTER (WHERE mean IS NOT NULL), 0), 9) AS mean,
    min(minimum) AS minimum, max(maximum) AS maximum, sum(samples) AS samples,
    round(sum(coverage * extract(epoch FROM end_at - start_at))
      / extract(epoch FROM bucket_end - bucket_start), 6) AS coverage,
    CASE WHEN bool_or(quality = 'missing')
        OR sum(end_at - start_at) < bucket_end - bucket_start THEN 'missing'
      WHEN bool_or(quality = 'suspect') THEN 'suspect'
      WHEN bool_or(quality = 'estimated') THEN 'estimated'
      WHEN bool_or(quality = 'edited') THEN 'edited'
      WHEN bool_or(quality = 'scaled') THEN 'scaled' ELSE 'actual' END AS quality
  FROM parts GROUP BY bucket_start, bucket_end
), {COARSE_GONE}
{INSERT}
"""  # noqa: S608 - the parts are constants of this module

# A rebuild covers what was read and what was rolled up, whichever reaches further.
MARK_ALL = """
INSERT INTO telemetry_dirtyrange (channel_id, span, marked_at)
SELECT c.id, all_of.span * coalesce(tstzrange(%(lower)s, %(upper)s), '(,)'), %(at)s
FROM unnest(%(channels)s::bigint[]) AS c(id)
CROSS JOIN LATERAL (
  SELECT tstzrange(least(first_at, first_start),
    greatest(last_at + interval '1 microsecond', last_end)) AS span
  FROM (SELECT
    (SELECT at FROM telemetry_reading r WHERE r.channel_id = c.id ORDER BY at LIMIT 1) AS first_at,
    (SELECT at FROM telemetry_reading r WHERE r.channel_id = c.id
      ORDER BY at DESC LIMIT 1) AS last_at,
    (SELECT min(start_at) FROM telemetry_rollup r
      WHERE r.channel_id = c.id AND r.grain = 'hour') AS first_start,
    (SELECT max(end_at) FROM telemetry_rollup r
      WHERE r.channel_id = c.id AND r.grain = 'hour') AS last_end
  ) ends
) all_of
WHERE NOT isempty(all_of.span * coalesce(tstzrange(%(lower)s, %(upper)s), '(,)'))
  AND NOT lower_inf(all_of.span)
"""

REMEMBER = f"""
CREATE TEMPORARY TABLE rollups_stored ON COMMIT DROP AS
SELECT {COLUMNS} FROM telemetry_rollup WHERE channel_id = %(channel)s
"""  # noqa: S608 - the parts are constants of this module
COMPARE = f"""
SELECT grain, start_at,
  CASE WHEN c.end_at IS NULL THEN 'left over' WHEN s.end_at IS NULL THEN 'missing'
    ELSE 'changed' END, s.energy_kwh, c.energy_kwh
FROM rollups_stored s FULL JOIN (
  SELECT {COLUMNS} FROM telemetry_rollup WHERE channel_id = %(channel)s
) c USING (grain, start_at)
WHERE ({", ".join(f"s.{name}" for name in FIGURES)})
  IS DISTINCT FROM ({", ".join(f"c.{name}" for name in FIGURES)})
ORDER BY start_at, grain
"""  # noqa: S608 - the parts are constants of this module

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
