import datetime as dt
from decimal import Decimal

import pytest
from django.test import Client
from django.utils import timezone

from sites.models import Site
from telemetry import queries
from tests import factories
from tests.factories_hosting import last_month, make_heartbeats, make_metered_site

pytestmark = pytest.mark.django_db


def _public_site() -> Site:
    site = factories.make_site()
    site.is_public = True
    site.public_text = "It hosts servers. Their heat warms a pool."
    site.data_note = "Dates are shifted by three years."
    site.save()
    return site


def _address(site: Site) -> str:
    return f"/p/{site.operator.slug}/{site.slug}/"


def test_a_site_is_there_for_everybody_only_when_its_operator_says_so(client: Client):
    shown = _public_site()
    hidden = factories.make_site(operator=shown.operator)
    others = factories.make_site()

    assert client.get(_address(shown)).status_code == 200
    assert client.get(_address(hidden)).status_code == 404
    # The right site under another operator's name is not there either.
    assert client.get(f"/p/{others.operator.slug}/{shown.slug}/").status_code == 404
    listed = client.get(f"/p/{shown.operator.slug}/").content.decode()
    assert shown.name in listed
    assert hidden.name not in listed
    assert client.get(f"/p/{others.operator.slug}/").status_code == 404


@pytest.mark.parametrize("signed_in", [True, False], ids=["signed in", "stranger"])
def test_a_public_page_may_be_cached_and_leaves_nothing_behind(client: Client, signed_in: bool):
    site = _public_site()
    if signed_in:
        client.force_login(factories.make_user(stakeholder=site.operator))

    for address in (_address(site), f"/p/{site.operator.slug}/"):
        answer = client.get(address)

        assert answer["Cache-Control"] == "public, max-age=300"
        assert "Cookie" not in answer["Vary"]
        assert not answer.cookies
        assert site.operator.name in answer.content.decode()


def test_a_public_page_names_no_customer(client: Client):
    site = _public_site()
    point = factories.make_delivery_point(site=site)
    service = factories.make_hosting_service(site=site)

    page = client.get(_address(site)).content.decode()

    for private in (point.name, point.partner.name, service.name, service.tenant.name):
        assert private not in page
    assert "Their heat warms a pool." in page
    assert "Dates are shifted by three years." in page


def _measured() -> Site:
    site = make_metered_site(facility=18, it=15, heat_handoff=9)
    site.is_public = True
    site.save()
    return site


def test_the_figures_of_the_last_month_are_shown_without_the_energies_of_tenants(client: Client):
    site = _measured()
    make_heartbeats(site, days=2, down_h=1, silent_h=0)
    hours = int(last_month(site).hours)

    page = client.get(_address(site))

    claims = {claim.key: claim for claim in page.context["claims"]}
    assert claims["heat"].value == 9 * hours
    assert claims["pue"].value == Decimal("1.2")
    assert claims["erf"].value == Decimal("0.5")
    text = page.content.decode()
    assert f"{9 * hours:,} kWh" in text.replace("\u00a0", " ")
    assert f"{15 * hours:,}" not in text
    assert "No third party has checked this." in text
    assert "60 of " in text


def test_heat_of_a_month_that_began_before_the_site_is_not_the_sites(client: Client):
    site = _measured()
    site.started_on += dt.timedelta(days=1)
    site.save()

    page = client.get(_address(site))

    assert page.context["months"] == []
    assert page.context["claims"][0].value is None
    assert "Not published: measuring began later." in page.content.decode()


def test_too_little_heat_measured_is_a_reason(client: Client):
    site = _measured()
    site.started_on = dt.date(2020, 1, 1)
    site.save()

    page = client.get(_address(site)).content.decode()

    assert "of hours measured, 90% needed." in page


@pytest.mark.parametrize(
    ("what", "head"),
    [
        ("csv", "figure,value,unit,coverage"),
        ("heat", "month,heat_kwh,coverage,quality"),
        ("uptime", "day,up_s,down_s,unknown_s"),
    ],
)
def test_figures_are_there_as_csv(client: Client, what: str, head: str):
    site = _measured()

    answer = client.get(_address(site), {"format": what})

    assert answer.getvalue().decode().startswith(head)
    assert answer["Cache-Control"] == "public, max-age=300"


def test_figures_of_a_site_that_is_not_public_are_nobodys():
    site = make_metered_site(heat_handoff=9)
    month = last_month(site).end.date().replace(day=1)

    assert queries.public_uptime_days(site_id=site.pk, now=timezone.now()) == []
    assert queries.public_heat(site_id=site.pk, first_month=month, last_month=month) == []


def test_a_public_page_costs_the_same_for_many(client: Client, django_assert_num_queries):
    site = _measured()
    client.get(_address(site))

    with django_assert_num_queries(44):
        client.get(_address(site))
    with django_assert_num_queries(6):
        client.get(f"/p/{site.operator.slug}/")
    for _ in range(4):
        other = make_metered_site(operator=site.operator, facility=18, it=15)
        other.is_public = True
        other.save()
    with django_assert_num_queries(44):
        client.get(_address(site))
    with django_assert_num_queries(6):
        client.get(f"/p/{site.operator.slug}/")
