"""
What is agreed about the heat of a delivery point: when, how warm, how much, and which heat counts.
"""

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import ArrayField, DateRangeField, RangeOperators
from django.db import models
from django.db.models import F, Func, Q
from django.db.models.functions import Mod
from django.db.models.lookups import Exact

from sites.access import Scope, ScopedQuerySet
from sites.models import DeliveryPoint
from telemetry.models.metering import MeteringPoint


class Reason(models.TextChoices):
    """
    Why heat does not count, in the order in which they are asked: the first that applies stands.
    """

    # Applies whatever is agreed: heat that nobody used is not delivered.
    REJECTED = "rejected", "Rejected: the site was in bypass"
    PARTNER_CLOSED = "partner", "The customer’s side was closed"
    OUTSIDE = "outside", "Outside the delivery times"
    COOL = "cool", "Cooler than agreed"
    RETURN_HOT = "return", "Returned hotter than agreed"
    CALIBRATION = "meter", "The meter’s verification had ended"
    ESTIMATED = "estimated", "Estimated beyond the agreed share"


class SupplyTermsQuerySet(ScopedQuerySet["SupplyTerms"]):
    scope = Scope(operator="delivery_point__site__operator", partner="delivery_point__partner")


class SupplyTerms(models.Model):
    """
    What is agreed about the heat of a delivery point over local days; a change is a new row, which
    ends or supersedes those before it.

    Temperatures are °C at the metering point; None: nothing agreed. `windows` without a row mean
    at all times. `promised_percent` is the share of the time in the windows in which heat is
    promised as agreed. `not_counted` are the reasons for which heat does not count.
    """

    delivery_point = models.ForeignKey(
        DeliveryPoint, on_delete=models.PROTECT, related_name="supply_terms"
    )
    # Where the contract measures; a key of the database keeps it one of this delivery point.
    metering_point = models.ForeignKey(
        MeteringPoint, on_delete=models.PROTECT, related_name="supply_terms"
    )
    valid = DateRangeField()
    supply_min_c = models.DecimalField(max_digits=5, decimal_places=1, null=True, blank=True)
    supply_max_c = models.DecimalField(max_digits=5, decimal_places=1, null=True, blank=True)
    return_max_c = models.DecimalField(max_digits=5, decimal_places=1, null=True, blank=True)
    contracted_kw = models.DecimalField(max_digits=9, decimal_places=2)
    promised_percent = models.DecimalField(max_digits=5, decimal_places=2, null=True, blank=True)
    # Whether the customer's side tells how much heat it calls for.
    call_metered = models.BooleanField(default=False)
    # Colder than this outside, nothing is promised.
    outdoor_min_c = models.DecimalField(max_digits=5, decimal_places=1, null=True, blank=True)
    # Of a local day at most this share, in per cent, counts though it is estimated.
    estimated_percent = models.DecimalField(max_digits=5, decimal_places=2, null=True, blank=True)
    not_counted = ArrayField(
        models.CharField(max_length=10, choices=Reason.choices), default=list, blank=True
    )
    # When other terms took the place of all of these; they stay readable.
    superseded_at = models.DateTimeField(null=True, blank=True)

    objects = SupplyTermsQuerySet.as_manager()

    class Meta:
        constraints = [
            ExclusionConstraint(
                name="one_set_of_supply_terms_at_a_time",
                expressions=[
                    ("delivery_point", RangeOperators.EQUAL),
                    ("valid", RangeOperators.OVERLAPS),
                ],
                condition=Q(superseded_at__isnull=True),
            ),
            models.CheckConstraint(name="supply_terms_last", condition=Q(valid__isempty=False)),
            models.CheckConstraint(
                name="supply_terms_hold_together",
                condition=Q(contracted_kw__gt=0)
                & (
                    Q(supply_min_c__isnull=True)
                    | Q(supply_max_c__isnull=True)
                    | Q(supply_min_c__lt=F("supply_max_c"))
                )
                & (
                    Q(promised_percent__isnull=True)
                    | Q(promised_percent__gt=0, promised_percent__lte=100)
                )
                & (
                    Q(estimated_percent__isnull=True)
                    | Q(estimated_percent__gte=0, estimated_percent__lte=100)
                ),
            ),
            models.CheckConstraint(
                name="a_reason_has_its_figure",
                condition=(
                    Q(supply_min_c__isnull=False) | ~Q(not_counted__contains=["cool"])
                )
                & (Q(return_max_c__isnull=False) | ~Q(not_counted__contains=["return"]))
                & (Q(estimated_percent__isnull=False) | ~Q(not_counted__contains=["estimated"])),
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.delivery_point} {self.valid}"


class SupplyWindow(models.Model):
    """
    A band of the week in which heat is delivered: weekday from 0 for Monday, and minutes of the
    wall clock from `begins` up to `ends`, 1440 for midnight. Whole quarter-hours.
    """

    terms = models.ForeignKey(SupplyTerms, on_delete=models.CASCADE, related_name="windows")
    weekday = models.PositiveSmallIntegerField()
    begins = models.PositiveSmallIntegerField()
    ends = models.PositiveSmallIntegerField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="a_window_lies_within_a_day",
                condition=Q(weekday__lte=6, ends__lte=1440, begins__lt=F("ends")),
            ),
            models.CheckConstraint(
                name="a_window_keeps_to_quarter_hours",
                condition=Q(Exact(Mod("begins", 15), 0)) & Q(Exact(Mod("ends", 15), 0)),
            ),
            ExclusionConstraint(
                name="windows_of_a_day_lie_apart",
                expressions=[
                    ("terms", RangeOperators.EQUAL),
                    ("weekday", RangeOperators.EQUAL),
                    (Func("begins", "ends", function="int4range"), RangeOperators.OVERLAPS),
                ],
            ),
        ]

    def __str__(self) -> str:
        return f"{self.weekday} {self.begins}-{self.ends}"


class SupplyClosure(models.Model):
    """
    A season of every year in which no heat is delivered, both days included, as month × 100 + day;
    one that ends before it begins goes over the turn of the year.
    """

    terms = models.ForeignKey(SupplyTerms, on_delete=models.CASCADE, related_name="closures")
    first = models.PositiveSmallIntegerField()
    last = models.PositiveSmallIntegerField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="a_closure_names_days",
                condition=Q(first__gte=101, first__lte=1231, last__gte=101, last__lte=1231),
            ),
            models.UniqueConstraint(fields=["terms", "first"], name="closure_once_in_terms"),
        ]

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"
