"""
Reference figures for emissions, each with its source.
"""

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateRangeField, RangeOperators
from django.db import models
from django.db.models import Q


class EmissionFactor(models.Model):
    """
    kg of CO2 or CO2e per kWh of an energy carrier in a region over a span of days.

    `valid` are the days it is used for, `data_year` the year it describes: a grid's factor is
    published later and used until the next one. A factor is never edited; one that took its
    place gives it the instant `superseded_at`, and what was computed with it still names it.
    """

    carrier = models.CharField(max_length=40)
    region = models.CharField(max_length=10)
    valid = DateRangeField()
    data_year = models.PositiveSmallIntegerField()
    kg_per_kwh = models.DecimalField(max_digits=10, decimal_places=6)
    basis = models.CharField(max_length=60)
    source = models.CharField(max_length=200)
    licence = models.CharField(max_length=80)
    superseded_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            ExclusionConstraint(
                name="one_factor_per_carrier_region_and_day",
                expressions=[
                    ("carrier", RangeOperators.EQUAL),
                    ("region", RangeOperators.EQUAL),
                    ("valid", RangeOperators.OVERLAPS),
                ],
                condition=Q(superseded_at__isnull=True),
            ),
            models.CheckConstraint(name="factor_is_not_negative", condition=Q(kg_per_kwh__gte=0)),
        ]

    def __str__(self) -> str:
        return f"{self.carrier} {self.region}"
