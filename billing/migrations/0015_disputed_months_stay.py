"""
A month with a line in dispute is not sealed: somebody may still look closely at its readings.
"""

from django.db import migrations

RULE = """
CREATE FUNCTION billing_no_line_in_dispute() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM billing_dispute d
    JOIN billing_invoiceline l ON l.id = d.line_id
    JOIN billing_invoice i ON i.id = l.invoice_id
    JOIN billing_contract c ON c.id = i.contract_id
    WHERE c.site_id = NEW.site_id AND d.decided_at IS NULL
      AND l.service && tstzrange(NEW.month::timestamp AT TIME ZONE 'UTC',
        (NEW.month + interval '1 month')::timestamp AT TIME ZONE 'UTC');
  IF FOUND THEN
    RAISE EXCEPTION 'a line of % is in dispute', to_char(NEW.month, 'YYYY-MM')
      USING ERRCODE = '23514', CONSTRAINT = 'no_line_of_the_month_is_in_dispute';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER no_line_in_dispute BEFORE INSERT ON telemetry_archivedmonth
  FOR EACH ROW EXECUTE FUNCTION billing_no_line_in_dispute();
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0014_terms_state_their_figures"), ("telemetry", "0027_archive_rules")]

    operations = [
        migrations.RunSQL(RULE, "DROP FUNCTION billing_no_line_in_dispute() CASCADE;"),
    ]
