"""
How a line came about, beside the document it stands on.
"""

import pytest
from django.test import Client
from playwright.sync_api import Browser, expect
from pytest_django.live_server_helper import LiveServer

from billing import operations
from tests import factories
from tests.browser import gates
from tests.factories_billing import JANUARY, make_contract, meter_january
from tests.factories_telemetry import LATER, make_heat_channel

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_line_is_explained_beside_its_bill_and_the_page_stays(
    chromium: Browser, live_server: LiveServer, client: Client
):
    channel = make_heat_channel()
    meter_january(channel)
    contract = make_contract(channel)
    invoice = operations.bill_contract(contract_id=contract.pk, month=JANUARY, at=LATER, issue=True)
    assert invoice is not None
    client.force_login(factories.make_user(stakeholder=contract.customer))
    context = gates.context_for(chromium, client, live_server.url)
    page = context.new_page()
    page.goto(f"{live_server.url}/heat/bills/{invoice.pk}/")
    address = page.url

    page.get_by_role("link", name="Explain: Energy delivered").click()
    drawer = page.get_by_role("dialog", name="How it came about")
    expect(drawer.get_by_role("heading", name="What went in")).to_be_visible()
    assert gates.problems_of(page) == []
    assert page.url == address

    page.keyboard.press("Escape")
    expect(drawer).to_be_hidden()
    expect(page.get_by_role("link", name="Explain: Energy delivered")).to_be_focused()
    page.get_by_role("link", name="Explain: Energy delivered").click()
    drawer.get_by_role("link", name="Every reading").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Energy delivered")
    context.close()
