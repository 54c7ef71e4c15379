"""
What customers owe, what they paid, and what they do not agree with.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext

from billing import operations, queries
from portal.forms.money import (
    Allocate,
    Answer,
    DisputeFilter,
    OpenFilter,
    Payment,
    PaymentFilter,
    StatementFile,
)
from portal.views.account import account_csv
from portal.views.base import PortalRequest, document_page, for_kind
from portal.views.lists import Column, csv_answer, listing, sorted_rows
from sites import queries as parties
from sites.access import Action, Kind


def _open_columns() -> Sequence[Column[Any]]:
    return [
        Column("number", gettext("Document"), ("number",), lambda i: i.number),
        Column("customer", gettext("Customer"), ("customer__name",), lambda i: i.customer.name),
        Column("due_on", gettext("Due"), ("due_on",), lambda i: i.due_on),
        Column("currency", value=lambda i: i.currency),
        Column("gross", gettext("Amount"), ("gross",), lambda i: i.gross, numeric=True),
        Column("open", gettext("Open"), ("open_amount",), lambda i: i.open_amount, numeric=True),
        Column("held", gettext("In dispute"), ("held",), lambda i: i.held, numeric=True),
    ]


@for_kind(Kind.OPERATOR)
def receivables(request: PortalRequest) -> HttpResponseBase:
    """
    What is owed by age and customer, and each open document.
    """
    form = OpenFilter(request.GET)
    rows = queries.open_documents(viewer=request.viewer, **form.chosen())
    columns = _open_columns()
    if request.GET.get("format") == "csv":
        return csv_answer(
            sorted_rows(request, rows, columns), columns, filename="open-documents.csv"
        )
    context: dict[str, Any] = {
        "form": form,
        "today": timezone.localdate(),
        "listing": listing(request, rows, columns, default_sort="due_on"),
    }
    if request.htmx:
        return render(request, "ops/_open_rows.html", context)
    context["ageing"] = queries.ageing(viewer=request.viewer, today=timezone.localdate())
    context["to_correct"] = len(
        queries.to_correct(viewer=request.viewer, today=timezone.localdate())
    )
    context["unmatched"] = queries.bank_entries(viewer=request.viewer, unmatched=True).count()
    context["disputes"] = queries.disputes(viewer=request.viewer, state="live").count()
    return render(request, "ops/receivables.html", context)


@for_kind(Kind.OPERATOR)
def customer_account(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    The statement of account of one customer, as the customer sees it.
    """
    customer = next((c for c in parties.customers(viewer=request.viewer) if c.pk == pk), None)
    if customer is None:
        raise Http404
    currencies = queries.currencies_of(viewer=request.viewer, customer_id=pk)
    chosen = request.GET.get("currency", "")
    currency = chosen if chosen in currencies else next(iter(currencies), "")
    rows = queries.statement(viewer=request.viewer, customer_id=pk, currency=currency)
    if request.GET.get("format") == "csv":
        return account_csv(rows, currency)
    context = {
        "customer": customer, "currencies": currencies, "currency": currency,
        "balance": rows[-1].balance if rows else None, "rows": list(reversed(rows)),
        "document_page": document_page(request),
    }  # fmt: skip
    return render(request, "ops/customer_account.html", context)


def _payment_columns() -> Sequence[Column[Any]]:
    return [
        Column("booked_on", gettext("Day"), ("booked_on",), lambda e: e.booked_on),
        Column("payer", gettext("Payer"), ("counterparty",), lambda e: e.counterparty),
        Column("text", gettext("Text"), (), lambda e: e.remittance),
        Column("reference", value=lambda e: e.reference),
        Column("currency", value=lambda e: e.currency),
        Column("amount", gettext("Amount"), ("amount",), lambda e: e.amount, numeric=True),
        Column("left", gettext("Not allocated"), ("left",), lambda e: e.left, numeric=True),
    ]


@for_kind(Kind.OPERATOR)
def payments(request: PortalRequest) -> HttpResponseBase:
    """
    All movements of money; imports a statement or books a payment by hand.
    """
    may_bill = request.viewer.can(Action.BILL)
    statement = StatementFile(
        request.POST if "statement" in request.POST else None,
        request.FILES if "statement" in request.POST else None,
        prefix="s",
    )
    payment = Payment(request.POST if "payment" in request.POST else None, prefix="p")
    if request.method == "POST" and may_bill:
        answer = _import(request, statement) or _enter(request, payment)
        if answer is not None:
            return answer
    form = PaymentFilter(request.GET)
    rows = queries.bank_entries(viewer=request.viewer, **form.chosen())
    columns = _payment_columns()
    if request.GET.get("format") == "csv":
        return csv_answer(sorted_rows(request, rows, columns), columns, filename="payments.csv")
    context = {
        "form": form, "listing": listing(request, rows, columns, default_sort="-booked_on"),
        "statement": statement, "payment": payment, "may_bill": may_bill,
    }  # fmt: skip
    return render(
        request, "ops/_payment_rows.html" if request.htmx else "ops/payments.html", context
    )


def _import(request: PortalRequest, form: StatementFile) -> HttpResponseBase | None:
    if not form.is_bound or not form.is_valid():
        return None
    try:
        found = operations.import_statement(
            operator_id=request.viewer.stakeholder_id or 0, xml=form.cleaned_data["file"].read(),
            at=timezone.now(), by_id=request.viewer.user_id,
        )  # fmt: skip
    except operations.StatementNotReadable as problem:
        form.add_error("file", str(problem))
        return None
    messages.success(
        request,
        gettext(
            "%(entries)s movements, %(known)s of them known already. %(matched)s settled something,"
            " %(waiting)s wait for you."
        )
        % {
            "entries": found.entries, "known": found.known, "matched": found.matched,
            "waiting": found.waiting,
        },
    )  # fmt: skip
    return redirect("ops-payments")


def _enter(request: PortalRequest, form: Payment) -> HttpResponseBase | None:
    if not form.is_bound or not form.is_valid():
        return None
    try:
        entry = operations.enter_payment(
            operator_id=request.viewer.stakeholder_id or 0, at=timezone.now(),
            by_id=request.viewer.user_id, **form.cleaned_data,
        )  # fmt: skip
    except operations.NotPossible as problem:
        form.add_error("reference", str(problem))
        return None
    return redirect("ops-payment", pk=entry.pk)


@for_kind(Kind.OPERATOR)
def payment(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    One movement and what it settled; a person can allocate the rest.
    """
    shown = get_object_or_404(queries.bank_entries(viewer=request.viewer), pk=pk)
    documents = [
        (str(d.pk), f"{d.number}, {d.customer.name}: {d.open_amount} {d.currency}")
        for d in queries.open_documents(viewer=request.viewer)
        if d.currency == shown.currency and d.open_amount > 0
    ]
    settled = list(queries.allocations_of_entry(viewer=request.viewer, entry_id=shown.pk))
    known = {key for key, _ in documents}
    documents += [
        (str(a.invoice_id), a.invoice.number) for a in settled if str(a.invoice_id) not in known
    ]
    form = Allocate(request.POST or None, documents=documents, initial={"amount": shown.left})
    if request.method == "POST" and request.viewer.can(Action.BILL) and form.is_valid():
        try:
            operations.allocate(
                entry_id=shown.pk, invoice_id=int(form.cleaned_data["invoice"]),
                amount=form.cleaned_data["amount"], at=timezone.now(),
                by_id=request.viewer.user_id,
            )  # fmt: skip
            return redirect("ops-payment", pk=pk)
        except operations.NotPossible as problem:
            form.add_error("amount", str(problem))
    context = {
        "payment": shown, "form": form, "settled": settled,
        "may_bill": request.viewer.can(Action.BILL),
    }  # fmt: skip
    return render(request, "ops/payment.html", context)


@for_kind(Kind.OPERATOR)
def disputes(request: PortalRequest) -> HttpResponseBase:
    """
    All disputes, those that wait for an answer first.
    """
    form = DisputeFilter(request.GET)
    rows = queries.disputes(viewer=request.viewer, **form.chosen())
    columns: list[Column[Any]] = [
        Column("number", gettext("Document"), ("line__invoice__number",),
               lambda d: d.line.invoice.number),
        Column("customer", gettext("Customer"), ("line__invoice__customer__name",),
               lambda d: d.line.invoice.customer.name),
        Column("line", gettext("Line"), (), lambda d: d.line.description),
        Column("amount", gettext("Held"), ("amount",), lambda d: d.amount, numeric=True),
        Column("answer_by", gettext("Answer by"), ("answer_by",), lambda d: d.answer_by),
        Column("state", gettext("State"), ("state",), lambda d: d.state),
    ]  # fmt: skip
    if request.GET.get("format") == "csv":
        return csv_answer(sorted_rows(request, rows, columns), columns, filename="disputes.csv")
    context = {
        "form": form,
        "today": timezone.localdate(),
        "listing": listing(request, rows, columns),
    }
    return render(
        request, "ops/_dispute_rows.html" if request.htmx else "ops/disputes.html", context
    )


_ENDS = {"rejected", "corrected"}


@for_kind(Kind.OPERATOR)
def dispute(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    One dispute with all that was said; the operator answers and decides.
    """
    shown = get_object_or_404(queries.disputes(viewer=request.viewer), pk=pk)
    form = Answer(request.POST or None)
    if request.method == "POST" and request.viewer.can(Action.BILL) and form.is_valid():
        step, text = form.cleaned_data["step"], form.cleaned_data["text"]
        now, by = timezone.now(), request.viewer.user_id
        try:
            if step in _ENDS:
                operations.decide_dispute(
                    dispute_id=shown.pk, outcome=step, text=text, at=now, by_id=by
                )
            else:
                operations.answer_dispute(
                    dispute_id=shown.pk, text=text, meter_test=step == "meter_test", at=now,
                    by_id=by,
                )  # fmt: skip
            return redirect("ops-dispute", pk=pk)
        except (operations.DisputeRefused, operations.TooFarBack, operations.NotComplete) as no:
            form.add_error("step", str(no))
    context = {
        "dispute": shown, "form": form, "notes": queries.dispute_notes(dispute=shown),
        "may_bill": request.viewer.can(Action.BILL),
        "meters": queries.check_meters(dispute=shown),
    }  # fmt: skip
    return render(request, "ops/dispute.html", context)
