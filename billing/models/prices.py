"""
What prices follow and are compared with: published indices, baselines, monthly figures.
"""

from django.db import models
from django.db.models import Q

from billing.models.contracts import Contract
from sites.access import Scope, ScopedQuerySet
from sites.models import Stakeholder, User


class PriceIndexQuerySet(ScopedQuerySet["PriceIndex"]):
    scope = Scope(operator="operator")


class PriceIndex(models.Model):
    """
    A published series that price clauses name by its code.
    """

    operator = models.ForeignKey(
        Stakeholder, on_delete=models.PROTECT, related_name="price_indices"
    )
    code = models.SlugField(max_length=40)
    name = models.CharField(max_length=120)
    # The publisher and where to look it up.
    source = models.CharField(max_length=200)
    # As published, such as "2020 = 100" or "EUR/MWh".
    basis = models.CharField(max_length=40, blank=True)

    objects = PriceIndexQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["operator", "code"], name="index_code_once_an_operator"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class IndexBasisQuerySet(ScopedQuerySet["IndexBasis"]):
    scope = Scope(operator="index__operator")


class IndexBasis(models.Model):
    """
    A new base a publisher gave a series: from then on its values are typed as published and
    linked to the series' own base by the two values of one month. A trigger refuses to change it.
    """

    index = models.ForeignKey(PriceIndex, on_delete=models.PROTECT, related_name="bases")
    # As published, such as "2025 = 100".
    basis = models.CharField(max_length=40)
    overlap_month = models.DateField()
    overlap_old = models.DecimalField(max_digits=14, decimal_places=6)
    overlap_new = models.DecimalField(max_digits=14, decimal_places=6)
    stored_at = models.DateTimeField()
    by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True)

    objects = IndexBasisQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["index", "basis"], name="a_basis_once_an_index"),
            models.CheckConstraint(
                name="a_series_is_linked_over_values_above_zero",
                condition=Q(overlap_old__gt=0, overlap_new__gt=0),
            ),
            models.CheckConstraint(
                name="an_overlap_month_is_its_first_day", condition=Q(overlap_month__day=1)
            ),
        ]

    def __str__(self) -> str:
        return self.basis


class IndexValueQuerySet(ScopedQuerySet["IndexValue"]):
    scope = Scope(operator="index__operator")


class IndexValue(models.Model):
    """
    The value of a series for a month, in the basis of the series. A later revision is a new row;
    a trigger refuses to change one.
    """

    index = models.ForeignKey(PriceIndex, on_delete=models.PROTECT, related_name="values")
    month = models.DateField()
    revision = models.PositiveSmallIntegerField(default=0)
    value = models.DecimalField(max_digits=14, decimal_places=6)
    # What was published on a newer base, where the series was linked.
    basis = models.ForeignKey(IndexBasis, on_delete=models.PROTECT, null=True, blank=True)
    published_value = models.DecimalField(max_digits=14, decimal_places=6, null=True, blank=True)
    provisional = models.BooleanField(default=False)
    published_on = models.DateField(null=True, blank=True)
    stored_at = models.DateTimeField()
    by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True)

    objects = IndexValueQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["index", "month", "revision"], name="index_revision_once_a_month"
            ),
            models.CheckConstraint(
                name="an_index_month_is_its_first_day", condition=Q(month__day=1)
            ),
            models.CheckConstraint(
                name="a_linked_value_keeps_what_was_published",
                condition=Q(basis__isnull=True, published_value__isnull=True)
                | Q(basis__isnull=False, published_value__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.index} {self.month:%Y-%m}"


class BaselineQuerySet(ScopedQuerySet["Baseline"]):
    scope = Scope(operator="contract__operator", partner="contract__customer")


class Baseline(models.Model):
    """
    What a customer would use without the heat: kWh of heat a day and per degree day, and the
    boiler it would come from. Frozen by a trigger once both sides agreed to it.
    """

    contract = models.ForeignKey(Contract, on_delete=models.PROTECT, related_name="baselines")
    name = models.CharField(max_length=80)
    base_kwh = models.DecimalField(max_digits=12, decimal_places=4)
    slope_kwh = models.DecimalField(max_digits=12, decimal_places=4)
    # Degrees C below which a day counts degree days.
    base_temperature = models.DecimalField(max_digits=4, decimal_places=1)
    # The periods it was fitted on and how well it fits: days, degree days, use, CV(RMSE), NMBE, R2.
    fitted_on = models.JSONField(default=dict)
    boiler_efficiency = models.DecimalField(max_digits=5, decimal_places=4)
    fuel_price = models.DecimalField(max_digits=16, decimal_places=6)
    carbon_kg_per_kwh = models.DecimalField(max_digits=10, decimal_places=6)
    carbon_price = models.DecimalField(max_digits=10, decimal_places=2)
    maintenance_per_year = models.DecimalField(max_digits=12, decimal_places=2, default=0)
    agreed_on = models.DateField(null=True, blank=True)
    agreed_by_operator = models.CharField(max_length=120, blank=True)
    agreed_by_customer = models.CharField(max_length=120, blank=True)

    objects = BaselineQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="an_agreed_baseline_names_both_sides",
                condition=Q(agreed_on__isnull=True)
                | ~(Q(agreed_by_operator="") | Q(agreed_by_customer="")),
            ),
            models.CheckConstraint(
                name="a_boiler_has_an_efficiency",
                condition=Q(boiler_efficiency__gt=0, boiler_efficiency__lte=2),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class MonthlyFigureQuerySet(ScopedQuerySet["MonthlyFigure"]):
    scope = Scope(operator="contract__operator", partner="contract__customer")


class MonthlyFigure(models.Model):
    """
    A figure of a month that no meter of ours tells: what a customer's boiler burnt, say. A
    correction is a new revision; a trigger refuses to change one.
    """

    class Kind(models.TextChoices):
        FUEL_KWH = "fuel_kwh", "Fuel used, kWh"
        ELECTRICITY_KWH = "electricity_kwh", "Electricity used, kWh"
        ELECTRICITY_PRICE = "electricity_price", "Electricity price per kWh"
        DEGREE_DAYS = "degree_days", "Degree days, K d"
        ADJUSTMENT_KWH = "adjustment_kwh", "Agreed adjustment of the baseline, kWh"
        MATCHED_KWH = "matched_kwh", "Electricity matched in the hour, kWh"

    contract = models.ForeignKey(Contract, on_delete=models.PROTECT, related_name="monthly_figures")
    kind = models.CharField(max_length=20, choices=Kind.choices)
    month = models.DateField()
    revision = models.PositiveSmallIntegerField(default=0)
    value = models.DecimalField(max_digits=18, decimal_places=6)
    source = models.CharField(max_length=200)
    # Who agreed to it on both sides, where it moves a baseline.
    agreed_by_operator = models.CharField(max_length=120, blank=True)
    agreed_by_customer = models.CharField(max_length=120, blank=True)
    stored_at = models.DateTimeField()
    by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True)

    objects = MonthlyFigureQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["contract", "kind", "month", "revision"], name="figure_revision_once"
            ),
            models.CheckConstraint(
                name="a_figure_month_is_its_first_day", condition=Q(month__day=1)
            ),
            models.CheckConstraint(name="a_figure_names_its_source", condition=~Q(source="")),
            models.CheckConstraint(
                name="an_adjustment_names_both_sides",
                condition=~Q(kind="adjustment_kwh")
                | ~(Q(agreed_by_operator="") | Q(agreed_by_customer="")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.contract} {self.kind} {self.month:%Y-%m}"
