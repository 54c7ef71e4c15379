"""
When services and heat were there: probes from outside, incidents, announced work.
"""

from django.contrib.postgres.fields import DateTimeRangeField
from django.db import models
from django.db.models import F, Func, Q, Value
from django.db.models.lookups import Exact

from sites.access import Scope, ScopedQuerySet
from sites.models import DeliveryPoint, HostingService, Site, Stakeholder, User
from telemetry.domain import supply


class Part(models.TextChoices):
    """
    What of a site is meant.
    """

    IT = "it", "Servers"
    HEAT = "heat", "Heat"
    ALL = "all", "Servers and heat"


class ProbeQuerySet(ScopedQuerySet["Probe"]):
    scope = Scope(operator="site__operator")


class Probe(models.Model):
    """
    A question asked from outside again and again, so that the silence of a heartbeat can be told
    from an outage. Without a service it speaks for the whole site.
    """

    class Kind(models.TextChoices):
        HTTP = "http", "HTTP"
        TCP = "tcp", "TCP"

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="probes")
    hosting_service = models.ForeignKey(
        HostingService, on_delete=models.PROTECT, null=True, blank=True, related_name="probes"
    )
    name = models.CharField(max_length=80)
    kind = models.CharField(max_length=4, choices=Kind.choices)
    # http://host:port/path or host:port.
    target = models.CharField(max_length=300)
    interval_s = models.PositiveIntegerField(default=60)
    timeout_s = models.PositiveSmallIntegerField(default=10)
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    # While somebody paused it, it asks nothing and its silence means nothing.
    paused_at = models.DateTimeField(null=True, blank=True)
    next_at = models.DateTimeField()

    objects = ProbeQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="a_probe_waits_less_than_its_interval",
                condition=Q(timeout_s__gt=0, timeout_s__lt=F("interval_s")),
            ),
            models.UniqueConstraint(
                fields=["site", "name"], name="probe_name_once_a_site",
                condition=Q(ended_at__isnull=True),
            ),
        ]  # fmt: skip
        indexes = [
            models.Index(
                fields=["next_at"],
                name="probes_due",
                condition=Q(ended_at__isnull=True, paused_at__isnull=True),
            )
        ]

    def __str__(self) -> str:
        return self.name


class ProbeResultQuerySet(ScopedQuerySet["ProbeResult"]):
    scope = Scope(operator="probe__site__operator")


class ProbeResult(models.Model):
    """
    What a probe found. `answer` is a status code or why there was none; bodies are not kept.
    """

    probe = models.ForeignKey(Probe, on_delete=models.CASCADE, related_name="results")
    at = models.DateTimeField()
    ok = models.BooleanField()
    took_ms = models.PositiveIntegerField(null=True, blank=True)
    answer = models.CharField(max_length=120, blank=True)

    objects = ProbeResultQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["probe", "at"], name="a_probe_answers_once_at_a_time")
        ]

    def __str__(self) -> str:
        return f"{self.probe_id} {self.at} {self.ok}"


class IncidentQuerySet(ScopedQuerySet["Incident"]):
    scope = Scope(
        operator="site__operator", partner="affected", tenant="affected", many=True,
        customers_only=Q(withdrawn_at__isnull=True),
    )  # fmt: skip


class Incident(models.Model):
    """
    A stretch in which servers or heat were not there. Without a service or delivery point it is
    the whole site's. Opened by the rules or by a person; people state cause and words. One that
    turned out not to be is withdrawn and counts nowhere.
    """

    class Origin(models.TextChoices):
        RULE = "rule", "Found by the portal"
        PERSON = "person", "Recorded by a person"

    class Cause(models.TextChoices):
        UNKNOWN = "unknown", "Not known yet"
        POWER = "power", "Power"
        COOLING = "cooling", "Cooling"
        NETWORK = "network", "Network"
        HARDWARE = "hardware", "Hardware"
        SOFTWARE = "software", "Software"
        HEAT_SYSTEM = "heat_system", "Heat system"
        PARTNER = "partner", "At the heat partner’s side"
        OUTSIDE = "outside", "Outside anybody’s control"

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="incidents")
    part = models.CharField(max_length=4, choices=Part.choices)
    hosting_service = models.ForeignKey(
        HostingService, on_delete=models.PROTECT, null=True, blank=True, related_name="incidents"
    )
    delivery_point = models.ForeignKey(
        DeliveryPoint, on_delete=models.PROTECT, null=True, blank=True, related_name="incidents"
    )
    origin = models.CharField(max_length=6, choices=Origin.choices)
    cause = models.CharField(max_length=12, choices=Cause.choices, default=Cause.UNKNOWN)
    title = models.CharField(max_length=120)
    text = models.TextField(blank=True)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    recorded_at = models.DateTimeField()
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    # The customers it touched; they read it.
    affected = models.ManyToManyField(Stakeholder, related_name="incidents")

    objects = IncidentQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["site", "part", "hosting_service", "delivery_point"],
                name="one_open_incident_found_by_the_portal_per_subject",
                condition=Q(
                    origin="rule", ended_at__isnull=True, withdrawn_at__isnull=True
                ),
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                name="an_incident_ends_after_it_began",
                condition=Q(ended_at__isnull=True) | Q(ended_at__gt=F("started_at")),
            ),
            models.CheckConstraint(
                name="an_incident_is_of_one_subject",
                condition=Q(hosting_service__isnull=True, delivery_point__isnull=True)
                | Q(part="it", hosting_service__isnull=False, delivery_point__isnull=True)
                | Q(part="heat", hosting_service__isnull=True, delivery_point__isnull=False),
            ),
        ]  # fmt: skip
        indexes = [models.Index(fields=["site", "-started_at"], name="incidents_newest_first")]

    def __str__(self) -> str:
        return self.title


class MaintenanceWindowQuerySet(ScopedQuerySet["MaintenanceWindow"]):
    scope = Scope(operator="site__operator", partner="told", tenant="told", many=True)


class MaintenanceWindow(models.Model):
    """
    Work that was announced. Whether its time is planned time follows from how long ahead it was
    announced and from what the month allows.
    """

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="maintenance")
    part = models.CharField(max_length=4, choices=Part.choices)
    hosting_service = models.ForeignKey(
        HostingService, on_delete=models.PROTECT, null=True, blank=True, related_name="maintenance"
    )
    delivery_point = models.ForeignKey(
        DeliveryPoint, on_delete=models.PROTECT, null=True, blank=True, related_name="maintenance"
    )
    span = DateTimeRangeField()
    reason = models.CharField(max_length=120)
    text = models.TextField(blank=True)
    announced_at = models.DateTimeField()
    by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True)
    cancelled_at = models.DateTimeField(null=True, blank=True)
    # When the customers were e-mailed; None where they still are to be.
    mailed_at = models.DateTimeField(null=True, blank=True)
    # The customers who were told; they read it.
    told = models.ManyToManyField(Stakeholder, related_name="maintenance")

    objects = MaintenanceWindowQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="announced_work_has_two_ends",
                condition=Q(
                    span__isempty=False, span__lower_inf=False, span__upper_inf=False
                ),
            ),
            models.CheckConstraint(
                name="announced_work_is_on_one_subject",
                condition=Q(hosting_service__isnull=True, delivery_point__isnull=True)
                | Q(part="it", hosting_service__isnull=False, delivery_point__isnull=True)
                | Q(part="heat", hosting_service__isnull=True, delivery_point__isnull=False),
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return self.reason


class MaintenancePolicyQuerySet(ScopedQuerySet["MaintenancePolicy"]):
    # Customers read what is agreed about work that touches them.
    scope = Scope(
        operator="site__operator", partner="site__delivery_points__partner",
        tenant="site__hosting_services__tenant", many=True,
    )  # fmt: skip


class MaintenancePolicy(models.Model):
    """
    What is agreed about work at a site: how long ahead it is announced, in which hours of the
    week it is done, and how much of a month and of a year it may take of one customer before it
    counts like any other time.
    """

    site = models.OneToOneField(Site, on_delete=models.PROTECT, related_name="maintenance_policy")
    notice_h = models.PositiveIntegerField(default=72)
    allowance_min = models.PositiveIntegerField(default=240)
    # Minutes a local calendar year; NULL: no more than the months allow.
    yearly_min = models.PositiveIntegerField(null=True, blank=True)
    # Weekday from 0 for Monday and minutes of the wall clock, [begins, ends); empty: at any time.
    hours = models.JSONField(default=list, blank=True)

    objects = MaintenancePolicyQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="hours_of_work_are_a_list",
                condition=Exact(Func("hours", function="jsonb_typeof"), Value("array")),
            ),
        ]

    def __str__(self) -> str:
        told = [f"{self.notice_h} h", f"{self.allowance_min} min"]
        if self.yearly_min is not None:
            told.append(f"{self.yearly_min} min a year")
        return ", ".join(told + supply.write_bands(self.bands))

    @property
    def bands(self) -> list[supply.Band]:
        """
        The hours of the week in which work is done; none for any.
        """
        return [supply.Band(*row) for row in self.hours]
