import django.contrib.postgres.constraints
import django.contrib.postgres.fields.ranges
import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.math
from decimal import Decimal
from django.db import migrations, models


# What the modulus said is kept: ten to the digits where it was a power of ten, and else a step
# of the dial that gives it. Until now every meter away from a hand-off counted electricity.
FROM_MODULUS = """
UPDATE telemetry_meter SET
  digits = CASE WHEN log(register_modulus) BETWEEN 1 AND 12 AND log(register_modulus) % 1 = 0
    THEN log(register_modulus)::int ELSE 7 END,
  resolution = CASE WHEN log(register_modulus) BETWEEN 1 AND 12 AND log(register_modulus) % 1 = 0
    THEN 1 ELSE greatest(register_modulus / 1e7, 0.000001) END;
UPDATE telemetry_meter m SET kind = 'electricity'
FROM telemetry_installation i JOIN telemetry_meteringpoint p ON p.id = i.point_id
WHERE i.meter_id = m.id AND p.boundary <> 'heat_handoff';
"""


class Migration(migrations.Migration):
    dependencies = [
        ("sites", "0003_people"),
        ("telemetry", "0005_ingest_formats"),
    ]

    operations = [
        migrations.CreateModel(
            name="CalibrationRule",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("country", models.CharField(blank=True, max_length=2)),
                (
                    "meter_kind",
                    models.CharField(
                        choices=[
                            ("heat", "Heat"),
                            ("cooling", "Cooling"),
                            ("electricity", "Electricity"),
                            ("water", "Water"),
                            ("gas", "Gas"),
                        ],
                        max_length=12,
                    ),
                ),
                ("valid", django.contrib.postgres.fields.ranges.DateRangeField()),
                ("years", models.PositiveSmallIntegerField(blank=True, null=True)),
                ("end_of_year", models.BooleanField(default=False)),
                (
                    "when_expired",
                    models.CharField(
                        choices=[("block", "No invoice"), ("warn", "Invoice with a warning")],
                        max_length=5,
                    ),
                ),
                ("source", models.CharField(max_length=200)),
                ("superseded_at", models.DateTimeField(blank=True, null=True)),
            ],
        ),
        migrations.CreateModel(
            name="LossPolicy",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("valid", django.contrib.postgres.fields.ranges.DateRangeField()),
                (
                    "method",
                    models.CharField(
                        choices=[
                            ("sink_meter", "Metered at the customer’s side"),
                            ("const_kw", "A constant loss while the pipe is warm"),
                            ("percent", "A loss in per cent"),
                        ],
                        max_length=10,
                    ),
                ),
                (
                    "loss_kw",
                    models.DecimalField(blank=True, decimal_places=3, max_digits=9, null=True),
                ),
                (
                    "warm_from_c",
                    models.DecimalField(blank=True, decimal_places=1, max_digits=5, null=True),
                ),
                (
                    "loss_percent",
                    models.DecimalField(blank=True, decimal_places=2, max_digits=5, null=True),
                ),
            ],
        ),
        migrations.CreateModel(
            name="MeterRegister",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "unit",
                    models.CharField(
                        choices=[
                            ("Wh", "Wh"),
                            ("kWh", "kWh"),
                            ("MWh", "MWh"),
                            ("J", "J"),
                            ("kJ", "kJ"),
                            ("MJ", "MJ"),
                            ("GJ", "GJ"),
                            ("Mcal", "Mcal"),
                            ("Gcal", "Gcal"),
                            ("m3", "m³"),
                            ("l", "l"),
                            ("m3C", "m³·°C"),
                            ("pulse", "Pulses"),
                        ],
                        default="kWh",
                        max_length=8,
                    ),
                ),
                ("multiplier", models.DecimalField(decimal_places=6, default=1, max_digits=14)),
                ("digits", models.PositiveSmallIntegerField(default=7)),
                ("resolution", models.DecimalField(decimal_places=6, default=1, max_digits=9)),
                (
                    "register_modulus",
                    models.GeneratedField(
                        db_persist=True,
                        expression=django.db.models.expressions.CombinedExpression(
                            models.F("resolution"),
                            "*",
                            django.db.models.functions.math.Power(
                                models.Value(
                                    Decimal("10"),
                                    output_field=models.DecimalField(
                                        decimal_places=6, max_digits=20
                                    ),
                                ),
                                models.F("digits"),
                            ),
                        ),
                        output_field=models.DecimalField(decimal_places=6, max_digits=20),
                    ),
                ),
                (
                    "quantity",
                    models.CharField(
                        choices=[
                            ("volume", "Volume"),
                            ("e8", "E8, volume × supply temperature"),
                            ("e9", "E9, volume × return temperature"),
                            ("cooling_energy", "Cooling energy"),
                        ],
                        max_length=20,
                    ),
                ),
                ("max_an_hour", models.DecimalField(decimal_places=3, max_digits=12)),
            ],
        ),
        migrations.RemoveConstraint(
            model_name="meter",
            name="meter_figures_are_positive",
        ),
        migrations.RemoveConstraint(
            model_name="meteringpoint",
            name="a_heat_handoff_names_its_delivery_point",
        ),
        migrations.AddField(
            model_name="installation",
            name="gap_kw",
            field=models.DecimalField(blank=True, decimal_places=6, max_digits=14, null=True),
        ),
        migrations.AddField(
            model_name="meter",
            name="accuracy_class",
            field=models.PositiveSmallIntegerField(
                blank=True, choices=[(1, "1"), (2, "2"), (3, "3")], null=True
            ),
        ),
        migrations.AddField(
            model_name="meter",
            name="digits",
            field=models.PositiveSmallIntegerField(default=7),
        ),
        migrations.AddField(
            model_name="meter",
            name="dt_min_k",
            field=models.DecimalField(blank=True, decimal_places=1, max_digits=4, null=True),
        ),
        migrations.AddField(
            model_name="meter",
            name="flow_sensor",
            field=models.CharField(
                blank=True,
                choices=[("inlet", "Inlet (warm pipe)"), ("outlet", "Outlet (cool pipe)")],
                max_length=6,
            ),
        ),
        migrations.AddField(
            model_name="meter",
            name="fluid",
            field=models.CharField(
                choices=[("water", "Water"), ("glycol", "Water and glycol")],
                default="water",
                max_length=6,
            ),
        ),
        migrations.AddField(
            model_name="meter",
            name="kind",
            field=models.CharField(
                choices=[
                    ("heat", "Heat"),
                    ("cooling", "Cooling"),
                    ("electricity", "Electricity"),
                    ("water", "Water"),
                    ("gas", "Gas"),
                ],
                default="heat",
                max_length=12,
            ),
        ),
        migrations.AddField(
            model_name="meter",
            name="qi_m3h",
            field=models.DecimalField(blank=True, decimal_places=4, max_digits=9, null=True),
        ),
        migrations.AddField(
            model_name="meter",
            name="qp_m3h",
            field=models.DecimalField(blank=True, decimal_places=3, max_digits=9, null=True),
        ),
        migrations.AddField(
            model_name="meter",
            name="resolution",
            field=models.DecimalField(decimal_places=6, default=1, max_digits=9),
        ),
        migrations.AddField(
            model_name="meter",
            name="verified_on",
            field=models.DateField(blank=True, null=True),
        ),
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
                ],
                max_length=20,
            ),
        ),
        migrations.RunSQL(FROM_MODULUS, migrations.RunSQL.noop),
        migrations.RemoveField(model_name="meter", name="register_modulus"),
        migrations.AddField(
            model_name="meter",
            name="register_modulus",
            field=models.GeneratedField(
                db_persist=True,
                expression=django.db.models.expressions.CombinedExpression(
                    models.F("resolution"),
                    "*",
                    django.db.models.functions.math.Power(
                        models.Value(
                            Decimal("10"),
                            output_field=models.DecimalField(decimal_places=6, max_digits=20),
                        ),
                        models.F("digits"),
                    ),
                ),
                output_field=models.DecimalField(decimal_places=6, max_digits=20),
            ),
        ),
        migrations.AlterField(
            model_name="meter",
            name="unit",
            field=models.CharField(
                choices=[
                    ("Wh", "Wh"),
                    ("kWh", "kWh"),
                    ("MWh", "MWh"),
                    ("J", "J"),
                    ("kJ", "kJ"),
                    ("MJ", "MJ"),
                    ("GJ", "GJ"),
                    ("Mcal", "Mcal"),
                    ("Gcal", "Gcal"),
                    ("m3", "m³"),
                    ("l", "l"),
                    ("m3C", "m³·°C"),
                    ("pulse", "Pulses"),
                ],
                default="kWh",
                max_length=8,
            ),
        ),
        migrations.AlterField(
            model_name="meteringpoint",
            name="boundary",
            field=models.CharField(
                choices=[
                    ("facility", "Whole facility"),
                    ("it", "IT equipment"),
                    ("cooling", "Cooling and auxiliaries"),
                    ("heat_handoff", "Heat hand-off, customer’s side"),
                    ("heat_source", "Heat hand-off, source side"),
                    ("uplift", "Heat pump and uplift pumps"),
                    ("pv", "Photovoltaics"),
                    ("grid_import", "Grid, drawn"),
                    ("grid_export", "Grid, fed in"),
                    ("water", "Water"),
                    ("tenant_feed", "Tenant feed"),
                ],
                max_length=20,
            ),
        ),
        migrations.AddConstraint(
            model_name="meter",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("digits__gte", 1),
                    ("digits__lte", 12),
                    ("max_power_kw__gt", 0),
                    ("multiplier__gt", 0),
                    ("resolution__gt", 0),
                ),
                name="meter_figures_are_positive",
            ),
        ),
        migrations.AddConstraint(
            model_name="meter",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kind__in", ["water", "gas"]), ("unit__in", ["m3", "l", "pulse"])),
                    models.Q(
                        models.Q(("kind__in", ["water", "gas"]), _negated=True),
                        models.Q(("unit__in", ["m3", "l", "m3C"]), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="a_meter_counts_in_units_of_its_kind",
            ),
        ),
        migrations.AddConstraint(
            model_name="meter",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("accuracy_class__isnull", True),
                    models.Q(
                        ("accuracy_class__in", [1, 2, 3]), ("dt_min_k__gt", 0), ("qp_m3h__gt", 0)
                    ),
                    _connector="OR",
                ),
                name="accuracy_is_told_as_a_whole",
            ),
        ),
        migrations.AddConstraint(
            model_name="meteringpoint",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("boundary__in", ["heat_handoff", "heat_source"]),
                        ("delivery_point__isnull", False),
                    ),
                    models.Q(
                        models.Q(("boundary__in", ["heat_handoff", "heat_source"]), _negated=True),
                        ("delivery_point__isnull", True),
                    ),
                    _connector="OR",
                ),
                name="a_heat_handoff_names_its_delivery_point",
            ),
        ),
        migrations.AddConstraint(
            model_name="calibrationrule",
            constraint=django.contrib.postgres.constraints.ExclusionConstraint(
                condition=models.Q(("superseded_at__isnull", True)),
                expressions=[("country", "="), ("meter_kind", "="), ("valid", "&&")],
                name="one_calibration_rule_per_country_kind_and_day",
            ),
        ),
        migrations.AddField(
            model_name="losspolicy",
            name="delivery_point",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="loss_policies",
                to="sites.deliverypoint",
            ),
        ),
        migrations.AddField(
            model_name="meterregister",
            name="meter",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="registers",
                to="telemetry.meter",
            ),
        ),
        migrations.AddConstraint(
            model_name="losspolicy",
            constraint=django.contrib.postgres.constraints.ExclusionConstraint(
                expressions=[("delivery_point", "="), ("valid", "&&")],
                name="one_loss_policy_at_a_time",
            ),
        ),
        migrations.AddConstraint(
            model_name="losspolicy",
            constraint=models.CheckConstraint(
                condition=models.Q(("valid__isempty", False)), name="a_loss_policy_lasts"
            ),
        ),
        migrations.AddConstraint(
            model_name="losspolicy",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("loss_kw__isnull", True),
                        ("loss_percent__isnull", True),
                        ("method", "sink_meter"),
                        ("warm_from_c__isnull", True),
                    ),
                    models.Q(
                        ("loss_kw__gte", 0),
                        ("loss_percent__isnull", True),
                        ("method", "const_kw"),
                        ("warm_from_c__isnull", False),
                    ),
                    models.Q(
                        ("loss_kw__isnull", True),
                        ("loss_percent__gte", 0),
                        ("loss_percent__lte", 100),
                        ("method", "percent"),
                        ("warm_from_c__isnull", True),
                    ),
                    _connector="OR",
                ),
                name="a_loss_policy_states_its_figures",
            ),
        ),
        migrations.AddConstraint(
            model_name="meterregister",
            constraint=models.UniqueConstraint(
                fields=("meter", "quantity"), name="register_once_a_meter"
            ),
        ),
        migrations.AddConstraint(
            model_name="meterregister",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("digits__gte", 1),
                    ("digits__lte", 12),
                    ("max_an_hour__gt", 0),
                    ("multiplier__gt", 0),
                    ("resolution__gt", 0),
                ),
                name="register_figures_are_positive",
            ),
        ),
        migrations.AddConstraint(
            model_name="meterregister",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("quantity", "volume"), ("unit__in", ["m3", "l", "pulse"])),
                    models.Q(("quantity__in", ["e8", "e9"]), ("unit", "m3C")),
                    models.Q(
                        ("quantity", "cooling_energy"),
                        models.Q(("unit__in", ["m3", "l", "m3C"]), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="a_register_counts_in_units_of_its_quantity",
            ),
        ),
        migrations.AddConstraint(
            model_name="channel",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kind", "register"), _negated=True),
                    ("quantity__in", ["energy", "cooling_energy", "volume", "e8", "e9"]),
                    _connector="OR",
                ),
                name="registers_count_what_adds_up",
            ),
        ),
    ]
