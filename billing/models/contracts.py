"""
What was agreed: contracts and their effective-dated terms.
"""

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateRangeField, RangeOperators
from django.db import models
from django.db.models import Q

from sites.access import Scope, ScopedQuerySet
from sites.models import DeliveryPoint, HostingService, Site, Stakeholder
from telemetry.models import MeteringPoint


class ContractQuerySet(ScopedQuerySet["Contract"]):
    scope = Scope(operator="operator", partner="customer", tenant="customer")


class Contract(models.Model):
    """
    An agreement of an operator with one customer about one delivery point or hosting service.
    """

    operator = models.ForeignKey(
        Stakeholder, on_delete=models.PROTECT, related_name="contracts_as_seller"
    )
    customer = models.ForeignKey(
        Stakeholder, on_delete=models.PROTECT, related_name="contracts_as_customer"
    )
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="contracts")
    delivery_point = models.ForeignKey(
        DeliveryPoint, on_delete=models.PROTECT, null=True, blank=True, related_name="contracts"
    )
    hosting_service = models.ForeignKey(
        HostingService, on_delete=models.PROTECT, null=True, blank=True, related_name="contracts"
    )

    class Status(models.TextChoices):
        DRAFT = "draft", "Draft"
        ACTIVE = "active", "Active"
        ENDED = "ended", "Ended"

    class Regime(models.TextChoices):
        FREE = "", "Freely agreed"
        AVB = "avbfernwaermev", "AVBFernwärmeV and FFVAV (Germany)"
        GB_NETWORKS = "gb_heat_networks", "Heat network regulations (Great Britain)"
        EED = "eed", "Energy Efficiency Directive (other EU)"

    reference = models.CharField(max_length=40)
    # A draft is not billed; an ended contract is, for the days it ran.
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.ACTIVE)
    currency = models.CharField(max_length=3)
    valid = DateRangeField()
    # The last day of a pilot, after which it ends unless it was made a full contract.
    pilot_until = models.DateField(null=True, blank=True)
    # After its last day a pilot goes on as a full contract instead of ending.
    pilot_converts = models.BooleanField(default=False)
    # The law the contract is under, where it decides what may be billed and for how long back.
    legal_regime = models.CharField(max_length=20, choices=Regime.choices, blank=True)
    # How many months back a correction may charge more.
    correction_months = models.PositiveSmallIntegerField(default=12)
    # How many months back is looked for what goes back; NULL: as set for the country.
    look_back_months = models.PositiveSmallIntegerField(null=True, blank=True)
    payment_days = models.PositiveSmallIntegerField(default=14)

    objects = ContractQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["operator", "reference"], name="contract_reference_once_an_operator"
            ),
            models.CheckConstraint(
                name="a_contract_is_about_heat_or_hosting",
                condition=Q(delivery_point__isnull=False, hosting_service__isnull=True)
                | Q(delivery_point__isnull=True, hosting_service__isnull=False),
            ),
            models.CheckConstraint(name="a_contract_lasts", condition=Q(valid__isempty=False)),
            models.CheckConstraint(
                name="only_a_pilot_converts",
                condition=Q(pilot_converts=False) | Q(pilot_until__isnull=False),
            ),
            models.CheckConstraint(
                name="exactly_ended_contracts_have_a_last_day",
                condition=~Q(status="ended") | Q(valid__upper_inf=False),
            ),
        ]

    def __str__(self) -> str:
        return self.reference


class CorrectionLimitQuerySet(ScopedQuerySet["CorrectionLimit"]):
    scope = Scope(operator="operator")


class CorrectionLimit(models.Model):
    """
    For how many months after its end a bill is looked at for corrections in a country, and the law
    or practice that says so. What a contract says goes before.
    """

    operator = models.ForeignKey(
        Stakeholder, on_delete=models.PROTECT, related_name="correction_limits"
    )
    # ISO 3166-1, two letters, of the site.
    country = models.CharField(max_length=2)
    months = models.PositiveSmallIntegerField()
    source = models.CharField(max_length=200)

    objects = CorrectionLimitQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["operator", "country"], name="a_correction_limit_once_a_country"
            ),
            models.CheckConstraint(
                name="a_correction_limit_names_its_source", condition=~Q(source="")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.country}: {self.months} months"


class TermsQuerySet(ScopedQuerySet["Terms"]):
    scope = Scope(
        operator="contract__operator", partner="contract__customer", tenant="contract__customer"
    )


# Said of each figure, because a CHECK that is NULL lets a row pass.
_STANDING = Q(
    contracted_kw__isnull=False, contracted_kw__gt=0, price_per_kw__isnull=False,
    price_per_kw__gte=0,
)  # fmt: skip


class Terms(models.Model):
    """
    The price of a contract over a span of local days. A change is a new row, never an edit:
    a trigger refuses UPDATE of the figures once a line was billed from them.

    Prices are per kW and month and per kWh in the contract's currency, VAT in per cent.
    """

    class Model(models.TextChoices):
        FIXED = "fixed", "Fixed monthly fee on contracted kW"
        USAGE = "usage", "Usage per kWh delivered"
        SAVINGS = "savings", "Shared savings against a baseline"
        COMPUTE = "compute", "Compute with a share of heat revenue"
        BUNDLE = "bundle", "Hosting with renewable electricity"
        HOST = "host", "Payment to the host of the site"

    contract = models.ForeignKey(Contract, on_delete=models.PROTECT, related_name="terms")
    valid = DateRangeField()
    version = models.PositiveSmallIntegerField()
    model = models.CharField(max_length=10, choices=Model.choices)
    contracted_kw = models.DecimalField(max_digits=9, decimal_places=2, null=True, blank=True)
    price_per_kw = models.DecimalField(max_digits=16, decimal_places=6, null=True, blank=True)
    price_per_kwh = models.DecimalField(max_digits=16, decimal_places=6, null=True, blank=True)
    metering_point = models.ForeignKey(
        MeteringPoint, on_delete=models.PROTECT, null=True, blank=True
    )
    vat_category = models.CharField(max_length=2, default="S")
    vat_rate = models.DecimalField(max_digits=5, decimal_places=2)
    # What else is agreed, as `billing.domain.agreement` reads it: figures are strings.
    details = models.JSONField(default=dict, blank=True)
    baseline = models.ForeignKey(
        "billing.Baseline", on_delete=models.PROTECT, null=True, blank=True, related_name="terms"
    )

    objects = TermsQuerySet.as_manager()

    class Meta:
        constraints = [
            ExclusionConstraint(
                name="terms_of_a_contract_do_not_overlap",
                expressions=[
                    ("contract", RangeOperators.EQUAL),
                    ("valid", RangeOperators.OVERLAPS),
                ],
            ),
            models.UniqueConstraint(fields=["contract", "version"], name="terms_version_once"),
            models.CheckConstraint(name="terms_last", condition=Q(valid__isempty=False)),
            models.CheckConstraint(
                name="a_fixed_fee_states_kw_and_price",
                condition=~Q(model="fixed") | Q(_STANDING, price_per_kwh__isnull=True),
            ),
            models.CheckConstraint(
                name="an_allowance_is_metered",
                condition=~Q(details__has_key="allowance_kwh") | Q(metering_point__isnull=False),
            ),
            models.CheckConstraint(
                name="usage_states_price_and_metering_point",
                condition=~Q(model="usage")
                | (
                    Q(metering_point__isnull=False)
                    & (
                        Q(price_per_kwh__isnull=False, price_per_kwh__gte=0)
                        | Q(details__has_key="tiers")
                        | Q(details__has_key="bands")
                    )
                ),
            ),
            models.CheckConstraint(
                name="hosting_models_state_kw_price_and_metering_point",
                condition=~Q(model__in=["compute", "bundle"])
                | Q(
                    _STANDING,
                    price_per_kwh__isnull=False,
                    price_per_kwh__gte=0,
                    metering_point__isnull=False,
                ),
            ),
            models.CheckConstraint(
                name="exactly_shared_savings_have_a_baseline",
                condition=Q(model="savings", baseline__isnull=False)
                | (~Q(model="savings") & Q(baseline__isnull=True)),
            ),
            models.CheckConstraint(
                name="a_price_per_kwh_is_metered",
                condition=Q(price_per_kwh__isnull=True) | Q(metering_point__isnull=False),
            ),
            models.CheckConstraint(
                name="a_standing_charge_has_kw_and_price",
                condition=Q(contracted_kw__isnull=True, price_per_kw__isnull=True) | _STANDING,
            ),
            models.CheckConstraint(
                name="vat_rate_is_a_percentage", condition=Q(vat_rate__gte=0, vat_rate__lte=100)
            ),
            models.CheckConstraint(name="version_counts_from_one", condition=Q(version__gte=1)),
        ]

    def __str__(self) -> str:
        return f"{self.contract} version {self.version}"
