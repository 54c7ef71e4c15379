"""
The operator's contracts and what they say in plain words.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_POST

from billing import operations, queries
from portal.forms.contracts import Conditions, ContractForm, EndForm
from portal.forms.money import ContractFilter
from portal.views.base import PortalRequest, for_action, for_kind
from portal.views.lists import Column, csv_answer, listing, sorted_rows
from portal.views.ops_terms import contract_of
from sites import queries as places
from sites.access import Action, Kind
from telemetry import queries as telemetry


def _columns() -> Sequence[Column[Any]]:
    return [
        Column("reference", gettext("Contract"), ("reference",), lambda c: c.reference),
        Column("customer", gettext("Customer"), ("customer__name",), lambda c: c.customer.name),
        Column("site", gettext("Site"), ("site__name",), lambda c: c.site.name),
        Column("model", gettext("Price model"), ("model",), lambda c: c.model),
        Column("first_day", gettext("From"), ("valid",), lambda c: c.valid.lower),
        Column(
            "last_day", gettext("To"), (),
            lambda c: c.valid.upper and c.valid.upper - dt.timedelta(days=1),
        ),
        Column("currency", value=lambda c: c.currency),
        Column("status", gettext("State"), ("status",), lambda c: c.status),
    ]  # fmt: skip


@for_kind(Kind.OPERATOR)
def contracts(request: PortalRequest) -> HttpResponseBase:
    """
    All contracts: searched, filtered, sorted, as pages or CSV.
    """
    form = ContractFilter(request.GET, models=queries.price_models())
    rows = queries.contracts(viewer=request.viewer, today=timezone.localdate(), **form.chosen())
    columns = _columns()
    if request.GET.get("format") == "csv":
        return csv_answer(sorted_rows(request, rows, columns), columns, filename="contracts.csv")
    context = {
        "form": form,
        "models": dict(queries.price_models()),
        "may_bill": request.viewer.can(Action.BILL),
        "listing": listing(request, rows, columns, default_sort="reference"),
    }
    template = "ops/_contract_rows.html" if request.htmx else "ops/contracts.html"
    return render(request, template, context)


@for_kind(Kind.OPERATOR)
def contract(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    One contract: its terms and service levels in plain words, version by version, its baselines
    and documents.
    """
    shown = contract_of(request, pk)
    versions = queries.terms_in_words(
        viewer=request.viewer, contract=shown, today=timezone.localdate()
    )
    may_bill = request.viewer.can(Action.BILL)
    context = {
        "contract": shown,
        "versions": versions,
        "supply": queries.supply_in_words(
            viewer=request.viewer, contract=shown, day=timezone.localdate()
        ),
        "policy": telemetry.maintenance_policy(viewer=request.viewer, site_id=shown.site_id),
        "baselines": queries.baselines(viewer=request.viewer, contract_id=pk),
        "documents": queries.invoices(viewer=request.viewer).filter(contract=shown)[:24],
        "may_bill": may_bill,
        "may_change": may_bill and shown.status != "ended",
        "may_manage": request.viewer.can(Action.MANAGE_SITES),
    }
    return render(request, "ops/contract.html", context)


def _subjects(request: PortalRequest) -> dict[str, list[tuple[str, str]]]:
    """
    Return what a contract can be about, by site, with whose it is.
    """
    found: dict[str, list[tuple[str, str]]] = {}
    for point in places.buildings(viewer=request.viewer):
        told = f"{point.name}: {point.partner.name}"
        found.setdefault(point.site.name, []).append((f"heat-{point.pk}", told))
    for service in places.hosting_services(viewer=request.viewer):
        told = f"{service.name}: {service.tenant.name}"
        found.setdefault(service.site.name, []).append((f"hosting-{service.pk}", told))
    return dict(sorted(found.items()))


def _parties(request: PortalRequest, subject: str) -> dict[str, Any]:
    """
    Return what a contract is about and with whom, as the operations take it.
    """
    kind, _, pk = subject.partition("-")
    if kind == "heat":
        point = next(p for p in places.buildings(viewer=request.viewer) if p.pk == int(pk))
        return {
            "site": point.site, "customer": point.partner, "delivery_point": point,
            "hosting_service": None,
        }  # fmt: skip
    services = places.hosting_services(viewer=request.viewer)
    service = next(s for s in services if s.pk == int(pk))
    return {
        "site": service.site, "customer": service.tenant, "delivery_point": None,
        "hosting_service": service,
    }  # fmt: skip


@for_action(Action.BILL)
def new(request: PortalRequest) -> HttpResponseBase:
    """
    Make a contract, a draft until it is started.
    """
    form = ContractForm(request.POST or None, subjects=_subjects(request))
    operator_id = request.viewer.stakeholder_id
    if request.method == "POST" and operator_id is not None and form.is_valid():
        given = dict(form.cleaned_data)
        try:
            made = operations.make_contract(
                operator_id=operator_id, at=timezone.now(), by_id=request.viewer.user_id,
                status="draft", **_parties(request, given.pop("subject")), **given,
            )  # fmt: skip
        except operations.NotReady as problem:
            form.add_error("reference", str(problem))
        else:
            return redirect("ops-terms-new", pk=made.pk)
    context = {
        "form": form,
        "title": gettext("New contract"),
        "button": gettext("Go on to its terms"),
        "crumbs": [(reverse("ops-contracts"), gettext("Contracts"))],
        "hint": gettext("A draft until you start it; nothing is billed before."),
    }
    return render(request, "ops/form.html", context)


@for_action(Action.BILL)
def edit(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    Change a draft, or the conditions of a contract that runs.
    """
    shown = contract_of(request, pk)
    if shown.status == "ended":
        raise Http404
    form = _edit_form(request, shown)
    if request.method == "POST" and form.is_valid():
        given = dict(form.cleaned_data)
        if "subject" in given:
            given |= _parties(request, given.pop("subject"))
        try:
            operations.change_contract(
                contract_id=pk, at=timezone.now(), by_id=request.viewer.user_id, **given
            )
        except operations.NotReady as problem:
            form.add_error("reference" if "reference" in form.fields else None, str(problem))
        else:
            return redirect("ops-contract", pk=pk)
    context = {
        "form": form,
        "title": gettext("Change %s") % shown.reference,
        "button": gettext("Save"),
        "crumbs": _crumbs(shown),
        "hint": gettext("Prices change by new terms from a day on.")
        if shown.status == "active"
        else "",
    }
    return render(request, "ops/form.html", context)


def _edit_form(request: PortalRequest, shown: Any) -> Conditions:
    initial = {
        name: getattr(shown, name)
        for name in (
            "payment_days",
            "correction_months",
            "look_back_months",
            "legal_regime",
            "pilot_until",
        )
    } | {"pilot_converts": "y" if shown.pilot_converts else ""}
    if shown.status != "draft":
        return Conditions(request.POST or None, initial=initial)
    subject = f"heat-{shown.delivery_point_id}"
    if shown.hosting_service_id is not None:
        subject = f"hosting-{shown.hosting_service_id}"
    upper = shown.valid.upper
    initial |= {
        "subject": subject, "reference": shown.reference, "currency": shown.currency,
        "first_day": shown.valid.lower, "last_day": upper and upper - dt.timedelta(days=1),
    }  # fmt: skip
    return ContractForm(request.POST or None, initial=initial, subjects=_subjects(request))


def _crumbs(shown: Any) -> list[tuple[str, str]]:
    return [
        (reverse("ops-contracts"), gettext("Contracts")),
        (reverse("ops-contract", args=[shown.pk]), shown.reference),
    ]


@for_action(Action.BILL)
def end(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    Let a contract end with a day.
    """
    shown = contract_of(request, pk)
    if shown.status != "active":
        raise Http404
    form = EndForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            operations.end_contract(
                contract_id=pk, last_day=form.cleaned_data["last_day"], at=timezone.now(),
                by_id=request.viewer.user_id,
            )  # fmt: skip
        except operations.NotReady as problem:
            form.add_error("last_day", str(problem))
        else:
            messages.success(request, gettext("It ends then."))
            return redirect("ops-contract", pk=pk)
    context = {
        "form": form,
        "title": gettext("End %s") % shown.reference,
        "button": gettext("Let it end"),
        "crumbs": _crumbs(shown),
        "hint": "",
    }
    return render(request, "ops/form.html", context)


@for_action(Action.BILL)
@require_POST
def step(request: PortalRequest, pk: int, how: str) -> HttpResponseBase:
    """
    Start a draft contract, or make a pilot a full one.
    """
    shown = contract_of(request, pk)
    act = operations.start_contract if how == "start" else operations.convert_pilot
    try:
        act(contract_id=shown.pk, at=timezone.now(), by_id=request.viewer.user_id)
    except operations.NotReady as problem:
        messages.error(request, str(problem))
    return redirect("ops-contract", pk=pk)
