"""
What is measured and with what: metering points, meters, their installations, channels, gateways.
"""

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateTimeRangeField, RangeOperators
from django.db import models
from django.db.models import Q

from sites.access import Scope, ScopedQuerySet
from sites.models import DeliveryPoint, HostingService, Site, Stakeholder


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
        HEAT_HANDOFF = "heat_handoff", "Heat hand-off"
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
                condition=Q(boundary="heat_handoff", delivery_point__isnull=False)
                | (~Q(boundary="heat_handoff") & Q(delivery_point__isnull=True)),
            ),
            models.CheckConstraint(
                name="a_tenant_feed_names_its_service",
                condition=Q(boundary="tenant_feed", hosting_service__isnull=False)
                | (~Q(boundary="tenant_feed") & Q(hosting_service__isnull=True)),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class MeterQuerySet(ScopedQuerySet["Meter"]):
    scope = Scope(operator="operator")


class Meter(models.Model):
    """
    A device with an energy register, in its native unit.

    Energy in kWh is the register difference times `multiplier` times the kWh of `unit`.
    """

    class Unit(models.TextChoices):
        WH = "Wh", "Wh"
        KWH = "kWh", "kWh"
        MWH = "MWh", "MWh"
        GJ = "GJ", "GJ"
        GCAL = "Gcal", "Gcal"

    operator = models.ForeignKey(Stakeholder, on_delete=models.PROTECT, related_name="meters")
    serial = models.CharField(max_length=60)
    make = models.CharField(max_length=80)
    unit = models.CharField(max_length=8, choices=Unit.choices, default=Unit.KWH)
    # A transformer ratio or pulse weight; 1 where the dial shows the energy itself.
    multiplier = models.DecimalField(max_digits=14, decimal_places=6, default=1)
    # One past the largest figure the dial can show, in native units: 10^digits x resolution.
    register_modulus = models.DecimalField(max_digits=20, decimal_places=6)
    # The most the installation can draw or deliver, kW; decides rollover against reset.
    max_power_kw = models.DecimalField(max_digits=12, decimal_places=3)
    calibration_due = models.DateField(null=True, blank=True)

    objects = MeterQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["operator", "serial"], name="serial_once_an_operator"),
            models.CheckConstraint(
                name="meter_figures_are_positive",
                condition=Q(multiplier__gt=0, register_modulus__gt=0, max_power_kw__gt=0),
            ),
        ]

    def __str__(self) -> str:
        return self.serial


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
        HEARTBEAT = "heartbeat", "Heartbeat"

    # The site is repeated here so that a key is unique and found within it.
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="channels")
    point = models.ForeignKey(MeteringPoint, on_delete=models.PROTECT, related_name="channels")
    quantity = models.CharField(max_length=20, choices=Quantity.choices)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    # "<point code>.<quantity>": what gateways write.
    key = models.CharField(max_length=90)
    # As sent: kWh, MWh, W, kW, °C. Registers take their unit from the installed meter.
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
        ]

    def __str__(self) -> str:
        return self.key
