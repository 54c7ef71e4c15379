import django.contrib.postgres.constraints
import django.contrib.postgres.fields
import django.contrib.postgres.fields.ranges
import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.math
import django.db.models.lookups
from django.db import migrations, models

# The contract's metering point is one of the delivery point itself.
OWN_POINT = """
ALTER TABLE telemetry_meteringpoint
  ADD CONSTRAINT point_with_its_delivery UNIQUE (id, delivery_point_id);
ALTER TABLE telemetry_supplyterms ADD CONSTRAINT terms_measure_at_their_delivery
  FOREIGN KEY (metering_point_id, delivery_point_id)
  REFERENCES telemetry_meteringpoint (id, delivery_point_id);
"""
OWN_POINT_BACK = """
ALTER TABLE telemetry_supplyterms DROP CONSTRAINT terms_measure_at_their_delivery;
ALTER TABLE telemetry_meteringpoint DROP CONSTRAINT point_with_its_delivery;
"""

# Incidents, announced work and verifications decide what counts and what is excluded. Whoever
# writes them, the days they touch are looked at again.
TOUCHED = """
CREATE FUNCTION telemetry_heat_touched(site bigint, delivery bigint, touched tstzrange)
RETURNS void LANGUAGE sql AS $$
  INSERT INTO telemetry_heatdirty (delivery_point_id, span, marked_at)
  SELECT d.id, past.span, now()
  FROM sites_deliverypoint d, (SELECT touched * tstzrange(NULL, now()) AS span) past
  WHERE d.site_id = site AND (delivery IS NULL OR d.id = delivery) AND NOT isempty(past.span)
$$;

CREATE FUNCTION telemetry_heat_incident() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND OLD.part <> 'it' THEN
    PERFORM telemetry_heat_touched(OLD.site_id, OLD.delivery_point_id,
      tstzrange(OLD.started_at, OLD.ended_at));
  END IF;
  IF NEW.part <> 'it' THEN
    PERFORM telemetry_heat_touched(NEW.site_id, NEW.delivery_point_id,
      tstzrange(NEW.started_at, NEW.ended_at));
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER touches_heat AFTER INSERT OR UPDATE ON telemetry_incident
  FOR EACH ROW EXECUTE FUNCTION telemetry_heat_incident();

-- Planned time is what a month allows, so a change moves the whole months; the days on either
-- side are for the zones.
CREATE FUNCTION telemetry_months_of(span tstzrange) RETURNS tstzrange LANGUAGE sql STABLE AS $$
  SELECT tstzrange(date_trunc('month', lower(span)) - interval '1 day',
    date_trunc('month', upper(span)) + interval '1 month 1 day')
$$;
CREATE FUNCTION telemetry_heat_maintenance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND OLD.part <> 'it' THEN
    PERFORM telemetry_heat_touched(OLD.site_id, OLD.delivery_point_id,
      telemetry_months_of(OLD.span));
  END IF;
  IF NEW.part <> 'it' THEN
    PERFORM telemetry_heat_touched(NEW.site_id, NEW.delivery_point_id,
      telemetry_months_of(NEW.span));
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER touches_heat AFTER INSERT OR UPDATE ON telemetry_maintenancewindow
  FOR EACH ROW EXECUTE FUNCTION telemetry_heat_maintenance();

CREATE FUNCTION telemetry_heat_policy() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM telemetry_heat_touched(w.site_id, w.delivery_point_id, telemetry_months_of(w.span))
  FROM telemetry_maintenancewindow w WHERE w.site_id = NEW.site_id AND w.part <> 'it';
  RETURN NULL;
END $$;
CREATE TRIGGER touches_heat AFTER INSERT OR UPDATE ON telemetry_maintenancepolicy
  FOR EACH ROW EXECUTE FUNCTION telemetry_heat_policy();

CREATE FUNCTION telemetry_heat_meter() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM telemetry_heat_touched(p.site_id, p.delivery_point_id, i.valid * tstzrange(
    least(OLD.calibration_due, NEW.calibration_due)::timestamptz - interval '1 day', NULL))
  FROM telemetry_installation i JOIN telemetry_meteringpoint p ON p.id = i.point_id
  WHERE i.meter_id = NEW.id AND p.delivery_point_id IS NOT NULL;
  RETURN NULL;
END $$;
CREATE TRIGGER touches_heat AFTER UPDATE OF calibration_due ON telemetry_meter
  FOR EACH ROW WHEN (OLD.calibration_due IS DISTINCT FROM NEW.calibration_due)
  EXECUTE FUNCTION telemetry_heat_meter();

CREATE FUNCTION telemetry_heat_installation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM telemetry_heat_touched(p.site_id, p.delivery_point_id, NEW.valid)
  FROM telemetry_meteringpoint p
  WHERE p.id = NEW.point_id AND p.delivery_point_id IS NOT NULL;
  RETURN NULL;
END $$;
CREATE TRIGGER touches_heat AFTER INSERT OR UPDATE ON telemetry_installation
  FOR EACH ROW EXECUTE FUNCTION telemetry_heat_installation();
"""
TOUCHED_BACK = """
DROP TRIGGER touches_heat ON telemetry_incident;
DROP TRIGGER touches_heat ON telemetry_maintenancewindow;
DROP TRIGGER touches_heat ON telemetry_maintenancepolicy;
DROP TRIGGER touches_heat ON telemetry_meter;
DROP TRIGGER touches_heat ON telemetry_installation;
DROP FUNCTION telemetry_heat_incident();
DROP FUNCTION telemetry_heat_maintenance();
DROP FUNCTION telemetry_heat_policy();
DROP FUNCTION telemetry_heat_meter();
DROP FUNCTION telemetry_heat_installation();
DROP FUNCTION telemetry_months_of(tstzrange);
DROP FUNCTION telemetry_heat_touched(bigint, bigint, tstzrange);
"""


class Migration(migrations.Migration):
    dependencies = [
        ("sites", "0006_public_consent"),
        ("telemetry", "0024_probes_rest_and_notices_go_out"),
    ]

    operations = [
        migrations.AlterField(
            model_name="channel",
            name="quantity",
            field=models.CharField(
                choices=[
                    ("energy", "Energy"),
                    ("power", "Power"),
                    ("supply", "Supply temperature"),
                    ("return", "Return temperature"),
                    ("delta_t", "Temperature difference"),
                    ("flow", "Flow"),
                    ("volume", "Volume"),
                    ("e8", "E8, volume × supply temperature"),
                    ("e9", "E9, volume × return temperature"),
                    ("cooling_energy", "Cooling energy"),
                    ("heartbeat", "Heartbeat"),
                    ("call", "Heat called for"),
                    ("available", "Heat available"),
                    ("outdoor", "Outdoor temperature"),
                    ("mode", "Operating mode"),
                    ("month_end", "Energy register at the month’s end, as the meter kept it"),
                ],
                max_length=20,
            ),
        ),
        migrations.CreateModel(
            name="SupplyTerms",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("valid", django.contrib.postgres.fields.ranges.DateRangeField()),
                (
                    "supply_min_c",
                    models.DecimalField(blank=True, decimal_places=1, max_digits=5, null=True),
                ),
                (
                    "supply_max_c",
                    models.DecimalField(blank=True, decimal_places=1, max_digits=5, null=True),
                ),
                (
                    "return_max_c",
                    models.DecimalField(blank=True, decimal_places=1, max_digits=5, null=True),
                ),
                ("contracted_kw", models.DecimalField(decimal_places=2, max_digits=9)),
                (
                    "promised_percent",
                    models.DecimalField(blank=True, decimal_places=2, max_digits=5, null=True),
                ),
                ("call_metered", models.BooleanField(default=False)),
                (
                    "outdoor_min_c",
                    models.DecimalField(blank=True, decimal_places=1, max_digits=5, null=True),
                ),
                (
                    "estimated_percent",
                    models.DecimalField(blank=True, decimal_places=2, max_digits=5, null=True),
                ),
                (
                    "not_counted",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(
                            choices=[
                                ("rejected", "Rejected: the site was in bypass"),
                                ("partner", "The customer’s side was closed"),
                                ("outside", "Outside the delivery times"),
                                ("cool", "Cooler than agreed"),
                                ("return", "Returned hotter than agreed"),
                                ("meter", "The meter’s verification had ended"),
                                ("estimated", "Estimated beyond the agreed share"),
                            ],
                            max_length=10,
                        ),
                        blank=True,
                        default=list,
                        size=None,
                    ),
                ),
                ("superseded_at", models.DateTimeField(blank=True, null=True)),
                (
                    "delivery_point",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="supply_terms",
                        to="sites.deliverypoint",
                    ),
                ),
                (
                    "metering_point",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="supply_terms",
                        to="telemetry.meteringpoint",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="SupplyClosure",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("first", models.PositiveSmallIntegerField()),
                ("last", models.PositiveSmallIntegerField()),
                (
                    "terms",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="closures",
                        to="telemetry.supplyterms",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="HeatEntry",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "delivery_point_id",
                        "start_at",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("start_at", models.DateTimeField()),
                ("metered_kwh", models.DecimalField(decimal_places=11, max_digits=26)),
                ("counted_kwh", models.DecimalField(decimal_places=11, max_digits=26)),
                ("not_counted_kwh", models.DecimalField(decimal_places=11, max_digits=26)),
                ("estimated_kwh", models.DecimalField(decimal_places=11, max_digits=26)),
                (
                    "reason",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("rejected", "Rejected: the site was in bypass"),
                            ("partner", "The customer’s side was closed"),
                            ("outside", "Outside the delivery times"),
                            ("cool", "Cooler than agreed"),
                            ("return", "Returned hotter than agreed"),
                            ("meter", "The meter’s verification had ended"),
                            ("estimated", "Estimated beyond the agreed share"),
                        ],
                        max_length=10,
                    ),
                ),
                ("supply_c", models.DecimalField(decimal_places=9, max_digits=24, null=True)),
                ("return_c", models.DecimalField(decimal_places=9, max_digits=24, null=True)),
                ("mode", models.PositiveSmallIntegerField(null=True)),
                ("version", models.PositiveIntegerField(default=1)),
                ("computed_at", models.DateTimeField()),
                (
                    "channel",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="heat_entries",
                        to="telemetry.channel",
                    ),
                ),
                (
                    "delivery_point",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="heat_entries",
                        to="sites.deliverypoint",
                    ),
                ),
                (
                    "terms",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="entries",
                        to="telemetry.supplyterms",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="HeatDay",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "delivery_point_id",
                        "day",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("day", models.DateField()),
                ("until_at", models.DateTimeField()),
                ("window_s", models.PositiveIntegerField()),
                ("planned_s", models.PositiveIntegerField()),
                ("partner_s", models.PositiveIntegerField()),
                ("return_s", models.PositiveIntegerField()),
                ("outdoor_s", models.PositiveIntegerField()),
                ("bad_s", models.PositiveIntegerField()),
                ("unknown_s", models.PositiveIntegerField()),
                ("cool_s", models.PositiveIntegerField()),
                ("hot_s", models.PositiveIntegerField()),
                ("short_s", models.PositiveIntegerField()),
                ("outage_s", models.PositiveIntegerField()),
                ("shortfall_kwh", models.DecimalField(decimal_places=9, max_digits=24, null=True)),
                ("computed_at", models.DateTimeField()),
                (
                    "delivery_point",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="heat_days",
                        to="sites.deliverypoint",
                    ),
                ),
                (
                    "terms",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="days",
                        to="telemetry.supplyterms",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="SupplyWindow",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("weekday", models.PositiveSmallIntegerField()),
                ("begins", models.PositiveSmallIntegerField()),
                ("ends", models.PositiveSmallIntegerField()),
                (
                    "terms",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="windows",
                        to="telemetry.supplyterms",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="HeatDirty",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("span", django.contrib.postgres.fields.ranges.DateTimeRangeField()),
                ("marked_at", models.DateTimeField()),
                (
                    "delivery_point",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="heat_dirty",
                        to="sites.deliverypoint",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["marked_at"], name="dirty_heat_oldest_first")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("span__isempty", False)), name="dirty_heat_lasts"
                    )
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="supplyterms",
            constraint=django.contrib.postgres.constraints.ExclusionConstraint(
                condition=models.Q(("superseded_at__isnull", True)),
                expressions=[("delivery_point", "="), ("valid", "&&")],
                name="one_set_of_supply_terms_at_a_time",
            ),
        ),
        migrations.AddConstraint(
            model_name="supplyterms",
            constraint=models.CheckConstraint(
                condition=models.Q(("valid__isempty", False)), name="supply_terms_last"
            ),
        ),
        migrations.AddConstraint(
            model_name="supplyterms",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("contracted_kw__gt", 0),
                    models.Q(
                        ("supply_min_c__isnull", True),
                        ("supply_max_c__isnull", True),
                        ("supply_min_c__lt", models.F("supply_max_c")),
                        _connector="OR",
                    ),
                    models.Q(
                        ("promised_percent__isnull", True),
                        models.Q(("promised_percent__gt", 0), ("promised_percent__lte", 100)),
                        _connector="OR",
                    ),
                    models.Q(
                        ("estimated_percent__isnull", True),
                        models.Q(("estimated_percent__gte", 0), ("estimated_percent__lte", 100)),
                        _connector="OR",
                    ),
                ),
                name="supply_terms_hold_together",
            ),
        ),
        migrations.AddConstraint(
            model_name="supplyterms",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("supply_min_c__isnull", False),
                        models.Q(("not_counted__contains", ["cool"]), _negated=True),
                        _connector="OR",
                    ),
                    models.Q(
                        ("return_max_c__isnull", False),
                        models.Q(("not_counted__contains", ["return"]), _negated=True),
                        _connector="OR",
                    ),
                    models.Q(
                        ("estimated_percent__isnull", False),
                        models.Q(("not_counted__contains", ["estimated"]), _negated=True),
                        _connector="OR",
                    ),
                ),
                name="a_reason_has_its_figure",
            ),
        ),
        migrations.AddConstraint(
            model_name="supplyclosure",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("first__gte", 101),
                    ("first__lte", 1231),
                    ("last__gte", 101),
                    ("last__lte", 1231),
                ),
                name="a_closure_names_days",
            ),
        ),
        migrations.AddConstraint(
            model_name="supplyclosure",
            constraint=models.UniqueConstraint(
                fields=("terms", "first"), name="closure_once_in_terms"
            ),
        ),
        migrations.AddIndex(
            model_name="heatentry",
            index=models.Index(
                condition=models.Q(("mode", 2)),
                fields=["channel", "start_at"],
                name="rejected_heat",
            ),
        ),
        migrations.AddConstraint(
            model_name="heatentry",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "metered_kwh",
                        django.db.models.expressions.CombinedExpression(
                            models.F("counted_kwh"), "+", models.F("not_counted_kwh")
                        ),
                    )
                ),
                name="heat_counts_or_does_not",
            ),
        ),
        migrations.AddConstraint(
            model_name="heatentry",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("not_counted_kwh", 0), models.Q(("reason", ""), _negated=True), _connector="OR"
                ),
                name="what_does_not_count_has_a_reason",
            ),
        ),
        migrations.AddConstraint(
            model_name="heatentry",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("mode", 2), _negated=True),
                    models.Q(("counted_kwh", 0), ("reason", "rejected")),
                    _connector="OR",
                ),
                name="rejected_heat_does_not_count",
            ),
        ),
        migrations.AddConstraint(
            model_name="heatday",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "window_s__gte",
                        django.db.models.expressions.CombinedExpression(
                            django.db.models.expressions.CombinedExpression(
                                django.db.models.expressions.CombinedExpression(
                                    django.db.models.expressions.CombinedExpression(
                                        django.db.models.expressions.CombinedExpression(
                                            models.F("planned_s"), "+", models.F("partner_s")
                                        ),
                                        "+",
                                        models.F("return_s"),
                                    ),
                                    "+",
                                    models.F("outdoor_s"),
                                ),
                                "+",
                                models.F("bad_s"),
                            ),
                            "+",
                            models.F("unknown_s"),
                        ),
                    )
                ),
                name="a_day_of_heat_adds_up",
            ),
        ),
        migrations.AddConstraint(
            model_name="supplywindow",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("begins__lt", models.F("ends")), ("ends__lte", 1440), ("weekday__lte", 6)
                ),
                name="a_window_lies_within_a_day",
            ),
        ),
        migrations.AddConstraint(
            model_name="supplywindow",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    django.db.models.lookups.Exact(
                        django.db.models.functions.math.Mod("begins", 15), 0
                    ),
                    django.db.models.lookups.Exact(
                        django.db.models.functions.math.Mod("ends", 15), 0
                    ),
                ),
                name="a_window_keeps_to_quarter_hours",
            ),
        ),
        migrations.AddConstraint(
            model_name="supplywindow",
            constraint=django.contrib.postgres.constraints.ExclusionConstraint(
                expressions=[
                    ("terms", "="),
                    ("weekday", "="),
                    (models.Func("begins", "ends", function="int4range"), "&&"),
                ],
                name="windows_of_a_day_lie_apart",
            ),
        ),
        migrations.RunSQL(OWN_POINT, OWN_POINT_BACK),
        migrations.RunSQL(TOUCHED, TOUCHED_BACK),
    ]
