"""
The operator's energy attributes, the ledger of claims, and what would have heated the buildings.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_POST

from portal.forms.attributes import (
    Allocation,
    Cancellation,
    ClaimFilter,
    CounterfactualForm,
    Lot,
    LotFilter,
    NewClaim,
)
from portal.templatetags.portal import number
from portal.views.base import PortalRequest, for_action, for_kind
from portal.views.lists import Column, csv_answer, listing, sorted_rows
from sites import queries as places
from sites.access import Action, Kind
from telemetry import operations, queries


def _lot_columns() -> Sequence[Column[Any]]:
    return [
        Column("number", gettext("Numbers"), ("registry_id",), lambda r: r.registry_id),
        Column("kind", gettext("Kind"), ("kind",), lambda r: r.kind),
        Column("technology", value=lambda r: r.technology),
        Column("country", value=lambda r: r.country),
        Column("plant", gettext("Plant"), ("plant",), lambda r: r.plant),
        Column("registry", value=lambda r: r.registry),
        Column("first_day", gettext("Produced"), ("produced",), lambda r: r.produced.lower),
        Column("last_day", value=lambda r: r.produced.upper - dt.timedelta(days=1)),
        Column("kwh", gettext("kWh"), ("kwh",), lambda r: r.kwh, numeric=True),
        Column("used_kwh", gettext("Used, kWh"), ("used_kwh",), lambda r: r.used_kwh, numeric=True),
        Column("kg_per_kwh", value=lambda r: r.kg_per_kwh),
        Column("cancelled_on", gettext("Cancelled"), ("cancelled_on",), lambda r: r.cancelled_on),
        Column("proof", value=lambda r: r.proof_reference),
    ]


@for_kind(Kind.OPERATOR)
def lots(request: PortalRequest) -> HttpResponseBase:
    """
    All lots with what of them is used: searched, filtered, sorted, as pages or CSV.
    """
    form = LotFilter(request.GET)
    rows = queries.lots(viewer=request.viewer, **form.chosen())
    columns = _lot_columns()
    if request.GET.get("format") == "csv":
        return csv_answer(sorted_rows(request, rows, columns), columns, filename="attributes.csv")
    context = {"form": form, "listing": listing(request, rows, columns), "may_write": _may(request)}
    template = "ops/_lot_rows.html" if request.htmx else "ops/lots.html"
    return render(request, template, context)


def _may(request: PortalRequest) -> bool:
    return request.viewer.can(Action.ISSUE_STATEMENTS)


@for_action(Action.ISSUE_STATEMENTS)
def new_lot(request: PortalRequest) -> HttpResponseBase:
    """
    Enter certificates or a contract.
    """
    form = Lot(request.POST or None)
    operator_id = request.viewer.stakeholder_id
    if request.method == "POST" and operator_id is not None and form.is_valid():
        try:
            made = operations.add_lot(
                operator_id=operator_id, at=timezone.now(), by_id=request.viewer.user_id,
                **form.fields_of_lot(),
            )  # fmt: skip
        except operations.NotAllocated:
            form.add_error("registry_id", gettext("These numbers are held already."))
        else:
            return redirect("ops-lot", pk=made.pk)
    context = {
        "form": form,
        "title": gettext("Enter energy attributes"),
        "button": gettext("Enter them"),
        "crumbs": [(reverse("ops-lots"), gettext("Attributes"))],
        "hint": gettext(
            "Entered once and never edited. Certificates count once they are cancelled."
        ),
    }
    return render(request, "ops/form.html", context)


@for_kind(Kind.OPERATOR)
def lot(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    One lot: its proof, and what of it is used where.
    """
    shown: Any = get_object_or_404(queries.lots(viewer=request.viewer), pk=pk)
    cancellation, allocation = Cancellation(), _allocation(request)
    if request.method == "POST":
        if not _may(request):
            raise Http404
        if "cancel" in request.POST:
            cancellation = Cancellation(request.POST)
            done = _cancel(request, shown, cancellation)
        else:
            allocation = _allocation(request, request.POST, request.FILES)
            done = _allocate(request, shown, allocation)
        if done:
            return redirect("ops-lot", pk=pk)
    context = {
        "lot": shown,
        "left": shown.kwh - shown.used_kwh,
        "listing": listing(
            request, queries.allocations(viewer=request.viewer, lot_id=pk), columns=[]
        ),
        "cancellation": cancellation,
        "allocation": allocation,
        "form": allocation if allocation.errors else cancellation,
        "counts": shown.cancelled_on is not None or shown.kind in ("tariff", "onsite"),
        "may_write": _may(request),
    }
    template = "ops/_allocation_rows.html" if request.htmx else "ops/lot.html"
    return render(request, template, context)


def _allocation(request: PortalRequest, *given: Any) -> Allocation:
    return Allocation(
        *given, sites=places.sites(viewer=request.viewer),
        services=places.hosting_services(viewer=request.viewer),
    )  # fmt: skip


def _cancel(request: PortalRequest, shown: Any, form: Cancellation) -> bool:
    if not form.is_valid():
        return False
    try:
        operations.cancel_lot(
            lot_id=shown.pk, at=timezone.now(), by_id=request.viewer.user_id, **form.cleaned_data
        )
    except operations.NotAllocated as problem:
        form.add_error(None, str(problem))
        return False
    return True


def _allocate(request: PortalRequest, shown: Any, form: Allocation) -> bool:
    if not form.is_valid():
        return False
    chosen: Any = form.cleaned_data
    where: Any = form.where()
    try:
        operations.allocate(
            lot_id=shown.pk, **where, month=chosen["month"], kwh=chosen["kwh"],
            hours=chosen["hours"] or None, at=timezone.now(), by_id=request.viewer.user_id,
        )  # fmt: skip
    except operations.NotAllocated as problem:
        field = "month" if problem.constraint == "a_lot_counts_in_its_own_months" else "kwh"
        form.add_error(field, _why(problem, shown))
        return False
    return True


def _why(problem: operations.NotAllocated, shown: Any) -> str:
    words: dict[str, str] = {
        "a_lot_is_used_once": gettext("Of this lot %s kWh are left.")
        % number(shown.kwh - shown.used_kwh),
        "only_cancelled_lots_are_allocated": gettext("Certificates count once they are cancelled."),
        "a_lot_counts_in_its_own_months": gettext("It was not produced in this month."),
    }
    return words.get(problem.constraint, str(problem))


@for_action(Action.ISSUE_STATEMENTS)
@require_POST
def end_allocation(request: PortalRequest, pk: int, allocation: int) -> HttpResponseBase:
    """
    Take an allocation back.
    """
    found = get_object_or_404(queries.allocations(viewer=request.viewer, lot_id=pk), pk=allocation)
    try:
        operations.end_allocation(
            allocation_id=found.pk, at=timezone.now(), by_id=request.viewer.user_id
        )
    except operations.NotAllocated:
        messages.error(
            request, gettext("It is on a bill. Take the bill back first, then the allocation.")
        )
    return redirect("ops-lot", pk=pk)


def _claim_columns() -> Sequence[Column[Any]]:
    return [
        Column("month", gettext("Month"), ("month",), lambda c: f"{c.month:%Y-%m}"),
        Column("site", gettext("Site"), ("site__name",), lambda c: c.site.name),
        Column("of", gettext("Of"), (), lambda c: str(c.lot) if c.lot else "displaced heat"),
        Column("claimant", gettext("Who"), ("claimant__name",), lambda c: c.claimant.name),
        Column("role", gettext("Role"), ("role",), lambda c: c.role),
        Column("share", gettext("Share"), ("share",), lambda c: c.share, numeric=True),
        Column(
            "ended_at",
            gettext("State"),
            ("ended_at",),
            lambda c: c.ended_at and c.ended_at.isoformat(),
        ),
    ]


@for_kind(Kind.OPERATOR)
def claims(request: PortalRequest) -> HttpResponseBase:
    """
    The ledger: who claims which share of what, month by month.
    """
    sites = list(places.sites(viewer=request.viewer))
    newest = timezone.localdate().year
    oldest = min((site.started_on.year for site in sites), default=newest)
    form = ClaimFilter(request.GET, sites=sites, years=range(newest, oldest - 1, -1))
    rows = queries.claims(viewer=request.viewer, **form.chosen())
    columns = _claim_columns()
    if request.GET.get("format") == "csv":
        return csv_answer(sorted_rows(request, rows, columns), columns, filename="claims.csv")
    context = {"form": form, "listing": listing(request, rows, columns), "may_write": _may(request)}
    template = "ops/_claim_rows.html" if request.htmx else "ops/claims.html"
    return render(request, template, context)


@for_action(Action.ISSUE_STATEMENTS)
def new_claim(request: PortalRequest) -> HttpResponseBase:
    """
    Enter a claim into the ledger.
    """
    form = NewClaim(
        request.POST or None, sites=places.sites(viewer=request.viewer),
        lots=queries.lots(viewer=request.viewer), parties=_parties(request),
    )  # fmt: skip
    if request.method == "POST" and form.is_valid():
        chosen: Any = form.cleaned_data
        try:
            operations.claim(
                site_id=chosen["site"], month=chosen["month"], lot_id=chosen["lot"],
                claimant_id=chosen["claimant"], role=chosen["role"], share=chosen["share"] / 100,
                at=timezone.now(), by_id=request.viewer.user_id,
            )  # fmt: skip
            return redirect("ops-claims")
        except operations.NotAllocated as problem:
            form.add_error("share", str(problem))
    context = {
        "form": form,
        "title": gettext("Enter a claim"),
        "button": gettext("Enter it"),
        "crumbs": [(reverse("ops-claims"), gettext("Claims"))],
        "hint": gettext("The shares of one month and one thing never add up to more than 100%."),
    }
    return render(request, "ops/form.html", context)


def _parties(request: PortalRequest) -> list[Any]:
    viewer = request.viewer
    if viewer.stakeholder_id is None:
        return []
    own = places.organisations(viewer=viewer).filter(pk=viewer.stakeholder_id)
    return [*own, *places.customers(viewer=viewer)]


@for_action(Action.ISSUE_STATEMENTS)
@require_POST
def end_claim(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    Take a claim back.
    """
    found = get_object_or_404(queries.claims(viewer=request.viewer), pk=pk)
    operations.end_claim(claim_id=found.pk, at=timezone.now(), by_id=request.viewer.user_id)
    return redirect("ops-claims")


@for_kind(Kind.OPERATOR)
def counterfactuals(request: PortalRequest) -> HttpResponseBase:
    """
    What would have heated each building, and a form to say so from a day on.
    """
    buildings = places.buildings(viewer=request.viewer)
    form = CounterfactualForm(request.POST or None, buildings=buildings)
    if request.method == "POST":
        if not _may(request):
            raise Http404
        if form.is_valid():
            operations.set_counterfactual(
                at=timezone.now(), by_id=request.viewer.user_id, **form.fields_of_it()
            )
            messages.success(request, gettext("It is noted."))
            return redirect("ops-counterfactuals")
    context = {
        "rows": queries.counterfactuals(viewer=request.viewer),
        "form": form,
        "may_write": _may(request),
    }
    return render(request, "ops/counterfactuals.html", context)
