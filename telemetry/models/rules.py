"""
Rules about meters that hold over a span of days: verification terms by country, and what is lost
between the source and the customer.
"""

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateRangeField, RangeOperators
from django.db import models
from django.db.models import Q

from sites.access import Scope, ScopedQuerySet
from sites.models import DeliveryPoint
from telemetry.models.metering import Meter


class CalibrationRule(models.Model):
    """
    How long the verification of a kind of meter holds in a country, for verifications of the
    days `valid`, and what becomes of invoices from a meter past it.

    `country` "" speaks for every country without a row of its own; `years` None: the term is not
    known, so the operator states the day. Never edited; a row that took its place gives it the
    instant `superseded_at`.
    """

    class Expired(models.TextChoices):
        BLOCK = "block", "No invoice"
        WARN = "warn", "Invoice with a warning"

    country = models.CharField(max_length=2, blank=True)
    meter_kind = models.CharField(max_length=12, choices=Meter.Kind.choices)
    valid = DateRangeField()
    years = models.PositiveSmallIntegerField(null=True, blank=True)
    end_of_year = models.BooleanField(default=False)
    when_expired = models.CharField(max_length=5, choices=Expired.choices)
    source = models.CharField(max_length=200)
    superseded_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            ExclusionConstraint(
                name="one_calibration_rule_per_country_kind_and_day",
                expressions=[
                    ("country", RangeOperators.EQUAL),
                    ("meter_kind", RangeOperators.EQUAL),
                    ("valid", RangeOperators.OVERLAPS),
                ],
                condition=Q(superseded_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.country} {self.meter_kind}"


class LossPolicyQuerySet(ScopedQuerySet["LossPolicy"]):
    scope = Scope(operator="delivery_point__site__operator", partner="delivery_point__partner")


class LossPolicy(models.Model):
    """
    How the heat delivered to a customer follows from what is metered, over local days. A change
    is a new row.

    `loss_kw` is taken off for every hour in which the pipe is warm: in which the supply is not
    measured to be cooler than `warm_from_c` on average.
    """

    class Method(models.TextChoices):
        SINK_METER = "sink_meter", "Metered at the customer’s side"
        CONST_KW = "const_kw", "A constant loss while the pipe is warm"
        PERCENT = "percent", "A loss in per cent"

    delivery_point = models.ForeignKey(
        DeliveryPoint, on_delete=models.PROTECT, related_name="loss_policies"
    )
    valid = DateRangeField()
    method = models.CharField(max_length=10, choices=Method.choices)
    loss_kw = models.DecimalField(max_digits=9, decimal_places=3, null=True, blank=True)
    warm_from_c = models.DecimalField(max_digits=5, decimal_places=1, null=True, blank=True)
    loss_percent = models.DecimalField(max_digits=5, decimal_places=2, null=True, blank=True)

    objects = LossPolicyQuerySet.as_manager()

    class Meta:
        constraints = [
            ExclusionConstraint(
                name="one_loss_policy_at_a_time",
                expressions=[
                    ("delivery_point", RangeOperators.EQUAL),
                    ("valid", RangeOperators.OVERLAPS),
                ],
            ),
            models.CheckConstraint(name="a_loss_policy_lasts", condition=Q(valid__isempty=False)),
            models.CheckConstraint(
                name="a_loss_policy_states_its_figures",
                condition=Q(
                    method="sink_meter", loss_kw__isnull=True, warm_from_c__isnull=True,
                    loss_percent__isnull=True,
                )
                | Q(
                    method="const_kw", loss_kw__gte=0, warm_from_c__isnull=False,
                    loss_percent__isnull=True,
                )
                | Q(
                    method="percent", loss_kw__isnull=True, warm_from_c__isnull=True,
                    loss_percent__gte=0, loss_percent__lte=100,
                ),
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.delivery_point} {self.method}"
