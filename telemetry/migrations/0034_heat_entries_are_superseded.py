import django.db.models.deletion
from django.db import migrations, models

# The key of an entry is delivery point, instant and version from here on.
KEY = """
ALTER TABLE telemetry_heatentry DROP CONSTRAINT telemetry_heatentry_pkey;
ALTER TABLE telemetry_heatentry ADD PRIMARY KEY (delivery_point_id, start_at, version);
"""
# Back there is room for the entries in force alone.
KEY_BACK = """
DELETE FROM telemetry_heatentry WHERE superseded_at IS NOT NULL;
ALTER TABLE telemetry_heatentry DROP CONSTRAINT telemetry_heatentry_pkey;
ALTER TABLE telemetry_heatentry ADD PRIMARY KEY (delivery_point_id, start_at);
"""

# An entry is superseded, once, and never edited or deleted: a bill can name the version it used.
KEPT = """
CREATE TRIGGER never_rewritten BEFORE UPDATE ON telemetry_heatentry
  FOR EACH ROW EXECUTE FUNCTION telemetry_vee_never_rewritten();
CREATE TRIGGER kept BEFORE DELETE ON telemetry_heatentry
  FOR EACH ROW EXECUTE FUNCTION telemetry_history_is_kept();
"""
KEPT_NO_MORE = """
DROP TRIGGER kept ON telemetry_heatentry;
DROP TRIGGER never_rewritten ON telemetry_heatentry;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("sites", "0006_public_consent"),
        ("telemetry", "0033_rollups_without_a_second_index"),
    ]

    operations = [
        migrations.RemoveIndex(model_name="heatentry", name="rejected_heat"),
        migrations.AddField(
            model_name="heatentry",
            name="superseded_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AlterField(
            model_name="heatentry",
            name="channel",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="heat_entries",
                to="telemetry.channel",
            ),
        ),
        migrations.AlterField(
            model_name="heatentry",
            name="delivery_point",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="heat_entries",
                to="sites.deliverypoint",
            ),
        ),
        migrations.RunSQL(
            KEY,
            KEY_BACK,
            state_operations=[
                migrations.AlterField(
                    model_name="heatentry",
                    name="pk",
                    field=models.CompositePrimaryKey(
                        "delivery_point_id",
                        "start_at",
                        "version",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
            ],
        ),
        migrations.AddIndex(
            model_name="heatentry",
            index=models.Index(
                condition=models.Q(("mode", 2), ("superseded_at__isnull", True)),
                fields=["channel", "start_at"],
                name="rejected_heat",
            ),
        ),
        migrations.AddConstraint(
            model_name="heatentry",
            constraint=models.UniqueConstraint(
                condition=models.Q(("superseded_at__isnull", True)),
                fields=("delivery_point", "start_at"),
                name="one_heat_entry_in_force",
            ),
        ),
        migrations.AddConstraint(
            model_name="heatentry",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("superseded_at__isnull", True),
                    ("superseded_at__gte", models.F("computed_at")),
                    _connector="OR",
                ),
                name="a_heat_entry_ends_after_it_began",
            ),
        ),
        migrations.RunSQL(KEPT, KEPT_NO_MORE),
    ]
