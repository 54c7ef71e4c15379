"""
The price indices that clauses follow: values, imports, new bases, and whom they change.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from functools import partial
from typing import Any

from django.contrib import messages
from django.db import IntegrityError
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, ngettext

from billing import operations, queries
from portal import charts
from portal.forms.prices import IndexFilter, IndexForm, IndexImport, RebaseForm, ValueForm
from portal.templatetags.portal import month as month_name
from portal.templatetags.portal import number
from portal.views.base import PortalRequest, for_action, for_kind
from portal.views.lists import Column, csv_answer, listing, sorted_rows
from sites.access import Action, Kind

_SHOWN = 24


def _columns() -> Sequence[Column[Any]]:
    return [
        Column("name", gettext("Index"), ("name",), lambda i: i.name),
        Column("code", gettext("Code"), ("code",), lambda i: i.code),
        Column("source", value=lambda i: i.source),
        Column("basis", gettext("Base"), ("basis",), lambda i: i.basis),
        Column("month", gettext("Newest month"), ("newest_month",), lambda i: i.newest_month),
        Column("value", gettext("Value"), (), lambda i: i.newest_value, numeric=True),
        Column("months", gettext("Months"), ("months",), lambda i: i.months, numeric=True),
    ]


@for_kind(Kind.OPERATOR)
def indices(request: PortalRequest) -> HttpResponseBase:
    """
    All indices with their newest value: searched, sorted, as pages or CSV.
    """
    form = IndexFilter(request.GET)
    rows = queries.indices(viewer=request.viewer, **form.chosen())
    columns = _columns()
    if request.GET.get("format") == "csv":
        return csv_answer(sorted_rows(request, rows, columns), columns, filename="indices.csv")
    context = {
        "form": form, "listing": listing(request, rows, columns, default_sort="name"),
        "may_bill": request.viewer.can(Action.BILL),
    }  # fmt: skip
    template = "ops/_index_rows.html" if request.htmx else "ops/indices.html"
    return render(request, template, context)


def _crumbs(shown: Any = None) -> list[tuple[str, str]]:
    found = [(reverse("ops-indices"), gettext("Price indices"))]
    if shown is not None:
        found.append((reverse("ops-index", args=[shown.pk]), shown.name))
    return found


@for_action(Action.BILL)
def new_index(request: PortalRequest) -> HttpResponseBase:
    """
    Name a published series.
    """
    form = IndexForm(request.POST or None)
    operator_id = request.viewer.stakeholder_id
    if request.method == "POST" and operator_id is not None and form.is_valid():
        try:
            made = operations.add_index(
                operator_id=operator_id, at=timezone.now(), by_id=request.viewer.user_id,
                **form.cleaned_data,
            )  # fmt: skip
        except IntegrityError:
            form.add_error("code", gettext("There is another index of this code."))
        else:
            return redirect("ops-index", pk=made.pk)
    context = {
        "form": form, "title": gettext("New price index"), "button": gettext("Add it"),
        "crumbs": _crumbs(), "hint": "",
    }  # fmt: skip
    return render(request, "ops/form.html", context)


def _index(request: PortalRequest, pk: int) -> Any:
    return get_object_or_404(queries.indices(viewer=request.viewer), pk=pk)


def _bases(request: PortalRequest, shown: Any) -> list[tuple[Any, str]]:
    """
    Return the bases a value can be on, the newest first; the series' own has no key.
    """
    newer = queries.index_bases(viewer=request.viewer, index_id=shown.pk)
    return [*((b.pk, b.basis) for b in newer), ("", shown.basis or gettext("the series’ own"))]


def _value_columns() -> Sequence[Column[Any]]:
    return [
        Column("month", gettext("Month"), ("month",), lambda v: f"{v.month:%Y-%m}"),
        Column("value", gettext("Value"), ("value",), lambda v: v.value, numeric=True),
        Column("published", gettext("As published"), (),
               lambda v: v.published_value, numeric=True),
        Column("basis", value=lambda v: v.basis.basis if v.basis else ""),
        Column("revision", gettext("Revision"), (), lambda v: v.revision, numeric=True),
        Column("provisional", gettext("State"), (), lambda v: v.provisional),
        Column("published_on", gettext("Published"), ("published_on",), lambda v: v.published_on),
        Column("stored_at", gettext("Entered"), ("stored_at",), lambda v: v.stored_at.isoformat()),
    ]  # fmt: skip


@for_kind(Kind.OPERATOR)
def index(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    One index: its values with every vintage, and the clauses that follow it.
    """
    shown = _index(request, pk)
    rows = queries.index_vintages(viewer=request.viewer, index_id=pk)
    columns = _value_columns()
    if request.GET.get("format") == "csv":
        return csv_answer(
            sorted_rows(request, rows, columns), columns, filename=f"{shown.code}.csv"
        )
    held = queries.newest_index_values(index_id=shown.pk)
    context = {
        "index": shown,
        "bases": queries.index_bases(viewer=request.viewer, index_id=pk),
        "listing": listing(request, rows, columns, default_sort="-month"),
        "followers": queries.index_followers(
            viewer=request.viewer, index=shown, today=timezone.localdate()
        ),
        "chart": _drawing(shown, held),
        "may_bill": request.viewer.can(Action.BILL),
    }
    return render(request, "ops/index.html", context)


def _drawing(shown: Any, held: dict[dt.date, Any]) -> charts.Chart | None:
    if len(held) < 2:
        return None
    newest = sorted(held)[-_SHOWN:]
    bars = [
        charts.Bar(label=month_name(m, "short"), value=held[m].value, title=month_name(m))
        for m in newest
    ]
    return charts.month_bars(
        bars, unit=shown.basis, number=partial(number, decimals=1), tone="elec",
        ticks=partial(number, decimals=0), width=1240,
    )  # fmt: skip


@for_action(Action.BILL)
def enter(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    Enter one value; before that, what it changes.
    """
    shown = _index(request, pk)
    form = ValueForm(request.POST or None, bases=_bases(request, shown))
    followers = None
    if request.method == "POST" and form.is_valid():
        given = dict(form.cleaned_data)
        basis_id = given.pop("basis", _only_basis(request, shown))
        if "save" in request.POST:
            operations.enter_index_value(
                index_id=pk, basis_id=basis_id, at=timezone.now(), by_id=request.viewer.user_id,
                **given,
            )  # fmt: skip
            messages.success(request, gettext("The value is entered."))
            _tell_of_corrections(request, shown)
            return redirect("ops-index", pk=pk)
        value = queries.on_own_base(index_id=pk, basis_id=basis_id, value=given["value"])
        followers = queries.index_followers(
            viewer=request.viewer, index=shown, today=timezone.localdate(),
            tried=(given["month"], value),
        )  # fmt: skip
    context = {"index": shown, "form": form, "followers": followers}
    return render(request, "ops/index_value.html", context)


def _tell_of_corrections(request: PortalRequest, index: Any) -> None:
    count = sum(
        any(value.series == index.code for value in one.values)
        for one in queries.to_correct(viewer=request.viewer, today=timezone.localdate())
    )
    if count:
        told = ngettext(
            "%s issued bill was made from another value; it stands under Money, To correct.",
            "%s issued bills were made from other values; they stand under Money, To correct.",
            count,
        )
        messages.warning(request, told % count)


def _only_basis(request: PortalRequest, shown: Any) -> int | None:
    bases = queries.index_bases(viewer=request.viewer, index_id=shown.pk)
    return bases[0].pk if bases else None


@for_action(Action.BILL)
def import_values(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    Import a table of values: shown first, with what is new and what changes, then entered.
    """
    shown = _index(request, pk)
    given = (request.POST, request.FILES) if request.method == "POST" else ()
    form = IndexImport(*given, bases=_bases(request, shown))
    rows = None
    if request.method == "POST" and form.is_valid():
        basis_id = form.cleaned_data.get("basis", _only_basis(request, shown))
        if "save" in request.POST:
            count = operations.import_index_values(
                index_id=pk, rows=form.cleaned_data["rows"], basis_id=basis_id, at=timezone.now(),
                by_id=request.viewer.user_id,
            )  # fmt: skip
            messages.success(request, gettext("%s values are new.") % count)
            _tell_of_corrections(request, shown)
            return redirect("ops-index", pk=pk)
        held = queries.newest_index_values(index_id=shown.pk)
        rows = [(row, held.get(row.month)) for row in form.cleaned_data["rows"]]
        # After the preview the file comes back as text.
        form = IndexImport(
            bases=_bases(request, shown),
            initial={"table": form.text(), "basis": form.cleaned_data.get("basis")},
        )
    context = {"index": shown, "form": form, "rows": rows}
    return render(request, "ops/index_import.html", context)


@for_action(Action.BILL)
def rebase(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    Note a new base of the series.
    """
    shown = _index(request, pk)
    form = RebaseForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            operations.rebase_index(
                index_id=pk, at=timezone.now(), by_id=request.viewer.user_id, **form.cleaned_data
            )
        except ValueError as problem:
            form.add_error("overlap_month", str(problem))
        else:
            messages.success(
                request, gettext("From now on values are typed on the new base and linked.")
            )
            return redirect("ops-index", pk=pk)
    context = {
        "form": form, "title": gettext("New base of %s") % shown.name, "button": gettext("Link it"),
        "crumbs": _crumbs(shown),
        "hint": gettext(
            "Clauses go on on the old base: new values are multiplied by old over new of one month."
            " Nothing that was billed changes."
        ),
    }  # fmt: skip
    return render(request, "ops/form.html", context)
