"""
Energy and heat statements: what was stated to a tenant, signed by whom, and whether it still holds.
"""

import uuid

from django.db import models
from django.db.models import F, Q

from sites.access import Scope, ScopedQuerySet
from sites.models import HostingService, Site, Stakeholder, User
from telemetry.models.metering import Channel


class IssuerKeyQuerySet(ScopedQuerySet["IssuerKey"]):
    scope = Scope(operator="operator")


class IssuerKey(models.Model):
    """
    An Ed25519 key an operator signs with. A retired key signs no more, and what it signed still
    verifies; one that fell into wrong hands is compromised, and nothing of it verifies.
    """

    operator = models.ForeignKey(Stakeholder, on_delete=models.PROTECT, related_name="issuer_keys")
    number = models.PositiveIntegerField()
    public = models.BinaryField()
    # Encrypted under SECRET_KEY: a copy of the database alone cannot sign.
    secret = models.BinaryField()
    created_at = models.DateTimeField()
    retired_at = models.DateTimeField(null=True, blank=True)
    compromised_at = models.DateTimeField(null=True, blank=True)

    objects = IssuerKeyQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["operator", "number"], name="key_number_once"),
            models.UniqueConstraint(
                fields=["operator"], name="an_operator_signs_with_one_key",
                condition=Q(retired_at__isnull=True),
            ),
            models.CheckConstraint(
                name="a_compromised_key_is_retired",
                condition=Q(compromised_at__isnull=True) | Q(retired_at__isnull=False),
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"key-{self.number}"


class StatementRegister(models.Model):
    """
    An operator's running number and its signed status list (W3C Bitstring Status List). Whoever
    issues or ends a statement locks this row first.
    """

    operator = models.OneToOneField(
        Stakeholder, on_delete=models.PROTECT, related_name="statement_register"
    )
    last_number = models.PositiveIntegerField(default=0)
    status_jwt = models.TextField(blank=True)
    status_document = models.JSONField(default=dict)
    signed_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return str(self.operator_id)


class StatementQuerySet(ScopedQuerySet["Statement"]):
    """
    A tenant sees what was issued to it, also what no longer holds; drafts are the operator's.
    """

    scope = Scope(operator="operator", tenant="tenant", customers_only=Q(issued_at__isnull=False))


class Statement(models.Model):
    """
    The energy and heat statement of one hosting service over whole local months. Once issued it
    is never changed; a late correction supersedes it by another. A trigger keeps that.
    """

    class State(models.TextChoices):
        HELD = "held", "Held back"
        DRAFT = "draft", "To approve"
        ISSUED = "issued", "Issued"
        SUPERSEDED = "superseded", "Superseded"
        REVOKED = "revoked", "Revoked"

    id = models.BigAutoField(primary_key=True)
    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    operator = models.ForeignKey(Stakeholder, on_delete=models.PROTECT, related_name="+")
    tenant = models.ForeignKey(Stakeholder, on_delete=models.PROTECT, related_name="statements")
    service = models.ForeignKey(HostingService, on_delete=models.PROTECT, related_name="statements")
    first_month = models.DateField()
    last_month = models.DateField()
    state = models.CharField(max_length=10, choices=State.choices)
    # What is stated, as it stands in the credential, and the SHA-256 of its canonical form.
    content = models.JSONField()
    content_sha256 = models.BinaryField()
    # Why nothing is issued: codes of domain.statement.Held with their figures.
    held = models.JSONField(default=list)
    made_at = models.DateTimeField()
    checked_at = models.DateTimeField()
    number = models.CharField(max_length=24, blank=True)
    issued_at = models.DateTimeField(null=True, blank=True)
    issued_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    valid_until = models.DateTimeField(null=True, blank=True)
    key = models.ForeignKey(
        IssuerKey, on_delete=models.PROTECT, null=True, blank=True, related_name="statements"
    )
    status_index = models.PositiveIntegerField(null=True, blank=True)
    # The credential in its two forms: with a Data Integrity proof, and as vc+jwt.
    document = models.JSONField(null=True, blank=True)
    jwt = models.TextField(blank=True)
    replaces = models.OneToOneField(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="replaced_by"
    )
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_reason = models.CharField(max_length=300, blank=True)
    # When the tenant was told of it by e-mail.
    mailed_at = models.DateTimeField(null=True, blank=True)

    objects = StatementQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="a_statement_is_of_whole_months",
                condition=Q(first_month__day=1, last_month__day=1)
                & Q(last_month__gte=F("first_month")),
            ),
            models.UniqueConstraint(
                fields=["service", "first_month", "last_month"],
                name="one_statement_in_force_per_service_and_months",
                condition=Q(state="issued"),
            ),
            models.UniqueConstraint(
                fields=["service", "first_month", "last_month"],
                name="one_draft_per_service_and_months",
                condition=Q(state__in=["held", "draft"]),
            ),
            models.UniqueConstraint(
                fields=["operator", "number"], name="statement_number_once",
                condition=~Q(number=""),
            ),
            models.UniqueConstraint(
                fields=["operator", "status_index"], name="a_place_in_the_status_list_once"
            ),
            models.CheckConstraint(
                name="an_issued_statement_is_signed_and_numbered",
                condition=Q(state__in=["held", "draft"], issued_at__isnull=True, number="")
                | (
                    Q(issued_at__isnull=False, valid_until__isnull=False, key__isnull=False)
                    & Q(status_index__isnull=False, document__isnull=False)
                    & ~Q(number="") & ~Q(jwt="") & Q(held=[])
                ),
            ),
            models.CheckConstraint(
                name="a_statement_that_ended_says_why",
                condition=Q(state__in=["superseded", "revoked"], ended_at__isnull=False)
                & ~Q(ended_reason="")
                | Q(state__in=["held", "draft", "issued"], ended_at__isnull=True),
            ),
        ]  # fmt: skip
        indexes = [
            models.Index(fields=["operator", "-last_month"], name="statements_newest"),
        ]

    def __str__(self) -> str:
        return self.number or f"{self.service_id} {self.first_month:%Y-%m}"


class StatementInput(models.Model):
    """
    A channel a statement rests on, and the digest of its readings over the months.
    """

    statement = models.ForeignKey(Statement, on_delete=models.CASCADE, related_name="inputs")
    channel = models.ForeignKey(Channel, on_delete=models.PROTECT, related_name="+")
    role = models.CharField(max_length=12)
    readings = models.PositiveIntegerField()
    sha256 = models.BinaryField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["statement", "channel", "role"], name="an_input_once_per_statement"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.statement_id} {self.role}"


class StatementShareQuerySet(ScopedQuerySet["StatementShare"]):
    scope = Scope(operator="statement__operator", tenant="statement__tenant")


class StatementShare(models.Model):
    """
    A link by which anybody can read a statement, given and taken back by the tenant. It leads on
    to what superseded the statement.
    """

    statement = models.ForeignKey(Statement, on_delete=models.PROTECT, related_name="shares")
    token = models.CharField(max_length=43, unique=True)
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    objects = StatementShareQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["statement"], name="one_open_link_per_statement",
                condition=Q(ended_at__isnull=True),
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return str(self.statement_id)


class OutsideCheckQuerySet(ScopedQuerySet["OutsideCheck"]):
    scope = Scope(
        operator="site__operator", tenant="site__hosting_services__tenant", many=True,
        customers_only=Q(withdrawn_at__isnull=True),
    )  # fmt: skip


class OutsideCheck(models.Model):
    """
    A statement of a third party that verified figures of a site: who, what of it, which months.
    """

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="outside_checks")
    checker = models.CharField(max_length=120)
    scope = models.TextField()
    first_month = models.DateField()
    last_month = models.DateField()
    checked_on = models.DateField()
    file_name = models.CharField(max_length=120)
    file = models.BinaryField()
    file_sha256 = models.BinaryField()
    created_at = models.DateTimeField()
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    objects = OutsideCheckQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="a_check_is_of_whole_months",
                condition=Q(
                    first_month__day=1, last_month__day=1, last_month__gte=F("first_month")
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.checker} {self.checked_on}"
