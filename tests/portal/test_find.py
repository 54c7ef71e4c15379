"""
The way to any place by its name.
"""

import pytest
from django.test import Client

from sites.access import Role
from tests import factories
from tests.billing.test_settlement import _invoice
from tests.factories_telemetry import make_heat_channel

pytestmark = pytest.mark.django_db


def _found(client: Client, asked: str) -> dict[str, str]:
    page = client.get("/ops/find/", {"q": asked})
    assert page.status_code == 200
    return {one.url: one.kind for one in page.context["found"]}


def test_pages_places_and_documents_are_found_by_a_part_of_their_name(
    client: Client, django_assert_max_num_queries
):
    invoice = _invoice()
    site = invoice.contract.site
    point = site.metering_points.first()
    assert point is not None
    client.force_login(factories.make_user(stakeholder=invoice.operator, role=Role.VIEWER))

    with django_assert_max_num_queries(14):
        by_site = _found(client, site.name.upper())
    by_number = _found(client, invoice.number[-6:])
    pages = _found(client, "  data   quality ")

    assert by_site[f"/ops/sites/{site.slug}/"] == "Site"
    assert by_site[f"/ops/points/{point.pk}/"] == "Metering point"
    assert by_site[f"/ops/contracts/{invoice.contract_id}/"] == "Contract"
    assert by_number[f"/ops/invoices/{invoice.pk}/"] == "Invoice"
    assert pages["/ops/quality/"] == "Page"
    assert "/ops/quality/shares/" in pages


def test_nothing_of_others_and_nothing_by_one_letter(client: Client):
    ours, theirs = make_heat_channel().site, make_heat_channel().site
    client.force_login(factories.make_user(stakeholder=ours.operator))

    found = _found(client, theirs.name)
    letter = _found(client, ours.name[:1])
    answer = client.get("/ops/find/", {"q": "<b>\0"}, headers={"HX-Request": "true"})

    assert f"/ops/sites/{theirs.slug}/" not in found
    assert set(letter.values()) <= {"Page"}
    assert "Nothing is called “&lt;b&gt;”." in answer.content.decode()
    assert "<html" not in answer.content.decode()
