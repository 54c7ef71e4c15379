"""
Baselines of shared savings and the monthly figures that no meter tells.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext

from billing import operations, queries
from billing.domain import balance_point
from billing.domain import baseline as saving
from portal.fit_drawings import base_search, signature_drawing
from portal.forms.baselines import AgreeForm, BaselineForm
from portal.forms.prices import FigureForm
from portal.views.base import PortalRequest, for_action, for_kind
from portal.views.lists import Column, csv_answer, listing, sorted_rows
from portal.views.ops_terms import contract_of
from sites.access import Action, Kind
from telemetry.queries import daily_means, outdoor_channel


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
    sensor = outdoor_channel(viewer=request.viewer, delivery_point=contract.delivery_point)
    named = {"sensor": sensor.key if sensor else ""}
    given = (request.POST, request.FILES) if request.method == "POST" else ()
    form = BaselineForm(*given, **named)
    found = None
    if request.method == "POST" and form.is_valid():
        try:
            look = _Look.of(form, sensor)
            if "save" in request.POST:
                made = _kept(contract, form, look, request)
                return redirect("ops-baseline", pk=made.pk)
            found = look.found(_expected(form))
        except ValueError as problem:
            form.add_error("table", str(problem))
        else:
            form = BaselineForm(initial=form.typed_again(), **named)
    context = {"contract": contract, "form": form, "found": found}
    return render(request, "ops/baseline_new.html", context)


@dataclass(frozen=True, slots=True)
class _Look:
    """
    What a form gives to fit a baseline to: periods with their degree days, or bills with daily
    temperatures and where these are from.
    """

    periods: Sequence[Sequence[float]]
    bills: Sequence[balance_point.Bill]
    means: Mapping[dt.date, float]
    weather: str
    base: Decimal | None

    @classmethod
    def of(cls, form: BaselineForm, sensor: Any) -> _Look:
        given = form.cleaned_data
        bills: list[balance_point.Bill] = given["bills"]
        means, weather = given["means"], gettext("daily mean temperatures given as a table")
        if given["weather"] == "sensor" and bills:
            first, last = min(b.first for b in bills), max(b.last for b in bills)
            means = daily_means(channel=sensor, first=first, last=last)
            weather = gettext("outdoor temperature of the site, %s") % sensor.key
        return cls(given["periods"], bills, means, weather, given.get("base_temperature"))

    @property
    def columns(self) -> tuple[Sequence[float], ...]:
        return tuple([row[n] for row in self.periods] for n in range(3))

    def found(self, expected: float | None) -> dict[str, Any] | None:
        """
        Return what the fit would be, for the page; None where nothing is fitted.
        """
        if self.bills:
            grid = balance_point.CANDIDATES if self.base is None else [float(self.base)]
            tried = balance_point.search(self.bills, self.means, grid)
            fit = balance_point.chosen(tried).fit
            tests = saving.acceptance(fit, expected=expected) if fit else []
            return {"tests": tests, "search": base_search(tried)}
        if self.periods:
            fit = saving.fit(*self.columns)
            return {"tests": saving.acceptance(fit, expected=expected)}
        return None


def _expected(form: BaselineForm) -> float | None:
    expected: Decimal | None = form.cleaned_data.get("expected")
    return None if expected is None else float(expected) / 100


def _kept(contract: Any, form: BaselineForm, look: _Look, request: PortalRequest) -> Any:
    given = form.cleaned_data
    common: dict[str, Any] = {
        "contract_id": contract.pk, "name": given["name"], "base_temperature": look.base,
        "at": timezone.now(), "by_id": request.viewer.user_id, **form.boiler(),
    }  # fmt: skip
    if look.bills:
        return operations.fit_baseline_to_weather(
            bills=look.bills, means=look.means, weather=look.weather, expected=_expected(form),
            **common,
        )  # fmt: skip
    if not look.periods:
        return operations.state_baseline(
            base_kwh=given["base_kwh"], slope_kwh=given["slope_kwh"], **common
        )
    days, degree_days, use_kwh = look.columns
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
    if request.GET.get("format") == "csv":
        return _temperatures(shown)
    fitted = queries.fit_of(baseline=shown)
    tried = queries.candidates_of(baseline=shown)
    periods = queries.periods_of(baseline=shown)
    base, slope = float(shown.base_kwh), float(shown.slope_kwh)
    context = {
        "baseline": shown,
        "search": base_search(tried) if tried else None,
        "signature": signature_drawing(base, slope, periods),
        "tests": fitted and saving.acceptance(fitted, expected=shown.fitted_on.get("expected")),
        "periods": periods,
        "adjustments": queries.figures(viewer=request.viewer, contract_id=shown.contract_id).filter(
            kind="adjustment_kwh"
        ),
        "form": form,
        "may_agree": may_agree,
    }
    return render(request, "ops/baseline.html", context)


def _temperatures(shown: Any) -> HttpResponseBase:
    """
    Answer with the daily temperatures a baseline was fitted to, and what each day counts.
    """
    base = float(shown.base_temperature)
    columns: list[Column[Any]] = [
        Column("day", value=lambda row: f"{row[0]}"),
        Column("mean_c", value=lambda row: row[1]),
        Column("degree_days", value=lambda row: round(max(base - row[1], 0.0), 3)),
    ]
    return csv_answer(
        queries.daily_means_of(baseline=shown), columns, filename=f"baseline-{shown.pk}-days.csv"
    )


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
