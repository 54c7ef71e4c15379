"""
The operator's ratios: all sites side by side, and one site month by month with its registers, what
is declared of its boundary, and the thresholds it is measured by.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext

from portal.forms.emissions import Boundary
from portal.templatetags.portal import number
from portal.views.base import PortalRequest, for_kind
from portal.views.claims import reason_in_words
from portal.views.lists import Column, csv_answer
from portal.views.ops_emissions import span_of, years_to_choose
from sites.access import Action, Kind
from telemetry import operations, queries

# Decimals, and what is written behind.
_SHOWN = {
    "pue": (2, ""), "ref": (3, ""), "erf": (3, ""), "ere": (2, ""), "cer": (1, ""),
    "cue": (3, "kg/kWh"), "wue": (2, "l/kWh"),
}  # fmt: skip


@for_kind(Kind.OPERATOR)
def kpis(request: PortalRequest) -> HttpResponseBase:
    """
    The ratios of all sites over the last twelve months that are over, or a calendar year.
    """
    first, last = span_of(request)
    found = queries.site_kpis(viewer=request.viewer, first_month=first, last_month=last)
    if request.GET.get("format") == "csv":
        rows = [(k, name, ratio) for k in found for name, ratio in k.all().items()]
        return csv_answer(
            rows, _columns(first, last), filename=f"ratios-{first:%Y-%m}-{last:%Y-%m}.csv"
        )
    context = {
        "first": first,
        "last": last,
        "year": request.GET.get("year", ""),
        "years": years_to_choose(),
        "rows": [(k, _cells(k.all()), _note(k)) for k in found],
        "portfolio": queries.portfolio(found),
        "names": [name.upper() for name in _SHOWN],
    }
    return render(request, "ops/kpis.html", context)


def _note(kpis: Any) -> str:
    pue = kpis.figures.pue
    if pue.reason:
        return reason_in_words(pue.reason, pue.coverage)
    return gettext("interim, %s months") % pue.months if pue.interim else ""


def _cells(ratios: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "name": name.upper(),
            "text": number(ratio.value, _SHOWN[name][0]),
            "unit": _SHOWN[name][1],
            "why": reason_in_words(ratio.reason, ratio.coverage),
            "interim": ratio.interim and ratio.value is not None,
            "coverage": ratio.coverage if ratio.coverage else None,
            "above": ratio.numerator_kwh,
            "below": ratio.denominator_kwh,
        }
        for name, ratio in ratios.items()
    ]


def _columns(first: dt.date, last: dt.date) -> list[Column[Any]]:
    return [
        Column("site", value=lambda row: row[0].site.slug),
        Column("first_month", value=lambda row: f"{first:%Y-%m}"),
        Column("last_month", value=lambda row: f"{last:%Y-%m}"),
        Column("ratio", value=lambda row: row[1]),
        Column("value", value=lambda row: row[2].value),
        Column("numerator", value=lambda row: row[2].numerator_kwh),
        Column("denominator", value=lambda row: row[2].denominator_kwh),
        Column("coverage", value=lambda row: f"{row[2].coverage:.4f}"),
        Column("months", value=lambda row: row[2].months),
        Column("interim", value=lambda row: "yes" if row[2].interim else "no"),
        Column("reason", value=lambda row: row[2].reason),
        Column("facility_basis", value=lambda row: row[0].figures.facility_basis),
        Column("it_basis", value=lambda row: row[0].figures.it_basis),
    ]


@for_kind(Kind.OPERATOR)
def site(request: PortalRequest, slug: str) -> HttpResponseBase:
    """
    One site's ratios over a year and month by month.
    """
    first, last = span_of(request)
    site_ids = queries.live_site_ids(viewer=request.viewer, slug=slug)
    found = queries.site_kpis(
        viewer=request.viewer, site_ids=site_ids, first_month=first, last_month=last
    )
    if not found:
        raise Http404
    (shown,) = found
    if request.GET.get("format") == "csv":
        rows = [
            (shown, name, ratio, month)
            for month, row in shown.by_month
            for name, ratio in row.items()
        ]
        return csv_answer(rows, _month_columns(), filename=f"ratios-{slug}.csv")
    form = Boundary(request.POST or None, initial=_declared(shown))
    if request.method == "POST":
        if not request.viewer.can(Action.MANAGE_SITES):
            raise Http404
        if form.is_valid():
            operations.declare_boundary(
                site_id=shown.site.pk, at=timezone.now(), by_id=request.viewer.user_id,
                **form.cleaned_data,
            )  # fmt: skip
            messages.success(request, gettext("The boundary is declared."))
            return redirect("ops-kpis-site", slug=slug)
    drafts = request.GET.get("drafts") == "1"
    context = {
        "kpis": shown,
        "cells": _cells(shown.all()),
        "months": [(month, _cells(row)) for month, row in shown.by_month],
        "names": [name.upper() for name in _SHOWN],
        "first": first,
        "last": last,
        "year": request.GET.get("year", ""),
        "years": years_to_choose(),
        "thresholds": _thresholds(shown, drafts=drafts),
        "drafts": drafts,
        "form": form,
        "may_write": request.viewer.can(Action.MANAGE_SITES),
    }
    return render(request, "ops/kpis_site.html", context, status=422 if form.errors else 200)


def _declared(shown: Any) -> dict[str, Any]:
    held = shown.boundary
    if held is None:
        return {"valid_from": shown.site.started_on, "it_category": 1, "heat_pump": "none"}
    names = ("valid_from", "it_category", "heat_pump", "own_production_sold", "note")
    return {name: getattr(held, name) for name in names}


def _month_columns() -> list[Column[Any]]:
    return [
        Column("site", value=lambda row: row[0].site.slug),
        Column("month", value=lambda row: f"{row[3]:%Y-%m}"),
        Column("ratio", value=lambda row: row[1]),
        Column("value", value=lambda row: row[2].value),
        Column("numerator", value=lambda row: row[2].numerator_kwh),
        Column("denominator", value=lambda row: row[2].denominator_kwh),
        Column("coverage", value=lambda row: f"{row[2].coverage:.4f}"),
        Column("reason", value=lambda row: row[2].reason),
    ]


# Rules about a ratio: which one, and whether it may not be above or below.
_RULES = {"enefg.pue.max": ("pue", True), "enefg.erf.min": ("erf", False),
          "enefg.ref.min": ("ref", False)}  # fmt: skip


def _thresholds(shown: Any, *, drafts: bool) -> list[dict[str, Any]]:
    """
    Return each threshold for the site with what it is now and whether that would do.
    """
    today = timezone.localdate()
    rules = queries.Rules([shown.site], drafts=drafts)
    rows = []
    for code, (name, at_most) in _RULES.items():
        ratio = shown.all()[name]
        for held in rules.of(shown.site, code, on=today):
            limit = held.rule.value
            fits = None
            if ratio.value is not None:
                fits = ratio.value <= limit if at_most else ratio.value >= limit
            rows.append(
                {
                    "rule": held.rule,
                    "name": name.upper(),
                    "at_most": at_most,
                    "binds_from": held.binds_from,
                    "in_force": held.binds_from <= today and not held.is_draft,
                    "value": number(ratio.value, 2 if name == "pue" else 3),
                    "fits": fits,
                }
            )
    return rows
