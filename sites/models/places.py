"""
Where things stand: sites, the points where heat is handed over, the services hosted there.
"""

from django.db import models
from django.db.models import Q

from sites.access import Scope, ScopedQuerySet
from sites.models.parties import Stakeholder


class SiteQuerySet(ScopedQuerySet["Site"]):
    """
    The operator's own sites; for customers those where they take heat or host servers.
    """

    scope = Scope(
        operator="operator",
        partner="delivery_points__partner",
        tenant="hosting_services__tenant",
        many=True,
    )

    def public(self) -> "SiteQuerySet":
        """
        Return the sites whose operator chose to show them to everybody.
        """
        return self.filter(is_public=True)


class Site(models.Model):
    """
    A data centre. Its zone rules every reading and bill.
    """

    class Phase(models.TextChoices):
        PLANNED = "planned", "Planned"
        LIVE = "live", "Live"
        RETIRED = "retired", "Retired"

    class Cooling(models.TextChoices):
        LIQUID = "liquid", "Liquid cooled"
        AIR = "air", "Air cooled"
        IMMERSION = "immersion", "Immersion cooled"

    operator = models.ForeignKey(Stakeholder, on_delete=models.PROTECT, related_name="sites")
    name = models.CharField(max_length=120)
    slug = models.SlugField(max_length=60, unique=True)
    town = models.CharField(max_length=80)
    country = models.CharField(max_length=2)
    timezone = models.CharField(max_length=60)
    currency = models.CharField(max_length=3)
    latitude = models.DecimalField(max_digits=8, decimal_places=5)
    longitude = models.DecimalField(max_digits=8, decimal_places=5)
    cooling = models.CharField(max_length=10, choices=Cooling.choices, default=Cooling.LIQUID)
    phase = models.CharField(max_length=10, choices=Phase.choices, default=Phase.LIVE)
    rated_it_kw = models.DecimalField(max_digits=9, decimal_places=2)
    capture_kw = models.DecimalField(max_digits=9, decimal_places=2)
    started_on = models.DateField()
    is_public = models.BooleanField(default=False)
    public_text = models.TextField(blank=True)
    # What a reader must know about the data, such as that its dates were shifted.
    data_note = models.TextField(blank=True)

    objects = SiteQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="site_powers_are_positive", condition=Q(rated_it_kw__gt=0, capture_kw__gte=0)
            ),
            models.UniqueConstraint(fields=["operator", "name"], name="site_name_once_an_operator"),
        ]

    def __str__(self) -> str:
        return self.name


class DeliveryPointQuerySet(ScopedQuerySet["DeliveryPoint"]):
    scope = Scope(operator="site__operator", partner="partner")


class DeliveryPoint(models.Model):
    """
    The hand-off of heat from a site to a partner's building.
    """

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="delivery_points")
    partner = models.ForeignKey(
        Stakeholder, on_delete=models.PROTECT, related_name="delivery_points"
    )
    name = models.CharField(max_length=120)
    slug = models.SlugField(max_length=60)
    building_type = models.CharField(max_length=60)
    distance_m = models.PositiveIntegerField(default=0)
    required_supply_c = models.DecimalField(max_digits=5, decimal_places=1)
    contracted_kw = models.DecimalField(max_digits=9, decimal_places=2)
    # What replaces our heat when it fails, and whom to ring.
    help_phone = models.CharField(max_length=40, blank=True)

    objects = DeliveryPointQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["site", "slug"], name="delivery_slug_once_a_site"),
            models.CheckConstraint(
                name="contracted_heat_is_positive", condition=Q(contracted_kw__gt=0)
            ),
        ]

    def __str__(self) -> str:
        return self.name


class HostingServiceQuerySet(ScopedQuerySet["HostingService"]):
    scope = Scope(operator="site__operator", tenant="tenant")


class HostingService(models.Model):
    """
    What a tenant hosts at a site.
    """

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="hosting_services")
    tenant = models.ForeignKey(
        Stakeholder, on_delete=models.PROTECT, related_name="hosting_services"
    )
    name = models.CharField(max_length=120)
    slug = models.SlugField(max_length=60)
    it_kw = models.DecimalField(max_digits=9, decimal_places=2)
    racks = models.PositiveIntegerField(default=1)

    objects = HostingServiceQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["site", "slug"], name="service_slug_once_a_site"),
            models.CheckConstraint(name="hosted_power_is_positive", condition=Q(it_kw__gt=0)),
        ]

    def __str__(self) -> str:
        return self.name
