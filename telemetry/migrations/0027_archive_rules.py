"""
What is archived is not changed, and readings leave the database only into an archive that was
read back and compared.
"""

from django.db import migrations

# Who writes readings of a month shares this lock with other writers; whoever takes readings of
# the month out of the database needs it alone.
PARTITION = """
CREATE OR REPLACE FUNCTION telemetry_ensure_partition(month date) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  first_day date := date_trunc('month', month)::date;
  next_month date := (first_day + interval '1 month')::date;
  name text := 'telemetry_reading_' || to_char(first_day, 'YYYYMM');
BEGIN
  PERFORM pg_advisory_xact_lock_shared(
    hashtext('telemetry_month'), to_char(first_day, 'YYYYMM')::int);
  IF to_regclass(name) IS NOT NULL THEN RETURN; END IF;
  PERFORM pg_advisory_xact_lock(hashtext('telemetry_ensure_partition'));
  PERFORM 1 FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'telemetry_reading'::regclass AND c.relname = name;
  IF FOUND THEN RETURN; END IF;
  EXECUTE format('CREATE TABLE %I (LIKE telemetry_reading INCLUDING ALL)', name);
  EXECUTE format('CREATE TRIGGER never_emptied BEFORE TRUNCATE ON %I
    FOR EACH STATEMENT EXECUTE FUNCTION telemetry_never_emptied()', name);
  EXECUTE format(
    'ALTER TABLE telemetry_reading ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
    name,
    to_char(first_day, 'YYYY-MM-DD') || ' 00:00:00+00',
    to_char(next_month, 'YYYY-MM-DD') || ' 00:00:00+00'
  );
END $$;
"""

OLD_PARTITION = """
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

# TRUNCATE fires no row trigger. The setting is for the test suite, which starts over.
NEVER_EMPTIED = """
CREATE FUNCTION telemetry_never_emptied() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF coalesce(current_setting('warmgrid.empty_readings', true), '') <> 'yes' THEN
    RAISE EXCEPTION '% is never emptied', TG_TABLE_NAME USING ERRCODE = '23514';
  END IF;
  RETURN NULL;
END $$;
DO $$
DECLARE part regclass;
BEGIN
  FOR part IN SELECT inhrelid::regclass FROM pg_inherits
    WHERE inhparent = 'telemetry_reading'::regclass
  LOOP
    EXECUTE format('CREATE TRIGGER never_emptied BEFORE TRUNCATE ON %s
      FOR EACH STATEMENT EXECUTE FUNCTION telemetry_never_emptied()', part);
  END LOOP;
END $$;
"""
EMPTIED = "DROP FUNCTION telemetry_never_emptied() CASCADE;"

# The table "<partition>_next" holds what stays. Every row that does not must be one of a channel
# of which a verified archive holds exactly as many; readings are never changed, so that the count
# tells whether one came in since the archive was compared row by row.
REPLACE = """
CREATE FUNCTION telemetry_replace_partition(month date) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  first_day date := date_trunc('month', month)::date;
  next_month date := (first_day + interval '1 month')::date;
  name text := 'telemetry_reading_' || to_char(first_day, 'YYYYMM');
  lost bigint;
BEGIN
  PERFORM pg_advisory_xact_lock(
    hashtext('telemetry_month'), to_char(first_day, 'YYYYMM')::int);
  EXECUTE format($q$
    SELECT was.channel_id
    FROM (SELECT channel_id, count(*) AS n FROM %1$I GROUP BY 1) was
    LEFT JOIN (SELECT channel_id, count(*) AS n FROM %1$I JOIN %2$I USING (channel_id, at)
      GROUP BY 1) stays USING (channel_id)
    WHERE was.n <> coalesce(stays.n, 0) AND NOT EXISTS (
      SELECT FROM telemetry_archivedchannel c
      JOIN telemetry_archivedmonth m ON m.id = c.archive_id
      WHERE c.channel_id = was.channel_id AND m.month = %3$L AND c.away AND c.rows = was.n
        AND m.state IN ('verified', 'dropped') AND m.verified_at IS NOT NULL)
    LIMIT 1
  $q$, name, name || '_next', first_day) INTO lost;
  IF lost IS NOT NULL THEN
    RAISE EXCEPTION 'readings of channel % in % are in no verified archive',
      lost, to_char(first_day, 'YYYY-MM') USING ERRCODE = '23514';
  END IF;
  LOCK TABLE ONLY telemetry_reading IN ACCESS EXCLUSIVE MODE;
  PERFORM set_config('warmgrid.replaced_partition', name, true);
  EXECUTE format('ALTER TABLE telemetry_reading DETACH PARTITION %I', name);
  EXECUTE format('DROP TABLE %I', name);
  EXECUTE format('ALTER TABLE %I RENAME TO %I', name || '_next', name);
  EXECUTE format('CREATE TRIGGER never_emptied BEFORE TRUNCATE ON %I
    FOR EACH STATEMENT EXECUTE FUNCTION telemetry_never_emptied()', name);
  EXECUTE format(
    'ALTER TABLE telemetry_reading ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
    name,
    to_char(first_day, 'YYYY-MM-DD') || ' 00:00:00+00',
    to_char(next_month, 'YYYY-MM-DD') || ' 00:00:00+00'
  );
  PERFORM set_config('warmgrid.replaced_partition', '', true);
END $$;
"""

# Only a superuser can watch DROP TABLE. Elsewhere the owner of the database could still drop a
# partition by hand; the application itself goes through telemetry_replace_partition.
NEVER_DROPPED = """
CREATE FUNCTION telemetry_never_dropped() RETURNS event_trigger LANGUAGE plpgsql AS $$
DECLARE gone record;
BEGIN
  FOR gone IN SELECT * FROM pg_event_trigger_dropped_objects() LOOP
    IF gone.object_type = 'table' AND gone.object_name ~ '^telemetry_reading_[0-9]{6}$'
      AND gone.object_name <> coalesce(current_setting('warmgrid.replaced_partition', true), '')
    THEN
      RAISE EXCEPTION '% holds readings that are in no verified archive', gone.object_name
        USING ERRCODE = '23514';
    END IF;
  END LOOP;
END $$;
DO $$
BEGIN
  IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
    CREATE EVENT TRIGGER telemetry_never_dropped ON sql_drop
      EXECUTE FUNCTION telemetry_never_dropped();
  END IF;
END $$;
"""
DROPPED = """
DROP EVENT TRIGGER IF EXISTS telemetry_never_dropped;
DROP FUNCTION telemetry_never_dropped();
"""

NEVER_REWRITTEN = """
CREATE FUNCTION telemetry_archive_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE may_change text[] := '{state,dropped_at,reopened_at,checked_at,late,problem}';
BEGIN
  IF OLD.verified_at IS NOT NULL
    AND (TG_OP = 'DELETE' OR to_jsonb(NEW) - may_change <> to_jsonb(OLD) - may_change) THEN
    RAISE EXCEPTION 'a verified archive is never changed or deleted' USING ERRCODE = '23514';
  END IF;
  RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE TRIGGER is_kept BEFORE UPDATE OR DELETE ON telemetry_archivedmonth
  FOR EACH ROW EXECUTE FUNCTION telemetry_archive_is_kept();
CREATE FUNCTION telemetry_archived_channel_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE may_change text[] := '{away,leaving_since,recalled_at,late}';
BEGIN
  IF EXISTS (SELECT FROM telemetry_archivedmonth m
      WHERE m.id = OLD.archive_id AND m.verified_at IS NOT NULL)
    AND (TG_OP = 'DELETE' OR to_jsonb(NEW) - may_change <> to_jsonb(OLD) - may_change) THEN
    RAISE EXCEPTION 'a verified archive is never changed or deleted' USING ERRCODE = '23514';
  END IF;
  RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE TRIGGER is_kept BEFORE UPDATE OR DELETE ON telemetry_archivedchannel
  FOR EACH ROW EXECUTE FUNCTION telemetry_archived_channel_is_kept();
"""
REWRITTEN = """
DROP FUNCTION telemetry_archived_channel_is_kept() CASCADE;
DROP FUNCTION telemetry_archive_is_kept() CASCADE;
"""


class Migration(migrations.Migration):
    dependencies = [("telemetry", "0026_archive")]

    operations = [
        migrations.RunSQL(NEVER_EMPTIED, EMPTIED),
        migrations.RunSQL(PARTITION, OLD_PARTITION),
        migrations.RunSQL(REPLACE, "DROP FUNCTION telemetry_replace_partition(date);"),
        migrations.RunSQL(NEVER_DROPPED, DROPPED),
        migrations.RunSQL(NEVER_REWRITTEN, REWRITTEN),
    ]
