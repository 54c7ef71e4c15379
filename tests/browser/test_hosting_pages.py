"""
The pages of hosting and of a public site once everything on them is measured.
"""

import pytest
from django.test import Client
from playwright.sync_api import Browser
from pytest_django.live_server_helper import LiveServer

from billing import operations
from tests import factories
from tests.browser import gates
from tests.factories_billing import JANUARY
from tests.factories_hosting import (
    make_feed,
    make_heartbeats,
    make_hosting_contract,
    make_metered_site,
)
from tests.factories_telemetry import LATER

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_measured_pages_hold_the_gates(chromium: Browser, live_server: LiveServer, client: Client):
    site = make_metered_site(facility=18, it=15, heat_handoff=9)
    site.is_public = True
    site.data_note = "Dates are shifted."
    site.save()
    service = make_feed(site, 10)
    make_feed(site, 5, tenant=service.tenant)
    make_heartbeats(site, days=20, down_h=2, silent_h=3)
    make_heartbeats(site, service=service, days=20, down_h=2, silent_h=3)
    invoice = operations.bill_contract(
        contract_id=make_hosting_contract(service).pk, month=JANUARY, at=LATER, issue=True
    )
    assert invoice is not None
    client.force_login(factories.make_user(stakeholder=service.tenant))
    context = gates.context_for(chromium, client, live_server.url)

    problems = gates.visit_all(
        context,
        [
            live_server.url + path
            for path in (
                "/hosting/",
                f"/hosting/uptime/?service={service.pk}",
                f"/hosting/energy/?service={service.pk}",
                f"/hosting/invoices/{invoice.pk}/",
                f"/p/{site.operator.slug}/",
                f"/p/{site.operator.slug}/{site.slug}/",
            )
        ],
    )

    context.close()
    assert not problems, "\n".join(problems)
