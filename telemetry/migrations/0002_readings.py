"""
The partitioned table of readings, its partitions, and the rule that readings never change.
"""

from django.db import migrations

TABLE = """
CREATE TABLE telemetry_reading (
  channel_id bigint NOT NULL,
  at timestamptz NOT NULL,
  value numeric(24, 9) NOT NULL,
  batch_id bigint NOT NULL,
  PRIMARY KEY (channel_id, at)
) PARTITION BY RANGE (at);
"""

# Ingest calls this for each month it meets. Attaching needs a weaker lock on the parent than
# CREATE ... PARTITION OF, which would make every other ingest wait until this one commits.
PARTITION = """
CREATE FUNCTION telemetry_ensure_partition(month date) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  first_day date := date_trunc('month', month)::date;
  next_month date := (first_day + interval '1 month')::date;
  name text := 'telemetry_reading_' || to_char(first_day, 'YYYYMM');
BEGIN
  IF to_regclass(name) IS NOT NULL THEN RETURN; END IF;
  PERFORM pg_advisory_xact_lock(hashtext('telemetry_ensure_partition'));
  IF to_regclass(name) IS NOT NULL THEN RETURN; END IF;
  EXECUTE format('CREATE TABLE %I (LIKE telemetry_reading INCLUDING ALL)', name);
  EXECUTE format(
    'ALTER TABLE telemetry_reading ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
    name,
    to_char(first_day, 'YYYY-MM-DD') || ' 00:00:00+00',
    to_char(next_month, 'YYYY-MM-DD') || ' 00:00:00+00'
  );
END $$;
"""

NEVER_CHANGED = """
CREATE TRIGGER never_changed BEFORE UPDATE OR DELETE ON telemetry_reading
  FOR EACH ROW EXECUTE FUNCTION sites_append_only();
CREATE FUNCTION telemetry_channel_in_use() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT 1 FROM telemetry_reading WHERE channel_id = OLD.id) THEN
    RAISE EXCEPTION 'channel % has readings', OLD.key USING ERRCODE = '23503';
  END IF;
  RETURN OLD;
END $$;
CREATE TRIGGER channel_in_use BEFORE DELETE ON telemetry_channel
  FOR EACH ROW EXECUTE FUNCTION telemetry_channel_in_use();
"""

CHANNEL_AT_ITS_SITE = """
CREATE FUNCTION telemetry_same_site() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM telemetry_meteringpoint p WHERE p.id = NEW.point_id AND p.site_id = NEW.site_id;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'channel % and its point are at different sites', NEW.key
      USING ERRCODE = '23514';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER same_site BEFORE INSERT OR UPDATE ON telemetry_channel
  FOR EACH ROW EXECUTE FUNCTION telemetry_same_site();
"""


class Migration(migrations.Migration):
    dependencies = [("telemetry", "0001_initial"), ("sites", "0002_rules")]

    operations = [
        migrations.RunSQL(TABLE, "DROP TABLE telemetry_reading;"),
        migrations.RunSQL(PARTITION, "DROP FUNCTION telemetry_ensure_partition(date);"),
        migrations.RunSQL(
            NEVER_CHANGED,
            "DROP TRIGGER channel_in_use ON telemetry_channel;"
            "DROP FUNCTION telemetry_channel_in_use();"
            "DROP TRIGGER never_changed ON telemetry_reading;",
        ),
        migrations.RunSQL(
            CHANNEL_AT_ITS_SITE,
            "DROP TRIGGER same_site ON telemetry_channel; DROP FUNCTION telemetry_same_site();",
        ),
    ]
