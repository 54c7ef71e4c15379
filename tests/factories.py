"""
Makes rows for tests: functions with defaults, no fixtures.
"""

import datetime as dt
import hashlib
import itertools
from decimal import Decimal

from sites.access import Kind, Role
from sites.models import (
    DeliveryPoint,
    HostingService,
    Invitation,
    Membership,
    Site,
    Stakeholder,
    User,
)

_count = itertools.count(1)

NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


def make_stakeholder(
    *, kind: Kind = Kind.OPERATOR, operator: Stakeholder | None = None, name: str = ""
) -> Stakeholder:
    number = next(_count)
    if kind is not Kind.OPERATOR and operator is None:
        operator = make_stakeholder()
    return Stakeholder.objects.create(
        kind=kind,
        operator=operator,
        name=name or f"{kind.label} {number}",
        slug=f"s{number}",
        country="DE",
        timezone="Europe/Berlin",
    )


def make_user(*, stakeholder: Stakeholder | None = None, role: Role = Role.ADMIN) -> User:
    user = User.objects.create_user(f"person{next(_count)}@example.org", "a long password")
    if stakeholder is not None:
        Membership.objects.create(user=user, stakeholder=stakeholder, role=role, created_at=NOON)
    return user


def make_invitation(*, stakeholder: Stakeholder, token: str) -> Invitation:
    """
    Make an invitation that can be accepted today.
    """
    now = dt.datetime.now(dt.UTC)
    return Invitation.objects.create(
        stakeholder=stakeholder,
        email=f"person{next(_count)}@example.org",
        role=Role.VIEWER,
        token_hash=hashlib.sha256(token.encode()).digest(),
        created_at=now,
        expires_at=now + dt.timedelta(days=7),
    )


def make_site(
    *, operator: Stakeholder | None = None, timezone: str = "Europe/Berlin", country: str = "DE"
) -> Site:
    number = next(_count)
    return Site.objects.create(
        operator=operator or make_stakeholder(),
        name=f"Site {number}",
        slug=f"site-{number}",
        town="Kiel",
        country=country,
        timezone=timezone,
        currency="EUR",
        latitude=Decimal("54.32"),
        longitude=Decimal("10.13"),
        rated_it_kw=Decimal(30),
        capture_kw=Decimal(27),
        started_on=dt.date(2025, 1, 1),
    )


def make_delivery_point(*, site: Site, partner: Stakeholder | None = None) -> DeliveryPoint:
    number = next(_count)
    return DeliveryPoint.objects.create(
        site=site,
        partner=partner or make_stakeholder(kind=Kind.PARTNER, operator=site.operator),
        name=f"Pool {number}",
        slug=f"pool-{number}",
        building_type="pool",
        required_supply_c=Decimal(55),
        contracted_kw=Decimal(20),
    )


def make_hosting_service(*, site: Site, tenant: Stakeholder | None = None) -> HostingService:
    number = next(_count)
    return HostingService.objects.create(
        site=site,
        tenant=tenant or make_stakeholder(kind=Kind.TENANT, operator=site.operator),
        name=f"Rack {number}",
        slug=f"rack-{number}",
        it_kw=Decimal(10),
    )
