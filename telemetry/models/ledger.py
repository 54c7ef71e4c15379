"""
How much heat counts, quarter-hour by quarter-hour, and how well it was there, day by day.
"""

from django.contrib.postgres.fields import DateTimeRangeField
from django.db import models
from django.db.models import F, Q

from sites.access import Scope, ScopedQuerySet
from sites.models import DeliveryPoint
from telemetry.models.metering import Channel
from telemetry.models.supply import Reason, SupplyTerms

_SCOPE = Scope(operator="delivery_point__site__operator", partner="delivery_point__partner")


class HeatDirty(models.Model):
    """
    A stretch of a delivery point whose ledger and availability no longer match what they rest on.
    """

    delivery_point = models.ForeignKey(
        DeliveryPoint, on_delete=models.CASCADE, related_name="heat_dirty"
    )
    span = DateTimeRangeField()
    marked_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(name="dirty_heat_lasts", condition=Q(span__isempty=False)),
        ]
        indexes = [models.Index(fields=["marked_at"], name="dirty_heat_oldest_first")]

    def __str__(self) -> str:
        return f"{self.delivery_point_id} {self.span}"


class HeatEntryQuerySet(ScopedQuerySet["HeatEntry"]):
    scope = _SCOPE


class HeatEntry(models.Model):
    """
    The heat of one quarter-hour at a delivery point, kWh at the contract's metering point: how
    much counts, and how much does not for which reason. A quarter-hour whose heat is not known
    has no entry. `terms` None: nothing was agreed, so all heat that was used counts.

    Temperatures are the means that were judged by, `mode` the operating mode (0 reuse, 1 partial
    or changing, 2 bypass); None: not known, which is never held against the heat.

    An entry is superseded, never edited: where figures change, a row of the next version takes its
    place, and what a bill used stays readable. Those in force have no `superseded_at`.
    """

    pk = models.CompositePrimaryKey("delivery_point_id", "start_at", "version")
    # The primary key begins with it.
    delivery_point = models.ForeignKey(
        DeliveryPoint, on_delete=models.PROTECT, related_name="heat_entries", db_index=False
    )
    start_at = models.DateTimeField()
    channel = models.ForeignKey(Channel, on_delete=models.PROTECT, related_name="heat_entries")
    terms = models.ForeignKey(
        SupplyTerms, on_delete=models.PROTECT, null=True, related_name="entries"
    )
    # Eleven decimals: a fourth of an hour that has nine.
    metered_kwh = models.DecimalField(max_digits=26, decimal_places=11)
    counted_kwh = models.DecimalField(max_digits=26, decimal_places=11)
    not_counted_kwh = models.DecimalField(max_digits=26, decimal_places=11)
    estimated_kwh = models.DecimalField(max_digits=26, decimal_places=11)
    reason = models.CharField(max_length=10, choices=Reason.choices, blank=True)
    supply_c = models.DecimalField(max_digits=24, decimal_places=9, null=True)
    return_c = models.DecimalField(max_digits=24, decimal_places=9, null=True)
    mode = models.PositiveSmallIntegerField(null=True)
    # Grows each time the figures change, so that evidence can name what it used.
    version = models.PositiveIntegerField(default=1)
    computed_at = models.DateTimeField()
    superseded_at = models.DateTimeField(null=True)

    objects = HeatEntryQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["delivery_point", "start_at"], name="one_heat_entry_in_force",
                condition=Q(superseded_at__isnull=True),
            ),
            models.CheckConstraint(
                name="a_heat_entry_ends_after_it_began",
                condition=Q(superseded_at__isnull=True) | Q(superseded_at__gte=F("computed_at")),
            ),
            models.CheckConstraint(
                name="heat_counts_or_does_not",
                condition=Q(metered_kwh=F("counted_kwh") + F("not_counted_kwh")),
            ),
            models.CheckConstraint(
                name="what_does_not_count_has_a_reason",
                condition=Q(not_counted_kwh=0) | ~Q(reason=""),
            ),
            models.CheckConstraint(
                name="rejected_heat_does_not_count",
                condition=~Q(mode=2) | Q(reason="rejected", counted_kwh=0),
            ),
        ]  # fmt: skip
        indexes = [
            # Of the heat of a channel hardly any is rejected; ratios take it off.
            models.Index(
                fields=["channel", "start_at"], name="rejected_heat",
                condition=Q(mode=2, superseded_at__isnull=True),
            )
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.delivery_point_id} {self.start_at}"


class HeatDayQuerySet(ScopedQuerySet["HeatDay"]):
    scope = _SCOPE


class HeatDay(models.Model):
    """
    How well heat was there on one local day, in seconds, as far as the day is looked at
    (`until_at`).

    Of the delivery windows some time is excluded, each second for the first reason that applies:
    planned work, the customer's side, water returned too hot, colder outside than agreed. Of the
    rest `bad_s` was not as agreed and `unknown_s` is not known; `cool_s`, `hot_s`, `short_s` and
    `outage_s` say why and may overlap. `shortfall_kwh` is None where no call is measured.
    """

    pk = models.CompositePrimaryKey("delivery_point_id", "day")
    delivery_point = models.ForeignKey(
        DeliveryPoint, on_delete=models.CASCADE, related_name="heat_days"
    )
    day = models.DateField()
    terms = models.ForeignKey(SupplyTerms, on_delete=models.PROTECT, related_name="days")
    until_at = models.DateTimeField()
    window_s = models.PositiveIntegerField()
    planned_s = models.PositiveIntegerField()
    partner_s = models.PositiveIntegerField()
    return_s = models.PositiveIntegerField()
    outdoor_s = models.PositiveIntegerField()
    bad_s = models.PositiveIntegerField()
    unknown_s = models.PositiveIntegerField()
    cool_s = models.PositiveIntegerField()
    hot_s = models.PositiveIntegerField()
    short_s = models.PositiveIntegerField()
    outage_s = models.PositiveIntegerField()
    shortfall_kwh = models.DecimalField(max_digits=24, decimal_places=9, null=True)
    computed_at = models.DateTimeField()

    objects = HeatDayQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="a_day_of_heat_adds_up",
                condition=Q(
                    window_s__gte=F("planned_s") + F("partner_s") + F("return_s") + F("outdoor_s")
                    + F("bad_s") + F("unknown_s")
                ),
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.delivery_point_id} {self.day}"
