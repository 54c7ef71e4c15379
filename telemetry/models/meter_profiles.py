"""
What is taken of the telegrams of a make of meters, and how meters shorten their telegrams.
"""

from decimal import Decimal

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import (
    DateTimeRangeField,
    IntegerRangeField,
    RangeOperators,
)
from django.db import models
from django.db.models import F, Func, Q, Value
from django.db.models.functions import Coalesce

from sites.access import Scope, ScopedQuerySet
from sites.models import Stakeholder, User
from telemetry.models.metering import Channel, Meter


class MeterProfileQuerySet(ScopedQuerySet["MeterProfile"]):
    scope = Scope(operator="operator", shared=Q(operator__isnull=True))


class MeterProfile(models.Model):
    """
    A profile of an operator, or with None one that comes with the portal, for telegrams of its
    make whose instant lies in `valid`. A change is a new row, which ends the one before it or
    supersedes it. Readings that came by a profile stay as they are.
    """

    operator = models.ForeignKey(
        Stakeholder, on_delete=models.PROTECT, null=True, blank=True, related_name="meter_profiles"
    )
    name = models.CharField(max_length=120)
    # The three letters of EN 62056-21 that stand in each telegram.
    manufacturer = models.CharField(max_length=3)
    first_version = models.PositiveSmallIntegerField(default=0)
    last_version = models.PositiveSmallIntegerField(default=255)
    # The device type of EN 13757-3; None: all.
    medium = models.PositiveSmallIntegerField(null=True, blank=True)
    valid = DateTimeRangeField()
    superseded_at = models.DateTimeField(null=True, blank=True)
    # A telegram to look at when it is changed.
    sample = models.TextField(blank=True)
    set_at = models.DateTimeField()
    set_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True)

    objects = MeterProfileQuerySet.as_manager()

    class Meta:
        constraints = [
            ExclusionConstraint(
                name="one_profile_a_meter_and_instant",
                expressions=[
                    (Coalesce("operator_id", Value(0)), RangeOperators.EQUAL),
                    ("manufacturer", RangeOperators.EQUAL),
                    (Coalesce("medium", Value(-1)), RangeOperators.EQUAL),
                    (
                        Func(
                            F("first_version"), F("last_version"), Value("[]"),
                            function="int4range", output_field=IntegerRangeField(),
                        ),
                        RangeOperators.OVERLAPS,
                    ),
                    ("valid", RangeOperators.OVERLAPS),
                ],
                condition=Q(superseded_at__isnull=True),
            ),
            models.CheckConstraint(
                name="a_profile_lasts", condition=Q(valid__isempty=False)
            ),
            models.CheckConstraint(
                name="a_profile_is_for_versions_and_a_medium",
                condition=Q(first_version__lte=F("last_version"), last_version__lte=255)
                & (Q(medium__isnull=True) | Q(medium__lte=255))
                & Q(manufacturer__regex="^[A-Z]{3}$"),
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return self.name


class MeterProfileLine(models.Model):
    """
    One line of a profile: `telemetry.domain.meter_profiles.Take` as a row.
    """

    class Coding(models.TextChoices):
        BCD = "bcd", "BCD, lowest digits first"
        UNSIGNED = "unsigned", "Whole number, lowest byte first"
        SIGNED = "signed", "Whole number with sign, lowest byte first"
        UNSIGNED_BIG = "unsigned_big", "Whole number, highest byte first"
        SIGNED_BIG = "signed_big", "Whole number with sign, highest byte first"
        FLOAT = "float", "Real number of four bytes"

    profile = models.ForeignKey(MeterProfile, on_delete=models.CASCADE, related_name="lines")
    # Where several lines give one quantity, the first that a telegram has is taken.
    number = models.PositiveSmallIntegerField()
    quantity = models.CharField(max_length=20, choices=Channel.Quantity.choices)
    measured = models.CharField(max_length=80)
    function = models.CharField(max_length=20)
    storage = models.PositiveBigIntegerField()
    tariff = models.PositiveBigIntegerField()
    device = models.PositiveIntegerField()
    nth = models.PositiveSmallIntegerField(default=1)
    unit = models.CharField(max_length=8, blank=True)
    factor = models.DecimalField(max_digits=18, decimal_places=9, default=Decimal(1))
    first_byte = models.PositiveSmallIntegerField(null=True, blank=True)
    byte_count = models.PositiveSmallIntegerField(null=True, blank=True)
    coding = models.CharField(max_length=12, choices=Coding.choices, blank=True)

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["profile", "number"], name="a_line_has_its_place"),
            models.CheckConstraint(
                name="a_line_takes_something", condition=~Q(factor=0) & Q(nth__gte=1)
            ),
            models.CheckConstraint(
                name="bytes_are_told_as_a_whole",
                condition=Q(first_byte__isnull=True, byte_count__isnull=True, coding="")
                | (
                    Q(first_byte__gte=1, byte_count__gte=1, byte_count__lte=8)
                    & ~Q(coding="")
                    # What only the maker can read has no date beside it, and needs its unit said.
                    & ~Q(quantity="month_end")
                    & ~Q(unit="")
                ),
            ),
            models.CheckConstraint(
                name="the_makers_block_is_read_by_its_bytes",
                condition=~Q(measured="manufacturer") | Q(first_byte__isnull=False),
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.quantity}: {self.measured}"


class TelegramLayout(models.Model):
    """
    What a meter's full radio telegram says of its records, kept for its compact ones, which give a
    signature in place of it (EN 13757-3, annex G). `heads` are the data and value information of
    each record behind their length in one byte.
    """

    meter = models.ForeignKey(Meter, on_delete=models.CASCADE, related_name="layouts")
    signature = models.PositiveIntegerField()
    heads = models.BinaryField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["meter", "signature"], name="one_layout_a_meter_and_signature"
            ),
            models.CheckConstraint(
                name="a_signature_has_two_bytes", condition=Q(signature__lte=0xFFFF)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.meter} {self.signature:04x}"
