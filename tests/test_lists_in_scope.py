"""
Lists hold what is one's own, for every audience of the access table.
"""

import json

import pytest
from django.test import Client

from telemetry.models import Statement
from tests import factories
from tests import test_access as access
from tests.routes import AUDIENCES


@pytest.mark.django_db
def test_a_list_holds_ones_own_invoices_and_costs_the_same_for_many(
    client: Client, django_assert_max_num_queries
):
    world, invoice = access._world()
    seen = {}
    for audience in AUDIENCES[:-1]:
        client.logout()
        access._sign_in(client, world, audience)
        with django_assert_max_num_queries(5):
            answer = client.get("/api/v1/invoices/")
        seen[audience] = [row["number"] for row in json.loads(answer.content)["results"]]
    own = [invoice.number]

    assert seen == {
        "operator": own, "other operator": [], "partner": own, "neighbour": [], "tenant": [],
    }  # fmt: skip


@pytest.mark.django_db
def test_a_list_of_sites_holds_ones_own(client: Client):
    world, invoice = access._world()
    seen = {}
    for audience in AUDIENCES[:-1]:
        client.logout()
        access._sign_in(client, world, audience)
        seen[audience] = [row["slug"] for row in client.get("/api/v1/sites/").json()["results"]]
    own = [invoice.contract.site.slug]
    both = [*own, Statement.objects.get().service.site.slug]

    assert {who: sorted(slugs) for who, slugs in seen.items()} == {
        "operator": sorted(both), "other operator": [], "partner": own, "neighbour": own,
        "tenant": sorted(both),
    }  # fmt: skip


@pytest.mark.django_db
def test_a_person_without_a_stakeholder_sees_no_invoice(client: Client):
    access._world()
    client.force_login(factories.make_user())

    assert client.get("/api/v1/invoices/").json()["results"] == []
