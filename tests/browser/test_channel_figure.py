"""
The figure of a channel in the browser: from a year down to minutes, from the keyboard.
"""

import datetime as dt
import re

import pytest
from django.test import Client
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from telemetry.models import Channel, MeteringPoint
from tests import factories
from tests.browser import gates
from tests.factories_telemetry import make_channel, make_heat_channel, send

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

NOON = dt.datetime(2026, 1, 10, 11, tzinfo=dt.UTC)


def _minutes(channel: Channel, start: dt.datetime, hours: int, kw: float) -> None:
    count = hours * 60
    send(
        channel,
        [(start + dt.timedelta(minutes=n), round(1000 + n * kw / 60, 3)) for n in range(count)],
    )


def _drawn(page: Page) -> None:
    expect(page.locator("[data-chart] canvas")).to_be_visible()
    expect(page.locator("[data-chart]")).not_to_have_attribute("aria-busy", "true")


def _span(address: str) -> int:
    start, end = (int(re.findall(rf"{name}=(\d+)", address)[-1]) for name in ("from", "to"))
    return end - start


def test_a_year_is_zoomed_down_to_minutes_from_the_keyboard(
    chromium: Browser, live_server: LiveServer, client: Client
):
    channel = make_heat_channel()
    _minutes(channel, NOON, 30, 60)
    # A second day without readings between, so that there is a gap to see.
    _minutes(channel, NOON + dt.timedelta(days=3), 5, 60)
    beside = make_channel(site=channel.site, boundary=MeteringPoint.Boundary.IT)
    send(beside, [(NOON + dt.timedelta(hours=n), 80) for n in range(40)])
    client.force_login(factories.make_user(stakeholder=channel.site.operator))
    context = gates.context_for(chromium, client, live_server.url)
    page = context.new_page()
    page.goto(
        f"{live_server.url}/channels/{channel.pk}/?first=2025-07-14&last=2026-07-10"
        f"&also={beside.pk}&compare=previous"
    )
    _drawn(page)
    plot = page.locator("[data-chart]")
    plot.focus()
    # The middle of the stretch is 11 January; each time half is left.
    spans = []
    for _ in range(14):
        with page.expect_request(re.compile(r"series\.json.*from=")) as asked:
            page.keyboard.press("+")
        _drawn(page)
        spans.append(_span(asked.value.url))
    shared = page.url
    with page.expect_request(re.compile(r"series\.json.*from=")) as stepped_back:
        page.go_back()
    _drawn(page)
    with page.expect_request(re.compile(r"series\.json.*from=")) as opened:
        page.goto(shared)
    _drawn(page)
    plot.focus()
    page.keyboard.press("ArrowRight")
    near = page.locator(".plot-tools p").inner_text()
    with page.expect_request(re.compile(r"series\.json")) as again:
        page.keyboard.press("0")
    _drawn(page)

    assert spans[0] > 180 * 86_400
    assert spans[-1] < 3600
    assert f"{channel.point.name}, Energy 60 kW; {beside.point.name}, Power 80 kW" in near
    assert _span(shared) == spans[-1] == _span(opened.value.url)
    assert _span(stepped_back.value.url) == spans[-2]
    assert "from=" not in again.value.url
    assert "from=" not in page.url
    assert page.evaluate("window.breaches") == []
    context.close()


def test_the_legend_names_the_qualities_that_are_there(
    chromium: Browser, live_server: LiveServer, client: Client
):
    channel = make_heat_channel()
    _minutes(channel, NOON, 30, 60)
    client.force_login(factories.make_user(stakeholder=channel.site.operator))
    context = gates.context_for(chromium, client, live_server.url)
    page = context.new_page()
    page.goto(f"{live_server.url}/channels/{channel.pk}/?first=2026-01-10&last=2026-01-12")
    _drawn(page)

    shown = page.locator("[data-legend] [data-quality]:visible")
    expect(shown).to_have_count(1)
    expect(shown).to_have_text("Not measured")
    context.close()
