"""
TRUNCATE fires no row trigger, so that tables whose rows are kept refuse it by one of their own.
"""

from django.db import migrations

# The setting is for the test suite, which starts over; only its connections have it.
NEVER_EMPTIED = """
CREATE FUNCTION sites_never_emptied() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF coalesce(current_setting('warmgrid.may_empty', true), '') <> 'yes' THEN
    RAISE EXCEPTION '% is never emptied', TG_TABLE_NAME USING ERRCODE = '23514';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON sites_auditentry
  FOR EACH STATEMENT EXECUTE FUNCTION sites_never_emptied();
"""


class Migration(migrations.Migration):
    dependencies = [("sites", "0006_public_consent")]

    operations = [
        migrations.RunSQL(NEVER_EMPTIED, "DROP FUNCTION sites_never_emptied() CASCADE;"),
    ]
