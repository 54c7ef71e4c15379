"""
Rules of money that a model constraint cannot express: local days tied to instants, rounding,
and the freezing of issued documents.
"""

from django.db import migrations

PERIOD_BOUNDS = """
ALTER TABLE billing_billingperiod ADD CONSTRAINT instants_are_the_local_midnights CHECK (
  instants = tstzrange(
    lower(local_days)::timestamp AT TIME ZONE timezone,
    upper(local_days)::timestamp AT TIME ZONE timezone, '[)')
);
"""

LINE_ROUNDING = """
ALTER TABLE billing_invoiceline ADD CONSTRAINT net_is_quantity_times_price_rounded_once CHECK (
  net = round(quantity * unit_price, 2)
);
ALTER TABLE billing_invoicevat ADD CONSTRAINT tax_is_rate_of_base_rounded_once CHECK (
  tax = round(base * rate / 100, 2)
);
"""

# BEFORE triggers also refuse what arrives from psql. Lines may not be added to an issued
# document either.
FROZEN = """
CREATE FUNCTION billing_frozen_invoice() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.status = 'issued' THEN
    RAISE EXCEPTION 'invoice % is issued and immutable', OLD.number USING ERRCODE = '23514';
  END IF;
  RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE TRIGGER frozen BEFORE UPDATE OR DELETE ON billing_invoice
  FOR EACH ROW EXECUTE FUNCTION billing_frozen_invoice();

CREATE FUNCTION billing_frozen_part() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE its_invoice bigint; its_line bigint; its_number text;
BEGIN
  IF TG_TABLE_NAME IN ('billing_invoiceline', 'billing_invoicevat') THEN
    its_invoice := CASE WHEN TG_OP = 'INSERT' THEN NEW.invoice_id ELSE OLD.invoice_id END;
  ELSE
    its_line := CASE WHEN TG_OP = 'INSERT' THEN NEW.line_id ELSE OLD.line_id END;
    SELECT invoice_id INTO its_invoice FROM billing_invoiceline WHERE id = its_line;
  END IF;
  SELECT number INTO its_number FROM billing_invoice WHERE id = its_invoice AND status = 'issued';
  IF FOUND THEN
    RAISE EXCEPTION '% of issued invoice % is immutable', TG_TABLE_NAME, its_number
      USING ERRCODE = '23514';
  END IF;
  RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE TRIGGER frozen BEFORE INSERT OR UPDATE OR DELETE ON billing_invoiceline
  FOR EACH ROW EXECUTE FUNCTION billing_frozen_part();
CREATE TRIGGER frozen BEFORE INSERT OR UPDATE OR DELETE ON billing_invoicevat
  FOR EACH ROW EXECUTE FUNCTION billing_frozen_part();
CREATE TRIGGER frozen BEFORE INSERT OR UPDATE OR DELETE ON billing_lineevidence
  FOR EACH ROW EXECUTE FUNCTION billing_frozen_part();
CREATE TRIGGER frozen BEFORE INSERT OR UPDATE OR DELETE ON billing_billedinterval
  FOR EACH ROW EXECUTE FUNCTION billing_frozen_part();
CREATE TRIGGER frozen BEFORE UPDATE OR DELETE ON billing_invoicedocument
  FOR EACH ROW EXECUTE FUNCTION sites_append_only();
"""

# An ON DELETE CASCADE is carried out by Django, not the database, so a draft's parts go first.
TERMS_KEPT = """
CREATE FUNCTION billing_terms_in_use() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (OLD.model, OLD.contracted_kw, OLD.price_per_kw, OLD.price_per_kwh, OLD.vat_rate,
      OLD.vat_category, OLD.metering_point_id, OLD.version, lower(OLD.valid))
     IS DISTINCT FROM
     (NEW.model, NEW.contracted_kw, NEW.price_per_kw, NEW.price_per_kwh, NEW.vat_rate,
      NEW.vat_category, NEW.metering_point_id, NEW.version, lower(NEW.valid))
     AND EXISTS (SELECT 1 FROM billing_invoiceline WHERE terms_id = OLD.id) THEN
    RAISE EXCEPTION 'terms % were billed; agree new terms instead', OLD.id
      USING ERRCODE = '23514';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER terms_in_use BEFORE UPDATE ON billing_terms
  FOR EACH ROW EXECUTE FUNCTION billing_terms_in_use();
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0002_invoice_relations"), ("sites", "0002_rules")]

    operations = [
        migrations.RunSQL(
            PERIOD_BOUNDS,
            "ALTER TABLE billing_billingperiod DROP CONSTRAINT instants_are_the_local_midnights;",
        ),
        migrations.RunSQL(
            LINE_ROUNDING,
            "ALTER TABLE billing_invoiceline"
            " DROP CONSTRAINT net_is_quantity_times_price_rounded_once;"
            "ALTER TABLE billing_invoicevat DROP CONSTRAINT tax_is_rate_of_base_rounded_once;",
        ),
        migrations.RunSQL(
            FROZEN,
            "DROP TRIGGER frozen ON billing_invoicedocument;"
            "DROP TRIGGER frozen ON billing_billedinterval;"
            "DROP TRIGGER frozen ON billing_lineevidence;"
            "DROP TRIGGER frozen ON billing_invoicevat;"
            "DROP TRIGGER frozen ON billing_invoiceline;"
            "DROP TRIGGER frozen ON billing_invoice;"
            "DROP FUNCTION billing_frozen_part(); DROP FUNCTION billing_frozen_invoice();",
        ),
        migrations.RunSQL(
            TERMS_KEPT,
            "DROP TRIGGER terms_in_use ON billing_terms; DROP FUNCTION billing_terms_in_use();",
        ),
    ]
