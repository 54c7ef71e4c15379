"""
Quantities per local hour, day and month, and what has to be rolled up again.
"""

from django.contrib.postgres.fields import DateTimeRangeField
from django.db import models
from django.db.models import F, Q

from sites.access import Scope, ScopedQuerySet
from telemetry.models.metering import Channel


class DirtyRange(models.Model):
    """
    A stretch of a channel whose rollups no longer match its readings.
    """

    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="dirty_ranges")
    span = DateTimeRangeField()
    marked_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(name="a_dirty_range_lasts", condition=Q(span__isempty=False)),
        ]
        indexes = [models.Index(fields=["marked_at"], name="dirty_oldest_first")]

    def __str__(self) -> str:
        return f"{self.channel_id} {self.span}"


class RollupQuerySet(ScopedQuerySet["Rollup"]):
    scope = Scope(
        operator="channel__point__site__operator",
        partner="channel__point__delivery_point__partner",
        tenant="channel__point__hosting_service__tenant",
    )


class Rollup(models.Model):
    """
    One channel over a quarter of an hour, or a local hour, day or month. Quarters are kept where
    something was read inside their hour; of other hours each is a fourth, see the database
    function `telemetry_quarters`.

    `energy_kwh` is the sum of what is known of the bucket, None where nothing is; only a
    `coverage` of 1 makes it the whole. For registers of volume it holds m³, for E8 and E9 m³·°C.
    Mean, minimum and maximum are in the unit the channel
    sends. `opening` and `closing` are the register at the edges in the meter's native unit.
    `peak_kw` is the greatest mean power of its whole quarters, and of hours that keep none, in kW;
    for registers of volume in m³/h. `peak_at` is when the first of them began.
    """

    class Grain(models.TextChoices):
        QUARTER = "quarter", "Quarter of an hour"
        HOUR = "hour", "Hour"
        DAY = "day", "Local day"
        MONTH = "month", "Local month"

    class Quality(models.TextChoices):
        # Worst first: the worst of its parts is the quality of the whole.
        MISSING = "missing", "Missing"
        SUSPECT = "suspect", "Check"
        ESTIMATED = "estimated", "Estimated"
        EDITED = "edited", "Edited"
        SCALED = "scaled", "Metered in total, spread over time"
        ACTUAL = "actual", "Measured"

    pk = models.CompositePrimaryKey("channel_id", "grain", "start_at")
    # The primary key begins with it.
    channel = models.ForeignKey(
        Channel, on_delete=models.CASCADE, related_name="rollups", db_index=False
    )
    grain = models.CharField(max_length=7, choices=Grain.choices)
    start_at = models.DateTimeField()
    end_at = models.DateTimeField()
    opening = models.DecimalField(max_digits=24, decimal_places=9, null=True)
    closing = models.DecimalField(max_digits=24, decimal_places=9, null=True)
    energy_kwh = models.DecimalField(max_digits=24, decimal_places=9, null=True)
    estimated_kwh = models.DecimalField(max_digits=24, decimal_places=9, default=0)
    peak_kw = models.DecimalField(max_digits=24, decimal_places=9, null=True)
    peak_at = models.DateTimeField(null=True)
    mean = models.DecimalField(max_digits=24, decimal_places=9, null=True)
    minimum = models.DecimalField(max_digits=24, decimal_places=9, null=True)
    maximum = models.DecimalField(max_digits=24, decimal_places=9, null=True)
    samples = models.PositiveIntegerField(default=0)
    coverage = models.DecimalField(max_digits=7, decimal_places=6)
    quality = models.CharField(max_length=10, choices=Quality.choices)
    # Grows each time the figures change, so that evidence can name what it used.
    version = models.PositiveIntegerField(default=1)
    computed_at = models.DateTimeField()

    objects = RollupQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(name="a_bucket_lasts", condition=Q(end_at__gt=F("start_at"))),
            models.CheckConstraint(
                name="coverage_is_a_share", condition=Q(coverage__gte=0, coverage__lte=1)
            ),
        ]
        indexes = [
            models.Index(
                fields=["grain", "start_at"], name="rollups_by_time",
                condition=~Q(grain="quarter"),
            )
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.channel_id} {self.grain} {self.start_at}"
