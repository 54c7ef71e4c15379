import re

import pytest
from django.test import Client
from playwright.sync_api import Browser, expect
from pytest_django.live_server_helper import LiveServer

from billing.models import Invoice
from tests import factories
from tests.browser import gates
from tests.celery_worker import queue_of_its_own
from tests.factories_billing import make_contract, meter_january
from tests.factories_telemetry import make_heat_channel

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_run_is_started_followed_live_and_ends_by_itself(
    chromium: Browser, live_server: LiveServer, client: Client, task_queue: str
):
    channel = make_heat_channel()
    meter_january(channel)
    for number in range(12):
        make_contract(channel, reference=f"C-{number}")
    client.force_login(factories.make_user(stakeholder=channel.site.operator))
    context = gates.context_for(chromium, client, live_server.url)
    page = context.new_page()

    page.goto(f"{live_server.url}/ops/billing/")
    page.get_by_label("Month").select_option("2026-01-01")
    page.get_by_role("button", name="Start billing run").click()
    expect(page.get_by_text("0 of 12 contracts done")).to_be_visible()
    page.evaluate("window.same = true")
    with queue_of_its_own(task_queue) as (_, start_worker):
        start_worker()
        # The page itself asks again; nobody loads it anew.
        expect(page.get_by_text("12 of 12 contracts done")).to_be_visible(timeout=45_000)

    assert page.evaluate("window.same") is True
    expect(page.get_by_text(re.compile("Finished"))).to_be_visible()
    assert Invoice.objects.filter(status="issued").count() == 12
    assert page.locator("tbody tr").count() == 12
    context.close()
