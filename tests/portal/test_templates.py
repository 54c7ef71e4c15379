"""
Rules every template keeps: nothing inline, nothing that needs eval, working without script.
"""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

TEMPLATES = Path(__file__).resolve().parents[2] / "templates"
FILES = sorted(TEMPLATES.rglob("*.html"))

# Shapes that stand for arrows, ticks and the like are not in the portal's face.
FOREIGN = re.compile("[\u2190-\u21ff\u2713-\u2718\u25b2-\u25c4\u2794-\u27bf\u2264\u2265\u2082]")
POLLS = re.compile(r"\b(tick|every|load|revealed)\b")


class _Reader(HTMLParser):
    """
    Collects what in a template breaks a rule.
    """

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.forms = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.forms += tag == "form"
        for name, value in given.items():
            self._attribute(tag, name, value)
        if tag == "style":
            self.found.append("<style>")
        if tag == "script" and "src" not in given:
            self.found.append("<script> without src")
        self._works_without_script(tag, given)

    def handle_endtag(self, tag: str) -> None:
        self.forms -= tag == "form"

    def _attribute(self, tag: str, name: str, value: str) -> None:
        if name == "style" or name.startswith(("on", "hx-on")):
            self.found.append(f"<{tag} {name}>")
        if re.search(r"\b(javascript|js|data):", value) and name != "content":
            self.found.append(f'<{tag} {name}="{value}">')
        if name == "hx-trigger" and "[" in value:
            self.found.append(f"a filter in hx-trigger of <{tag}>")

    def _works_without_script(self, tag: str, given: dict[str, str]) -> None:
        action = "action" if tag == "form" else "href"
        if "hx-get" in given and not POLLS.search(given.get("hx-trigger", "")):
            # A form without an action goes to the page's own address.
            if (tag == "button" and self.forms) or (tag == "form" and action not in given):
                return
            if given.get(action) != given["hx-get"]:
                self.found.append(f"<{tag} hx-get> without the same {action}")
        writes = {"hx-post", "hx-put", "hx-patch", "hx-delete"} & set(given)
        if writes and not (tag == "form" and "action" in given) and not self.forms:
            self.found.append(f"<{tag} {writes.pop()}> outside a form")


def _faults(text: str) -> list[str]:
    text = re.sub(r"{#.*?#}|{% comment %}.*?{% endcomment %}", "", text, flags=re.S)
    reader = _Reader()
    # Tags of the template language may stand inside attributes; their quotes would end these.
    reader.feed(re.sub(r"{%.*?%}|{{.*?}}", lambda m: re.sub(r"[\"'<>]", "~", m[0]), text))
    return reader.found + [f"the character {sign}" for sign in FOREIGN.findall(text)]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(TEMPLATES)))
def test_template_keeps_the_rules(file: Path):
    assert _faults(file.read_text()) == []


@pytest.mark.parametrize(
    "text",
    [
        '<p style="color: red">',
        "<style>p {}</style>",
        "<script>alert(1)</script>",
        '<button onclick="go()">',
        '<a href="javascript:go()">',
        '<img src="data:image/png;base64,x">',
        '<p hx-on:click="go()">',
        '<p hx-get="/x" hx-trigger="tick[document.hidden] from:body">',
        '<a hx-get="/x">',
        '<a href="/y" hx-get="/x">',
        '<button hx-post="/x">',
        "<p>Next →</p>",
    ],
)
def test_each_breach_is_noticed(text: str):
    assert len(_faults(text)) == 1


@pytest.mark.parametrize(
    "text",
    [
        '<a href="{% url "x" %}" hx-get="{% url "x" %}">',
        '<form action="/x" method="post" hx-post="/x"><button hx-post="/y">',
        '<div hx-get="/x" hx-trigger="tick from:body">',
        "{# 1 → 2 #}",
    ],
)
def test_what_is_right_passes(text: str):
    assert _faults(text) == []
