"""
Who claims what at a customer's sites, in plain words: the heat customer less fuel, the operator
that it enabled it, the tenant nothing of the heat.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django.http import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext

from portal.drawings import first_of_month
from portal.forms.attributes import BesideFilter
from portal.views.base import PortalRequest, for_kind
from portal.views.lists import Column, csv_answer, listing, sorted_rows
from sites import queries as places
from sites.access import Kind, Viewer
from telemetry import queries


@for_kind(Kind.PARTNER)
def of_heat(request: PortalRequest) -> HttpResponseBase:
    """
    What the heat avoided at the customer's own buildings, and who claims it.
    """
    return _claims(request, "heat-claims")


@for_kind(Kind.TENANT)
def of_tenant(request: PortalRequest) -> HttpResponseBase:
    """
    Which renewable electricity the tenant claims, and who claims the heat.
    """
    return _claims(request, "hosting-claims")


def _claims(request: PortalRequest, page: str) -> HttpResponseBase:
    sites = list(places.sites(viewer=request.viewer))
    today = timezone.localdate()
    first_year = min((site.started_on.year for site in sites), default=today.year)
    form = BesideFilter(request.GET, sites=sites, years=range(today.year, first_year - 1, -1))
    rows = queries.claims_beside(viewer=request.viewer, **form.chosen())
    columns = _columns(request.viewer)
    if request.GET.get("format") == "csv":
        return csv_answer(sorted_rows(request, rows, columns), columns, filename="claims.csv")
    shown = listing(request, rows, columns)
    context = {
        "page": page,
        "form": form,
        "listing": shown,
        "rows": [
            (claim, of_in_words(claim), who_in_words(claim, request.viewer), as_what(claim))
            for claim in shown.page
        ],
        "is_tenant": request.viewer.kind is Kind.TENANT,
    }
    if request.htmx:
        return render(request, "account/_claim_rows.html", context)
    if request.viewer.kind is Kind.PARTNER:
        context |= _avoided(request.viewer, sites, form.chosen(), today)
    return render(request, "account/claims.html", context)


def _avoided(
    viewer: Viewer, sites: Sequence[Any], chosen: dict[str, Any], today: dt.date
) -> dict[str, Any]:
    """
    Return what the heat avoided at the customer's buildings in the chosen year, else in the last
    twelve full months.
    """
    newest = first_of_month(today, back=1)
    first, last = first_of_month(newest, back=11), newest
    if year := chosen.get("year"):
        first, last = dt.date(year, 1, 1), min(dt.date(year, 12, 1), newest)
    asked = [site.pk for site in sites if chosen.get("site") in (None, site.pk)]
    if first > last:
        return {}
    found = queries.displaced_by_site(
        viewer=viewer, site_ids=asked, first_month=first, last_month=last
    )
    return {"buildings": [d for of in found.values() for d in of], "first": first, "last": last}


def _columns(viewer: Viewer) -> Sequence[Column[Any]]:
    return [
        Column("month", gettext("Month"), ("month",), lambda c: f"{c.month:%Y-%m}"),
        Column("site", gettext("Site"), ("site__name",), lambda c: c.site.name),
        Column("of", gettext("Of"), (), of_in_words),
        Column("who", gettext("Who"), (), lambda c: who_in_words(c, viewer)),
        Column("role", value=lambda c: c.role),
        Column("share", gettext("Share"), ("share",), lambda c: c.share, numeric=True),
        Column("as", gettext("As what"), (), as_what),
        Column("meaning", value=meaning),
    ]


def of_in_words(claim: Any) -> str:
    """
    Say what a share is claimed of.
    """
    if claim.lot is None:
        return gettext("Heat that replaced fuel")
    return f"{claim.lot.get_kind_display()} {claim.lot.registry_id}"


def who_in_words(claim: Any, viewer: Viewer) -> str:
    """
    Name who claims; another customer is told of and not named.
    """
    if claim.claimant_id == viewer.stakeholder_id:
        return gettext("You")
    if claim.role == "operator":
        return str(claim.site.operator.name)
    return gettext("A heat customer")


def as_what(claim: Any) -> str:
    """
    Say in a few words what is claimed; the page tells once what that means.
    """
    if claim.lot is not None:
        kept = claim.role == "operator"
        return gettext("kept by the operator") if kept else gettext("renewable, scope 2")
    if claim.role == "partner":
        return gettext("less fuel, scope 1")
    return gettext("enabled, outside its inventory")


def meaning(claim: Any) -> str:
    """
    Say in plain words what a claim allows whom to state, and what not.
    """
    if claim.lot is not None and claim.role == "operator":
        return gettext("The operator keeps it for its own use, so nobody else counts it.")
    if claim.lot is not None:
        return gettext("Counts as renewable in scope 2, market-based, of whoever claims it.")
    if claim.role == "partner":
        return gettext("Less fuel was burned at the building: a smaller scope 1 there.")
    return gettext(
        "The operator may say that it enabled this. It stands outside its inventory and takes"
        " nothing off its emissions."
    )
