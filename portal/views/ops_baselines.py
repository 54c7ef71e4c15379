"""
Baselines of shared savings and the monthly figures that no meter tells.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext

from billing import operations, queries
from billing.domain import baseline as saving
from portal.forms.prices import AgreeForm, BaselineForm, FigureForm
from portal.views.base import PortalRequest, for_action, for_kind
from portal.views.lists import Column, csv_answer, listing, sorted_rows
from portal.views.ops_terms import contract_of
from sites.access import Action, Kind


def _heat_contract(request: PortalRequest, pk: int) -> Any:
    contract = contract_of(request, pk)
    if contract.delivery_point_id is None:
        raise Http404
    return contract


@for_action(Action.BILL)
def new_baseline(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    Fit a baseline to past bills, look at how well it fits, keep it; or state one.
    """
    contract = _heat_contract(request, pk)
    given = (request.POST, request.FILES) if request.method == "POST" else ()
    form = BaselineForm(*given)
    tests = None
    if request.method == "POST" and form.is_valid():
        try:
            made = _kept(contract, form, request) if "save" in request.POST else None
            if made is not None:
                return redirect("ops-baseline", pk=made.pk)
            tests = _tests(form)
        except ValueError as problem:
            form.add_error("table", str(problem))
        else:
            form = _again(form)
    context = {"contract": contract, "form": form, "tests": tests}
    return render(request, "ops/baseline_new.html", context)


def _again(form: BaselineForm) -> BaselineForm:
    """
    Return the form with its file as text, so that it can be sent again.
    """
    typed = {name: form.data.get(name, "") for name in form.fields}
    return BaselineForm(initial={**typed, "table": form.text()})


def _columns_of(form: BaselineForm) -> tuple[Sequence[float], ...]:
    periods = form.cleaned_data["periods"]
    return tuple([row[n] for row in periods] for n in range(3))


def _expected(form: BaselineForm) -> float | None:
    expected: Decimal | None = form.cleaned_data.get("expected")
    return None if expected is None else float(expected) / 100


def _tests(form: BaselineForm) -> list[saving.FitTest] | None:
    if not form.cleaned_data["periods"]:
        return None
    found = saving.fit(*_columns_of(form))
    return saving.acceptance(found, expected=_expected(form))


def _kept(contract: Any, form: BaselineForm, request: PortalRequest) -> Any:
    given = form.cleaned_data
    common: dict[str, Any] = {
        "contract_id": contract.pk, "name": given["name"],
        "base_temperature": given["base_temperature"], "at": timezone.now(),
        "by_id": request.viewer.user_id, **form.boiler(),
    }  # fmt: skip
    if not given["periods"]:
        return operations.state_baseline(
            base_kwh=given["base_kwh"], slope_kwh=given["slope_kwh"], **common
        )
    days, degree_days, use_kwh = _columns_of(form)
    return operations.fit_baseline(
        days=days, degree_days=degree_days, use_kwh=use_kwh, expected=_expected(form), **common
    )


@for_kind(Kind.OPERATOR)
def baseline(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    One baseline: coefficients, how well it fits, its periods; agreed by both sides here.
    """
    shown = get_object_or_404(queries.baselines(viewer=request.viewer), pk=pk)
    may_agree = request.viewer.can(Action.BILL) and shown.agreed_on is None
    form = AgreeForm(request.POST or None)
    if request.method == "POST":
        if not may_agree:
            raise Http404
        if form.is_valid():
            operations.agree_baseline(
                baseline_id=pk, at=timezone.now(), by_id=request.viewer.user_id,
                **form.cleaned_data,
            )  # fmt: skip
            messages.success(request, gettext("It is agreed and frozen."))
            return redirect("ops-baseline", pk=pk)
    fitted = queries.fit_of(baseline=shown)
    context = {
        "baseline": shown,
        "tests": fitted and saving.acceptance(fitted, expected=shown.fitted_on.get("expected")),
        "periods": queries.periods_of(baseline=shown),
        "adjustments": queries.figures(viewer=request.viewer, contract_id=shown.contract_id).filter(
            kind="adjustment_kwh"
        ),
        "form": form,
        "may_agree": may_agree,
    }
    return render(request, "ops/baseline.html", context)


def _columns() -> Sequence[Column[Any]]:
    kinds = dict(queries.figure_kinds())
    return [
        Column("month", gettext("Month"), ("month",), lambda f: f"{f.month:%Y-%m}"),
        Column("kind", gettext("Figure"), ("kind",), lambda f: kinds[f.kind]),
        Column("value", gettext("Value"), (), lambda f: f.value, numeric=True),
        Column("revision", gettext("Revision"), (), lambda f: f.revision, numeric=True),
        Column("source", gettext("Where from"), ("source",), lambda f: f.source),
        Column("agreed_by_operator", value=lambda f: f.agreed_by_operator),
        Column("agreed_by_customer", value=lambda f: f.agreed_by_customer),
        Column("stored_at", gettext("Entered"), ("stored_at",), lambda f: f.stored_at.isoformat()),
    ]


@for_kind(Kind.OPERATOR)
def figures(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    The monthly figures of a contract, every revision, and a form for the next.
    """
    contract = contract_of(request, pk)
    may_bill = request.viewer.can(Action.BILL)
    form = FigureForm(request.POST or None, kinds=queries.figure_kinds())
    if request.method == "POST":
        if not may_bill:
            raise Http404
        if form.is_valid():
            operations.enter_monthly_figure(
                contract_id=pk, at=timezone.now(), by_id=request.viewer.user_id,
                **form.cleaned_data,
            )  # fmt: skip
            messages.success(request, gettext("The figure is entered."))
            return redirect("ops-contract-figures", pk=pk)
    rows = queries.figures(viewer=request.viewer, contract_id=pk)
    columns = _columns()
    if request.GET.get("format") == "csv":
        return csv_answer(
            sorted_rows(request, rows, columns), columns, filename=f"{contract.reference}.csv"
        )
    context = {
        "contract": contract, "form": form, "may_bill": may_bill,
        "listing": listing(request, rows, columns, default_sort="-month"),
        "needed": queries.figures_needed(contract=contract, today=timezone.localdate()),
    }  # fmt: skip
    return render(request, "ops/figures.html", context)
