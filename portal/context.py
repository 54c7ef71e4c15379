"""
What the frame around every page needs: whose portal it is, where one can go, how it looks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext

from portal.templatetags import portal as words
from sites import queries
from sites.access import Action, Kind, Viewer
from telemetry import queries as metering

THEMES = ("system", "light", "dark")
DENSITIES = ("comfortable", "compact")


@dataclass(frozen=True, slots=True)
class NavItem:
    """
    One entry of the main navigation; `parts` are the pages under it, where there are several.
    """

    url: str
    label: str
    current: bool
    # How many wait there for somebody.
    waiting: int = 0
    parts: tuple[NavItem, ...] = ()


def _places(kind: Kind) -> list[tuple[str, list[tuple[str, str]]]]:
    """
    Return the entries of the navigation, each with the pages under it.
    """
    return {
        Kind.OPERATOR: [
            (
                gettext("Sites"),
                [("ops-fleet", gettext("Sites")), ("ops-customers", gettext("Customers"))],
            ),
            (
                gettext("Watch"),
                [
                    ("ops-alarms", gettext("Alarms")),
                    ("ops-availability", gettext("Availability")),
                    ("ops-quality", gettext("Data quality")),
                ],
            ),
            (
                gettext("Metering"),
                [
                    ("ops-meters", gettext("Meters")),
                    ("ops-gateways", gettext("Gateways")),
                    ("ops-imports", gettext("Imports")),
                    ("ops-archive", gettext("Archive")),
                ],
            ),
            (
                gettext("Billing"),
                [
                    ("ops-runs", gettext("Runs")),
                    ("ops-invoices", gettext("Invoices")),
                    ("ops-contracts", gettext("Contracts")),
                ],
            ),
            (gettext("Money"), [("ops-money", gettext("Money"))]),
            (gettext("Statements"), [("ops-statements", gettext("Statements"))]),
        ],
        Kind.PARTNER: [
            (gettext("Home"), [("heat", gettext("Home"))]),
            (gettext("Usage"), [("heat-usage", gettext("Usage"))]),
            (gettext("Temperature"), [("heat-temperature", gettext("Temperature"))]),
            (gettext("Bills"), [("heat-bills", gettext("Bills"))]),
            (gettext("Account"), [("account", gettext("Account"))]),
        ],
        Kind.TENANT: [
            (gettext("Overview"), [("hosting", gettext("Overview"))]),
            (gettext("Uptime"), [("hosting-uptime", gettext("Uptime"))]),
            (gettext("Energy"), [("hosting-energy", gettext("Energy"))]),
            (gettext("Statements"), [("hosting-statements", gettext("Statements"))]),
            (gettext("Invoices"), [("hosting-invoices", gettext("Invoices"))]),
            (gettext("Account"), [("account", gettext("Account"))]),
        ],
    }[kind]


def _waiting(viewer: Viewer) -> dict[str, int]:
    if viewer.kind is not Kind.OPERATOR:
        return {}
    found = metering.attention(viewer=viewer)
    return {"ops-alarms": found.alarms, "ops-availability": found.incidents}


def _navigation(request: HttpRequest) -> list[NavItem]:
    viewer = request.viewer  # type: ignore[attr-defined]
    if viewer.kind is None:
        return []
    places = _places(viewer.kind)
    urls = {name: reverse(name) for _, parts in places for name, _ in parts}
    # The longest address that begins the present one is where the reader is.
    here = max((u for u in urls.values() if request.path.startswith(u)), key=len, default=None)
    waiting = _waiting(viewer)
    items = []
    for label, named in places:
        parts = tuple(
            NavItem(urls[name], text, urls[name] == here, waiting.get(name, 0))
            for name, text in named
        )
        items.append(
            NavItem(
                url=parts[0].url, label=label, current=any(part.current for part in parts),
                waiting=sum(part.waiting for part in parts), parts=parts if len(parts) > 1 else (),
            )
        )  # fmt: skip
    return items


def _memberships(request: HttpRequest) -> list[queries.MembershipSeen]:
    user_id = request.viewer.user_id  # type: ignore[attr-defined]
    return [] if user_id is None else queries.memberships_of(user_id=user_id)


def _alarm_places(viewer: Viewer) -> list[tuple[str, str]]:
    hooks = [("ops-webhooks", gettext("Webhooks"))] if viewer.can(Action.MANAGE_HOOKS) else []
    return [
        ("ops-alarms", gettext("Alarms")),
        ("ops-alarm-rules", gettext("Rules")),
        ("ops-alarm-contacts", gettext("Who is told")),
        ("ops-alarm-silences", gettext("Silences")),
        *hooks,
    ]


def _availability_places() -> list[tuple[str, str]]:
    return [
        ("ops-availability", gettext("Services")),
        ("ops-incidents", gettext("Incidents")),
        ("ops-work", gettext("Announced work")),
        ("ops-probes", gettext("Probes")),
    ]


def _quality_places() -> list[tuple[str, str]]:
    return [
        ("ops-quality", gettext("Findings")),
        ("ops-edits", gettext("Edits and estimates")),
        ("ops-shares", gettext("Estimated share")),
        ("ops-quality-rules", gettext("Thresholds")),
    ]


def places_of(viewer: Viewer) -> list[tuple[str, str, str]]:
    """
    Return every page an operator can go to by name: its address's name, what it is called and
    what it belongs to. A page that stands in two lists is here once.
    """
    if viewer.kind is not Kind.OPERATOR:
        return []
    parts = [
        (gettext("Alarms"), _alarm_places(viewer)),
        (gettext("Availability"), _availability_places()),
        (gettext("Data quality"), _quality_places()),
        (gettext("Billing"), words.billing_tabs()),
        (gettext("Contracts"), words.contract_tabs()),
        (gettext("Money"), words.money_tabs()),
        (gettext("Statements"), words.statement_tabs()),
        ("", [("people", gettext("People")), ("settings", gettext("Your settings"))]),
    ]
    found: dict[str, tuple[str, str, str]] = {}
    for group, named in [*_places(viewer.kind), *parts]:
        for name, label in named:
            found.setdefault(name, (name, label, group))
    return list(found.values())


def frame(request: HttpRequest) -> dict[str, Any]:
    """
    Add navigation, memberships, theme and density to every template.
    """
    viewer = getattr(request, "viewer", None)
    if viewer is None:
        return {}
    memberships: Any = SimpleLazyObject(lambda: _memberships(request))

    def acting() -> queries.MembershipSeen | None:
        return next((m for m in memberships if m.stakeholder_id == viewer.stakeholder_id), None)

    theme = request.COOKIES.get("theme", "system")
    density = request.COOKIES.get("density", "comfortable")
    return {
        "navigation": SimpleLazyObject(lambda: _navigation(request)),
        "memberships": memberships,
        "acting": SimpleLazyObject(acting),
        "theme": theme if theme in THEMES else "system",
        # Single keys may be switched off (WCAG 2.1.4).
        "keys": "off" if request.COOKIES.get("keys") == "off" else "on",
        "density": density if density in DENSITIES else "comfortable",
        "alarm_places": SimpleLazyObject(lambda: _alarm_places(viewer)),
        "availability_places": SimpleLazyObject(_availability_places),
        "quality_places": SimpleLazyObject(_quality_places),
        "portal_name": gettext("Warmgrid"),
    }
