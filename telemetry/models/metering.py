"""
What is measured and with what: metering points, meters, their installations, channels, gateways.
"""

from decimal import Decimal

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateTimeRangeField, RangeOperators
from django.db import models
from django.db.models import F, Q, Value
from django.db.models.functions import Length, Power
from django.db.models.lookups import GreaterThan

from sites.access import Scope, ScopedQuerySet
from sites.models import DeliveryPoint, HostingService, Site, Stakeholder

_TEN = Value(Decimal(10), output_field=models.DecimalField(max_digits=20, decimal_places=6))


class GatewayQuerySet(ScopedQuerySet["Gateway"]):
    scope = Scope(operator="site__operator")


class Gateway(models.Model):
    """
    A device that sends readings of one site. Only a hash of its token is kept.
    """

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="gateways")
    name = models.CharField(max_length=80)
    token_hash = models.BinaryField(unique=True)
    # The first characters, so that a person can tell tokens apart.
    token_hint = models.CharField(max_length=12)
    created_at = models.DateTimeField()
    last_seen_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = GatewayQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["site", "name"], name="gateway_name_once_a_site"),
        ]

    def __str__(self) -> str:
        return self.name


class MeteringPointQuerySet(ScopedQuerySet["MeteringPoint"]):
    scope = Scope(
        operator="site__operator",
        partner="delivery_point__partner",
        tenant="hosting_service__tenant",
    )


class MeteringPoint(models.Model):
    """
    A place in the energy flow where a quantity crosses a boundary.
    """

    class Boundary(models.TextChoices):
        FACILITY = "facility", "Whole facility"
        IT = "it", "IT equipment"
        COOLING = "cooling", "Cooling and auxiliaries"
        # What the customer takes: the far side of the exchanger.
        HEAT_HANDOFF = "heat_handoff", "Heat hand-off, customer’s side"
        # What leaves the data centre, before the pipe; losses lie between the two.
        HEAT_SOURCE = "heat_source", "Heat hand-off, source side"
        UPLIFT = "uplift", "Heat pump and uplift pumps"
        PV = "pv", "Photovoltaics"
        GRID_IMPORT = "grid_import", "Grid, drawn"
        GRID_EXPORT = "grid_export", "Grid, fed in"
        WATER = "water", "Water"
        TENANT_FEED = "tenant_feed", "Tenant feed"

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="metering_points")
    boundary = models.CharField(max_length=20, choices=Boundary.choices)
    name = models.CharField(max_length=120)
    # Names the point to gateways: readings are addressed to "<code>.<quantity>".
    code = models.SlugField(max_length=60)
    delivery_point = models.ForeignKey(
        DeliveryPoint,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="metering_points",
    )
    hosting_service = models.ForeignKey(
        HostingService,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="metering_points",
    )

    objects = MeteringPointQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["site", "code"], name="point_code_once_a_site"),
            models.CheckConstraint(
                name="a_heat_handoff_names_its_delivery_point",
                condition=Q(
                    boundary__in=["heat_handoff", "heat_source"], delivery_point__isnull=False
                )
                | (
                    ~Q(boundary__in=["heat_handoff", "heat_source"])
                    & Q(delivery_point__isnull=True)
                ),
            ),
            models.CheckConstraint(
                name="a_tenant_feed_names_its_service",
                condition=Q(boundary="tenant_feed", hosting_service__isnull=False)
                | (~Q(boundary="tenant_feed") & Q(hosting_service__isnull=True)),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class RegisterFields(models.Model):
    """
    How a dial counts. What it counted is the difference times `multiplier` times the size of
    `unit`; `multiplier` is a transformer ratio, or the weight of a pulse.
    """

    class Unit(models.TextChoices):
        WH = "Wh", "Wh"
        KWH = "kWh", "kWh"
        MWH = "MWh", "MWh"
        J = "J", "J"
        KJ = "kJ", "kJ"
        MJ = "MJ", "MJ"
        GJ = "GJ", "GJ"
        MCAL = "Mcal", "Mcal"
        GCAL = "Gcal", "Gcal"
        M3 = "m3", "m³"
        LITRE = "l", "l"
        M3C = "m3C", "m³·°C"
        PULSE = "pulse", "Pulses"

    unit = models.CharField(max_length=8, choices=Unit.choices, default=Unit.KWH)
    multiplier = models.DecimalField(max_digits=14, decimal_places=6, default=1)
    digits = models.PositiveSmallIntegerField(default=7)
    # The least step of the dial, in its unit.
    resolution = models.DecimalField(max_digits=9, decimal_places=6, default=1)
    # One past the largest figure the dial can show, in its unit.
    register_modulus = models.GeneratedField(
        expression=F("resolution") * Power(_TEN, F("digits")),
        output_field=models.DecimalField(max_digits=20, decimal_places=6),
        db_persist=True,
    )

    class Meta:
        abstract = True


class MeterQuerySet(ScopedQuerySet["Meter"]):
    scope = Scope(operator="operator")


class Meter(RegisterFields):
    """
    A device with its main register: energy, or volume of water and gas meters. Other registers
    it has are rows of `MeterRegister`.

    Flows are m³/h, temperature differences K (EN 1434).
    """

    class Kind(models.TextChoices):
        HEAT = "heat", "Heat"
        COOLING = "cooling", "Cooling"
        ELECTRICITY = "electricity", "Electricity"
        WATER = "water", "Water"
        GAS = "gas", "Gas"

    class FlowSensor(models.TextChoices):
        INLET = "inlet", "Inlet (warm pipe)"
        OUTLET = "outlet", "Outlet (cool pipe)"

    class Fluid(models.TextChoices):
        WATER = "water", "Water"
        GLYCOL = "glycol", "Water and glycol"

    operator = models.ForeignKey(Stakeholder, on_delete=models.PROTECT, related_name="meters")
    serial = models.CharField(max_length=60)
    make = models.CharField(max_length=80)
    kind = models.CharField(max_length=12, choices=Kind.choices, default=Kind.HEAT)
    # The most the installation can draw or deliver in an hour, kWh or m³; decides rollover
    # against reset.
    max_power_kw = models.DecimalField(max_digits=12, decimal_places=3)
    flow_sensor = models.CharField(max_length=6, choices=FlowSensor.choices, blank=True)
    fluid = models.CharField(max_length=6, choices=Fluid.choices, default=Fluid.WATER)
    accuracy_class = models.PositiveSmallIntegerField(
        choices=[(1, "1"), (2, "2"), (3, "3")], null=True, blank=True
    )
    dt_min_k = models.DecimalField(max_digits=4, decimal_places=1, null=True, blank=True)
    qp_m3h = models.DecimalField(max_digits=9, decimal_places=3, null=True, blank=True)
    qi_m3h = models.DecimalField(max_digits=9, decimal_places=4, null=True, blank=True)
    # AES-128 key of a radio meter, encrypted; never shown again once entered.
    radio_key = models.BinaryField(null=True, blank=True)
    verified_on = models.DateField(null=True, blank=True)
    # The last day on which the verification holds.
    calibration_due = models.DateField(null=True, blank=True)

    objects = MeterQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["operator", "serial"], name="serial_once_an_operator"),
            models.CheckConstraint(
                name="meter_figures_are_positive",
                condition=Q(
                    multiplier__gt=0, resolution__gt=0, digits__gte=1, digits__lte=12,
                    max_power_kw__gt=0,
                ),
            ),
            models.CheckConstraint(
                name="a_meter_counts_in_units_of_its_kind",
                condition=Q(kind__in=["water", "gas"], unit__in=["m3", "l", "pulse"])
                | (~Q(kind__in=["water", "gas"]) & ~Q(unit__in=["m3", "l", "m3C"])),
            ),
            models.CheckConstraint(
                name="accuracy_is_told_as_a_whole",
                condition=Q(accuracy_class__isnull=True)
                | Q(accuracy_class__in=[1, 2, 3], dt_min_k__gt=0, qp_m3h__gt=0),
            ),
            # In the clear it has sixteen bytes.
            models.CheckConstraint(
                name="a_radio_key_is_kept_encrypted",
                condition=Q(radio_key__isnull=True) | Q(GreaterThan(Length("radio_key"), 16)),
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return self.serial


class MeterStatusQuerySet(ScopedQuerySet["MeterStatus"]):
    scope = Scope(operator="meter__operator")


class MeterStatus(models.Model):
    """
    A stretch over which the telegrams of a meter had one status byte (EN 13757-3), from the first
    to the last of them.
    """

    meter = models.ForeignKey(Meter, on_delete=models.CASCADE, related_name="statuses")
    status = models.PositiveSmallIntegerField()
    span = DateTimeRangeField()

    objects = MeterStatusQuerySet.as_manager()

    class Meta:
        constraints = [
            ExclusionConstraint(
                name="one_status_a_meter_and_instant",
                expressions=[("meter", RangeOperators.EQUAL), ("span", RangeOperators.OVERLAPS)],
            ),
            models.CheckConstraint(
                name="a_status_is_one_byte", condition=Q(status__gte=0, status__lte=255)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.meter} {self.status:#04x}"


class MeterRegister(RegisterFields):
    """
    A further register of a meter: volume, E8, E9, or the cooling energy of a heat meter.
    """

    class Quantity(models.TextChoices):
        VOLUME = "volume", "Volume"
        E8 = "e8", "E8, volume × supply temperature"
        E9 = "e9", "E9, volume × return temperature"
        COOLING_ENERGY = "cooling_energy", "Cooling energy"

    meter = models.ForeignKey(Meter, on_delete=models.CASCADE, related_name="registers")
    quantity = models.CharField(max_length=20, choices=Quantity.choices)
    # The most it can count in an hour, in m³, m³·°C or kWh; decides rollover against reset.
    max_an_hour = models.DecimalField(max_digits=12, decimal_places=3)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["meter", "quantity"], name="register_once_a_meter"),
            models.CheckConstraint(
                name="register_figures_are_positive",
                condition=Q(
                    multiplier__gt=0, resolution__gt=0, digits__gte=1, digits__lte=12,
                    max_an_hour__gt=0,
                ),
            ),
            models.CheckConstraint(
                name="a_register_counts_in_units_of_its_quantity",
                condition=Q(quantity="volume", unit__in=["m3", "l", "pulse"])
                | Q(quantity__in=["e8", "e9"], unit="m3C")
                | (Q(quantity="cooling_energy") & ~Q(unit__in=["m3", "l", "m3C"])),
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.meter} {self.quantity}"


class InstallationQuerySet(ScopedQuerySet["Installation"]):
    scope = Scope(
        operator="point__site__operator",
        partner="point__delivery_point__partner",
        tenant="point__hosting_service__tenant",
    )


class Installation(models.Model):
    """
    A meter at a point over a period; serials are never spliced into one register.

    `first_register` and `last_register` are what the dial showed, in native units, when the
    meter came and went; None: the first and last reading of the period stand in.
    """

    point = models.ForeignKey(MeteringPoint, on_delete=models.PROTECT, related_name="installations")
    meter = models.ForeignKey(Meter, on_delete=models.PROTECT, related_name="installations")
    valid = DateTimeRangeField()
    first_register = models.DecimalField(max_digits=20, decimal_places=6, null=True, blank=True)
    last_register = models.DecimalField(max_digits=20, decimal_places=6, null=True, blank=True)
    # While the point stood without a meter before this one, this mean power of the hours before
    # stands in, as an estimate.
    gap_kw = models.DecimalField(max_digits=14, decimal_places=6, null=True, blank=True)

    objects = InstallationQuerySet.as_manager()

    class Meta:
        constraints = [
            ExclusionConstraint(
                name="one_meter_at_a_point_at_a_time",
                expressions=[("point", RangeOperators.EQUAL), ("valid", RangeOperators.OVERLAPS)],
            ),
            ExclusionConstraint(
                name="a_meter_is_in_one_place_at_a_time",
                expressions=[("meter", RangeOperators.EQUAL), ("valid", RangeOperators.OVERLAPS)],
            ),
            models.CheckConstraint(name="an_installation_lasts", condition=Q(valid__isempty=False)),
        ]

    def __str__(self) -> str:
        return f"{self.meter} at {self.point}"


class ChannelQuerySet(ScopedQuerySet["Channel"]):
    scope = Scope(
        operator="point__site__operator",
        partner="point__delivery_point__partner",
        tenant="point__hosting_service__tenant",
    )


class Channel(models.Model):
    """
    One quantity of a point.

    A register counts; a gauge is read at an instant; an interval value is the mean over the
    `interval_s` seconds that start at its instant; a heartbeat says 1 for up and 0 for down
    and speaks for `interval_s` seconds.
    """

    class Kind(models.TextChoices):
        REGISTER = "register", "Register"
        INTERVAL = "interval", "Interval mean"
        GAUGE = "gauge", "Gauge"
        HEARTBEAT = "heartbeat", "Heartbeat"

    class Quantity(models.TextChoices):
        ENERGY = "energy", "Energy"
        POWER = "power", "Power"
        SUPPLY = "supply", "Supply temperature"
        RETURN = "return", "Return temperature"
        DELTA_T = "delta_t", "Temperature difference"
        FLOW = "flow", "Flow"
        VOLUME = "volume", "Volume"
        E8 = "e8", "E8, volume × supply temperature"
        E9 = "e9", "E9, volume × return temperature"
        COOLING_ENERGY = "cooling_energy", "Cooling energy"
        HEARTBEAT = "heartbeat", "Heartbeat"
        # What the heat customer calls for, and what could be had.
        CALL = "call", "Heat called for"
        AVAILABLE = "available", "Heat available"
        OUTDOOR = "outdoor", "Outdoor temperature"
        # 0 reuse, 1 partial, 2 bypass: the heat is rejected.
        MODE = "mode", "Operating mode"
        # What the meter's own memory holds for a month's end, at that instant.
        MONTH_END = "month_end", "Energy register at the month’s end, as the meter kept it"

    # The site is repeated here so that a key is unique and found within it.
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="channels")
    point = models.ForeignKey(MeteringPoint, on_delete=models.PROTECT, related_name="channels")
    quantity = models.CharField(max_length=20, choices=Quantity.choices)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    # "<point code>.<quantity>": what gateways write.
    key = models.CharField(max_length=90)
    # As sent: kWh, MWh, W, kW, °C, m3/h, l/h. Registers take their unit from the installed meter.
    unit = models.CharField(max_length=8, blank=True)
    interval_s = models.PositiveIntegerField(null=True, blank=True)

    objects = ChannelQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["site", "key"], name="channel_key_once_a_site"),
            models.UniqueConstraint(fields=["point", "quantity"], name="quantity_once_a_point"),
            models.CheckConstraint(
                name="means_and_heartbeats_state_their_interval",
                condition=Q(kind__in=["interval", "heartbeat"], interval_s__gt=0)
                | (~Q(kind__in=["interval", "heartbeat"]) & Q(interval_s__isnull=True)),
            ),
            models.CheckConstraint(
                name="registers_count_what_adds_up",
                condition=~Q(kind="register")
                | Q(quantity__in=["energy", "cooling_energy", "volume", "e8", "e9"]),
            ),
        ]

    def __str__(self) -> str:
        return self.key


class ChannelAliasQuerySet(ScopedQuerySet["ChannelAlias"]):
    scope = Scope(operator="site__operator")


class ChannelAlias(models.Model):
    """
    Another name that the gateways of a site send for a channel. A channel's own key goes first.
    """

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="channel_aliases")
    text = models.CharField(max_length=200)
    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="aliases")
    created_at = models.DateTimeField()

    objects = ChannelAliasQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["site", "text"], name="an_alias_names_one_channel"),
        ]

    def __str__(self) -> str:
        return self.text
