"""
Where to go: pages, sites, metering points, meters, contracts and invoices by a part of their name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext

from billing import queries as billing
from portal.context import places_of
from portal.views.base import PortalRequest, for_kind
from sites import queries
from sites.access import Kind, Viewer
from telemetry import queries as telemetry

# One letter matches everything; nobody looks through more than a handful of each kind.
_SHORTEST, _LONGEST, _EACH = 2, 80, 5


@dataclass(frozen=True, slots=True)
class Found:
    """
    One place to go to, what kind of thing it is and what tells it from others.
    """

    kind: str
    name: str
    beside: str
    url: str


@for_kind(Kind.OPERATOR)
def find(request: PortalRequest) -> HttpResponse:
    """
    What matches the word asked for; without one the pages there are.
    """
    asked = " ".join(request.GET.get("q", "").replace("\0", "").split())[:_LONGEST]
    found = list(_pages(request.viewer, asked))
    if len(asked) >= _SHORTEST:
        found += [*_placed(request.viewer, asked), *_agreed(request.viewer, asked)]
    template = "ops/_find_results.html" if request.htmx else "ops/find.html"
    return render(request, template, {"asked": asked, "found": found})


def _pages(viewer: Viewer, asked: str) -> Iterator[Found]:
    for name, label, group in places_of(viewer):
        if asked.casefold() in f"{label} {group}".casefold():
            yield Found(gettext("Page"), label, group if group != label else "", reverse(name))


def _placed(viewer: Viewer, asked: str) -> Iterator[Found]:
    for site in queries.sites(viewer=viewer, search=asked)[:_EACH]:
        yield Found(
            gettext("Site"), site.name, f"{site.town}, {site.country}",
            reverse("ops-site", args=[site.slug]),
        )  # fmt: skip
    for point in telemetry.points(viewer=viewer, search=asked)[:_EACH]:
        yield Found(
            gettext("Metering point"), point.name, point.site.name,
            reverse("ops-point", args=[point.pk]),
        )  # fmt: skip
    today = timezone.localdate()
    meters: Any = telemetry.meters(viewer=viewer, today=today, search=asked)[:_EACH]
    for meter in meters:
        yield Found(
            gettext("Meter"), meter.serial, meter.point_name or gettext("not in place"),
            reverse("ops-meter", args=[meter.pk]),
        )  # fmt: skip


def _agreed(viewer: Viewer, asked: str) -> Iterator[Found]:
    today = timezone.localdate()
    for contract in billing.contracts(viewer=viewer, today=today, search=asked)[:_EACH]:
        yield Found(
            gettext("Contract"), contract.reference,
            f"{contract.customer.name}, {contract.site.name}",
            reverse("ops-contract", args=[contract.pk]),
        )  # fmt: skip
    for invoice in billing.invoices(viewer=viewer, search=asked)[:_EACH]:
        yield Found(
            gettext("Invoice"), invoice.number or gettext("Draft"), invoice.customer.name,
            reverse("ops-invoice", args=[invoice.pk]),
        )  # fmt: skip
