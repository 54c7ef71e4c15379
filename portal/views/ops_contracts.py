"""
The operator's contracts and what they say in plain words.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_POST

from billing import operations, queries
from portal.forms.money import ContractFilter
from portal.views.base import PortalRequest, for_action, for_kind
from portal.views.lists import Column, csv_answer, listing, sorted_rows
from sites.access import Action, Kind


def _columns() -> Sequence[Column[Any]]:
    return [
        Column("reference", gettext("Contract"), ("reference",), lambda c: c.reference),
        Column("customer", gettext("Customer"), ("customer__name",), lambda c: c.customer.name),
        Column("site", gettext("Site"), ("site__name",), lambda c: c.site.name),
        Column("model", gettext("Price model"), ("model",), lambda c: c.model),
        Column("first_day", gettext("From"), ("valid",), lambda c: c.valid.lower),
        Column(
            "last_day", gettext("To"), (),
            lambda c: c.valid.upper and c.valid.upper - dt.timedelta(days=1),
        ),
        Column("currency", value=lambda c: c.currency),
        Column("status", gettext("State"), ("status",), lambda c: c.status),
    ]  # fmt: skip


@for_kind(Kind.OPERATOR)
def contracts(request: PortalRequest) -> HttpResponseBase:
    """
    All contracts: searched, filtered, sorted, as pages or CSV.
    """
    form = ContractFilter(request.GET, models=queries.price_models())
    rows = queries.contracts(viewer=request.viewer, today=timezone.localdate(), **form.chosen())
    columns = _columns()
    if request.GET.get("format") == "csv":
        return csv_answer(sorted_rows(request, rows, columns), columns, filename="contracts.csv")
    context = {
        "form": form,
        "models": dict(queries.price_models()),
        "listing": listing(request, rows, columns, default_sort="reference"),
    }
    template = "ops/_contract_rows.html" if request.htmx else "ops/contracts.html"
    return render(request, template, context)


@for_kind(Kind.OPERATOR)
def contract(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    One contract: its terms in plain words, version by version, and what the last twelve months
    cost under them.
    """
    shown = get_object_or_404(
        queries.contracts(viewer=request.viewer, today=timezone.localdate()), pk=pk
    )
    context = {
        "contract": shown,
        "versions": queries.terms_in_words(viewer=request.viewer, contract=shown),
        "documents": queries.invoices(viewer=request.viewer).filter(contract=shown)[:24],
        "may_bill": request.viewer.can(Action.BILL),
    }
    return render(request, "ops/contract.html", context)


@for_action(Action.BILL)
@require_POST
def step(request: PortalRequest, pk: int, how: str) -> HttpResponseBase:
    """
    Start a draft contract, or make a pilot a full one.
    """
    shown = get_object_or_404(
        queries.contracts(viewer=request.viewer, today=timezone.localdate()), pk=pk
    )
    act = operations.start_contract if how == "start" else operations.convert_pilot
    try:
        act(contract_id=shown.pk, at=timezone.now(), by_id=request.viewer.user_id)
    except operations.NotReady as problem:
        messages.error(request, str(problem))
    return redirect("ops-contract", pk=pk)
