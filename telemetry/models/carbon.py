"""
Reference figures with their sources, and what an operator reported of a year with them.
"""

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import ArrayField, DateRangeField, RangeOperators
from django.db import models
from django.db.models import Q
from django.db.models.functions import Coalesce

from sites.access import Scope, ScopedQuerySet
from sites.models import Site, Stakeholder, User

# Rows without an operator are the installation's own and each operator's to use.
_OWNER = Coalesce("operator", models.Value(0), output_field=models.BigIntegerField())


# An operator's rows, and those of the installation.
_SCOPE = Scope(operator="operator", shared=Q(operator__isnull=True))


class EmissionFactorQuerySet(ScopedQuerySet["EmissionFactor"]):
    scope = _SCOPE


class KpiRuleQuerySet(ScopedQuerySet["KpiRule"]):
    scope = _SCOPE


class EmissionFactor(models.Model):
    """
    kg of CO2 or CO2e per kWh of an energy carrier in a region over a span of days.

    `valid` are the days it is used for, `data_year` the year it describes: a grid's factor is
    published later and used until the next one. A factor is never edited; one that took its
    place gives it the instant `superseded_at`, and what was computed with it still names it.
    """

    class Gas(models.TextChoices):
        CO2 = "co2", "CO2 alone"
        CO2E = "co2e", "CO2 equivalent"

    class Extent(models.TextChoices):
        DIRECT = "direct", "Direct"
        LIFE_CYCLE = "life_cycle", "Life cycle"

    class HeatingValue(models.TextChoices):
        NCV = "ncv", "Net calorific value"
        GCV = "gcv", "Gross calorific value"

    operator = models.ForeignKey(
        Stakeholder, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    carrier = models.CharField(max_length=40)
    region = models.CharField(max_length=10)
    valid = DateRangeField()
    data_year = models.PositiveSmallIntegerField()
    kg_per_kwh = models.DecimalField(max_digits=10, decimal_places=6)
    # Value and unit as the source has them; empty where they are the same.
    published = models.CharField(max_length=40, blank=True)
    gas = models.CharField(max_length=4, choices=Gas.choices, default=Gas.CO2E)
    extent = models.CharField(max_length=10, choices=Extent.choices, default=Extent.DIRECT)
    heating_value = models.CharField(max_length=3, choices=HeatingValue.choices, blank=True)
    basis = models.CharField(max_length=60)
    source = models.CharField(max_length=200)
    licence = models.CharField(max_length=80)
    created_at = models.DateTimeField(null=True, blank=True)
    superseded_at = models.DateTimeField(null=True, blank=True)

    objects = EmissionFactorQuerySet.as_manager()

    class Meta:
        constraints = [
            ExclusionConstraint(
                name="one_factor_per_owner_carrier_region_and_day",
                expressions=[
                    (_OWNER, RangeOperators.EQUAL),
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


class KpiRule(models.Model):
    """
    A threshold for ratios over a span of days: of a law, of a draft that binds nobody yet, or a
    figure of others to compare with. `started` are the days of entry into operation it is about.
    """

    class Standing(models.TextChoices):
        LAW = "law", "Law"
        DRAFT = "draft", "Draft"
        BENCHMARK = "benchmark", "Comparison"

    operator = models.ForeignKey(
        Stakeholder, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    code = models.CharField(max_length=40)
    region = models.CharField(max_length=10)
    valid = DateRangeField()
    started = DateRangeField()
    grace_months = models.PositiveSmallIntegerField(default=0)
    value = models.DecimalField(max_digits=14, decimal_places=4)
    unit = models.CharField(max_length=20, blank=True)
    standing = models.CharField(max_length=10, choices=Standing.choices)
    words = models.CharField(max_length=200)
    source = models.CharField(max_length=200)
    licence = models.CharField(max_length=80)
    created_at = models.DateTimeField()
    superseded_at = models.DateTimeField(null=True, blank=True)

    objects = KpiRuleQuerySet.as_manager()

    class Meta:
        constraints = [
            ExclusionConstraint(
                name="one_rule_per_owner_code_region_and_day",
                expressions=[
                    (_OWNER, RangeOperators.EQUAL),
                    ("code", RangeOperators.EQUAL),
                    ("region", RangeOperators.EQUAL),
                    ("standing", RangeOperators.EQUAL),
                    ("valid", RangeOperators.OVERLAPS),
                    ("started", RangeOperators.OVERLAPS),
                ],
                condition=Q(superseded_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.region}"


class SiteBoundaryQuerySet(ScopedQuerySet["SiteBoundary"]):
    scope = Scope(operator="site__operator")


class SiteBoundary(models.Model):
    """
    What an operator declares of a site's ratios from a day on: where IT energy is measured (the
    category of ISO/IEC 30134-2), on which side of the boundary a heat pump stands, and whether
    the guarantees of what the site produces are sold. A later row takes its place.
    """

    class Category(models.IntegerChoices):
        UPS = 1, "Category 1: output of the UPS"
        PDU = 2, "Category 2: output of the PDU"
        IT = 3, "Category 3: input of the IT equipment"

    class HeatPump(models.TextChoices):
        NONE = "none", "There is none"
        INSIDE = "inside", "Inside: its electricity is the data centre’s, heat counts after it"
        OUTSIDE = "outside", "Outside: its electricity is not, heat counts before it"

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="boundaries")
    valid_from = models.DateField()
    it_category = models.PositiveSmallIntegerField(choices=Category.choices)
    heat_pump = models.CharField(max_length=8, choices=HeatPump.choices)
    own_production_sold = models.BooleanField(default=False)
    note = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    superseded_at = models.DateTimeField(null=True, blank=True)

    objects = SiteBoundaryQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["site", "valid_from"], name="one_boundary_per_site_and_day",
                condition=Q(superseded_at__isnull=True),
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.site_id} {self.valid_from}"


class ReportingYearQuerySet(ScopedQuerySet["ReportingYear"]):
    scope = Scope(operator="operator")


class ReportingYear(models.Model):
    """
    What an operator reported of a calendar year, by site, with the method and the factors it is
    frozen with. Never edited: a restatement is a row that replaces another, and both are kept.
    """

    operator = models.ForeignKey(Stakeholder, on_delete=models.PROTECT, related_name="+")
    year = models.PositiveSmallIntegerField()
    method = models.CharField(max_length=10)
    # Figures by the site's slug, as text so that nobody rounds them.
    figures = models.JSONField()
    factor_ids = ArrayField(models.BigIntegerField())
    closed_at = models.DateTimeField()
    closed_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    replaces = models.OneToOneField(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="replaced_by"
    )
    reason = models.CharField(max_length=300, blank=True)

    objects = ReportingYearQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["operator", "year"], name="a_year_is_closed_once",
                condition=Q(replaces__isnull=True),
            ),
            models.CheckConstraint(
                name="a_restatement_says_why", condition=Q(replaces__isnull=True) | ~Q(reason="")
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.operator_id} {self.year}"


class MonthFiguresQuerySet(ScopedQuerySet["MonthFigures"]):
    scope = Scope(operator="site__operator")


class MonthFigures(models.Model):
    """
    What was worked out of a site's local month, kept as it was: by which method, of which factors,
    with which coverage. A later run that comes to something else supersedes it.
    """

    class Kind(models.TextChoices):
        RATIOS = "ratios", "Ratios"
        EMISSIONS = "emissions", "Emissions"

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="month_figures")
    month = models.DateField()
    kind = models.CharField(max_length=10, choices=Kind.choices)
    method = models.CharField(max_length=10)
    content = models.JSONField()
    sha256 = models.BinaryField()
    computed_at = models.DateTimeField()
    superseded_at = models.DateTimeField(null=True, blank=True)

    objects = MonthFiguresQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["site", "month", "kind"], name="one_set_of_figures_per_month",
                condition=Q(superseded_at__isnull=True),
            ),
            models.CheckConstraint(name="figures_are_of_a_month", condition=Q(month__day=1)),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.site_id} {self.month:%Y-%m} {self.kind}"
