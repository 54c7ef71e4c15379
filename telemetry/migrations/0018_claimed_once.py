from django.db import migrations

# Whoever allocates of a lot, or claims of one thing, takes turns with the others and counts what
# they committed: no total is ever exceeded, however many do it at once.
CLAIMED_ONCE = """
CREATE FUNCTION telemetry_allocation_fits() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE lot telemetry_attributelot; used numeric; its_operator bigint;
BEGIN
  IF TG_OP = 'DELETE' OR (TG_OP = 'UPDATE' AND (OLD.ended_at IS NOT NULL
    OR (to_jsonb(NEW) - 'ended_at') IS DISTINCT FROM (to_jsonb(OLD) - 'ended_at'))) THEN
    RAISE EXCEPTION 'an allocation is ended, never edited' USING ERRCODE = '23514';
  END IF;
  IF NEW.ended_at IS NOT NULL THEN
    RETURN NEW;
  END IF;
  SELECT * INTO lot FROM telemetry_attributelot WHERE id = NEW.lot_id FOR UPDATE;
  IF lot.kind IN ('go', 'rego', 'ppa') AND lot.cancelled_on IS NULL THEN
    RAISE EXCEPTION 'lot % is not cancelled', lot.registry_id
      USING ERRCODE = '23514', CONSTRAINT = 'only_cancelled_lots_are_allocated';
  END IF;
  IF NOT lot.produced && daterange(NEW.month, (NEW.month + interval '1 month')::date) THEN
    RAISE EXCEPTION 'lot % was not produced in %', lot.registry_id, to_char(NEW.month, 'YYYY-MM')
      USING ERRCODE = '23514', CONSTRAINT = 'a_lot_counts_in_its_own_months';
  END IF;
  SELECT operator_id INTO its_operator FROM sites_site WHERE id = NEW.site_id;
  IF its_operator <> lot.operator_id THEN
    RAISE EXCEPTION 'lot % belongs to another operator', lot.registry_id
      USING ERRCODE = '23514', CONSTRAINT = 'a_lot_is_used_by_its_owner';
  END IF;
  IF NEW.service_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM sites_hostingservice
    WHERE id = NEW.service_id AND site_id = NEW.site_id) THEN
    RAISE EXCEPTION 'the service is at another site'
      USING ERRCODE = '23514', CONSTRAINT = 'an_allocation_names_a_service_of_its_site';
  END IF;
  SELECT coalesce(sum(kwh), 0) INTO used FROM telemetry_attributeallocation
    WHERE lot_id = NEW.lot_id AND ended_at IS NULL AND id IS DISTINCT FROM NEW.id;
  IF used + NEW.kwh > lot.kwh THEN
    RAISE EXCEPTION 'lot % has % kWh left', lot.registry_id, lot.kwh - used
      USING ERRCODE = '23514', CONSTRAINT = 'a_lot_is_used_once';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER fits BEFORE INSERT OR UPDATE OR DELETE ON telemetry_attributeallocation
  FOR EACH ROW EXECUTE FUNCTION telemetry_allocation_fits();

CREATE FUNCTION telemetry_lot_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' OR (OLD.cancelled_on IS NOT NULL AND NEW IS DISTINCT FROM OLD)
    OR (to_jsonb(NEW) - '{cancelled_on,proof_reference}'::text[])
      IS DISTINCT FROM (to_jsonb(OLD) - '{cancelled_on,proof_reference}'::text[]) THEN
    RAISE EXCEPTION 'a lot is cancelled once, never edited' USING ERRCODE = '23514';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER kept BEFORE UPDATE OR DELETE ON telemetry_attributelot
  FOR EACH ROW EXECUTE FUNCTION telemetry_lot_kept();

CREATE FUNCTION telemetry_claim_fits() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE held numeric;
BEGIN
  IF TG_OP = 'DELETE' OR (TG_OP = 'UPDATE' AND (OLD.ended_at IS NOT NULL
    OR (to_jsonb(NEW) - 'ended_at') IS DISTINCT FROM (to_jsonb(OLD) - 'ended_at'))) THEN
    RAISE EXCEPTION 'a claim is ended, never edited' USING ERRCODE = '23514';
  END IF;
  IF NEW.ended_at IS NOT NULL THEN
    RETURN NEW;
  END IF;
  -- The site's row is the queue: a claim of displaced heat has no row of its own to lock.
  PERFORM 1 FROM sites_site WHERE id = NEW.site_id FOR NO KEY UPDATE;
  SELECT coalesce(sum(share), 0) INTO held FROM telemetry_claim
    WHERE site_id = NEW.site_id AND month = NEW.month AND lot_id IS NOT DISTINCT FROM NEW.lot_id
      AND ended_at IS NULL AND id IS DISTINCT FROM NEW.id;
  IF held + NEW.share > 1 THEN
    RAISE EXCEPTION 'a share of % is left', 1 - held
      USING ERRCODE = '23514', CONSTRAINT = 'nothing_is_claimed_twice';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER fits BEFORE INSERT OR UPDATE OR DELETE ON telemetry_claim
  FOR EACH ROW EXECUTE FUNCTION telemetry_claim_fits();

CREATE FUNCTION telemetry_counterfactual_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' OR OLD.superseded_at IS NOT NULL
    OR (to_jsonb(NEW) - 'superseded_at') IS DISTINCT FROM (to_jsonb(OLD) - 'superseded_at') THEN
    RAISE EXCEPTION 'a counterfactual is superseded, never edited' USING ERRCODE = '23514';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER kept BEFORE UPDATE OR DELETE ON telemetry_counterfactual
  FOR EACH ROW EXECUTE FUNCTION telemetry_counterfactual_kept();

CREATE FUNCTION telemetry_factor_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' OR OLD.superseded_at IS NOT NULL
    OR (to_jsonb(NEW) - 'superseded_at') IS DISTINCT FROM (to_jsonb(OLD) - 'superseded_at') THEN
    RAISE EXCEPTION 'an emission factor is superseded, never edited' USING ERRCODE = '23514';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER kept BEFORE UPDATE OR DELETE ON telemetry_emissionfactor
  FOR EACH ROW EXECUTE FUNCTION telemetry_factor_kept();
"""
NOT_KEPT = """
DROP TRIGGER kept ON telemetry_emissionfactor; DROP FUNCTION telemetry_factor_kept();
DROP TRIGGER kept ON telemetry_counterfactual; DROP FUNCTION telemetry_counterfactual_kept();
DROP TRIGGER fits ON telemetry_claim; DROP FUNCTION telemetry_claim_fits();
DROP TRIGGER kept ON telemetry_attributelot; DROP FUNCTION telemetry_lot_kept();
DROP TRIGGER fits ON telemetry_attributeallocation; DROP FUNCTION telemetry_allocation_fits();
"""


class Migration(migrations.Migration):
    dependencies = [("telemetry", "0017_energy_attributes"), ("sites", "0006_public_consent")]

    operations = [migrations.RunSQL(CLAIMED_ONCE, NOT_KEPT)]
