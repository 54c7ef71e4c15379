from django.conf import settings
from django.db import migrations, models
from django.db.models.functions import Length
from django.db.models.lookups import GreaterThan

from telemetry.domain.secrets import hidden, shown

PURPOSE = "radio key"


def encrypt(apps, schema_editor):
    for meter in apps.get_model("telemetry", "Meter").objects.exclude(radio_key=None):
        meter.radio_key = hidden(bytes(meter.radio_key), under=settings.SECRET_KEY, purpose=PURPOSE)
        meter.save(update_fields=["radio_key"])


def decrypt(apps, schema_editor):
    for meter in apps.get_model("telemetry", "Meter").objects.exclude(radio_key=None):
        meter.radio_key = shown(bytes(meter.radio_key), under=settings.SECRET_KEY, purpose=PURPOSE)
        meter.save(update_fields=["radio_key"])


class Migration(migrations.Migration):
    dependencies = [("telemetry", "0030_month_figures")]

    operations = [
        migrations.RunPython(encrypt, decrypt),
        # An update leaves events that the next statement on the table would trip over.
        migrations.RunSQL("SET CONSTRAINTS ALL IMMEDIATE", migrations.RunSQL.noop),
        migrations.AddConstraint(
            model_name="meter",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("radio_key__isnull", True),
                    GreaterThan(Length("radio_key"), 16),
                    _connector="OR",
                ),
                name="a_radio_key_is_kept_encrypted",
            ),
        ),
    ]
