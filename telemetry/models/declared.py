"""
What an operator states about a site for a report and no meter tells.
"""

from django.db import models
from django.db.models import Q

from sites.access import Scope, ScopedQuerySet
from sites.models import Site, User


class DeclaredFigureQuerySet(ScopedQuerySet["DeclaredFigure"]):
    scope = Scope(operator="site__operator")


class DeclaredFigure(models.Model):
    """
    One answer of a calendar year's report, such as the floor area. A later answer supersedes it;
    both are kept.
    """

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="declared_figures")
    year = models.PositiveSmallIntegerField()
    symbol = models.CharField(max_length=30)
    value = models.CharField(max_length=200)
    declared_at = models.DateTimeField()
    declared_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    superseded_at = models.DateTimeField(null=True, blank=True)

    objects = DeclaredFigureQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["site", "year", "symbol"], name="one_answer_per_site_year_and_symbol",
                condition=Q(superseded_at__isnull=True),
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.symbol} {self.year}"
