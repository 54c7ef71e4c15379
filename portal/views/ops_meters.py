"""
The operator's meters: all of them, and one with its verification and registers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.db import IntegrityError
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from portal.forms.metering import MeterFilter, RadioKeyForm, RegisterForm, VerificationForm
from portal.templatetags.portal import meter_words
from portal.views.base import PortalRequest, for_action, for_kind
from portal.views.lists import Column, csv_answer, listing, sorted_rows
from sites.access import Action, Kind
from telemetry import operations, queries, tasks

SHOWN_STATUSES = 10


def _columns() -> Sequence[Column[Any]]:
    return [
        Column("serial", gettext("Serial"), ("serial",), lambda m: m.serial),
        Column("make", gettext("Make"), ("make",), lambda m: m.make),
        Column("kind", gettext("Measures"), ("kind",), lambda m: m.kind),
        Column("site", gettext("Site"), ("site_name",), lambda m: m.site_name),
        Column("point", gettext("Point"), ("point_name",), lambda m: m.point_name),
        Column("unit", value=lambda m: m.unit),
        Column("multiplier", value=lambda m: m.multiplier),
        Column("digits", value=lambda m: m.digits),
        Column("resolution", value=lambda m: m.resolution),
        Column("flow_sensor", value=lambda m: m.flow_sensor),
        Column("accuracy_class", value=lambda m: m.accuracy_class),
        Column("verified_on", value=lambda m: m.verified_on),
        Column(
            "calibration_due", gettext("Verified until"), ("calibration_due",),
            lambda m: m.calibration_due,
        ),
        Column("verification", gettext("Verification"), ("standing",), lambda m: m.standing),
        Column(
            "reports",
            value=lambda m: "" if m.status is None else ", ".join(meter_words(m.status)),
        ),
    ]  # fmt: skip


@for_kind(Kind.OPERATOR)
def meters(request: PortalRequest) -> HttpResponseBase:
    """
    All meters: searched, filtered, sorted, as pages or CSV; those to be verified first on top.
    """
    form = MeterFilter(request.GET)
    chosen = form.chosen()
    rows = queries.meters(viewer=request.viewer, today=timezone.localdate(), **chosen)
    columns = _columns()
    if request.GET.get("format") == "csv":
        return csv_answer(sorted_rows(request, rows, columns), columns, filename="meters.csv")
    context = {
        "form": form,
        "filtered": bool(chosen),
        "listing": listing(request, rows, columns, default_sort="calibration_due"),
    }
    template = "ops/_meter_rows.html" if request.htmx else "ops/meters.html"
    return render(request, template, context)


@for_kind(Kind.OPERATOR)
def meter(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    One meter: how it counts, where it was and is, until when it is verified. A new verification
    is recorded here.
    """
    shown = get_object_or_404(
        queries.meters(viewer=request.viewer, today=timezone.localdate()).prefetch_related(
            "registers"
        ),
        pk=pk,
    )
    may_manage = request.viewer.can(Action.MANAGE_METERING)
    form = VerificationForm(request.POST if request.method == "POST" and may_manage else None)
    if form.is_valid():
        done = _verify(request, shown, form)
        if done is not None:
            return done
    context = {
        "meter": shown,
        "statuses": queries.statuses_of(viewer=request.viewer, meter_id=pk)[:SHOWN_STATUSES],
        "places": queries.places_of(viewer=request.viewer, meter_id=pk),
        "form": form,
        "may_manage": may_manage,
    }
    return render(request, "ops/meter.html", context, status=422 if form.errors else 200)


def _verify(request: PortalRequest, shown: Any, form: VerificationForm) -> HttpResponse | None:
    try:
        verified = operations.record_verification(
            meter_id=shown.pk, country=shown.site_country or "", at=timezone.now(),
            by_id=request.viewer.user_id, **form.cleaned_data,
        )  # fmt: skip
    except operations.TermUnknown:
        form.add_error(
            "calibration_due",
            gettext("No term is held for this country. State until when the verification holds."),
        )
        return None
    messages.success(
        request, gettext("The verification holds until %s.") % verified.calibration_due
    )
    return redirect("ops-meter", pk=shown.pk)


@for_action(Action.MANAGE_METERING)
def new_register(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    Describe a further register of a meter.
    """
    rows = queries.meters(viewer=request.viewer, today=timezone.localdate())
    shown = get_object_or_404(rows, pk=pk)
    form = RegisterForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            operations.add_register(
                meter_id=pk, at=timezone.now(), by_id=request.viewer.user_id, **form.cleaned_data
            )
        except IntegrityError:
            form.add_error("quantity", gettext("This register is described already."))
        else:
            messages.success(request, gettext("The register is described."))
            return redirect("ops-meter", pk=pk)
    context = {
        "form": form,
        "title": gettext("Further register of %s") % shown.serial,
        "button": gettext("Add register"),
        "crumbs": [
            (reverse("ops-meters"), gettext("Meters")),
            (reverse("ops-meter", args=[pk]), shown.serial),
        ],
    }
    return render(request, "ops/form.html", context, status=422 if form.errors else 200)


@sensitive_post_parameters("key")
@for_action(Action.MANAGE_METERING)
def radio_key(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    Enter the key of a radio meter, or another in its place; telegrams kept for want of it are
    then read.
    """
    shown = get_object_or_404(
        queries.meters(viewer=request.viewer, today=timezone.localdate()), pk=pk
    )
    form = RadioKeyForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        operations.set_radio_key(
            meter_id=pk, key=form.cleaned_data["key"], at=timezone.now(),
            by_id=request.viewer.user_id,
        )  # fmt: skip
        for site_id in queries.sites_of_meter(viewer=request.viewer, meter_id=pk):
            tasks.replay_site.delay(site_id=site_id, by_id=request.viewer.user_id)
        messages.success(
            request, gettext("The key is kept. Telegrams that waited for it are being read.")
        )
        return redirect("ops-meter", pk=pk)
    context = {
        "form": form,
        "title": gettext("Radio key of %s") % shown.serial,
        "button": gettext("Keep key"),
        "hint": gettext("It is kept encrypted and not shown again. A key there was is replaced."),
        "crumbs": [
            (reverse("ops-meters"), gettext("Meters")),
            (reverse("ops-meter", args=[pk]), shown.serial),
        ],
    }
    return render(request, "ops/form.html", context, status=422 if form.errors else 200)


@for_action(Action.MANAGE_METERING)
@require_POST
def no_radio_key(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    Forget the key of a radio meter.
    """
    rows = queries.meters(viewer=request.viewer, today=timezone.localdate())
    shown = get_object_or_404(rows, pk=pk)
    operations.remove_radio_key(meter_id=pk, at=timezone.now(), by_id=request.viewer.user_id)
    messages.success(request, gettext("The key of %s is forgotten.") % shown.serial)
    return redirect("ops-meter", pk=pk)
