"""
The dialog that leads to any place, from the keyboard alone.
"""

import pytest
from django.test import Client
from playwright.sync_api import Browser, expect
from pytest_django.live_server_helper import LiveServer

from tests import factories
from tests.browser import gates
from tests.factories_telemetry import make_heat_channel

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_place_is_reached_with_three_keys_and_a_part_of_its_name(
    chromium: Browser, live_server: LiveServer, client: Client
):
    site = make_heat_channel().site
    client.force_login(factories.make_user(stakeholder=site.operator))
    context = gates.context_for(chromium, client, live_server.url)
    page = context.new_page()
    page.goto(live_server.url + "/ops/alarms/")
    page.keyboard.press("Control+k")
    finder = page.get_by_role("dialog", name="Find")
    # Before anything is typed it offers the pages.
    expect(finder.get_by_role("link", name="Payments")).to_be_visible()
    assert gates.axe_violations(page) == []

    page.keyboard.type(site.name)
    expect(finder.get_by_role("link").first).to_contain_text(site.name)
    page.keyboard.press("Escape")
    expect(finder).to_be_hidden()
    page.keyboard.press("Control+k")
    page.keyboard.press("ArrowDown")
    expect(finder.get_by_role("link").first).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/ops/sites/{site.slug}/")

    assert page.evaluate("window.breaches") == []
    context.close()
