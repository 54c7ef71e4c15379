from django.db import migrations

# Bills rest on both: a rule is superseded, an agreement ends; what they said stays.
NOT_EDITED = """
CREATE FUNCTION telemetry_calibration_rule_never_edited() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.superseded_at IS NOT NULL OR NEW.superseded_at IS NULL
    OR (to_jsonb(NEW) - 'superseded_at') IS DISTINCT FROM (to_jsonb(OLD) - 'superseded_at') THEN
    RAISE EXCEPTION 'a calibration rule is superseded, never edited' USING ERRCODE = '23514';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER never_edited BEFORE UPDATE ON telemetry_calibrationrule
  FOR EACH ROW EXECUTE FUNCTION telemetry_calibration_rule_never_edited();

CREATE FUNCTION telemetry_loss_policy_only_ends() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (to_jsonb(NEW) - 'valid') IS DISTINCT FROM (to_jsonb(OLD) - 'valid')
    OR lower(NEW.valid) IS DISTINCT FROM lower(OLD.valid) OR NOT NEW.valid <@ OLD.valid THEN
    RAISE EXCEPTION 'a loss policy ends, it is never edited' USING ERRCODE = '23514';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER only_ends BEFORE UPDATE ON telemetry_losspolicy
  FOR EACH ROW EXECUTE FUNCTION telemetry_loss_policy_only_ends();
"""
EDITED = """
DROP TRIGGER only_ends ON telemetry_losspolicy;
DROP FUNCTION telemetry_loss_policy_only_ends();
DROP TRIGGER never_edited ON telemetry_calibrationrule;
DROP FUNCTION telemetry_calibration_rule_never_edited();
"""


class Migration(migrations.Migration):
    dependencies = [("telemetry", "0007_column_mappings")]

    operations = [migrations.RunSQL(NOT_EDITED, EDITED)]
