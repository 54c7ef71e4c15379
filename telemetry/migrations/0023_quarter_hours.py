from django.db import migrations, models

# The quarters of an hour of some channels over a stretch: those that are kept, and those of hours
# that ran evenly from end to end or of which only the whole is known. One statement, so that the
# planner looks into it.
QUARTERS = """
CREATE FUNCTION telemetry_quarters(channels bigint[], lower timestamptz, upper timestamptz)
RETURNS TABLE (
  channel_id bigint, start_at timestamptz, energy_kwh numeric, estimated_kwh numeric,
  mean numeric, minimum numeric, maximum numeric, coverage numeric, quality varchar, kept boolean
) LANGUAGE sql STABLE AS $$
SELECT q.channel_id, q.start_at, q.energy_kwh, q.estimated_kwh, q.mean, q.minimum, q.maximum,
  q.coverage, q.quality, true
FROM telemetry_rollup q
WHERE q.channel_id = ANY(channels) AND q.grain = 'quarter' AND q.start_at >= lower
  AND q.start_at < upper
UNION ALL
SELECT h.channel_id, s.start_at, h.energy_kwh / 4, h.estimated_kwh / 4, h.mean, h.minimum,
  h.maximum, h.coverage,
  CASE WHEN h.quality = 'actual' AND h.energy_kwh IS NOT NULL THEN 'scaled' ELSE h.quality END,
  false
FROM telemetry_rollup h
CROSS JOIN LATERAL generate_series(
  h.start_at, h.start_at + interval '45 minutes', interval '15 minutes') AS s(start_at)
WHERE h.channel_id = ANY(channels) AND h.grain = 'hour' AND h.coverage IN (0, 1)
  AND h.start_at > lower - interval '1 hour' AND h.start_at < upper
  AND s.start_at >= lower AND s.start_at < upper
  AND NOT EXISTS (
    SELECT FROM telemetry_rollup q
    WHERE q.channel_id = h.channel_id AND q.grain = 'quarter'
      AND q.start_at >= h.start_at AND q.start_at < h.end_at
  )
$$;
"""

# What was rolled up before has neither quarters nor peaks: it is rolled up again.
ROLL_UP_AGAIN = """
INSERT INTO telemetry_dirtyrange (channel_id, span, marked_at)
SELECT channel_id, tstzrange(min(start_at), max(end_at)), now()
FROM telemetry_rollup WHERE grain = 'hour' GROUP BY channel_id;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('telemetry', '0022_quality_workbench'),
    ]

    operations = [
        migrations.AddField(
            model_name='rollup',
            name='peak_kw',
            field=models.DecimalField(decimal_places=9, max_digits=24, null=True),
        ),
        migrations.AddField(
            model_name='rollup',
            name='peak_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AlterField(
            model_name='rollup',
            name='grain',
            field=models.CharField(
                choices=[
                    ('quarter', 'Quarter of an hour'), ('hour', 'Hour'), ('day', 'Local day'),
                    ('month', 'Local month'),
                ],
                max_length=7,
            ),
        ),
        migrations.RemoveIndex(model_name='rollup', name='rollups_by_time'),
        migrations.AddIndex(
            model_name='rollup',
            index=models.Index(
                condition=models.Q(('grain', 'quarter'), _negated=True),
                fields=['grain', 'start_at'],
                name='rollups_by_time',
            ),
        ),
        migrations.RunSQL(
            QUARTERS, "DROP FUNCTION telemetry_quarters(bigint[], timestamptz, timestamptz);"
        ),
        migrations.RunSQL(ROLL_UP_AGAIN, migrations.RunSQL.noop),
    ]
