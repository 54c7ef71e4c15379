"""
What every page must hold, as a browser sees it, in both themes and on desk and phone.

Accessibility by axe, no breach of the content policy, a quiet console, no sideways scrolling, no
text of a drawing under 11 pixels, and no glyph from any face but the shipped one.
"""

from collections.abc import Iterable
from http.cookies import SimpleCookie
from typing import Literal

from axe_playwright_python.sync_playwright import Axe
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

WIDTHS = (1440, 390)
# What a narrow window can break: elements and their names are those of the wide one.
_OF_WIDTH = ("color-contrast", "target-size", "scrollable-region-focusable", "link-in-text-block")
# A theme changes colours and nothing else, and a width none of them: two views show all of both.
_VIEWS: tuple[tuple[int, Literal["light", "dark"], tuple[str, ...]], ...] = (
    (WIDTHS[1], "dark", _OF_WIDTH),
    (WIDTHS[0], "light", ()),
)

_WATCH_POLICY = """
window.breaches = [];
addEventListener("securitypolicyviolation",
  (event) => breaches.push(`${event.violatedDirective} ${event.blockedURI}`));
"""

_SMALL_TEXTS = """
() => [...document.querySelectorAll("svg[viewBox] text")].flatMap((text) => {
  const svg = text.ownerSVGElement;
  const scale = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
  const size = parseFloat(getComputedStyle(text).fontSize) * scale;
  return text.checkVisibility() && size < 11 ? [`${text.textContent} at ${size.toFixed(1)}`] : [];
})
"""

# Elements with words of their own in the portal's face, by their place among all elements; not
# those around words in another face, since the browser counts these in.
_OWN_WORDS = """
() => [...document.querySelectorAll("*")].flatMap((element, place) => {
  const words = [...element.childNodes].filter((node) => node.nodeType === 3)
    .map((node) => node.data.trim()).join(" ").trim();
  const ours = [element, ...element.querySelectorAll("*")]
    .every((one) => getComputedStyle(one).fontFamily.includes("Plex"));
  return words && ours && element.checkVisibility() ? [[place, words]] : [];
})
"""


def context_for(browser: Browser, client: Client | None = None, origin: str = "") -> BrowserContext:
    """
    Open a window with the session of a test client.
    """
    context = browser.new_context()
    context.add_init_script(_WATCH_POLICY)
    cookies: SimpleCookie = client.cookies if client else SimpleCookie()
    context.add_cookies(
        [{"name": name, "value": cookie.value, "url": origin} for name, cookie in cookies.items()]
    )
    return context


def axe_violations(page: Page, *rules: str) -> list[str]:
    """
    Return what axe finds wrong, a line an element; all rules unless some are named.
    """
    options = {"resultTypes": ["violations"], **({"runOnly": list(rules)} if rules else {})}
    found = Axe().run(page, options=options).response["violations"]
    return [
        f"{rule['id']}: {node['html'][:160]} {node['failureSummary']}"
        for rule in found
        for node in rule["nodes"]
    ]


def overflow(page: Page) -> list[str]:
    """
    Return by how much the page is wider than the window.
    """
    over = page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    return [f"{over} px wider than the window"] if over > 0 else []


def foreign_glyphs(page: Page) -> list[str]:
    """
    Return texts drawn, wholly or in part, in a face the portal does not ship.
    """
    page.evaluate("document.fonts.ready")
    words = page.evaluate(_OWN_WORDS)
    tools = page.context.new_cdp_session(page)
    tools.send("DOM.enable")
    tools.send("CSS.enable")
    root = tools.send("DOM.getDocument")["root"]["nodeId"]
    nodes = tools.send("DOM.querySelectorAll", {"nodeId": root, "selector": "*"})["nodeIds"]
    found = []
    for place, text in words:
        fonts = tools.send("CSS.getPlatformFontsForNode", {"nodeId": nodes[place]})["fonts"]
        others = [font["familyName"] for font in fonts if not font["isCustomFont"]]
        if others:
            found.append(f"{', '.join(others)} draws {text[:60]!r}")
    tools.detach()
    return found


def problems_of(page: Page) -> list[str]:
    """
    Return everything wrong with the page that is open, in each theme and width.
    """
    found = [f"policy: {breach}" for breach in page.evaluate("window.breaches")]
    for width, theme, rules in _VIEWS:
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=theme)
        found += [f"{width} {theme}: {line}" for line in axe_violations(page, *rules)]
        found += [f"{width}: {line}" for line in overflow(page)]
        found += [f"{width}: {line}" for line in page.evaluate(_SMALL_TEXTS)]
    # In the wide window: a narrow one hides words and adds none.
    found += foreign_glyphs(page)
    return found


def _listen(page: Page, said: list[str]) -> None:
    def console(message: ConsoleMessage) -> None:
        if message.type == "error":
            said.append(f"console: {message.text}")

    page.on("console", console)
    page.on("pageerror", lambda error: said.append(f"script: {error}"))


def visit_all(context: BrowserContext, addresses: Iterable[str]) -> list[str]:
    """
    Open each address and return what is wrong, each line beginning with its address.
    """
    found = []
    for address in addresses:
        page = context.new_page()
        said: list[str] = []
        _listen(page, said)
        answer = page.goto(address, wait_until="load")
        if page.locator("[hx-trigger^=load]").count():
            page.wait_for_load_state("networkidle")
        status = answer.status if answer else 0
        if status != 200:
            found.append(f"{address} answered {status}")
        found += [f"{address} {line}" for line in [*problems_of(page), *said]]
        page.close()
    return found
