"""
The tenant's invoices: the list and one invoice.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.translation import gettext

from billing import queries
from portal.forms.billing import OwnInvoiceFilter
from portal.views.base import PortalRequest, for_kind
from portal.views.lists import Column, csv_answer, listing, sorted_rows
from sites.access import Kind


def _columns() -> Sequence[Column[Any]]:
    return [
        Column("number", gettext("Invoice"), ("number",), lambda i: i.number),
        Column("site", gettext("Site"), ("contract__site__name",), lambda i: i.contract.site.name),
        Column("contract", value=lambda i: i.contract.reference),
        Column("first_day", value=lambda i: i.period.local_days.lower),
        Column(
            "last_day", gettext("Month"), ("period__local_days",),
            lambda i: i.period.local_days.upper - dt.timedelta(days=1),
        ),
        Column("issued_on", gettext("Issued"), ("issued_on",), lambda i: i.issued_on),
        Column("due_on", gettext("Due"), ("due_on",), lambda i: i.due_on),
        Column("currency", value=lambda i: i.currency),
        Column("net", value=lambda i: i.net),
        Column("vat", value=lambda i: i.vat),
        Column("gross", gettext("Amount"), ("gross",), lambda i: i.gross, numeric=True),
    ]  # fmt: skip


@for_kind(Kind.TENANT)
def invoices(request: PortalRequest) -> HttpResponseBase:
    """
    The invoices issued to the tenant: searched, filtered, sorted, as pages or CSV.
    """
    form = OwnInvoiceFilter(request.GET, viewer=request.viewer)
    rows = queries.with_balance(queries.invoices(viewer=request.viewer, **form.chosen()))
    columns = _columns()
    if request.GET.get("format") == "csv":
        return csv_answer(sorted_rows(request, rows, columns), columns, filename="invoices.csv")
    context = {
        "form": form,
        "listing": listing(request, rows, columns, default_sort="-issued_on"),
        "today": timezone.localdate(),
    }
    template = "hosting/_invoice_rows.html" if request.htmx else "hosting/invoices.html"
    return render(request, template, context)


@for_kind(Kind.TENANT)
def invoice(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    One invoice: what is to pay, how it came about, and the registers behind it.
    """
    found = queries.with_balance(queries.invoice_details(viewer=request.viewer))
    shown = get_object_or_404(found, pk=pk)
    context = {
        "invoice": shown,
        "metered": any(line.charge == "energy" for line in shown.lines.all()),
        "today": timezone.now().astimezone(ZoneInfo(shown.period.timezone)).date(),
    }
    return render(request, "hosting/invoice.html", context)
