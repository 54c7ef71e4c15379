"""
Reads of people and places.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.db.models import Count, Q, QuerySet

from sites.access import STRANGER, Action, Kind, Role, Viewer
from sites.models import (
    AuditEntry,
    DeliveryPoint,
    HostingService,
    Invitation,
    Membership,
    PublicConsent,
    Site,
    Stakeholder,
    User,
    Webhook,
    WebhookMessage,
)


def viewer_for(*, user_id: int | None, stakeholder_id: int | None) -> Viewer:
    """
    Return the user acting for the chosen stakeholder, or for their first one where the choice
    is absent or no longer theirs; a stranger where there is none.
    """
    if user_id is None:
        return STRANGER
    memberships = list(
        Membership.objects.filter(user_id=user_id, user__is_active=True)
        .select_related("stakeholder")
        .order_by("stakeholder__name", "pk")
    )
    if not memberships:
        return Viewer(user_id=user_id)
    chosen = next((m for m in memberships if m.stakeholder_id == stakeholder_id), memberships[0])
    return Viewer(
        user_id=user_id,
        stakeholder_id=chosen.stakeholder_id,
        kind=Kind(chosen.stakeholder.kind),
        role=Role(chosen.role),
    )


@dataclass(frozen=True, slots=True)
class MembershipSeen:
    """
    An organisation a person can act for. `portal_of` is the operator whose portal it uses.
    """

    stakeholder_id: int
    name: str
    kind: Kind
    role: Role
    portal_of: str


def memberships_of(*, user_id: int) -> list[MembershipSeen]:
    """
    Return the organisations a user can act for, by name.
    """
    own = Membership.objects.filter(user_id=user_id).select_related("stakeholder__operator")
    return [
        MembershipSeen(
            stakeholder_id=m.stakeholder_id,
            name=m.stakeholder.name,
            kind=Kind(m.stakeholder.kind),
            role=Role(m.role),
            portal_of=(m.stakeholder.operator or m.stakeholder).name,
        )
        for m in own.order_by("stakeholder__name", "pk")
    ]


def sites(
    *, viewer: Viewer, search: str = "", country: str = "", phase: str = ""
) -> QuerySet[Site]:
    """
    Return the sites the viewer may see, by name, with `partners` and `tenants`, the counts of
    whom they serve.

    :param search: part of the site's name or town, or of a heat partner's name
    """
    rows = Site.objects.visible_to(viewer).annotate(
        partners=Count("delivery_points__partner", distinct=True),
        tenants=Count("hosting_services__tenant", distinct=True),
    )
    if search:
        # By key: a join to partners here would multiply what is counted above.
        named = Site.objects.filter(
            Q(name__icontains=search)
            | Q(town__icontains=search)
            | Q(delivery_points__partner__name__icontains=search)
        )
        rows = rows.filter(pk__in=named.values("pk"))
    if country:
        rows = rows.filter(country=country)
    if phase:
        rows = rows.filter(phase=phase)
    return rows.order_by("name", "pk")


def organisations(*, viewer: Viewer) -> QuerySet[Stakeholder]:
    """
    Return the organisations whose people the viewer may see: one's own, and for an
    administrator of an operator those of its customers.
    """
    if viewer.stakeholder_id is None:
        return Stakeholder.objects.none()
    own = Stakeholder.objects.filter(pk=viewer.stakeholder_id)
    if viewer.kind is Kind.OPERATOR and viewer.can(Action.MANAGE_PEOPLE):
        own |= Stakeholder.objects.visible_to(viewer)
    return own.order_by("name", "pk")


def customer_rows(*, viewer: Viewer, search: str = "", kind: str = "") -> QuerySet[Stakeholder]:
    """
    Return the heat partners and tenants of the viewer's operator, by name, with `places`, the
    count of delivery points and hosting services, and `people`, that of members.

    :param search: part of a name, town, e-mail address or VAT number
    """
    if viewer.kind is not Kind.OPERATOR:
        return Stakeholder.objects.none()
    rows = Stakeholder.objects.visible_to(viewer).annotate(
        places=Count("delivery_points", distinct=True) + Count("hosting_services", distinct=True),
        people=Count("memberships", distinct=True),
    )
    if search:
        rows = rows.filter(
            Q(name__icontains=search)
            | Q(town__icontains=search)
            | Q(email__icontains=search)
            | Q(vat_id__icontains=search)
        )
    if kind:
        rows = rows.filter(kind=kind)
    return rows.order_by("name", "pk")


def customers(*, viewer: Viewer) -> list[Stakeholder]:
    """
    Return the heat partners and tenants of the viewer's operator, by name; nobody for customers.
    """
    if viewer.kind is not Kind.OPERATOR:
        return []
    return list(Stakeholder.objects.visible_to(viewer).order_by("name", "pk"))


def members(*, viewer: Viewer, search: str = "") -> QuerySet[Membership]:
    """
    Return the members of the organisations whose people the viewer may see, by name.

    :param search: part of a name or e-mail address
    """
    rows = Membership.objects.filter(stakeholder__in=organisations(viewer=viewer))
    if search:
        rows = rows.filter(Q(user__name__icontains=search) | Q(user__email__icontains=search))
    return rows.select_related("user", "stakeholder").order_by("user__name", "user__email", "pk")


def invitations(*, viewer: Viewer) -> QuerySet[Invitation]:
    """
    Return the invitations nobody has accepted yet, expired ones too, newest first.
    """
    rows = Invitation.objects.filter(
        stakeholder__in=organisations(viewer=viewer), accepted_at__isnull=True
    )
    return rows.select_related("stakeholder", "invited_by").order_by("-created_at", "-pk")


def invitations_to_send(*, made_before: dt.datetime, at: dt.datetime, limit: int) -> list[int]:
    """
    Return the keys of open invitations that were to be e-mailed and were not, oldest first.
    """
    waiting = Invitation.objects.filter(
        sent_at__isnull=True,
        accepted_at__isnull=True,
        created_at__lt=made_before,
        expires_at__gt=at,
    )
    return list(waiting.order_by("pk").values_list("pk", flat=True)[:limit])


def has_account(*, email: str) -> bool:
    """
    Say whether somebody signs in with the address. Not for strangers to learn.
    """
    return User.objects.filter(email__iexact=email).exists()


def account(*, user_id: int) -> User | None:
    """
    Return a person who can still sign in; None where the account is closed or gone.
    """
    return User.objects.filter(pk=user_id, is_active=True).first()


def hosting_services(
    *, viewer: Viewer, site_id: int | None = None, tenant_id: int | None = None,
    pk: int | None = None,
) -> list[HostingService]:  # fmt: skip
    """
    Return what is hosted at the viewer's sites, or by the viewer, by site and name: all of it, or
    that of a site, of a tenant, or one.
    """
    rows = (
        HostingService.objects.visible_to(viewer)
        .select_related("site__operator", "tenant")
        .order_by("site__name", "name", "pk")
    )
    return list(rows.filter(**_given(site=site_id, tenant=tenant_id, pk=pk)))


def _given(**wanted: int | None) -> dict[str, int]:
    return {name: key for name, key in wanted.items() if key is not None}


def public_sites(*, operator_slug: str) -> QuerySet[Site]:
    """
    Return the sites of an operator that everybody may see, by name.
    """
    return (
        Site.objects.public()
        .filter(operator__slug=operator_slug)
        .select_related("operator")
        .order_by("name", "pk")
    )


def public_operators() -> list[Stakeholder]:
    """
    Return the operators that show a site to everybody, by name.
    """
    shown = Site.objects.public().values("operator")
    return list(Stakeholder.objects.filter(pk__in=shown).order_by("name", "pk"))


def publicly_named(*, site_id: int) -> list[Stakeholder]:
    """
    Return the customers of a public site that agreed to be named, by name; nobody for a site
    that is not public.
    """
    agreed = PublicConsent.objects.filter(withdrawn_at__isnull=True).values("stakeholder")
    site = Site.objects.public().filter(pk=site_id)
    customers = Q(delivery_points__site__in=site) | Q(hosting_services__site__in=site)
    return list(
        Stakeholder.objects.filter(customers, pk__in=agreed).distinct().order_by("name", "pk")
    )


def may_be_named(*, viewer: Viewer) -> bool:
    """
    Say whether the viewer's own organisation agreed to be named.
    """
    if viewer.stakeholder_id is None:
        return False
    own = PublicConsent.objects.visible_to(viewer).filter(withdrawn_at__isnull=True)
    return own.filter(stakeholder_id=viewer.stakeholder_id).exists()


def public_heat_uses(*, site_id: int) -> list[tuple[str, int]]:
    """
    Return the kinds of building that a public site heats, with their number; never whose they
    are. Nothing for a site that is not public.
    """
    points = DeliveryPoint.objects.filter(site__in=Site.objects.public(), site=site_id)
    return list(
        points.order_by("building_type")
        .values_list("building_type")
        .annotate(count=Count("pk"))
        .values_list("building_type", "count")
    )


def buildings(
    *, viewer: Viewer, site_id: int | None = None, partner_id: int | None = None,
    pk: int | None = None,
) -> list[DeliveryPoint]:  # fmt: skip
    """
    Return the delivery points the viewer may see with their site and its operator, by name: all of
    them, or those of a site, of a heat partner, or one.
    """
    rows = (
        DeliveryPoint.objects.visible_to(viewer)
        .select_related("site__operator", "partner")
        .order_by("name", "pk")
    )
    return list(rows.filter(**_given(site=site_id, partner=partner_id, pk=pk)))


def countries(*, viewer: Viewer) -> list[str]:
    """
    Return the codes of the countries in which the viewer sees sites.
    """
    return list(
        Site.objects.visible_to(viewer)
        .order_by("country")
        .values_list("country", flat=True)
        .distinct()
    )


def trail(*, viewer: Viewer, subject: str, about: str) -> QuerySet[AuditEntry]:
    """
    Return who did what about one thing, oldest first; `about` is how the actions begin.
    """
    rows = AuditEntry.objects.visible_to(viewer).filter(subject=subject)
    return rows.filter(action__startswith=about).select_related("by").order_by("at", "pk")


def webhooks(*, viewer: Viewer) -> QuerySet[Webhook]:
    """
    Return the addresses that are told of events, newest first, with how many messages each has
    `waiting` and `given_up`.
    """
    rows = Webhook.objects.visible_to(viewer).filter(ended_at__isnull=True)
    counts = {state: Count("messages", filter=Q(messages__state=state)) for state in _NOT_DELIVERED}
    return rows.annotate(**counts).order_by("-created_at", "-pk")


_NOT_DELIVERED = ("waiting", "given_up")


def webhook_messages(
    *, viewer: Viewer, webhook_id: int | None = None, search: str = "", state: str = ""
) -> QuerySet[WebhookMessage]:
    """
    Return the messages to addresses that were not removed, newest first.
    """
    rows = WebhookMessage.objects.visible_to(viewer).filter(webhook__ended_at__isnull=True)
    rows = rows.select_related("webhook")
    if webhook_id is not None:
        rows = rows.filter(webhook=webhook_id)
    if search:
        rows = rows.filter(Q(event__icontains=search) | Q(subject__icontains=search))
    if state:
        rows = rows.filter(state=state)
    return rows.order_by("-created_at", "-pk")
