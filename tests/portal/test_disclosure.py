"""
What everybody can read, and that it takes the operator's and the customers' word.
"""

import re

import pytest
from django.test import Client

from sites.access import Kind, Role
from sites.models import PublicConsent, Site, Stakeholder
from telemetry.domain.carbon_txt import faults
from telemetry.models import MeteringPoint
from tests import factories
from tests.factories_hosting import last_month, make_feed, make_metered_site
from tests.factories_telemetry import load, make_channel

pytestmark = pytest.mark.django_db


def _site() -> tuple[Site, Stakeholder, Stakeholder]:
    operator = factories.make_stakeholder(name="Nordhaven")
    tenant = factories.make_stakeholder(kind=Kind.TENANT, operator=operator, name="Tallow")
    site = make_metered_site(operator=operator, facility=10)
    make_feed(site, 8, tenant=tenant)
    heat = make_channel(site=site, boundary=MeteringPoint.Boundary.HEAT_HANDOFF)
    load(heat, last_month(site), 4)
    assert heat.point.delivery_point is not None
    partner = heat.point.delivery_point.partner
    partner.name = "Swimming club"
    partner.save()
    return site, tenant, partner


def _as(client: Client, stakeholder: Stakeholder, role: Role = Role.ADMIN) -> Client:
    client.force_login(factories.make_user(stakeholder=stakeholder, role=role))
    return client


def _open(client: Client, site: Site) -> None:
    _as(client, site.operator).post(
        f"/ops/sites/{site.slug}/public/", {"is_public": "on", "public_text": "Heats a pool."}
    )
    client.logout()


def test_nothing_is_public_before_the_operator_says_so(client: Client):
    site, _, _ = _site()
    page = f"/p/{site.operator.slug}/{site.slug}/"

    before = [client.get(url).status_code for url in (page, page + "figures.json", "/carbon.txt")]
    _open(client, site)
    after = [client.get(url).status_code for url in (page, page + "figures.json", "/carbon.txt")]

    assert before == [404, 404, 404]
    assert after == [200, 200, 200]


def test_opening_a_page_needs_a_sentence(client: Client):
    site, _, _ = _site()

    answer = _as(client, site.operator).post(f"/ops/sites/{site.slug}/public/", {"is_public": "on"})

    site.refresh_from_db()
    assert b"Say what the site does" in answer.content
    assert not site.is_public


def test_names_stand_in_public_only_while_there_is_consent(client: Client):
    site, tenant, partner = _site()
    _open(client, site)
    page = f"/p/{site.operator.slug}/{site.slug}/"

    def told() -> str:
        client.logout()
        return (
            client.get(page).content.decode() + client.get(page + "figures.json").content.decode()
        )

    assert "Tallow" not in told()
    assert "Swimming club" not in told()
    _as(client, partner).post("/settings/naming/", {"allowed": "yes"})
    assert "Swimming club" in told()
    assert "Tallow" not in told()
    _as(client, tenant, Role.VIEWER).post("/settings/naming/", {"allowed": "yes"})
    assert "Tallow" not in told()
    _as(client, partner).post("/settings/naming/", {"allowed": "no"})
    assert "Swimming club" not in told()
    assert PublicConsent.objects.get().withdrawn_at is not None


def test_the_feed_tells_figures_with_their_limits(client: Client):
    site, _, _ = _site()
    _open(client, site)

    told = client.get(f"/p/{site.operator.slug}/{site.slug}/figures.json").json()
    whole = client.get(f"/p/{site.operator.slug}/figures.json").json()

    figures = {figure["key"]: figure for figure in told["figures"]}
    assert re.fullmatch(r"1\.\d{4}", figures["pue"]["value"])
    assert figures["pue"]["interim"] is True
    assert figures["pue"]["coverage"] == "1.0000"
    assert told["early_days"] is True
    assert told["checked_by"] == []
    assert [s["site"] for s in whole["sites"]] == [site.name]
    assert b"Early days." in client.get(f"/p/{site.operator.slug}/{site.slug}/").content


def test_carbon_txt_leads_to_pages_that_are_there(client: Client, settings):
    site, _, _ = _site()
    _open(client, site)
    settings.BASE_URL = "https://heat.example.org"

    for address in ("/carbon.txt", "/.well-known/carbon.txt"):
        answer = client.get(address)
        text = answer.content.decode()
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert faults(text) == []
        assert f"https://heat.example.org/p/{site.operator.slug}/{site.slug}/" in text


def test_the_page_is_a_dataset_for_search_engines(client: Client):
    site, _, _ = _site()
    _open(client, site)

    page = client.get(f"/p/{site.operator.slug}/{site.slug}/").content.decode()

    assert 'itemtype="https://schema.org/Dataset"' in page
    assert 'itemprop="temporalCoverage"' in page
    assert f"/p/{site.operator.slug}/{site.slug}/figures.json" in page
