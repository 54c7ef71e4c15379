"""
Who takes part: operators, heat partners, tenants, and the people who act for them.
"""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower

from sites.access import Kind, Role, Scope, ScopedQuerySet


class StakeholderQuerySet(ScopedQuerySet["Stakeholder"]):
    """
    An operator sees its own customers; a customer sees itself.
    """

    scope = Scope(operator="operator", partner="pk", tenant="pk")


class Stakeholder(models.Model):
    """
    An organisation. A heat partner or tenant belongs to exactly one operator, so that
    operators on one installation share nothing.
    """

    kind = models.CharField(max_length=10, choices=Kind.choices)
    operator = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="customers"
    )
    name = models.CharField(max_length=120)
    slug = models.SlugField(max_length=60, unique=True)
    street = models.CharField(max_length=120, blank=True)
    postcode = models.CharField(max_length=20, blank=True)
    town = models.CharField(max_length=80, blank=True)
    country = models.CharField(max_length=2)
    vat_id = models.CharField(max_length=20, blank=True)
    email = models.EmailField(blank=True)
    phone = models.CharField(max_length=40, blank=True)
    language = models.CharField(max_length=10, default="en-gb")
    # Issue dates and the year of a document number are the seller's local ones.
    timezone = models.CharField(max_length=60, default="UTC")
    # What the seller prints for payment; empty for customers.
    bank_details = models.CharField(max_length=200, blank=True)
    # For electronic invoices (EN 16931) and direct debits.
    tax_number = models.CharField(max_length=30, blank=True)
    contact_name = models.CharField(max_length=80, blank=True)
    iban = models.CharField(max_length=34, blank=True)
    bic = models.CharField(max_length=11, blank=True)
    creditor_id = models.CharField(max_length=35, blank=True)
    # BT-10, in Germany the Leitweg-ID of an authority.
    buyer_reference = models.CharField(max_length=80, blank=True)
    # BT-34 and BT-49 with their scheme; the e-mail address stands in where empty.
    electronic_address = models.CharField(max_length=80, blank=True)
    electronic_scheme = models.CharField(max_length=4, blank=True)
    # Where a customer can complain, and who settles a dispute; printed on heat bills.
    complaints = models.TextField(blank=True)

    objects = StakeholderQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="only_customers_belong_to_an_operator",
                condition=Q(kind=Kind.OPERATOR, operator__isnull=True)
                | (~Q(kind=Kind.OPERATOR) & Q(operator__isnull=False)),
            ),
            models.CheckConstraint(
                name="stakeholder_kind_is_known", condition=Q(kind__in=Kind.values)
            ),
        ]

    def __str__(self) -> str:
        return self.name


class UserManager(BaseUserManager["User"]):
    """
    Makes users who sign in by e-mail address.
    """

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email__iexact=username)

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        user = self.model(email=self.normalize_email(email), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        return self.create_user(email, password, is_superuser=True, **fields)


class User(AbstractBaseUser, PermissionsMixin):
    """
    A person. What they may see follows from their memberships alone.
    """

    email = models.EmailField(unique=True)
    name = models.CharField(max_length=120, blank=True)
    is_active = models.BooleanField(default=True)
    # For times that are about people, such as the audit log; readings use the site's zone.
    timezone = models.CharField(max_length=60, default="UTC")

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    objects = UserManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(Lower("email"), name="one_user_per_address_in_any_case"),
        ]

    def __str__(self) -> str:
        return self.name or self.email


class MembershipQuerySet(ScopedQuerySet["Membership"]):
    """
    Members see the members of their own organisation.
    """

    scope = Scope(operator="stakeholder", partner="stakeholder", tenant="stakeholder")


class Membership(models.Model):
    """
    A user acts for a stakeholder in one role. A trigger keeps roles to those of its kind.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    stakeholder = models.ForeignKey(
        Stakeholder, on_delete=models.CASCADE, related_name="memberships"
    )
    role = models.CharField(max_length=10, choices=Role.choices)
    created_at = models.DateTimeField()

    objects = MembershipQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "stakeholder"], name="one_membership_per_user_and_stakeholder"
            ),
            models.CheckConstraint(name="role_is_known", condition=Q(role__in=Role.values)),
        ]

    def __str__(self) -> str:
        return f"{self.user} for {self.stakeholder}"


class InvitationQuerySet(ScopedQuerySet["Invitation"]):
    """
    Members see the open invitations of their own organisation.
    """

    scope = Scope(operator="stakeholder", partner="stakeholder", tenant="stakeholder")


class Invitation(models.Model):
    """
    A link sent by e-mail that makes its receiver a member. Only a hash of its token is kept.
    """

    stakeholder = models.ForeignKey(Stakeholder, on_delete=models.CASCADE)
    email = models.EmailField()
    role = models.CharField(max_length=10, choices=Role.choices)
    token_hash = models.BinaryField(unique=True)
    invited_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True)
    accepted_at = models.DateTimeField(null=True, blank=True)

    objects = InvitationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="invitation_expires_after_it_was_made",
                condition=Q(expires_at__gt=F("created_at")),
            ),
            models.UniqueConstraint(
                "stakeholder",
                Lower("email"),
                name="one_open_invitation_per_address_and_stakeholder",
                condition=Q(accepted_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.email} for {self.stakeholder}"


class PublicConsentQuerySet(ScopedQuerySet["PublicConsent"]):
    scope = Scope(operator="stakeholder__operator", partner="stakeholder", tenant="stakeholder")


class PublicConsent(models.Model):
    """
    A customer's word that its name may stand on the operator's public pages. Without one that is
    open it stands nowhere.
    """

    stakeholder = models.ForeignKey(
        Stakeholder, on_delete=models.PROTECT, related_name="public_consents"
    )
    given_at = models.DateTimeField()
    given_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    objects = PublicConsentQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["stakeholder"], name="one_open_consent_per_customer",
                condition=Q(withdrawn_at__isnull=True),
            ),
            models.CheckConstraint(
                name="consent_ends_after_it_was_given",
                condition=Q(withdrawn_at__isnull=True) | Q(withdrawn_at__gte=F("given_at")),
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return str(self.stakeholder_id)
