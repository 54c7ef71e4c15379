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
    """

    carrier = models.CharField(max_length=40)
    region = models.CharField(max_length=10)
    valid = DateRangeField()
    kg_per_kwh = models.DecimalField(max_digits=10, decimal_places=6)
    basis = models.CharField(max_length=60)
    source = models.CharField(max_length=200)
    licence = models.CharField(max_length=80)

    class Meta:
        constraints = [
            ExclusionConstraint(
                name="one_factor_per_carrier_region_and_day",
                expressions=[
                    ("carrier", RangeOperators.EQUAL),
                    ("region", RangeOperators.EQUAL),
                    ("valid", RangeOperators.OVERLAPS),
                ],
            ),
            models.CheckConstraint(name="factor_is_not_negative", condition=Q(kg_per_kwh__gte=0)),
        ]

    def __str__(self) -> str:
        return f"{self.carrier} {self.region}"
