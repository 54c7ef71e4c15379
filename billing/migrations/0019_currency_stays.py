"""
Prices are in the currency of the site, so that it stays once there are contracts.
"""

from django.db import migrations

KEPT = """
CREATE FUNCTION billing_currency_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM billing_contract c WHERE c.site_id = NEW.id) THEN
    RAISE EXCEPTION 'the currency of a site with contracts stays' USING ERRCODE = '23514';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER currency_stays BEFORE UPDATE OF currency ON sites_site FOR EACH ROW
  WHEN (OLD.currency IS DISTINCT FROM NEW.currency) EXECUTE FUNCTION billing_currency_stays();
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0018_held_bills_go_on"), ("sites", "0007_never_emptied")]

    operations = [migrations.RunSQL(KEPT, "DROP FUNCTION billing_currency_stays() CASCADE;")]
