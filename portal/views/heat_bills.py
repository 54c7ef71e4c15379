"""
A heat customer's bills: the list and one bill.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.translation import gettext

from billing import queries
from portal.forms.heat import BillFilter
from portal.views.base import PortalRequest, for_kind
from portal.views.lists import Column, csv_answer, listing, sorted_rows
from sites import queries as places
from sites.access import Kind


def _columns(*, several: bool) -> Sequence[Column[Any]]:
    return [
        Column(
            "first_day", gettext("Month"), ("period__local_days",),
            lambda i: i.period.local_days.lower,
        ),
        Column("last_day", value=lambda i: i.period.local_days.upper - dt.timedelta(days=1)),
        Column("number", gettext("Number"), ("number",), lambda i: i.number),
        Column(
            "building", gettext("Building") if several else "",
            ("contract__delivery_point__name",), lambda i: i.contract.delivery_point.name,
        ),
        Column(
            "heat_kwh", gettext("Heat, kWh"), ("charged_kwh",), lambda i: i.charged_kwh,
            numeric=True,
        ),
        Column("currency", value=lambda i: i.currency),
        Column("net", value=lambda i: i.net),
        Column("vat", value=lambda i: i.vat),
        Column("gross", gettext("Amount"), ("gross",), lambda i: i.gross, numeric=True),
        Column("issued_on", value=lambda i: i.issued_on),
        Column("due_on", gettext("To be paid by"), ("due_on",), lambda i: i.due_on),
    ]  # fmt: skip


@for_kind(Kind.PARTNER)
def bills(request: PortalRequest) -> HttpResponseBase:
    """
    The customer's bills: searched, filtered, sorted, as pages or CSV.
    """
    buildings = places.buildings(viewer=request.viewer)
    form = BillFilter(request.GET, viewer=request.viewer, buildings=buildings)
    rows = queries.with_balance(queries.bills(viewer=request.viewer, **form.chosen()))
    columns = _columns(several=len(buildings) > 1)
    if request.GET.get("format") == "csv":
        return csv_answer(sorted_rows(request, rows, columns), columns, filename="bills.csv")
    context = {
        "form": form,
        "several": len(buildings) > 1,
        "today": timezone.localdate(),
        "listing": listing(request, rows, columns, default_sort="-first_day"),
    }
    template = "heat/_bill_rows.html" if request.htmx else "heat/bills.html"
    return render(request, template, context)


@for_kind(Kind.PARTNER)
def bill(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    One bill: what is to pay and by when, how it came about, and the registers behind it.
    """
    found = queries.with_balance(queries.invoice_details(viewer=request.viewer))
    shown = get_object_or_404(found, pk=pk)
    energy = [line for line in shown.lines.all() if line.charge == "energy"]
    context = {
        "invoice": shown,
        "point": shown.contract.delivery_point,
        "kwh": sum(line.quantity for line in energy) if energy else None,
        "before": queries.bill_a_year_before(viewer=request.viewer, invoice=shown),
        "today": timezone.localdate(),
    }
    return render(request, "heat/bill.html", context)
