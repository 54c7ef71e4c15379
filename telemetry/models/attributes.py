"""
Energy attributes and who claims them: certificates, contracts and own production by lot, what of a
lot is used where and when, and the ledger in which no share is claimed twice.
"""

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import ArrayField, DateRangeField, RangeOperators
from django.db import models
from django.db.models import Q

from sites.access import Scope, ScopedQuerySet
from sites.models import DeliveryPoint, HostingService, Site, Stakeholder, User


class AttributeLotQuerySet(ScopedQuerySet["AttributeLot"]):
    scope = Scope(operator="operator")


class AttributeLot(models.Model):
    """
    kWh of renewable electricity an operator owns, produced within `produced`. Guarantees of
    origin count once they are cancelled; a contract or tariff names its document instead.
    """

    class Kind(models.TextChoices):
        GO = "go", "Guarantee of origin"
        REGO = "rego", "REGO (United Kingdom)"
        PPA = "ppa", "Power purchase agreement"
        TARIFF = "tariff", "Green tariff"
        ONSITE = "onsite", "Own production at the site"

    class Technology(models.TextChoices):
        WIND = "wind", "Wind"
        SOLAR = "solar", "Solar"
        HYDRO = "hydro", "Hydropower"
        BIOMASS = "biomass", "Biomass"
        GEOTHERMAL = "geothermal", "Geothermal"
        MIXED = "mixed", "Several"

    operator = models.ForeignKey(Stakeholder, on_delete=models.PROTECT, related_name="lots")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    technology = models.CharField(max_length=12, choices=Technology.choices)
    country = models.CharField(max_length=2)
    # The plant, as the certificate or contract names it.
    plant = models.CharField(max_length=120)
    registry = models.CharField(max_length=60, blank=True)
    # First and last number of the certificates, or the number of the contract.
    registry_id = models.CharField(max_length=120)
    produced = DateRangeField()
    kwh = models.DecimalField(max_digits=18, decimal_places=3)
    kg_per_kwh = models.DecimalField(max_digits=10, decimal_places=6, default=0)
    cancelled_on = models.DateField(null=True, blank=True)
    # The registry's proof of cancellation, or the supplier's statement.
    proof_reference = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")

    objects = AttributeLotQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                # Over all operators of the installation: a certificate is owned once.
                fields=["registry", "registry_id"], name="a_certificate_is_held_once"
            ),
            models.CheckConstraint(name="a_lot_has_energy", condition=Q(kwh__gt=0)),
            models.CheckConstraint(
                name="a_lot_was_produced_over_days", condition=Q(produced__isempty=False)
            ),
            models.CheckConstraint(
                name="a_cancellation_has_a_proof",
                condition=Q(cancelled_on__isnull=True) | ~Q(proof_reference=""),
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.kind} {self.registry_id}"


class AttributeAllocationQuerySet(ScopedQuerySet["AttributeAllocation"]):
    scope = Scope(operator="site__operator", tenant="service__tenant")


class AttributeAllocation(models.Model):
    """
    kWh of a lot used at a site in a local month, for one service or for all of the site's
    tenants alike; with `hour` for that hour alone. It can be ended, never edited, and a trigger
    keeps the sum of a lot within its kWh.
    """

    lot = models.ForeignKey(AttributeLot, on_delete=models.PROTECT, related_name="allocations")
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="attributes")
    service = models.ForeignKey(
        HostingService, on_delete=models.PROTECT, null=True, blank=True, related_name="attributes"
    )
    month = models.DateField()
    hour = models.DateTimeField(null=True, blank=True)
    kwh = models.DecimalField(max_digits=18, decimal_places=3)
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    ended_at = models.DateTimeField(null=True, blank=True)

    objects = AttributeAllocationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="an_allocation_is_of_a_month", condition=Q(month__day=1, kwh__gt=0)
            ),
        ]
        indexes = [
            models.Index(
                fields=["site", "month"], name="allocations_in_force",
                condition=Q(ended_at__isnull=True),
            )
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.lot_id} {self.month} {self.kwh}"


class ClaimQuerySet(ScopedQuerySet["Claim"]):
    scope = Scope(operator="site__operator", partner="claimant", tenant="claimant")


class Claim(models.Model):
    """
    A share of the heat a site displaced in a month, or with `lot` of that lot's kWh at the site
    in the month. The shares of one thing never exceed the whole; a trigger keeps that also where
    two claim at once. Tenants are informed of displaced heat and claim nothing of it.
    """

    class Role(models.TextChoices):
        PARTNER = "partner", "Heat partner: less fuel (scope 1)"
        OPERATOR = "operator", "Operator: enabled, outside its inventory"
        TENANT = "tenant", "Tenant: renewable electricity used (scope 2)"

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="claims")
    month = models.DateField()
    lot = models.ForeignKey(
        AttributeLot, on_delete=models.PROTECT, null=True, blank=True, related_name="claims"
    )
    claimant = models.ForeignKey(Stakeholder, on_delete=models.PROTECT, related_name="claims")
    role = models.CharField(max_length=10, choices=Role.choices)
    share = models.DecimalField(max_digits=9, decimal_places=8)
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    ended_at = models.DateTimeField(null=True, blank=True)

    objects = ClaimQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="a_share_is_part_of_the_whole", condition=Q(share__gt=0, share__lte=1)
            ),
            models.CheckConstraint(name="a_claim_is_of_a_month", condition=Q(month__day=1)),
            models.CheckConstraint(
                name="tenants_claim_no_displaced_heat",
                condition=Q(lot__isnull=False) | ~Q(role="tenant"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.site_id} {self.month} {self.share}"


class CounterfactualQuerySet(ScopedQuerySet["Counterfactual"]):
    scope = Scope(operator="delivery_point__site__operator", partner="delivery_point__partner")


class Counterfactual(models.Model):
    """
    What would have made a building's heat: a fuel and a boiler, on one heating value, over days.
    `auxiliary_share` is kWh of pumping per kWh of heat where no meter tells it.
    """

    class Basis(models.TextChoices):
        NCV = "ncv", "Net calorific value"
        GCV = "gcv", "Gross calorific value"

    delivery_point = models.ForeignKey(
        DeliveryPoint, on_delete=models.PROTECT, related_name="counterfactuals"
    )
    valid = DateRangeField()
    fuel = models.CharField(max_length=60)
    fuel_kg_per_kwh = models.DecimalField(max_digits=10, decimal_places=6)
    # One for both, so that factor and efficiency cannot differ.
    basis = models.CharField(max_length=3, choices=Basis.choices)
    efficiency = models.DecimalField(max_digits=5, decimal_places=4)
    auxiliary_share = models.DecimalField(max_digits=7, decimal_places=6, default=0)
    # Relative and independent: of the meter, the factor, the efficiency.
    uncertainties = ArrayField(models.DecimalField(max_digits=6, decimal_places=5), default=list)
    source = models.CharField(max_length=200)
    created_at = models.DateTimeField()
    superseded_at = models.DateTimeField(null=True, blank=True)

    objects = CounterfactualQuerySet.as_manager()

    class Meta:
        constraints = [
            ExclusionConstraint(
                name="one_counterfactual_per_building_and_day",
                expressions=[
                    ("delivery_point", RangeOperators.EQUAL), ("valid", RangeOperators.OVERLAPS),
                ],
                condition=Q(superseded_at__isnull=True),
            ),
            models.CheckConstraint(
                name="a_counterfactual_has_an_efficiency",
                # A heat pump as counterfactual has a coefficient of performance above 1.
                condition=Q(efficiency__gt=0, efficiency__lte=7)
                & Q(fuel_kg_per_kwh__gte=0, auxiliary_share__gte=0),
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.delivery_point_id} {self.fuel}"
