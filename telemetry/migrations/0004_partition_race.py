"""
Two deliveries that open a month at once: the one that waited must see the other's partition.
"""

from django.db import migrations

# to_regclass answers from the session's cache, which may still say "no such table" after the
# wait; a query of the catalogue takes a new snapshot.
PARTITION = """
CREATE OR REPLACE FUNCTION telemetry_ensure_partition(month date) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  first_day date := date_trunc('month', month)::date;
  next_month date := (first_day + interval '1 month')::date;
  name text := 'telemetry_reading_' || to_char(first_day, 'YYYYMM');
BEGIN
  IF to_regclass(name) IS NOT NULL THEN RETURN; END IF;
  PERFORM pg_advisory_xact_lock(hashtext('telemetry_ensure_partition'));
  PERFORM 1 FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'telemetry_reading'::regclass AND c.relname = name;
  IF FOUND THEN RETURN; END IF;
  EXECUTE format('CREATE TABLE %I (LIKE telemetry_reading INCLUDING ALL)', name);
  EXECUTE format(
    'ALTER TABLE telemetry_reading ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
    name,
    to_char(first_day, 'YYYY-MM-DD') || ' 00:00:00+00',
    to_char(next_month, 'YYYY-MM-DD') || ' 00:00:00+00'
  );
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("telemetry", "0003_factor_year")]

    operations = [migrations.RunSQL(PARTITION, migrations.RunSQL.noop)]
