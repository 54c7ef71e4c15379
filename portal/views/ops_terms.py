"""
New terms of a contract: typed, read back in plain words while typing, tried on last year, agreed.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_POST

from billing import operations, queries
from billing.domain import agreement, simulation
from portal.forms.terms import TermsInput, initial_of
from portal.views.base import PortalRequest, for_action
from portal.views.simulated import Result, result_of
from sites.access import Action

# What a contract about heat, or about hosting, can be priced by.
HEAT = (agreement.USAGE, agreement.FIXED, agreement.SAVINGS, agreement.HOST)
HOSTING = (agreement.FIXED, agreement.USAGE, agreement.COMPUTE, agreement.BUNDLE, agreement.HOST)


def contract_of(request: PortalRequest, pk: int) -> Any:
    """
    Return a contract the reader may see, or answer that there is none.
    """
    rows = queries.contracts(viewer=request.viewer, today=timezone.localdate())
    return get_object_or_404(rows, pk=pk)


def models_for(contract: Any) -> tuple[str, ...]:
    """
    Return the price models that suit what a contract is about.
    """
    return HEAT if contract.delivery_point_id is not None else HOSTING


@for_action(Action.BILL)
def new_terms(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    The form of one price model; it starts from the newest terms where these have the same model.
    """
    contract = contract_of(request, pk)
    if contract.status == "ended":
        raise Http404
    model = request.GET.get("model") or contract.model or models_for(contract)[0]
    if model not in models_for(contract):
        raise Http404
    given = _input(request, contract, model)
    draft = _draft(request, contract, given) if given.is_valid() else None
    if request.htmx and "check" in request.GET:
        return render(request, "ops/_terms_now.html", {"draft": draft, "given": given})
    if request.method == "POST" and draft is not None and "save" in request.POST:
        try:
            operations.add_terms(
                contract_id=pk, model=model, details=given.details, at=timezone.now(),
                first_day=given.fields.cleaned_data["first_day"], by_id=request.viewer.user_id,
                **given.columns(),
            )  # fmt: skip
        except operations.TermsRefused as problem:
            given.refuse(problem.field, str(problem))
        else:
            messages.success(request, gettext("The terms are agreed."))
            return redirect("ops-contract", pk=pk)
    result = None
    if draft is not None and "try" in request.POST:
        result = _tried(request, contract, given)
    names = dict(queries.price_models())
    context = {
        "contract": contract, "given": given, "form": given.fields, "draft": draft,
        "model": model, "model_name": names[model],
        "models": [(code, names[code]) for code in models_for(contract)],
        "result": result,
    }  # fmt: skip
    return render(request, "ops/terms_new.html", context)


def _input(request: PortalRequest, contract: Any, model: str) -> TermsInput:
    viewer = request.viewer
    held: Any = queries.indices(viewer=viewer)
    return TermsInput(
        model, request.POST if request.method == "POST" else None,
        initial={} if request.method == "POST" else _initial(request, contract, model),
        points=queries.metering_points(viewer=viewer, contract=contract),
        baselines=[
            (b.pk, b.name) for b in queries.baselines(viewer=viewer, contract_id=contract.pk)
        ],
        indices=[(i.code, i.name, i.newest_value) for i in held],
    )  # fmt: skip


def _initial(request: PortalRequest, contract: Any, model: str) -> dict[str, Any]:
    """
    Return the newest terms as a start, from the first day that is not billed yet.
    """
    newest = queries.terms(viewer=request.viewer, contract_id=contract.pk).first()
    first_day = queries.first_open_day(contract=contract)
    if newest is None:
        return {"fields": {"first_day": first_day, "vat_category": "S"}}
    columns = {
        name: getattr(newest, name)
        for name in ("vat_category", "vat_rate", "contracted_kw", "price_per_kw", "price_per_kwh")
        if newest.model == model or name.startswith("vat")
    }
    columns |= {"metering_point": newest.metering_point_id, "baseline": newest.baseline_id}
    found = initial_of(columns, newest.details if newest.model == model else {})
    found["fields"]["first_day"] = first_day
    return found


def _tried(request: PortalRequest, contract: Any, given: TermsInput) -> Result:
    """
    Return what the last twelve closed months would have cost by what is typed.
    """
    terms = queries.draft_terms(
        contract=contract, first_day=given.fields.cleaned_data["first_day"], model=given.model,
        details=given.details, **given.columns(),
    )  # fmt: skip
    months = queries.closed_months(today=timezone.localdate())
    [inputs] = queries.simulated_inputs(contract=contract, terms=[terms], months=months)
    rated = simulation.run(inputs, simulation.Change())
    return result_of(request, contract, rated, gettext("By these terms"))


def _draft(request: PortalRequest, contract: Any, given: TermsInput) -> queries.Draft | None:
    """
    Return the terms in words, None where the database would not take them.
    """
    first_day: dt.date = given.fields.cleaned_data["first_day"]
    terms = queries.draft_terms(
        contract=contract, first_day=first_day, model=given.model, details=given.details,
        **given.columns(),
    )  # fmt: skip
    # The index values of terms to come are not published yet: show what those of now give.
    month = min(first_day, timezone.localdate()).replace(day=1)
    return queries.draft_in_words(
        viewer=request.viewer, contract=contract, terms=terms, month=month
    )


@for_action(Action.BILL)
@require_POST
def withdraw(request: PortalRequest, pk: int, terms: int) -> HttpResponseBase:
    """
    Take back the newest terms before anything was billed from them.
    """
    contract_of(request, pk)
    found = get_object_or_404(queries.terms(viewer=request.viewer, contract_id=pk), pk=terms)
    try:
        operations.withdraw_terms(
            terms_id=found.pk, at=timezone.now(), by_id=request.viewer.user_id
        )
    except operations.NotReady as problem:
        messages.error(request, str(problem))
    else:
        messages.success(request, gettext("They are withdrawn."))
    return redirect("ops-contract", pk=pk)
