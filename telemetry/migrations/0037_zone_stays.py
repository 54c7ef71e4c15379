"""
Readings are rolled up by the local days of their site, so that its zone stays once there are some.
"""

from django.db import migrations

KEPT = """
CREATE FUNCTION telemetry_zone_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (
    SELECT FROM telemetry_channel c WHERE c.site_id = NEW.id
      AND EXISTS (SELECT FROM telemetry_reading r WHERE r.channel_id = c.id)
  ) THEN
    RAISE EXCEPTION 'the timezone of a site with readings stays' USING ERRCODE = '23514';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER zone_stays BEFORE UPDATE OF timezone ON sites_site FOR EACH ROW
  WHEN (OLD.timezone IS DISTINCT FROM NEW.timezone) EXECUTE FUNCTION telemetry_zone_stays();
"""


class Migration(migrations.Migration):
    dependencies = [("telemetry", "0036_work_in_agreed_hours"), ("sites", "0007_never_emptied")]

    operations = [migrations.RunSQL(KEPT, "DROP FUNCTION telemetry_zone_stays() CASCADE;")]
