"""
The operator's invoices and billing runs.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_POST

from billing import operations, queries, tasks
from portal.forms.billing import InvoiceFilter, StartRun
from portal.views.base import PortalRequest, for_action, for_kind
from portal.views.lists import Column, csv_answer, listing, sorted_rows
from sites.access import Action, Kind

# Progress shows this many finished contracts; the invoice list has them all.
SHOWN_ITEMS = 20
# The worker shows life at least this often; after it the page says that the run stands still.
STANDSTILL = dt.timedelta(seconds=60)


def _invoice_columns() -> Sequence[Column[Any]]:
    return [
        Column("number", gettext("Invoice"), ("number",), lambda i: i.number),
        Column("customer", gettext("Customer"), ("customer__name",), lambda i: i.customer.name),
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
        Column("status", gettext("State"), ("status",), lambda i: i.status),
    ]  # fmt: skip


@for_kind(Kind.OPERATOR)
def invoices(request: PortalRequest) -> HttpResponseBase:
    """
    All invoices of the operator: searched, filtered, sorted, as pages or CSV.
    """
    form = InvoiceFilter(request.GET, viewer=request.viewer)
    rows = queries.with_balance(queries.invoices(viewer=request.viewer, **form.chosen()))
    columns = _invoice_columns()
    if request.GET.get("format") == "csv":
        return csv_answer(sorted_rows(request, rows, columns), columns, filename="invoices.csv")
    context = {
        "form": form,
        "listing": listing(request, rows, columns),
        "today": timezone.localdate(),
    }
    template = "ops/_invoice_rows.html" if request.htmx else "ops/invoices.html"
    return render(request, template, context)


@for_kind(Kind.OPERATOR)
def invoice(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    One invoice with what each line was computed from; a draft can be issued here.
    """
    found = queries.with_balance(queries.invoice_details(viewer=request.viewer))
    context = {
        "invoice": get_object_or_404(found, pk=pk),
        "may_bill": request.viewer.can(Action.BILL),
        "today": timezone.localdate(),
    }
    return render(request, "ops/invoice.html", context)


@for_action(Action.BILL)
@require_POST
def issue_invoice(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    Issue one draft and go to it.
    """
    invoice = get_object_or_404(queries.invoices(viewer=request.viewer), pk=pk)
    try:
        issued = operations.issue_draft(
            invoice_id=invoice.pk, at=timezone.now(), by_id=request.viewer.user_id
        )
    except operations.MeterExpired as problem:
        messages.error(request, str(problem))
        return redirect("ops-invoice", pk=pk)
    tasks.render_document.delay(invoice_id=issued.pk)
    messages.success(request, gettext("Invoice %s is issued.") % issued.number)
    return redirect("ops-invoice", pk=issued.pk)


@for_kind(Kind.OPERATOR)
def runs(request: PortalRequest) -> HttpResponseBase:
    """
    The months to bill and the runs so far; starts a run.
    """
    due = queries.months_due(viewer=request.viewer, before=timezone.localdate())
    form = StartRun(request.POST or None, months=[month for month, _ in due])
    if request.method == "POST" and request.viewer.can(Action.BILL) and form.is_valid():
        started = _start(request, form)
        if started is not None:
            return started
    columns: list[Column[Any]] = [
        Column("month", gettext("Month"), ("month",), lambda r: r.month),
        Column("started", gettext("Started"), ("started_at",), lambda r: r.started_at.isoformat()),
        Column("issued", gettext("Issued"), ("issued",), lambda r: r.issued, numeric=True),
        Column("drafted", gettext("Drafts"), ("drafted",), lambda r: r.drafted, numeric=True),
        Column("held", gettext("Held"), ("held",), lambda r: r.held, numeric=True),
        Column("state", gettext("State"), ("status",), lambda r: r.status),
    ]
    rows = queries.runs(viewer=request.viewer)
    if request.GET.get("format") == "csv":
        return csv_answer(sorted_rows(request, rows, columns), columns, filename="billing-runs.csv")
    context = {
        "form": form,
        "due": due,
        "may_bill": request.viewer.can(Action.BILL),
        "listing": listing(request, rows, columns),
    }
    template = "ops/_run_rows.html" if request.htmx else "ops/runs.html"
    return render(request, template, context, status=422 if form.errors else 200)


def _start(request: PortalRequest, form: StartRun) -> HttpResponse | None:
    viewer = request.viewer
    if viewer.stakeholder_id is None:
        return None
    month = form.cleaned_data["month"]
    try:
        run = operations.start_run(
            operator_id=viewer.stakeholder_id, month=month, issue=form.cleaned_data["issue"],
            at=timezone.now(), by_id=viewer.user_id,
        )  # fmt: skip
    except operations.RunInProgress:
        under_way = queries.runs(viewer=viewer).filter(kind="bill", status="running")
        running = under_way.filter(month=month).first()
        if running is None:
            form.add_error("month", gettext("The run of this month has just ended. Try again."))
            return None
        return redirect("ops-run", pk=running.pk)
    tasks.send_workers(run_id=run.pk)
    return redirect("ops-run", pk=run.pk)


@for_kind(Kind.OPERATOR)
def run(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    One run: its progress, which polls while it moves, then its outcome.
    """
    shown = get_object_or_404(queries.runs(viewer=request.viewer), pk=pk)
    running = shown.status == "running"
    context = {
        "run": shown,
        "running": running,
        "standing": running and shown.heartbeat_at < timezone.now() - STANDSTILL,
        "items": queries.run_items(run=shown, limit=SHOWN_ITEMS),
        "totals": queries.run_totals(run=shown),
        "may_bill": request.viewer.can(Action.BILL),
        "minutes_left": _minutes_left(shown),
    }
    template = "ops/_run_progress.html" if request.htmx else "ops/run.html"
    return render(request, template, context)


def _minutes_left(shown: Any) -> int | None:
    # Too few items say nothing about the pace.
    if shown.status != "running" or shown.done < 5:
        return None
    spent = (shown.heartbeat_at - shown.started_at).total_seconds()
    left: int = round(spent / shown.done * (shown.total - shown.done) / 60)
    return left


@for_action(Action.BILL)
@require_POST
def cancel_run(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    Stop a run after the invoice at hand.
    """
    shown = get_object_or_404(queries.runs(viewer=request.viewer), pk=pk)
    operations.cancel_run(run_id=shown.pk, at=timezone.now(), by_id=request.viewer.user_id)
    messages.success(request, gettext("The run is stopped. Issued invoices stay issued."))
    return redirect("ops-run", pk=pk)


@for_action(Action.BILL)
@require_POST
def resume_run(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    Send a worker to a run that stands still; harmless when one is at it.
    """
    shown = get_object_or_404(queries.runs(viewer=request.viewer), pk=pk)
    tasks.send_workers(run_id=shown.pk)
    messages.success(request, gettext("A worker is sent to the run."))
    return redirect("ops-run", pk=pk)


@for_action(Action.BILL)
@require_POST
def try_again(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    Let a run go on with the bills it held.
    """
    shown = get_object_or_404(queries.runs(viewer=request.viewer), pk=pk)
    try:
        count = operations.try_held_again(
            run_id=shown.pk, at=timezone.now(), by_id=request.viewer.user_id
        )
    except operations.RunInProgress:
        messages.error(request, gettext("Another run of this month is under way."))
        return redirect("ops-run", pk=pk)
    if count:
        tasks.send_workers(run_id=shown.pk)
        told = ngettext("%s held bill is tried again.", "%s held bills are tried again.", count)
        messages.success(request, told % count)
    return redirect("ops-run", pk=pk)
