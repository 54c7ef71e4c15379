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

from sites import queries
from sites.access import Action, Kind, Viewer
from telemetry import queries as metering

THEMES = ("system", "light", "dark")
DENSITIES = ("comfortable", "compact")


@dataclass(frozen=True, slots=True)
class NavItem:
    """
    One entry of the main navigation.
    """

    url: str
    label: str
    current: bool
    # How many wait there for somebody.
    waiting: int = 0


def _places(kind: Kind) -> list[tuple[str, str]]:
    return {
        Kind.OPERATOR: [
            ("ops-fleet", gettext("Sites")),
            ("ops-alarms", gettext("Alarms")),
            ("ops-availability", gettext("Availability")),
            ("ops-meters", gettext("Meters")),
            ("ops-gateways", gettext("Gateways")),
            ("ops-imports", gettext("Imports")),
            ("ops-invoices", gettext("Invoices")),
            ("ops-runs", gettext("Billing")),
            ("ops-contracts", gettext("Contracts")),
            ("ops-money", gettext("Money")),
            ("ops-statements", gettext("Statements")),
        ],
        Kind.PARTNER: [
            ("heat", gettext("Home")),
            ("heat-usage", gettext("Usage")),
            ("heat-temperature", gettext("Temperature")),
            ("heat-bills", gettext("Bills")),
            ("account", gettext("Account")),
        ],
        Kind.TENANT: [
            ("hosting", gettext("Overview")),
            ("hosting-uptime", gettext("Uptime")),
            ("hosting-invoices", gettext("Invoices")),
            ("account", gettext("Account")),
            ("hosting-energy", gettext("Energy")),
            ("hosting-statements", gettext("Statements")),
        ],
    }[kind]


def _navigation(request: HttpRequest) -> list[NavItem]:
    kind = request.viewer.kind  # type: ignore[attr-defined]
    if kind is None:
        return []
    items = [(reverse(name), label) for name, label in _places(kind)]
    # The longest address that begins the present one is where the reader is.
    here = max((url for url, _ in items if request.path.startswith(url)), key=len, default=None)
    waiting = {}
    if kind is Kind.OPERATOR:
        viewer = request.viewer  # type: ignore[attr-defined]
        found = metering.attention(viewer=viewer)
        waiting = {
            reverse("ops-alarms"): found.alarms, reverse("ops-availability"): found.incidents,
        }  # fmt: skip
    return [
        NavItem(url=url, label=label, current=url == here, waiting=waiting.get(url, 0))
        for url, label in items
    ]


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
        "density": density if density in DENSITIES else "comfortable",
        "alarm_places": SimpleLazyObject(lambda: _alarm_places(viewer)),
        "availability_places": SimpleLazyObject(_availability_places),
        "portal_name": gettext("Warmgrid"),
    }
