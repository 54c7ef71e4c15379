"""
Invitations are sent once and are open once per address; an organisation keeps an administrator.
"""

from django.db import migrations, models
from django.db.models.functions import Lower

KEEPS_AN_ADMINISTRATOR = """
CREATE FUNCTION sites_keeps_an_administrator() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.role = 'admin' AND (
    TG_OP = 'DELETE' OR NEW.role <> 'admin' OR NEW.stakeholder_id <> OLD.stakeholder_id
  ) THEN
    -- Two administrators who remove each other at the same moment take turns here.
    PERFORM 1 FROM sites_stakeholder WHERE id = OLD.stakeholder_id FOR NO KEY UPDATE;
    PERFORM 1 FROM sites_membership
      WHERE stakeholder_id = OLD.stakeholder_id AND role = 'admin' AND id <> OLD.id;
    IF NOT FOUND THEN
      RAISE EXCEPTION 'the last administrator of stakeholder % stays', OLD.stakeholder_id
        USING ERRCODE = '23514';
    END IF;
  END IF;
  IF TG_OP = 'DELETE' THEN
    RETURN OLD;
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER keeps_an_administrator BEFORE UPDATE OR DELETE ON sites_membership
  FOR EACH ROW EXECUTE FUNCTION sites_keeps_an_administrator();
"""


class Migration(migrations.Migration):
    dependencies = [("sites", "0002_rules")]

    operations = [
        migrations.AddField(
            model_name="invitation",
            name="sent_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddConstraint(
            model_name="invitation",
            constraint=models.UniqueConstraint(
                models.F("stakeholder"),
                Lower("email"),
                condition=models.Q(("accepted_at__isnull", True)),
                name="one_open_invitation_per_address_and_stakeholder",
            ),
        ),
        migrations.RunSQL(
            KEEPS_AN_ADMINISTRATOR,
            "DROP TRIGGER keeps_an_administrator ON sites_membership;"
            "DROP FUNCTION sites_keeps_an_administrator();",
        ),
    ]
