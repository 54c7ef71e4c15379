from django.db import migrations

# Strangers check what was issued: it ends, it is never edited.
KEPT = """
CREATE FUNCTION telemetry_statement_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.issued_at IS NULL THEN
    RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
  END IF;
  IF TG_OP = 'DELETE' THEN
    RAISE EXCEPTION 'statement % was issued and is never deleted', OLD.number
      USING ERRCODE = '23514';
  END IF;
  IF (to_jsonb(NEW) - '{state,ended_at,ended_reason,checked_at,mailed_at}'::text[])
    IS DISTINCT FROM (to_jsonb(OLD) - '{state,ended_at,ended_reason,checked_at,mailed_at}'::text[])
    OR (OLD.state <> 'issued' AND (to_jsonb(NEW) - 'mailed_at')
      IS DISTINCT FROM (to_jsonb(OLD) - 'mailed_at'))
    OR NEW.state NOT IN ('issued', 'superseded', 'revoked') THEN
    RAISE EXCEPTION 'statement % was issued: it ends, it is never edited', OLD.number
      USING ERRCODE = '23514';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER kept BEFORE UPDATE OR DELETE ON telemetry_statement
  FOR EACH ROW EXECUTE FUNCTION telemetry_statement_kept();

CREATE FUNCTION telemetry_statement_input_kept() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE its_number text;
BEGIN
  SELECT number INTO its_number FROM telemetry_statement
    WHERE id = CASE WHEN TG_OP = 'INSERT' THEN NEW.statement_id ELSE OLD.statement_id END
      AND issued_at IS NOT NULL;
  IF FOUND THEN
    RAISE EXCEPTION 'what statement % rests on is kept as it was', its_number
      USING ERRCODE = '23514';
  END IF;
  RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE TRIGGER kept BEFORE INSERT OR UPDATE OR DELETE ON telemetry_statementinput
  FOR EACH ROW EXECUTE FUNCTION telemetry_statement_input_kept();

CREATE FUNCTION telemetry_issuer_key_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' OR NEW.public <> OLD.public OR NEW.number <> OLD.number
    OR NEW.operator_id <> OLD.operator_id
    OR (OLD.retired_at IS NOT NULL AND NEW.retired_at IS DISTINCT FROM OLD.retired_at)
    OR (OLD.compromised_at IS NOT NULL AND NEW.compromised_at IS DISTINCT FROM OLD.compromised_at)
  THEN
    RAISE EXCEPTION 'a key is retired, never edited or deleted' USING ERRCODE = '23514';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER kept BEFORE UPDATE OR DELETE ON telemetry_issuerkey
  FOR EACH ROW EXECUTE FUNCTION telemetry_issuer_key_kept();
"""
NOT_KEPT = """
DROP TRIGGER kept ON telemetry_issuerkey;
DROP FUNCTION telemetry_issuer_key_kept();
DROP TRIGGER kept ON telemetry_statementinput;
DROP FUNCTION telemetry_statement_input_kept();
DROP TRIGGER kept ON telemetry_statement;
DROP FUNCTION telemetry_statement_kept();
"""


class Migration(migrations.Migration):
    dependencies = [("telemetry", "0014_statements")]

    operations = [migrations.RunSQL(KEPT, NOT_KEPT)]
