"""
Which gateway, format and channel an MQTT topic is about, by templates.

A template is a topic whose levels are literal, `+` for any, `#` at the end for the rest, or one of
`{gateway}`, `{format}` and `{channel}`, each at most once. What no level tells stands behind a
question mark: `meters/+/telegram?gateway=7&format=wmbusmeters`. A topic with `{channel}` carries
one figure, such as `34.5`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self
from urllib.parse import parse_qsl

_NAMES = ("gateway", "format", "channel")
# The format of a topic that is about one channel: a figure, with the time it arrived.
FIGURE = "figure"


class BadTemplate(ValueError):
    """
    A template of topics cannot be understood; the message says which and why.
    """


@dataclass(frozen=True, slots=True)
class Place:
    """
    What a topic tells of its messages. `channel` is empty where their bodies name the channels.
    """

    gateway: str
    format: str
    channel: str = ""


@dataclass(frozen=True, slots=True)
class TopicTemplate:
    """
    One template: what to subscribe to, and what the topics that come in mean.
    """

    subscription: str
    _pattern: re.Pattern[str]
    _given: dict[str, str]

    @classmethod
    def parse(cls, text: str) -> Self:
        """
        :raises BadTemplate: if it names no gateway, or neither a format nor a channel, or is no
            topic filter
        """
        levels, _, more = text.strip().partition("?")
        given = dict(parse_qsl(more, keep_blank_values=True))
        if unknown := set(given) - {"gateway", "format"}:
            raise BadTemplate(f"{text}: {sorted(unknown)[0]} is not known behind the “?”.")
        parts = levels.split("/")
        if "#" in parts[:-1]:
            raise BadTemplate(f"{text}: # stands only at the end.")
        try:
            read = [_level(part) for part in parts]
        except ValueError as problem:
            raise BadTemplate(f"{text}: {problem}") from None
        seen = [*given, *(part[1:-1] for part in parts if part.startswith("{"))]
        if len(seen) != len(set(seen)):
            raise BadTemplate(f"{text}: a name stands there twice.")
        if "gateway" not in seen:
            raise BadTemplate(f"{text}: say whose gateway, with {{gateway}} or ?gateway=7.")
        if not {"format", "channel"} & set(seen):
            raise BadTemplate(f"{text}: say how to read it: {{format}}, {{channel}} or ?format=.")
        pattern = re.compile("/".join(expression for _, expression in read))
        return cls("/".join(level for level, _ in read), pattern, given)

    def read(self, topic: str) -> Place | None:
        """
        Return what a topic means by this template, None where it is of another shape.
        """
        found = self._pattern.fullmatch(topic)
        if found is None:
            return None
        told = {**self._given, **found.groupdict()}
        return Place(told["gateway"], told.get("format", FIGURE), told.get("channel", ""))


def _level(part: str) -> tuple[str, str]:
    """
    Return what one level subscribes to and the expression that reads it.
    """
    if part in ("+", "#"):
        return part, "[^/]+" if part == "+" else ".+"
    if part.startswith("{") and part.endswith("}"):
        name = part[1:-1]
        if name not in _NAMES:
            raise ValueError(f"{part} is none of {{gateway}}, {{format}}, {{channel}}.")
        return "+", f"(?P<{name}>[^/]+)"
    if not part or re.search(r"[+#{}]", part):
        raise ValueError(f"“{part}” is no level of a topic.")
    return part, re.escape(part)


def parse_templates(text: str) -> list[TopicTemplate]:
    """
    Return the templates of a list with commas between them.

    :raises BadTemplate: if one cannot be understood, or there is none
    """
    found = [TopicTemplate.parse(part) for part in text.split(",") if part.strip()]
    if not found:
        raise BadTemplate("There is no template of topics.")
    return found


def place_of(topic: str, templates: Sequence[TopicTemplate]) -> Place | None:
    """
    Return what a topic means by the first template that fits it.
    """
    return next((place for t in templates if (place := t.read(topic)) is not None), None)


def topic_for(text: str, *, gateway: str, format: str) -> str | None:
    """
    Return the topic for deliveries of a gateway in a format, by the first of some templates that
    leaves nothing else open; None where there is none.
    """
    for template in text.split(","):
        levels = template.strip().partition("?")[0]
        topic = levels.replace("{gateway}", gateway).replace("{format}", format)
        if re.search(r"[+#{}]", topic) or not topic:
            continue
        if TopicTemplate.parse(template).read(topic) == Place(gateway, format):
            return topic
    return None
