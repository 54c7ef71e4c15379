"""
Making and changing sites, the points where heat is handed over, and what is hosted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.db import IntegrityError
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from portal.forms.parties import currency_of
from portal.forms.places import DeliveryPointForm, HostingServiceForm, SiteForm, with_customer
from portal.views.base import PortalRequest, for_action
from portal.views.found import delivery_point, fields_of, hosting_service, own_organisation
from sites import operations, queries
from sites.access import Action, Kind

# What triggers refuse, by what their message says.
_FIXED = {
    "timezone": _("There are readings already, in local time; the time zone stays."),
    "currency": _("There are contracts already; the currency stays."),
}


def _asked(
    request: PortalRequest, form: forms.Form, save: Callable[[dict[str, Any]], HttpResponse],
    **told: Any,
) -> HttpResponseBase:  # fmt: skip
    """
    Save what was filled in, or show the form with what is wrong.
    """
    if request.method == "POST" and form.is_valid():
        try:
            return save(form.cleaned_data)
        except operations.NameTaken:
            form.add_error("name", gettext("There is a site of that name."))
        except IntegrityError as refused:
            field = next((name for name in _FIXED if name in str(refused)), None)
            if field is None:
                raise
            form.add_error(field, _FIXED[field])
    crumbs = [(reverse("ops-fleet"), gettext("Sites")), *told.pop("crumbs", [])]
    return render(request, "ops/form.html", {"form": form, "crumbs": crumbs, **told})


def _by(request: PortalRequest) -> dict[str, Any]:
    return {"at": timezone.now(), "by_id": request.viewer.user_id}


def _site(request: PortalRequest, slug: str) -> Any:
    return get_object_or_404(queries.sites(viewer=request.viewer), slug=slug)


def _crumb(site: Any) -> tuple[str, str]:
    return reverse("ops-site", args=[site.slug]), site.name


@for_action(Action.MANAGE_SITES)
def new_site(request: PortalRequest) -> HttpResponseBase:
    """
    Make a site.
    """
    own = own_organisation(request)
    form = SiteForm(
        request.POST or None,
        initial={
            "country": own.country, "timezone": own.timezone, "phase": "live",
            "currency": currency_of(own.country),
        },
    )  # fmt: skip

    def save(given: dict[str, Any]) -> HttpResponse:
        made = operations.create_site(operator_id=own.pk, **_by(request), **given)
        messages.success(request, gettext("%s is added.") % made.name)
        return redirect("ops-site", slug=made.slug)

    return _asked(
        request, form, save, title=gettext("Add a site"), button=gettext("Add"),
        hint=gettext("Next come its customers, its metering points and what sends readings."),
    )  # fmt: skip


@for_action(Action.MANAGE_SITES)
def edit_site(request: PortalRequest, slug: str) -> HttpResponseBase:
    """
    Change what is said of a site.
    """
    site = _site(request, slug)

    def save(given: dict[str, Any]) -> HttpResponse:
        operations.edit_site(site_id=site.pk, **_by(request), **given)
        messages.success(request, gettext("The details are saved."))
        return redirect("ops-site", slug=slug)

    return _asked(
        request, SiteForm(request.POST or None, initial=fields_of(site, SiteForm)), save,
        title=gettext("Details of %s") % site.name, button=gettext("Save"), crumbs=[_crumb(site)],
    )  # fmt: skip


def _customers(request: PortalRequest, kind: Kind) -> list[tuple[str, str]]:
    rows = queries.customers(viewer=request.viewer)
    return [(str(row.pk), row.name) for row in rows if row.kind == kind]


@for_action(Action.MANAGE_SITES)
def new_delivery(request: PortalRequest, slug: str) -> HttpResponseBase:
    """
    Make a point where heat is handed over to a heat partner.
    """
    site = _site(request, slug)
    form = DeliveryPointForm(request.POST or None)
    partners = _customers(request, Kind.PARTNER)
    with_customer(form, "partner_id", gettext("Heat partner"), partners)

    def save(given: dict[str, Any]) -> HttpResponse:
        partner = int(given.pop("partner_id"))
        made = operations.add_delivery_point(
            site_id=site.pk, partner_id=partner, **_by(request), **given
        )
        messages.success(request, gettext("%s is added.") % made.name)
        return redirect("ops-delivery", pk=made.pk)

    return _asked(
        request, form, save, title=gettext("Add a delivery point"), button=gettext("Add"),
        crumbs=[_crumb(site)], hint="" if partners else _nobody_yet(),
    )  # fmt: skip


def _nobody_yet() -> str:
    return gettext("There is no such customer yet: add it under Customers first.")


@for_action(Action.MANAGE_SITES)
def edit_delivery(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    Change what is said of a point where heat is handed over.
    """
    point = delivery_point(request, pk)

    def save(given: dict[str, Any]) -> HttpResponse:
        operations.edit_delivery_point(delivery_point_id=pk, **_by(request), **given)
        messages.success(request, gettext("The details are saved."))
        return redirect("ops-delivery", pk=pk)

    return _asked(
        request,
        DeliveryPointForm(request.POST or None, initial=fields_of(point, DeliveryPointForm)), save,
        title=gettext("Details of %s") % point.name, button=gettext("Save"),
        crumbs=[_crumb(point.site), (reverse("ops-delivery", args=[pk]), point.name)],
        hint=gettext("What is promised and billed stands in the terms of supply and the contract."),
    )  # fmt: skip


@for_action(Action.MANAGE_SITES)
def new_service(request: PortalRequest, slug: str) -> HttpResponseBase:
    """
    Make what a tenant hosts.
    """
    site = _site(request, slug)
    form = HostingServiceForm(request.POST or None)
    tenants = _customers(request, Kind.TENANT)
    with_customer(form, "tenant_id", gettext("Hosting tenant"), tenants)

    def save(given: dict[str, Any]) -> HttpResponse:
        tenant = int(given.pop("tenant_id"))
        made = operations.add_hosting_service(
            site_id=site.pk, tenant_id=tenant, **_by(request), **given
        )
        messages.success(request, gettext("%s is added.") % made.name)
        return redirect("ops-site", slug=slug)

    return _asked(
        request, form, save, title=gettext("Add a hosting service"), button=gettext("Add"),
        crumbs=[_crumb(site)], hint="" if tenants else _nobody_yet(),
    )  # fmt: skip


@for_action(Action.MANAGE_SITES)
def edit_service(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    Change what is said of a hosting service.
    """
    service = hosting_service(request, pk)

    def save(given: dict[str, Any]) -> HttpResponse:
        operations.edit_hosting_service(hosting_service_id=pk, **_by(request), **given)
        messages.success(request, gettext("The details are saved."))
        return redirect("ops-site", slug=service.site.slug)

    return _asked(
        request,
        HostingServiceForm(request.POST or None, initial=fields_of(service, HostingServiceForm)),
        save, title=gettext("Details of %s") % service.name, button=gettext("Save"),
        crumbs=[_crumb(service.site)],
    )  # fmt: skip
