"""
Who claims what, as customers see it: their own and the operator's, never a neighbour by name.
"""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from sites.access import Kind
from sites.models import Site, Stakeholder
from telemetry import operations
from telemetry.models import AttributeLot, Claim
from tests import factories
from tests.factories_telemetry import LATER

pytestmark = pytest.mark.django_db

MONTH = dt.date(2026, 1, 1)


def _claim(site: Site, who: Stakeholder, role: str, share: str, lot: AttributeLot | None = None):
    operations.claim(
        site_id=site.pk, month=MONTH, lot_id=lot.pk if lot else None, claimant_id=who.pk, role=role,
        share=Decimal(share), at=LATER, by_id=None,
    )  # fmt: skip


def _place():
    """
    Make a site with two heat customers and two tenants, everything of a month claimed.
    """
    site = factories.make_site()
    pool, school = (
        factories.make_stakeholder(kind=Kind.PARTNER, operator=site.operator) for _ in range(2)
    )
    tenant, other = (
        factories.make_stakeholder(kind=Kind.TENANT, operator=site.operator) for _ in range(2)
    )
    for partner in (pool, school):
        factories.make_delivery_point(site=site, partner=partner)
    for each in (tenant, other):
        factories.make_hosting_service(site=site, tenant=each)
    lot = operations.add_lot(
        operator_id=site.operator_id, first_day=MONTH, end_day=dt.date(2026, 2, 1), at=LATER,
        by_id=None, kind="tariff", technology="wind", country="DE", plant="P",
        registry_id=f"T-9-{site.pk}", kwh=Decimal(100),
    )  # fmt: skip
    _claim(site, pool, "partner", "0.5")
    _claim(site, school, "partner", "0.23")
    _claim(site, site.operator, "operator", "0.27")
    _claim(site, tenant, "tenant", "0.31", lot)
    _claim(site, other, "tenant", "0.59", lot)
    _claim(site, site.operator, "operator", "0.1", lot)
    return site, pool, tenant


def _as(client: Client, who: Stakeholder, page: str) -> str:
    client.force_login(factories.make_user(stakeholder=who))
    return client.get(page).content.decode()


def test_a_heat_customer_sees_its_own_share_and_the_operators(client: Client):
    site, pool, _ = _place()

    page = _as(client, pool, "/heat/usage/claims/")

    assert "50.0%" in page
    assert "27.0%" in page
    assert site.operator.name in page
    # The other building's share, and electricity, are none of its business.
    for hidden in ("23.0%", "31.0%", "10.0%", "T-9", "A heat customer"):
        assert hidden not in page
    csv = b"".join(client.get("/heat/usage/claims/?format=csv").streaming_content).decode()  # type: ignore[attr-defined]
    assert csv.count("2026-01") == 2
    assert "2026-01" not in client.get("/heat/usage/claims/?year=2025").content.decode()


def test_a_tenant_is_told_of_the_heat_and_claims_its_electricity(
    client: Client, django_assert_max_num_queries
):
    _, pool, tenant = _place()
    client.force_login(factories.make_user(stakeholder=tenant))

    with django_assert_max_num_queries(10):
        page = client.get("/hosting/statements/claims/").content.decode()

    assert "A heat customer" in page
    assert pool.name not in page
    assert "31.0%" in page
    assert "59.0%" not in page
    assert "offsets no footprint" in page
    answer: Any = client.get("/hosting/statements/claims/?of=electricity&format=csv")
    csv = b"".join(answer.streaming_content)
    assert csv.count(b"T-9") == 2


def test_nothing_of_another_site_or_taken_back_is_told(client: Client):
    _place()
    _, pool, _ = _place()
    own = Claim.objects.get(claimant=pool)
    operations.end_claim(claim_id=own.pk, at=LATER, by_id=None)

    page = _as(client, pool, "/heat/usage/claims/")

    assert "50.0%" not in page
    assert page.count("27.0%") == 1
