"""
What the last twelve months would have cost: under other terms, with other inputs, by other models.
Nothing is stored.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.translation import gettext

from billing import queries
from billing.domain import simulation
from portal.forms.simulation import CompareForm, SimulationForm
from portal.views.base import PortalRequest, for_kind
from portal.views.lists import Column, csv_answer
from portal.views.ops_terms import contract_of, models_for
from portal.views.simulated import result_of
from sites.access import Kind


@for_kind(Kind.OPERATOR)
def simulate(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    A contract's last twelve closed months under one version of its terms, with inputs changed.
    """
    contract = contract_of(request, pk)
    versions = list(queries.terms(viewer=request.viewer, contract_id=pk))
    today = timezone.localdate()
    # Those that hold today; before the first day of a contract its first, after its last the last.
    begun = [t for t in versions if t.valid.lower <= today] or versions[-1:]
    form = SimulationForm(
        request.GET or None, usual=begun[0].pk if begun else None,
        versions=[(t.pk, f"{t.version}: {t.get_model_display()}") for t in versions],
    )  # fmt: skip
    change = form.change()
    chosen = get_object_or_404(
        queries.terms(viewer=request.viewer, contract_id=pk), pk=form.chosen_version()
    ) if versions else None  # fmt: skip
    result = None
    if chosen is not None:
        [inputs] = queries.simulated_inputs(
            contract=contract, terms=[chosen], months=queries.closed_months(today=today)
        )
        months = simulation.run(inputs, change)
        result = result_of(request, contract, months, gettext("Simulated"))
    if result is not None and request.GET.get("format") == "csv":
        return csv_answer(result.rows, _columns(), filename=f"simulation-{contract.reference}.csv")
    context = {
        "contract": contract, "form": form, "result": result, "changed": not change.is_none,
    }  # fmt: skip
    template = "ops/_simulation.html" if request.htmx else "ops/simulate.html"
    return render(request, template, context)


def _columns() -> list[Column[Any]]:
    return [
        Column("month", value=lambda r: f"{r.month:%Y-%m}"),
        Column("energy_kwh", value=lambda r: r.energy_kwh),
        Column("billed_net", value=lambda r: r.billed),
        Column("simulated_net", value=lambda r: r.simulated),
        Column("difference", value=lambda r: r.difference),
        Column("lacking", value=lambda r: r.why),
    ]


@dataclass(frozen=True, slots=True)
class Compared:
    """
    One model over the months: its sums, and what is lacking.
    """

    name: str
    own: bool
    months: list[simulation.Month]
    told: str

    @property
    def known(self) -> int:
        return sum(m.net is not None for m in self.months)

    @property
    def total(self) -> Decimal | None:
        known = [m.net for m in self.months if m.net is not None]
        return sum(known, Decimal(0)) if known else None

    @property
    def why(self) -> str:
        return next((m.why for m in self.months if m.why), "")


@for_kind(Kind.OPERATOR)
def compare(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    All price models that suit a contract, side by side over the same twelve months.
    """
    contract = contract_of(request, pk)
    months = queries.closed_months(today=timezone.localdate())
    billed = queries.billed_by_month(viewer=request.viewer, contract_id=pk)
    totals = {m: sum(billed[m].values(), Decimal(0)) for m in months if m in billed}
    found = _compared(request, contract, months, totals)
    if request.GET.get("format") == "csv":
        columns: list[Column[Any]] = [
            Column("month", value=lambda n: f"{months[n]:%Y-%m}"),
            Column("billed_net", value=lambda n: totals.get(months[n])),
            *(
                Column(one.model, value=lambda n, one=one: one.result.months[n].net)  # type: ignore[misc]
                for one in found.models
            ),
        ]
        return csv_answer(range(len(months)), columns, filename=f"models-{contract.reference}.csv")
    context = {
        "contract": contract,
        "form": found.form,
        "models": [one.result for one in found.models],
        "rows": [
            (month, totals.get(month), [one.result.months[n] for one in found.models])
            for n, month in enumerate(months)
        ],
        "billed": sum(totals.values(), Decimal(0)) if totals else None,
        "billed_months": len(totals),
    }
    template = "ops/_comparison.html" if request.htmx else "ops/compare.html"
    return render(request, template, context)


@dataclass(frozen=True, slots=True)
class _Model:
    model: str
    result: Compared


@dataclass(frozen=True, slots=True)
class _Found:
    form: CompareForm
    models: list[_Model]


def _compared(
    request: PortalRequest, contract: Any, months: Sequence[dt.date], billed: dict[dt.date, Any]
) -> _Found:
    """
    Rate each model: by the contract's own newest terms of it, else by the figures of the form,
    which begin where the year costs what was billed.
    """
    viewer = request.viewer
    versions = list(queries.terms(viewer=viewer, contract_id=contract.pk))
    own: dict[str, Any] = {}
    for version in versions:
        own.setdefault(version.model, version)
    models = [m for m in models_for(contract) if m != "host" or m in own]
    points = queries.metering_points(viewer=viewer, contract=contract)
    energy = queries.yearly_energy(
        contract=contract, point_id=points[0][0] if points else None, months=months
    )
    year = sum(billed.values(), Decimal(0))
    form = CompareForm(
        request.GET or None, models=[m for m in models if m not in own],
        start={
            "kw": getattr(contract.delivery_point, "contracted_kw", None)
            or getattr(contract.hosting_service, "it_kw", None),
            "energy_kwh": energy, "cost": year, "months": len(billed),
        },
    )  # fmt: skip
    baseline = queries.baselines(viewer=viewer, contract_id=contract.pk).first()
    point_id = points[0][0] if points else None
    named = dict(queries.price_models())
    terms = []
    for model in models:
        fields = None if model in own else form.terms_of(model, point_id, baseline)
        tried = own.get(model) or (
            None if fields is None
            else queries.draft_terms(contract=contract, first_day=months[0], model=model, **fields)
        )  # fmt: skip
        terms.append(tried)
    inputs = iter(
        queries.simulated_inputs(
            contract=contract, terms=[t for t in terms if t is not None], months=months
        )
    )
    found = []
    for model, tried in zip(models, terms, strict=True):
        if tried is None:
            why = form.lacking(model, point_id, baseline)
            rated = [simulation.Month(month, why=why) for month in months]
            told = ""
        else:
            rated = simulation.run(next(inputs), simulation.Change())
            told = queries.short_terms(contract=contract, terms=tried)
        found.append(_Model(model, Compared(named[model], model in own, rated, told)))
    return _Found(form, found)
