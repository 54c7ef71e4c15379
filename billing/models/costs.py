"""
What an operator's heat costs itself.
"""

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateRangeField, RangeOperators
from django.db import models
from django.db.models import Q

from sites.access import Scope, ScopedQuerySet
from sites.models import Site


class HeatCostQuerySet(ScopedQuerySet["HeatCost"]):
    scope = Scope(operator="site__operator")


class HeatCost(models.Model):
    """
    What delivering heat from a site costs over a span of whole months, in the site's currency:
    the price per kWh of the electricity of heat pumps and pumps, and what falls due each month.
    """

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="heat_costs")
    valid = DateRangeField()
    price_per_kwh = models.DecimalField(max_digits=16, decimal_places=6)
    fixed_per_month = models.DecimalField(max_digits=14, decimal_places=2)

    objects = HeatCostQuerySet.as_manager()

    class Meta:
        constraints = [
            ExclusionConstraint(
                name="costs_of_heat_do_not_overlap",
                expressions=[("site", RangeOperators.EQUAL), ("valid", RangeOperators.OVERLAPS)],
            ),
            models.CheckConstraint(
                name="costs_of_heat_last_whole_months",
                condition=Q(valid__isempty=False, valid__startswith__day=1)
                & (Q(valid__upper_inf=True) | Q(valid__endswith__day=1)),
            ),
            models.CheckConstraint(
                name="costs_of_heat_are_not_negative",
                condition=Q(price_per_kwh__gte=0, fixed_per_month__gte=0),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.site} {self.valid}"
