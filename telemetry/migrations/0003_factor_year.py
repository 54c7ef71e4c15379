import django.contrib.postgres.constraints
import django.contrib.postgres.fields.ranges
from django.db import migrations, models
from django.db.models import Q

# What a factor says never changes; the only thing that may happen to it is that it is superseded,
# once.
NEVER_EDITED = """
CREATE FUNCTION telemetry_factor_never_edited() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.superseded_at IS NOT NULL OR NEW.superseded_at IS NULL
    OR (to_jsonb(NEW) - 'superseded_at') IS DISTINCT FROM (to_jsonb(OLD) - 'superseded_at') THEN
    RAISE EXCEPTION 'an emission factor is superseded, never edited' USING ERRCODE = '23514';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER never_edited BEFORE UPDATE ON telemetry_emissionfactor
  FOR EACH ROW EXECUTE FUNCTION telemetry_factor_never_edited();
"""


class Migration(migrations.Migration):
    dependencies = [("telemetry", "0002_readings")]

    operations = [
        migrations.AddField(
            model_name="emissionfactor",
            name="data_year",
            # The table is filled by an operation that comes with this column.
            field=models.PositiveSmallIntegerField(default=0),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="emissionfactor",
            name="superseded_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.RemoveConstraint(
            model_name="emissionfactor", name="one_factor_per_carrier_region_and_day"
        ),
        migrations.AddConstraint(
            model_name="emissionfactor",
            constraint=django.contrib.postgres.constraints.ExclusionConstraint(
                name="one_factor_per_carrier_region_and_day",
                condition=Q(superseded_at__isnull=True),
                expressions=[
                    ("carrier", django.contrib.postgres.fields.ranges.RangeOperators.EQUAL),
                    ("region", django.contrib.postgres.fields.ranges.RangeOperators.EQUAL),
                    ("valid", django.contrib.postgres.fields.ranges.RangeOperators.OVERLAPS),
                ],
            ),
        ),
        migrations.RunSQL(
            NEVER_EDITED,
            "DROP TRIGGER never_edited ON telemetry_emissionfactor;"
            "DROP FUNCTION telemetry_factor_never_edited();",
        ),
    ]
