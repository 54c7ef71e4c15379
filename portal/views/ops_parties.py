"""
The operator's customers and its own details.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext

from billing import queries as billing
from portal.forms.parties import CustomerFilter, CustomerForm, NewCustomerForm, OperatorForm
from portal.views.base import PortalRequest, for_action, for_kind
from portal.views.found import fields_of, own_organisation
from portal.views.lists import Column, csv_answer, listing, sorted_rows
from sites import operations, queries
from sites.access import Action, Kind


def _columns() -> Sequence[Column[Any]]:
    return [
        Column("name", gettext("Name"), ("name",), lambda c: c.name),
        Column("kind", gettext("Kind"), ("kind", "name"), lambda c: c.kind),
        Column("street", value=lambda c: c.street),
        Column("postcode", value=lambda c: c.postcode),
        Column("town", gettext("Town"), ("town", "name"), lambda c: c.town),
        Column("country", value=lambda c: c.country),
        Column("email", gettext("E-mail address"), ("email",), lambda c: c.email),
        Column("vat_id", value=lambda c: c.vat_id),
        Column("places", gettext("Places"), ("places",), lambda c: c.places, numeric=True),
        Column("people", gettext("People"), ("people",), lambda c: c.people, numeric=True),
    ]


@for_kind(Kind.OPERATOR)
def customers(request: PortalRequest) -> HttpResponseBase:
    """
    All heat partners and hosting tenants: searched, filtered, sorted, as pages or CSV.
    """
    form = CustomerFilter(request.GET)
    rows = queries.customer_rows(viewer=request.viewer, **form.chosen())
    columns = _columns()
    if request.GET.get("format") == "csv":
        return csv_answer(sorted_rows(request, rows, columns), columns, filename="customers.csv")
    context = {
        "form": form,
        "listing": listing(request, rows, columns, default_sort="name"),
        "may_manage": request.viewer.can(Action.MANAGE_CUSTOMERS),
    }
    template = "ops/_customer_rows.html" if request.htmx else "ops/customers.html"
    return render(request, template, context)


def _customer(request: PortalRequest, pk: int) -> Any:
    return get_object_or_404(queries.customer_rows(viewer=request.viewer), pk=pk)


@for_kind(Kind.OPERATOR)
def customer(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    One customer: its details, where it takes heat or has servers, its contracts.
    """
    viewer = request.viewer
    shown = _customer(request, pk)
    contracts = billing.contracts(viewer=viewer, today=timezone.localdate())
    context = {
        "customer": shown,
        "deliveries": queries.buildings(viewer=viewer, partner_id=pk),
        "services": queries.hosting_services(viewer=viewer, tenant_id=pk),
        "contracts": contracts.filter(customer=pk),
        "may_manage": viewer.can(Action.MANAGE_CUSTOMERS),
        "may_invite": viewer.can(Action.MANAGE_PEOPLE),
        "may_bill": viewer.can(Action.BILL),
    }
    return render(request, "ops/customer.html", context)


def _crumbs(*more: tuple[str, str]) -> list[tuple[str, str]]:
    return [(reverse("ops-customers"), gettext("Customers")), *more]


@for_action(Action.MANAGE_CUSTOMERS)
def new(request: PortalRequest) -> HttpResponseBase:
    """
    Make a customer.
    """
    own = own_organisation(request)
    form = NewCustomerForm(
        request.POST or None, initial={"country": own.country, "language": own.language}
    )
    if request.method == "POST" and form.is_valid():
        made = operations.create_stakeholder(
            operator_id=own.pk, timezone=own.timezone, at=timezone.now(),
            by_id=request.viewer.user_id, **form.cleaned_data,
        )  # fmt: skip
        messages.success(request, gettext("%s is added.") % made.name)
        return redirect("ops-customer", pk=made.pk)
    context = {
        "form": form,
        "title": gettext("Add a customer"),
        "button": gettext("Add"),
        "crumbs": _crumbs(),
        "hint": gettext("Next you say where it takes heat or has servers, and what it pays."),
    }
    return render(request, "ops/form.html", context)


@for_action(Action.MANAGE_CUSTOMERS)
def edit(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    Change a customer's details.
    """
    shown = _customer(request, pk)
    form = CustomerForm(request.POST or None, initial=fields_of(shown, CustomerForm))
    if request.method == "POST" and form.is_valid():
        _save(request, shown, form.cleaned_data)
        return redirect("ops-customer", pk=pk)
    context = {
        "form": form,
        "title": gettext("Details of %s") % shown.name,
        "button": gettext("Save"),
        "crumbs": _crumbs((reverse("ops-customer", args=[pk]), shown.name)),
        "hint": _kept(),
    }
    return render(request, "ops/form.html", context)


def _kept() -> str:
    return gettext("Documents that were issued keep the details of their day.")


def _save(request: PortalRequest, organisation: Any, given: dict[str, Any]) -> None:
    operations.edit_stakeholder(
        stakeholder_id=organisation.pk, at=timezone.now(), by_id=request.viewer.user_id, **given
    )
    messages.success(request, gettext("The details are saved."))


@for_action(Action.MANAGE_ORGANISATION)
def organisation(request: PortalRequest) -> HttpResponseBase:
    """
    Change the operator's own details, as they stand on invoices.
    """
    own = own_organisation(request)
    form = OperatorForm(request.POST or None, initial=fields_of(own, OperatorForm))
    if request.method == "POST" and form.is_valid():
        _save(request, own, form.cleaned_data)
        return redirect("ops-organisation")
    context = {
        "form": form,
        "title": gettext("Details of %s") % own.name,
        "button": gettext("Save"),
        "crumbs": [(reverse("settings"), gettext("Settings"))],
        "hint": gettext("They stand on every invoice.") + " " + _kept(),
    }
    return render(request, "ops/form.html", context)
