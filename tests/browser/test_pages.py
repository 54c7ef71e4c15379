import pytest
from django.test import Client
from playwright.sync_api import Browser
from pytest_django.live_server_helper import LiveServer

from tests import test_access as access
from tests.browser import gates
from tests.browser.pages import pages_for
from tests.routes import AUDIENCES

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def _portions(pages: list[tuple[str, str]], size: int = 16) -> list[list[tuple[str, str]]]:
    return [pages[start : start + size] for start in range(0, len(pages), size)]


# In portions, so that several workers share them.
PORTIONS = [
    pytest.param(audience, portion, id=f"{audience} {number}")
    for audience in AUDIENCES
    for number, portion in enumerate(_portions(pages_for(audience)), 1)
]


@pytest.mark.parametrize(("audience", "pages"), PORTIONS)
def test_pages_hold_the_gates(
    chromium: Browser,
    live_server: LiveServer,
    client: Client,
    audience: str,
    pages: list[tuple[str, str]],
):
    world, invoice = access._world()
    access._sign_in(client, world, audience)
    context = gates.context_for(chromium, client, live_server.url)

    problems = gates.visit_all(
        context,
        [live_server.url + access._address(route, invoice) + query for route, query in pages],
    )

    context.close()
    assert not problems, "\n".join(problems)


BROKEN = """
<!doctype html><html><head><title>x</title></head><body><main>
<h1>Broken</h1><img src="x.png"><button></button>
<div style="width: 3000px; color: #ccc">Pale and wide</div>
<svg viewBox="0 0 1000 10" width="100"><text y="9" font-size="12">tiny</text></svg>
</main></body></html>
"""


def test_the_gates_notice_a_broken_page(chromium: Browser):
    context = gates.context_for(chromium)
    page = context.new_page()
    page.set_content(BROKEN)

    found = "\n".join(gates.problems_of(page))

    context.close()
    assert "image-alt" in found
    assert "button-name" in found
    assert "color-contrast" in found
    assert "wider than the window" in found
    assert "tiny at" in found


def test_the_gates_notice_a_breach_of_the_policy_and_a_foreign_glyph(
    chromium: Browser, live_server: LiveServer
):
    context = gates.context_for(chromium)
    page = context.new_page()
    page.goto(live_server.url + "/sign-in/")
    page.evaluate("document.querySelector('h1').setAttribute('style', 'color: red')")
    page.evaluate("document.querySelector('h1').textContent = 'Warm ➜ here'")

    found = "\n".join(gates.problems_of(page))

    context.close()
    assert "policy: style-src-attr inline" in found
    assert "draws 'Warm ➜ here'" in found
