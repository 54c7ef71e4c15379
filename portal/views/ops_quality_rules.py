"""
Thresholds of the rules of validation, and how much of each month rests on estimates.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import Http404, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_POST

from portal.forms.quality import (
    RULES,
    SettingFilter,
    SettingForm,
    ShareFilter,
    told_thresholds,
)
from portal.views.base import PortalRequest, for_action, for_kind
from portal.views.lists import Column, csv_answer, listing, sorted_rows
from portal.views.ops_quality import sites_of
from sites import queries as places
from sites.access import Action, Kind
from telemetry import operations, queries
from telemetry.domain.vee import DEFAULTS
from telemetry.domain.vee_rules import ThresholdRefused
from telemetry.queries import validation


def _place(setting: Any) -> str:
    if setting.channel_id is not None:
        return str(setting.channel.key)
    return str(setting.point.name if setting.point_id is not None else setting.site.name)


def _columns() -> Sequence[Column[Any]]:
    return [
        Column("place", gettext("For"), ("site__name", "point__name", "channel__key"), _place),
        Column("site", gettext("Site"), ("site__name",), lambda s: s.site.name),
        Column("rule", gettext("Rule"), ("rule",), lambda s: s.rule),
        Column("thresholds", gettext("Thresholds"), (),
               lambda s: "; ".join(told_thresholds(s.rule, s.thresholds))),
        Column("enabled", "", (), lambda s: s.enabled),
        Column("from", gettext("From"), ("valid__startswith",), lambda s: s.valid.lower),
        Column("until", gettext("Until"), ("valid__endswith",), lambda s: s.valid.upper),
        Column("set_by", gettext("Set by"), ("set_by__name",),
               lambda s: s.set_by and str(s.set_by)),
        Column("reason", "", (), lambda s: s.reason),
    ]  # fmt: skip


@for_kind(Kind.OPERATOR)
def rules(request: PortalRequest) -> HttpResponseBase:
    """
    What each rule looks for as a matter of course, and where other thresholds are set.
    """
    form = SettingFilter(request.GET, sites=sites_of(request))
    chosen = form.chosen()
    now = timezone.now()
    past = chosen.pop("past", False)
    rows = validation.validation_settings(
        viewer=request.viewer, now=None if past else now, **chosen
    )
    columns = _columns()
    if request.GET.get("format") == "csv":
        return csv_answer(sorted_rows(request, rows, columns), columns, filename="thresholds.csv")
    shown = listing(request, rows, columns)
    for setting in shown.page:
        setting.told = list(told_thresholds(setting.rule, setting.thresholds))
        setting.place = _place(setting)
        setting.is_on = setting.valid.lower <= now and (
            setting.valid.upper is None or now < setting.valid.upper
        )
    context = {
        "form": form, "listing": shown, "may_manage": request.viewer.can(Action.MANAGE_METERING),
        "defaults": [
            (name, label, list(told_thresholds(name, DEFAULTS[name])))
            for name, label in [*RULES, ("share", gettext("Estimated share of a bill"))]
        ],
    }  # fmt: skip
    template = "ops/_quality_rule_rows.html" if request.htmx else "ops/quality_rules.html"
    return render(request, template, context)


@for_action(Action.MANAGE_METERING)
def new_rule(request: PortalRequest) -> HttpResponseBase:
    """
    A form for the thresholds of one rule, for a channel, a point or a site, from an instant on.
    """
    rule = request.GET.get("rule", "gap")
    if rule not in DEFAULTS:
        raise Http404
    now = timezone.now()
    options, zones, targets = _places_to_set(request)
    # Fields are filled with what holds now, where the place is known already.
    asked = request.GET.get("for", "")
    initial: dict[str, Any] = {"place": asked}
    if asked in zones:
        there = now.astimezone(ZoneInfo(zones[asked]))
        initial["since"] = there.replace(tzinfo=None, second=0, microsecond=0)
    form = SettingForm(
        request.POST or None, rule=rule, places=options, zones=zones, initial=initial
    )
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            operations.set_rule(
                rule=rule, since=data["since"], thresholds=data["thresholds"],
                enabled=data["enabled"], reason=data["reason"], at=now,
                by_id=request.viewer.user_id, **targets[data["place"]],
            )  # fmt: skip
            messages.success(request, gettext("Set. What came in since is looked at again."))
            return redirect("ops-quality-rules")
        except operations.SetLater:
            form.add_error("since", gettext("Another setting begins then or later. End it first."))
        except ThresholdRefused as problem:
            form.add_error(problem.name, problem.why)
    names = dict([*RULES, ("share", gettext("Estimated share of a bill"))])
    context = {
        "form": form, "title": names[rule], "button": gettext("Set the thresholds"),
        "crumbs": [
            (reverse("ops-quality"), gettext("Data quality")),
            (reverse("ops-quality-rules"), gettext("Thresholds")),
        ],
        "hint": gettext(
            "They hold until others are set for the same place. The nearest counts: a channel's"
            " before its point's before its site's."
        ),
    }  # fmt: skip
    return render(request, "ops/form.html", context, status=422 if form.errors else 200)


def _places_to_set(
    request: PortalRequest,
) -> tuple[list[tuple[str, Any]], dict[str, str], dict[str, dict[str, int]]]:
    viewer = request.viewer
    options: list[tuple[str, Any]] = []
    zones: dict[str, str] = {}
    targets: dict[str, dict[str, int]] = {}
    points = list(queries.points(viewer=viewer).order_by("name"))
    channels = list(validation.channel_of(viewer=viewer).order_by("key"))
    for site in places.sites(viewer=viewer):
        own = [(f"site-{site.pk}", gettext("All of %s") % site.name)]
        targets[own[0][0]] = {"site_id": site.pk}
        for point in (p for p in points if p.site_id == site.pk):
            own.append((f"point-{point.pk}", point.name))
            targets[own[-1][0]] = {"site_id": site.pk, "point_id": point.pk}
            for channel in (c for c in channels if c.point_id == point.pk):
                own.append((f"channel-{channel.pk}", channel.key))
                targets[own[-1][0]] = {"site_id": site.pk, "channel_id": channel.pk}
        zones |= dict.fromkeys((key for key, _ in own), site.timezone)
        options.append((site.name, own))
    return options, zones, targets


@for_action(Action.MANAGE_METERING)
@require_POST
def end_rule(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    Let a setting end, so that what is set farther out holds again.
    """
    shown = get_object_or_404(validation.validation_settings(viewer=request.viewer), pk=pk)
    operations.end_rule_setting(
        setting_id=shown.pk, at=timezone.now(), by_id=request.viewer.user_id
    )
    messages.success(request, gettext("Ended. What holds around it holds again."))
    return redirect("ops-quality-rules")


def _share_columns() -> Sequence[Column[Any]]:
    return [
        Column("point", gettext("Point"), (), lambda s: s.point),
        Column("site", gettext("Site"), (), lambda s: s.site),
        Column("channel", "", (), lambda s: s.channel_key),
        Column("energy_kwh", gettext("Energy, kWh"), (), lambda s: s.share.total_kwh, numeric=True),
        Column("estimated_kwh", gettext("Estimated, kWh"), (), lambda s: s.share.estimated_kwh,
               numeric=True),
        Column("share", gettext("Share"), (), lambda s: round(s.share.share, 6), numeric=True),
        Column("review_percent", "", (), lambda s: s.review_percent),
        Column("block_percent", "", (), lambda s: s.block_percent),
        Column("verdict", gettext("A bill over it"), (), lambda s: s.verdict),
    ]  # fmt: skip


@for_kind(Kind.OPERATOR)
def shares(request: PortalRequest) -> HttpResponseBase:
    """
    How much of a month's energy of each register rests on estimates, the most first.
    """
    today = timezone.now().date()
    form = ShareFilter(request.GET, sites=sites_of(request), today=today)
    rows = validation.estimated_shares(viewer=request.viewer, **form.chosen_month())
    columns = _share_columns()
    if request.GET.get("format") == "csv":
        return csv_answer(rows, columns, filename=f"estimated-{form.month():%Y-%m}.csv")
    context = {
        "form": form, "listing": listing(request, rows, columns), "month": form.month(),
        "before": (form.month() - dt.timedelta(days=1)).replace(day=1),
        "after": (form.month() + dt.timedelta(days=32)).replace(day=1),
    }  # fmt: skip
    template = "ops/_share_rows.html" if request.htmx else "ops/shares.html"
    return render(request, template, context)
