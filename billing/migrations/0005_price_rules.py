"""
What prices follow is never changed in place: a revision is a new row, an agreed baseline is frozen,
and the particulars of billed terms are frozen with their figures.
"""

from django.db import migrations

KEPT = """
CREATE TRIGGER frozen BEFORE UPDATE OR DELETE ON billing_indexvalue
  FOR EACH ROW EXECUTE FUNCTION sites_append_only();
CREATE TRIGGER frozen BEFORE UPDATE OR DELETE ON billing_monthlyfigure
  FOR EACH ROW EXECUTE FUNCTION sites_append_only();

CREATE FUNCTION billing_agreed_baseline() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.agreed_on IS NOT NULL THEN
    RAISE EXCEPTION 'baseline % is agreed and frozen', OLD.id USING ERRCODE = '23514';
  END IF;
  RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE TRIGGER frozen BEFORE UPDATE OR DELETE ON billing_baseline
  FOR EACH ROW EXECUTE FUNCTION billing_agreed_baseline();
"""

# A correction takes the tax on all that is billed now less what was taxed before, which may be a
# cent from the tax on its own base; everything else is exact, and so are the sums.
ISSUE = """
ALTER TABLE billing_invoicevat DROP CONSTRAINT tax_is_rate_of_base_rounded_once;
ALTER TABLE billing_invoicevat ADD CONSTRAINT tax_is_within_a_cent_of_rate_times_base CHECK (
  abs(tax - base * rate / 100) <= 0.01
);
CREATE FUNCTION billing_sums_at_issue() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (
    SELECT 1 FROM (
      SELECT vat_category AS category, vat_rate AS rate, sum(net) AS base
      FROM billing_invoiceline WHERE invoice_id = NEW.id GROUP BY 1, 2
    ) l FULL JOIN (
      SELECT category, rate, base, tax FROM billing_invoicevat WHERE invoice_id = NEW.id
    ) v USING (category, rate)
    WHERE l.base IS DISTINCT FROM v.base
      OR (NEW.corrects_id IS NULL AND v.tax <> round(v.base * rate / 100, 2))
  ) OR EXISTS (
    SELECT 1 FROM (
      SELECT coalesce(sum(base), 0) AS net, coalesce(sum(tax), 0) AS vat
      FROM billing_invoicevat WHERE invoice_id = NEW.id
    ) v WHERE v.net <> NEW.net OR v.vat <> NEW.vat
  ) THEN
    RAISE EXCEPTION 'lines, VAT and sums of invoice % disagree', NEW.id USING ERRCODE = '23514';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER sums_at_issue BEFORE UPDATE ON billing_invoice FOR EACH ROW
  WHEN (NEW.status = 'issued' AND OLD.status <> 'issued')
  EXECUTE FUNCTION billing_sums_at_issue();
"""
NO_ISSUE = """
DROP TRIGGER sums_at_issue ON billing_invoice;
DROP FUNCTION billing_sums_at_issue();
ALTER TABLE billing_invoicevat DROP CONSTRAINT tax_is_within_a_cent_of_rate_times_base;
ALTER TABLE billing_invoicevat ADD CONSTRAINT tax_is_rate_of_base_rounded_once CHECK (
  tax = round(base * rate / 100, 2)
);
"""

TERMS_KEPT = """
CREATE OR REPLACE FUNCTION billing_terms_in_use() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (OLD.model, OLD.contracted_kw, OLD.price_per_kw, OLD.price_per_kwh, OLD.vat_rate,
      OLD.vat_category, OLD.metering_point_id, OLD.version, lower(OLD.valid){more_old})
     IS DISTINCT FROM
     (NEW.model, NEW.contracted_kw, NEW.price_per_kw, NEW.price_per_kwh, NEW.vat_rate,
      NEW.vat_category, NEW.metering_point_id, NEW.version, lower(NEW.valid){more_new})
     AND EXISTS (SELECT 1 FROM billing_invoiceline WHERE terms_id = OLD.id) THEN
    RAISE EXCEPTION 'terms % were billed; agree new terms instead', OLD.id
      USING ERRCODE = '23514';
  END IF;
  RETURN NEW;
END $$;
"""
MORE = {
    "more_old": ", OLD.details, OLD.baseline_id",
    "more_new": ", NEW.details, NEW.baseline_id",
}


def _filled(more: dict[str, str]) -> str:
    found = TERMS_KEPT
    for name in MORE:
        found = found.replace(f"{{{name}}}", more.get(name, ""))
    return found


class Migration(migrations.Migration):
    dependencies = [("billing", "0004_prices"), ("sites", "0002_rules")]

    operations = [
        migrations.RunSQL(
            KEPT,
            "DROP TRIGGER frozen ON billing_baseline; DROP FUNCTION billing_agreed_baseline();"
            "DROP TRIGGER frozen ON billing_monthlyfigure;"
            "DROP TRIGGER frozen ON billing_indexvalue;",
        ),
        migrations.RunSQL(ISSUE, NO_ISSUE),
        migrations.RunSQL(_filled(MORE), _filled({})),
    ]
