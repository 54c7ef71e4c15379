"""
What portal.js and chart.js do, on the style guide.
"""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from tests.browser import gates

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.urls("tests.browser.urls"),
]


@pytest.fixture
def page(chromium: Browser, live_server: LiveServer) -> Iterator[Page]:
    context = gates.context_for(chromium)
    opened = context.new_page()
    opened.goto(live_server.url + "/styleguide/", wait_until="networkidle")
    yield opened
    breaches = opened.evaluate("window.breaches")
    context.close()
    assert breaches == []


def _tick(page: Page) -> None:
    page.evaluate("document.body.dispatchEvent(new CustomEvent('tick'))")


def test_style_guide_holds_the_gates(chromium: Browser, live_server: LiveServer):
    context = gates.context_for(chromium)

    problems = gates.visit_all(context, [live_server.url + "/styleguide/"])

    context.close()
    assert not problems, "\n".join(problems)


def test_the_beat_polls_while_the_page_is_seen(chromium: Browser, live_server: LiveServer):
    context = gates.context_for(chromium)
    page = context.new_page()
    page.clock.install()
    page.goto(live_server.url + "/styleguide/")
    expect(page.locator("#poll")).to_have_text("Poll")
    page.evaluate("document.getElementById('drawer').showModal()")
    page.clock.run_for(10_500)
    page.wait_for_load_state("networkidle")
    while_filling = page.locator("#poll").inner_text()
    page.evaluate("document.getElementById('drawer').close()")
    page.clock.run_for(10_500)

    expect(page.locator("#poll")).to_have_text("Polled")
    context.close()
    assert while_filling == "Poll"


def test_a_poll_that_fails_says_since_when_the_page_is_old_and_retries(page: Page):
    page.route("**/fragment/?poll*", lambda route: route.fulfill(status=503, body="no"))
    _tick(page)

    banner = page.locator(".banner")
    expect(banner).to_contain_text(re.compile(r"Not updated since \d\d:\d\d"))
    expect(page.locator("#alert")).to_contain_text("Not updated since")
    expect(page.locator("#poll")).to_have_text("Poll")

    page.unroute("**/fragment/?poll*")
    banner.get_by_role("button", name="Retry").click()

    expect(page.locator("#poll")).to_have_text("Polled")
    expect(banner).to_have_count(0)


def test_a_network_that_is_gone_is_told_too(page: Page):
    page.route("**/fragment/?poll*", lambda route: route.abort())
    _tick(page)

    expect(page.locator(".banner")).to_contain_text("Not updated since")


@pytest.mark.parametrize("link", ["#broken", "#missing"])
def test_a_page_of_error_is_not_put_into_a_part(page: Page, link: str):
    page.click(link)

    expect(page.locator(".banner")).to_contain_text("Not updated since")
    expect(page.locator("#fragment")).to_have_text("As loaded")


def test_a_write_that_fails_says_that_nothing_was_changed(page: Page):
    page.click("#write button")

    expect(page.locator(".banner")).to_contain_text("Nothing was changed. Reference")
    expect(page.locator("#fragment")).to_have_text("As loaded")


def test_a_write_without_an_answer_promises_nothing(page: Page):
    page.route("**/broken/", lambda route: route.abort())
    page.click("#write button")

    expect(page.locator(".banner")).to_contain_text("to see whether your change was kept")


def test_a_form_with_errors_comes_back_in_its_place(page: Page):
    page.click("#invalid button")

    expect(page.locator("#fragment")).to_have_text("Enter the price in pounds")
    expect(page.locator(".banner")).to_have_count(0)


def test_the_target_is_busy_while_loading(page: Page):
    page.click("#slow")

    expect(page.locator("#fragment")).to_have_attribute("aria-busy", "true")
    expect(page.locator(".busy-bar")).to_have_count(1)
    expect(page.locator("#fragment")).to_have_text("At last")
    expect(page.locator("#fragment")).not_to_have_attribute("aria-busy", "true")
    expect(page.locator(".busy-bar")).to_have_count(0)


def test_focus_goes_to_the_new_part_when_its_control_was_replaced(page: Page):
    page.evaluate("htmx.ajax('GET', 'fragment/', '#fragment')")
    more = page.get_by_role("button", name="More")
    expect(more).to_be_visible()
    expect(page.locator("#status")).to_have_text("Part loaded")
    more.focus()
    page.keyboard.press("Enter")

    expect(page.locator("#fragment h3")).to_be_focused()


def test_evidence_opens_in_a_drawer_and_gives_the_focus_back(page: Page):
    page.focus("#drawer-link")
    page.keyboard.press("Enter")
    expect(page.locator("#drawer")).to_be_visible()
    expect(page.locator("#drawer-body h3")).to_have_text("New part")
    page.keyboard.press("Escape")

    expect(page.locator("#drawer")).to_be_hidden()
    expect(page.locator("#drawer-link")).to_be_focused()


def test_a_fingerprint_is_copied_and_said(page: Page):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy fingerprint").click()

    expect(page.locator("#status")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == "9f2c 71ab"


def _readout(page: Page):
    return page.locator(".plot-tools p")


def test_a_time_series_is_read_from_the_keyboard_in_the_zone_of_the_site(page: Page):
    expect(_readout(page)).to_have_text("Heat, kW")
    page.locator("[data-chart]").focus()
    page.keyboard.press("ArrowRight")
    first = _readout(page).inner_text()
    page.keyboard.press("Shift+ArrowRight")

    expect(page.locator("#status")).to_contain_text("no data")
    assert re.fullmatch(r"25 Oct 2025, 00:00: 23 kW", first)
    assert _readout(page).inner_text() == "25 Oct 2025, 10:00: no data"


def test_zooming_asks_the_server_for_the_part_and_0_shows_all(page: Page):
    expect(_readout(page)).to_have_text("Heat, kW")
    page.locator("[data-chart]").focus()
    with page.expect_request(re.compile(r"series\.json\?from=\d+&to=\d+")) as zoomed:
        page.keyboard.press("+")
    expect(page.locator("[data-chart]")).not_to_have_attribute("aria-busy", "true")
    with page.expect_request(re.compile(r"series\.json$")):
        page.keyboard.press("0")
    expect(page.locator("[data-chart]")).not_to_have_attribute("aria-busy", "true")
    with page.expect_request(re.compile(r"series\.json\?from")):
        page.get_by_role("button", name="Zoom in").click()

    start, end = map(int, re.findall(r"=(\d+)", zoomed.value.url))
    assert end - start == 36 * 3600


def test_the_line_takes_the_colour_of_the_theme(page: Page):
    expect(_readout(page)).to_have_text("Heat, kW")
    ink = """() => {
      const canvas = document.querySelector("[data-chart] canvas");
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      const seen = new Set();
      for (let i = 0; i < data.length; i += 4) {
        if (data[i + 3] === 255) seen.add([data[i], data[i + 1], data[i + 2]].join());
      }
      return [...seen];
    }"""
    page.emulate_media(color_scheme="light")
    light = page.evaluate(ink)
    page.emulate_media(color_scheme="dark")
    page.wait_for_timeout(100)
    dark = page.evaluate(ink)

    assert "177,72,15" in light
    assert "231,114,61" in dark
    assert "177,72,15" not in dark


def test_a_series_that_cannot_be_loaded_says_so(chromium: Browser, live_server: LiveServer):
    context = gates.context_for(chromium)
    page = context.new_page()
    page.route("**/series.json", lambda route: route.abort())
    page.goto(live_server.url + "/styleguide/")

    expect(_readout(page)).to_have_text("The readings could not be loaded.")
    context.close()


def test_filters_stand_behind_one_button_in_a_narrow_window(page: Page):
    state, button = page.get_by_label("State"), page.get_by_role("button", name="Filters")
    expect(state).to_be_visible()
    expect(button).to_be_hidden()

    page.set_viewport_size({"width": 390, "height": 844})
    expect(state).to_be_hidden()
    # The search stays, and the button tells how many filters are set.
    expect(page.get_by_label("Search")).to_be_visible()
    expect(button).to_have_text(re.compile(r"Filters\s*1"))
    button.click()

    expect(state).to_be_visible()
    expect(button).to_have_attribute("aria-expanded", "true")


def test_one_tick_chooses_all_rows_of_its_form(page: Page):
    everything = page.get_by_label("All on this page")
    everything.check()
    ticked = page.locator("input[name=row]:checked").count()
    others = page.locator("input[name=other]:checked").count()
    everything.uncheck()

    assert (ticked, others) == (2, 0)
    assert page.locator("input[name=row]:checked").count() == 0
