import pytest
from django.test import Client
from playwright.sync_api import Browser, expect
from pytest_django.live_server_helper import LiveServer

from telemetry import tasks
from telemetry.models import Upload
from tests import factories
from tests.browser import gates
from tests.factories_telemetry import make_heat_channel, make_plain_channel
from tests.portal.test_imports import BODY

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_file_is_mapped_and_its_import_followed(
    chromium: Browser, live_server: LiveServer, client: Client
):
    site = make_heat_channel().site
    make_plain_channel(site, "heat.supply", "°C")
    client.force_login(factories.make_user(stakeholder=site.operator))
    context = gates.context_for(chromium, client, live_server.url)
    page = context.new_page()

    page.goto(f"{live_server.url}/ops/imports/new/")
    page.get_by_label("File").set_input_files(
        {"name": "march.csv", "mimeType": "text/csv", "buffer": BODY.encode("cp1252")}
    )
    page.get_by_role("button", name="Send the file").click()
    page.get_by_label("Channel of Energie [MWh]").fill("heat.energy")
    page.get_by_label("Channel of Vorlauf (°C)").fill("heat.nothing")
    page.keyboard.press("Tab")
    expect(page.get_by_text("the site has no channel heat.nothing")).to_be_visible()
    expect(page.get_by_label("Channel of Energie [MWh]")).to_have_value("heat.energy")
    page.get_by_label("Channel of Vorlauf (°C)").fill("heat.supply")
    page.keyboard.press("Tab")
    expect(page.get_by_text("the site has no channel")).to_have_count(0)
    found = gates.problems_of(page)
    page.get_by_label("Name of the mapping").fill("March")
    page.get_by_role("button", name="Save the mapping and import").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("is being imported")
    tasks.import_upload(upload_id=Upload.objects.get().pk)
    expect(page.get_by_role("heading", level=1)).to_contain_text("56 readings were stored")

    found += gates.problems_of(page)
    context.close()
    assert not found, "\n".join(found)
