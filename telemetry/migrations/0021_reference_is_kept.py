from django.db import migrations

# Others rely on what was reported with these rows: they are superseded, never edited.
KEPT = """
CREATE FUNCTION telemetry_kpi_rule_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' OR OLD.superseded_at IS NOT NULL
    OR (to_jsonb(NEW) - 'superseded_at') IS DISTINCT FROM (to_jsonb(OLD) - 'superseded_at') THEN
    RAISE EXCEPTION 'a rule is superseded, never edited' USING ERRCODE = '23514';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER kept BEFORE UPDATE OR DELETE ON telemetry_kpirule
  FOR EACH ROW EXECUTE FUNCTION telemetry_kpi_rule_kept();

CREATE FUNCTION telemetry_reporting_year_kept() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE other telemetry_reportingyear;
BEGIN
  IF TG_OP <> 'INSERT' THEN
    RAISE EXCEPTION 'a reported year is restated by another row, never edited'
      USING ERRCODE = '23514';
  END IF;
  IF NEW.replaces_id IS NOT NULL THEN
    SELECT * INTO other FROM telemetry_reportingyear WHERE id = NEW.replaces_id;
    IF other.operator_id <> NEW.operator_id OR other.year <> NEW.year THEN
      RAISE EXCEPTION 'a restatement is of the same operator and year'
        USING ERRCODE = '23514', CONSTRAINT = 'a_restatement_is_of_its_own_year';
    END IF;
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER kept BEFORE INSERT OR UPDATE OR DELETE ON telemetry_reportingyear
  FOR EACH ROW EXECUTE FUNCTION telemetry_reporting_year_kept();
"""
NOT_KEPT = """
DROP TRIGGER kept ON telemetry_reportingyear; DROP FUNCTION telemetry_reporting_year_kept();
DROP TRIGGER kept ON telemetry_kpirule; DROP FUNCTION telemetry_kpi_rule_kept();
"""
# Factors that were loaded before say in words how far they reach.
REACH = """
ALTER TABLE telemetry_emissionfactor DISABLE TRIGGER USER;
UPDATE telemetry_emissionfactor SET extent = 'life_cycle' WHERE basis LIKE '%life cycle%';
UPDATE telemetry_emissionfactor SET gas = 'co2' WHERE basis NOT LIKE '%CO2e%';
UPDATE telemetry_emissionfactor SET published = kg_per_kwh || ' kg/kWh';
ALTER TABLE telemetry_emissionfactor ENABLE TRIGGER USER;
"""


class Migration(migrations.Migration):
    dependencies = [("telemetry", "0020_reference_data")]

    operations = [
        migrations.RunSQL(KEPT, NOT_KEPT),
        migrations.RunSQL(REACH, migrations.RunSQL.noop),
    ]
