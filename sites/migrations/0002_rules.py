"""
Rules of people and audit that a constraint on one row cannot express.
"""

from django.db import migrations

ROLE_FITS_KIND = """
CREATE FUNCTION sites_role_fits_kind() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE its_kind text;
BEGIN
  SELECT kind INTO its_kind FROM sites_stakeholder WHERE id = NEW.stakeholder_id;
  IF its_kind <> 'operator' AND NEW.role NOT IN ('admin', 'viewer') THEN
    RAISE EXCEPTION 'role % does not exist for a %', NEW.role, its_kind USING ERRCODE = '23514';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER role_fits_kind BEFORE INSERT OR UPDATE ON sites_membership
  FOR EACH ROW EXECUTE FUNCTION sites_role_fits_kind();
CREATE TRIGGER role_fits_kind BEFORE INSERT OR UPDATE ON sites_invitation
  FOR EACH ROW EXECUTE FUNCTION sites_role_fits_kind();
"""

SAME_OPERATOR = """
CREATE FUNCTION sites_customer_fits_site() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE customer bigint; wanted text;
BEGIN
  IF TG_TABLE_NAME = 'sites_deliverypoint' THEN
    customer := NEW.partner_id; wanted := 'partner';
  ELSE
    customer := NEW.tenant_id; wanted := 'tenant';
  END IF;
  PERFORM 1 FROM sites_stakeholder s JOIN sites_site p ON p.operator_id = s.operator_id
    WHERE s.id = customer AND p.id = NEW.site_id AND s.kind = wanted;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'customer % is not a % of the operator of site %',
      customer, wanted, NEW.site_id USING ERRCODE = '23514';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER customer_fits_site BEFORE INSERT OR UPDATE ON sites_deliverypoint
  FOR EACH ROW EXECUTE FUNCTION sites_customer_fits_site();
"""

SAME_OPERATOR_HOSTING = """
CREATE TRIGGER customer_fits_site BEFORE INSERT OR UPDATE ON sites_hostingservice
  FOR EACH ROW EXECUTE FUNCTION sites_customer_fits_site();
"""

APPEND_ONLY = """
CREATE FUNCTION sites_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% rows are never changed or deleted', TG_TABLE_NAME USING ERRCODE = '23514';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON sites_auditentry
  FOR EACH ROW EXECUTE FUNCTION sites_append_only();
"""


class Migration(migrations.Migration):
    dependencies = [("sites", "0001_initial")]

    operations = [
        migrations.RunSQL(
            ROLE_FITS_KIND,
            "DROP TRIGGER role_fits_kind ON sites_invitation;"
            "DROP TRIGGER role_fits_kind ON sites_membership;"
            "DROP FUNCTION sites_role_fits_kind();",
        ),
        migrations.RunSQL(
            SAME_OPERATOR + SAME_OPERATOR_HOSTING,
            "DROP TRIGGER customer_fits_site ON sites_hostingservice;"
            "DROP TRIGGER customer_fits_site ON sites_deliverypoint;"
            "DROP FUNCTION sites_customer_fits_site();",
        ),
        migrations.RunSQL(
            APPEND_ONLY,
            "DROP TRIGGER append_only ON sites_auditentry; DROP FUNCTION sites_append_only();",
        ),
    ]
