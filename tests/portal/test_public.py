import pytest
from django.test import Client

from sites.models import Site
from tests import factories

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
