"""
Rules of alarms, who is told, and when nobody is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.db import IntegrityError
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_POST

from portal.forms.alarms import (
    ChangeContactForm,
    ChangeRuleForm,
    ContactForm,
    NewRuleForm,
    RuleFilter,
    SilenceForm,
)
from portal.views.base import PortalRequest, for_action, for_kind
from portal.views.lists import Column, csv_answer, listing, sorted_rows
from sites import queries as places
from sites.access import Action, Kind
from telemetry import operations, queries


def _sites(request: PortalRequest) -> list[tuple[int, str]]:
    return [(site.pk, site.name) for site in places.sites(viewer=request.viewer)]


def _columns() -> Sequence[Column[Any]]:
    return [
        Column("name", gettext("Rule"), ("name",), lambda r: r.name),
        Column("site", gettext("Site"), ("site__name",), lambda r: r.site.name),
        Column("kind", gettext("Kind"), ("kind",), lambda r: r.kind),
        Column("channel", gettext("Channel"), ("channel__key",),
               lambda r: r.channel.key if r.channel else ""),
        Column("level", gettext("Level or limit"), (), lambda r: r.set_level or r.limit,
               numeric=True),
        Column("severity", gettext("Severity"), ("severity",), lambda r: r.severity),
        Column("open", gettext("Open now"), ("open_now",), lambda r: r.open_now, numeric=True),
    ]  # fmt: skip


@for_kind(Kind.OPERATOR)
def rules(request: PortalRequest) -> HttpResponseBase:
    """
    All rules of alarms.
    """
    form = RuleFilter(request.GET, sites=_sites(request))
    rows = queries.alarm_rules(viewer=request.viewer, **form.chosen())
    columns = _columns()
    if request.GET.get("format") == "csv":
        return csv_answer(sorted_rows(request, rows, columns), columns, filename="alarm-rules.csv")
    context = {
        "form": form, "listing": listing(request, rows, columns, default_sort="site"),
        "may_manage": request.viewer.can(Action.MANAGE_METERING),
    }  # fmt: skip
    template = "ops/_alarm_rule_rows.html" if request.htmx else "ops/alarm_rules.html"
    return render(request, template, context)


def _crumbs() -> list[tuple[str, str]]:
    return [
        (reverse("ops-alarms"), gettext("Alarms")), (reverse("ops-alarm-rules"), gettext("Rules")),
    ]  # fmt: skip


@for_action(Action.MANAGE_METERING)
def new_rule(request: PortalRequest) -> HttpResponseBase:
    """
    A form for a new rule.
    """
    channels = [
        (c.pk, c.site_id, f"{c.point.name}: {c.get_quantity_display()}")
        for c in queries.alarm_channels(viewer=request.viewer)
    ]
    form = NewRuleForm(request.POST or None, sites=_sites(request), channels=channels)
    if request.method == "POST" and form.is_valid():
        kind = form.cleaned_data["kind"]
        operations.add_alarm_rule(
            site_id=form.cleaned_data["site"], kind=kind,
            channel_id=form.cleaned_data["channel"], at=timezone.now(),
            by_id=request.viewer.user_id, **form.fields_of(kind),
        )  # fmt: skip
        messages.success(request, gettext("The rule looks from now on."))
        return redirect("ops-alarm-rules")
    context = {
        "form": form, "title": gettext("Add a rule"), "button": gettext("Add"),
        "crumbs": _crumbs(),
        "hint": gettext("A supply rule without a level takes what the delivery point requires."),
    }  # fmt: skip
    return render(request, "ops/form.html", context)


@for_action(Action.MANAGE_METERING)
def rule(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    Change a rule.
    """
    shown = get_object_or_404(queries.alarm_rules(viewer=request.viewer), pk=pk)
    form = ChangeRuleForm(
        request.POST or None, kind=shown.kind,
        initial={
            "name": shown.name, "severity": shown.severity, "set_level": shown.set_level,
            "clear_level": shown.clear_level, "delay_min": shown.delay_s // 60,
            "limit": shown.limit,
        },
    )  # fmt: skip
    if request.method == "POST" and form.is_valid():
        operations.change_alarm_rule(
            rule_id=shown.pk, at=timezone.now(), by_id=request.viewer.user_id,
            **form.fields_of(shown.kind),
        )  # fmt: skip
        return redirect("ops-alarm-rules")
    return render(request, "ops/alarm_rule.html", {"rule": shown, "form": form})


@for_action(Action.MANAGE_METERING)
@require_POST
def end_rule(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    End a rule and its open alarms.
    """
    shown = get_object_or_404(queries.alarm_rules(viewer=request.viewer), pk=pk)
    operations.end_alarm_rule(rule_id=shown.pk, at=timezone.now(), by_id=request.viewer.user_id)
    messages.success(request, gettext("“%s” has ended.") % shown.name)
    return redirect("ops-alarm-rules")


@for_kind(Kind.OPERATOR)
def contacts(request: PortalRequest) -> HttpResponseBase:
    """
    Who is told of a site's alarms, in which order; a form to add somebody.
    """
    may_manage = request.viewer.can(Action.MANAGE_METERING)
    form = ContactForm(request.POST or None, sites=_sites(request))
    if request.method == "POST" and may_manage and form.is_valid():
        given = dict(form.cleaned_data)
        try:
            operations.add_contact(
                site_id=given.pop("site"), at=timezone.now(), by_id=request.viewer.user_id, **given
            )
            return redirect("ops-alarm-contacts")
        except IntegrityError:
            form.add_error("email", gettext("This address is told already."))
    context = {
        "contacts": queries.alarm_contacts(viewer=request.viewer), "form": form,
        "may_manage": may_manage,
    }  # fmt: skip
    return render(request, "ops/alarm_contacts.html", context)


@for_action(Action.MANAGE_METERING)
def change_contact(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    Change after how many minutes somebody is told.
    """
    found = get_object_or_404(queries.alarm_contacts(viewer=request.viewer), pk=pk)
    form = ChangeContactForm(
        request.POST or None, initial={"name": found.name, "after_min": found.after_min}
    )
    if request.method == "POST" and form.is_valid():
        operations.change_contact(
            contact_id=found.pk, at=timezone.now(), by_id=request.viewer.user_id,
            **form.cleaned_data,
        )  # fmt: skip
        return redirect("ops-alarm-contacts")
    context = {
        "form": form, "title": found.email, "button": gettext("Save"),
        "crumbs": [
            (reverse("ops-alarms"), gettext("Alarms")),
            (reverse("ops-alarm-contacts"), gettext("Who is told")),
        ],
    }  # fmt: skip
    return render(request, "ops/form.html", context)


@for_action(Action.MANAGE_METERING)
@require_POST
def add_usual(request: PortalRequest) -> HttpResponseBase:
    """
    Add the usual rules to every site that lacks one of their kind.
    """
    now, by = timezone.now(), request.viewer.user_id
    made = sum(
        operations.add_usual_rules(site_id=site.pk, at=now, by_id=by)
        for site in places.sites(viewer=request.viewer)
    )
    told = ngettext("%s rule was added.", "%s rules were added.", made) % made
    messages.success(request, told if made else gettext("Every site has a rule of each kind."))
    return redirect("ops-alarm-rules")


@for_action(Action.MANAGE_METERING)
@require_POST
def end_contact(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    Tell somebody nothing more.
    """
    found = get_object_or_404(queries.alarm_contacts(viewer=request.viewer), pk=pk)
    operations.end_contact(contact_id=found.pk, at=timezone.now(), by_id=request.viewer.user_id)
    return redirect("ops-alarm-contacts")


@for_kind(Kind.OPERATOR)
def silences(request: PortalRequest) -> HttpResponseBase:
    """
    When nobody is told, and a form for it.
    """
    may_manage = request.viewer.can(Action.MANAGE_SITES)
    now = timezone.now()
    sites = list(places.sites(viewer=request.viewer))
    form = SilenceForm(
        request.POST or None, sites=[(site.pk, site.name) for site in sites],
        zones={site.pk: site.timezone for site in sites},
    )  # fmt: skip
    if request.method == "POST" and may_manage and form.is_valid():
        given = dict(form.cleaned_data)
        operations.silence_site(
            site_id=given.pop("site"), at=now, by_id=request.viewer.user_id, **given
        )
        return redirect("ops-alarm-silences")
    context = {
        "silences": queries.alarm_silences(viewer=request.viewer, over_after=now), "form": form,
        "announced": queries.maintenance(viewer=request.viewer, coming_after=now),
        "may_manage": may_manage,
    }  # fmt: skip
    return render(request, "ops/alarm_silences.html", context)


@for_action(Action.MANAGE_SITES)
@require_POST
def end_silence(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    End a silence now.
    """
    now = timezone.now()
    rows = queries.alarm_silences(viewer=request.viewer, over_after=now)
    found = get_object_or_404(rows, pk=pk)
    operations.end_silence(silence_id=found.pk, at=now, by_id=request.viewer.user_id)
    return redirect("ops-alarm-silences")
