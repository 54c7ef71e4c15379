"""
Reference data: emission factors and rules about ratios, with a CSV file looked at before it is
taken. Nothing is edited; a new row supersedes an old one.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext, ngettext

from portal.forms.reference import (
    FactorFilter,
    ReferenceFile,
    ReferenceText,
    RuleFilter,
    carrier_in_words,
)
from portal.views.base import PortalRequest, for_action, for_kind
from portal.views.lists import Column, csv_answer, listing, sorted_rows
from sites.access import Action, Kind
from telemetry import operations, queries
from telemetry.formats import reference_csv

# A preview shows this many rows; all are judged.
_SHOWN = 200


def _day(day: dt.date | None) -> str:
    return "" if day is None else day.isoformat()


def _factor_columns() -> Sequence[Column[Any]]:
    return [
        Column("carrier", gettext("Carrier"), ("carrier",), lambda f: f.carrier),
        Column("region", gettext("Region"), ("region",), lambda f: f.region),
        Column("valid_from", gettext("Used for"), ("valid",), lambda f: _day(f.valid.lower)),
        Column("valid_to", value=lambda f: _day(f.valid.upper)),
        Column("data_year", value=lambda f: f.data_year),
        Column("value", gettext("kg per kWh"), ("kg_per_kwh",), lambda f: f.kg_per_kwh, True),
        Column("unit", value=lambda f: "kg/kWh"),
        Column("gas", gettext("Basis"), (), lambda f: f.gas),
        Column("extent", value=lambda f: f.extent),
        Column("heating_value", value=lambda f: f.heating_value),
        Column("basis", value=lambda f: f.basis),
        Column("source", gettext("Source"), ("source",), lambda f: f.source),
        Column("licence", value=lambda f: f.licence),
        Column("published", value=lambda f: f.published),
        Column("owner", value=lambda f: f.operator.name if f.operator else "installation"),
        Column("superseded_at", value=lambda f: f.superseded_at and f.superseded_at.isoformat()),
    ]


@for_kind(Kind.OPERATOR)
def factors(request: PortalRequest) -> HttpResponseBase:
    """
    The factors figures are made with: searched, filtered, sorted, as pages or CSV that can be
    handed in again.
    """
    form = FactorFilter(request.GET, carriers=queries.carriers(viewer=request.viewer))
    rows = queries.emission_factors(viewer=request.viewer, **form.chosen())
    columns = _factor_columns()
    if request.GET.get("format") == "csv":
        return csv_answer(sorted_rows(request, rows, columns), columns, filename="factors.csv")
    shown = listing(request, rows, columns)
    context = {
        "form": form,
        "listing": shown,
        "rows": [(factor, carrier_in_words(factor.carrier)) for factor in shown.page],
        "may_write": request.viewer.can(Action.ISSUE_STATEMENTS),
    }
    template = "ops/_factor_rows.html" if request.htmx else "ops/factors.html"
    return render(request, template, context)


def _rule_columns() -> Sequence[Column[Any]]:
    return [
        Column("code", gettext("Rule"), ("code",), lambda r: r.code),
        Column("region", gettext("Region"), ("region",), lambda r: r.region),
        Column("valid_from", gettext("In force"), ("valid",), lambda r: _day(r.valid.lower)),
        Column("valid_to", value=lambda r: _day(r.valid.upper)),
        Column("started_from", value=lambda r: _day(r.started.lower)),
        Column("started_to", value=lambda r: _day(r.started.upper)),
        Column("grace_months", value=lambda r: r.grace_months),
        Column("value", gettext("Value"), ("value",), lambda r: f"{r.value.normalize():f}", True),
        Column("unit", value=lambda r: r.unit),
        Column("standing", gettext("Standing"), ("standing",), lambda r: r.standing),
        Column("words", gettext("What it says"), (), lambda r: r.words),
        Column("source", value=lambda r: r.source),
        Column("licence", value=lambda r: r.licence),
        Column("owner", value=lambda r: r.operator.name if r.operator else "installation"),
        Column("superseded_at", value=lambda r: r.superseded_at and r.superseded_at.isoformat()),
    ]


@for_kind(Kind.OPERATOR)
def rules(request: PortalRequest) -> HttpResponseBase:
    """
    The thresholds for ratios, by law, by drafts of it, and to compare with.
    """
    form = RuleFilter(request.GET)
    rows = queries.kpi_rules(viewer=request.viewer, **form.chosen())
    columns = _rule_columns()
    if request.GET.get("format") == "csv":
        return csv_answer(sorted_rows(request, rows, columns), columns, filename="rules.csv")
    context = {
        "form": form,
        "listing": listing(request, rows, columns),
        "may_write": request.viewer.can(Action.ISSUE_STATEMENTS),
    }
    template = "ops/_rule_rows.html" if request.htmx else "ops/rules.html"
    return render(request, template, context)


@for_action(Action.ISSUE_STATEMENTS)
def take(request: PortalRequest) -> HttpResponseBase:
    """
    Look at a file, then take it; with a fault in it nothing is taken.
    """
    again = ReferenceText(request.POST) if "text" in request.POST else None
    if again is not None and again.is_valid():
        return _taken(request, again.cleaned_data["kind"], again.cleaned_data["text"].encode())
    form = ReferenceFile(
        request.POST or None, request.FILES or None, initial={"kind": request.GET.get("kind", "")}
    )
    context: dict[str, Any] = {"form": form}
    if request.method == "POST" and form.is_valid():
        kind, data = form.cleaned_data["kind"], form.cleaned_data["file"]
        context |= _preview(request, kind, data)
    status = 422 if form.errors or context.get("faults") else 200
    return render(request, "ops/reference_new.html", context, status=status)


def _preview(request: PortalRequest, kind: str, data: bytes) -> dict[str, Any]:
    steps: list[Any]
    if kind == "factors":
        factors = reference_csv.read_factors(data)
        faults = factors.faults
        steps = list(queries.factor_plan(viewer=request.viewer, rows=factors.rows))
    else:
        rules = reference_csv.read_rules(data)
        faults = rules.faults
        steps = list(queries.rule_plan(viewer=request.viewer, rows=rules.rows))
    return {
        "kind": kind,
        "faults": faults,
        "steps": steps[:_SHOWN],
        "more": max(len(steps) - _SHOWN, 0),
        "fresh": sum(step.fate != "held" for step in steps),
        "text": "" if faults else data.decode("utf-8-sig"),
    }


def _taken(request: PortalRequest, kind: str, data: bytes) -> HttpResponseBase:
    given: dict[str, Any] = {
        "at": timezone.now(), "by_id": request.viewer.user_id,
        "operator_id": request.viewer.stakeholder_id,
    }  # fmt: skip
    # Read again: what comes back from a browser is judged like any file.
    if kind == "factors":
        factors = reference_csv.read_factors(data)
        faulty = bool(factors.faults)
        count = 0 if faulty else operations.load_emission_factors(rows=factors.rows, **given)
    else:
        rules = reference_csv.read_rules(data)
        faulty = bool(rules.faults)
        count = 0 if faulty else operations.load_kpi_rules(rows=rules.rows, **given)
    if faulty:
        messages.error(request, gettext("The rows have faults. Hand the file in again."))
        return redirect("ops-reference-new")
    if count:
        messages.success(request, ngettext("%s row taken.", "%s rows taken.", count) % count)
    else:
        messages.info(request, gettext("All these rows are held already."))
    return redirect("ops-factors" if kind == "factors" else "ops-rules")
