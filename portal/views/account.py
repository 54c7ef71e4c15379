"""
A customer's account with the operator: what is open, what was paid, and disputes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import segno
from django.http import Http404, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from billing import documents, operations, queries
from portal.forms.money import CustomerWord, Dispute
from portal.views.agreed import agreed
from portal.views.base import PortalRequest, document_page, for_members
from portal.views.lists import Column, csv_answer
from sites.access import Kind, Role


def _customer(request: PortalRequest) -> int:
    """
    Return whose account it is; an operator has none here.
    """
    if request.viewer.kind is Kind.OPERATOR or request.viewer.stakeholder_id is None:
        raise Http404
    return request.viewer.stakeholder_id


def account_csv(rows: Sequence[queries.AccountRow], currency: str) -> HttpResponseBase:
    """
    Answer with the statement of an account.
    """
    columns: list[Column[Any]] = [
        Column("day", value=lambda r: r.day),
        Column("kind", value=lambda r: r.kind),
        Column("document", value=lambda r: r.text),
        Column("amount", value=lambda r: r.amount),
        Column("balance", value=lambda r: r.balance),
    ]
    return csv_answer(rows, columns, filename=f"account-{currency}.csv")


@for_members
def account(request: PortalRequest) -> HttpResponseBase:
    """
    Balance, open documents with how to pay them, and the statement.
    """
    customer_id = _customer(request)
    unpaid = list(queries.open_documents(viewer=request.viewer))
    currencies = queries.currencies_of(viewer=request.viewer)
    chosen = request.GET.get("currency", "")
    currency = chosen if chosen in currencies else next(iter(currencies), "")
    rows = queries.statement(viewer=request.viewer, customer_id=customer_id, currency=currency)
    if request.GET.get("format") == "csv":
        return account_csv(rows, currency)
    due = next((d for d in unpaid if d.due_amount > 0), None)
    context = {
        "documents": unpaid,
        "document_page": document_page(request),
        "currencies": currencies,
        "currency": currency,
        "balance": rows[-1].balance if rows else None,
        "rows": list(reversed(rows)),
        "next_due": due,
        "code": None if due is None or due.by_direct_debit else _payment_code(due),
        "disputes": list(queries.disputes(viewer=request.viewer)[:20]),
        "today": timezone.localdate(),
    }
    return render(request, "account/account.html", context)


@for_members
def agreements(request: PortalRequest) -> HttpResponseBase:
    """
    What a tenant agreed to, contract by contract, in plain words. A heat customer has it with the
    heat of each building.
    """
    _customer(request)
    if request.viewer.kind is Kind.PARTNER:
        return redirect("heat-agreement")
    return render(request, "account/agreements.html", {"contracts": agreed(request.viewer)})


def _payment_code(document: queries.Balanced) -> SafeString | None:
    """
    Return the payment of a document as an EPC QR code that banking apps read, or None where the
    seller has no IBAN or it is not in EUR.
    """
    code = documents.payment_code(
        seller=document.seller, currency=document.currency, amount=document.due_amount,
        reference=document.number,
    )  # fmt: skip
    if code is None:
        return None
    return SafeString(_svg(code))


def _svg(code: segno.QRCode) -> str:
    # Sized by the style sheet, since the page allows no inline style.
    return code.svg_inline(
        omitsize=True, svgclass="qr", lineclass=None, title=gettext("Payment code")
    )


@for_members
def open_dispute(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    Dispute a line of one's invoice, or some days of it.
    """
    _customer(request)
    line = get_object_or_404(queries.lines_of(viewer=request.viewer), pk=pk)
    form = Dispute(request.POST or None)
    may_write = request.viewer.role is Role.ADMIN
    if request.method == "POST" and may_write and form.is_valid():
        try:
            made = operations.open_dispute(
                line_id=line.pk, comment=form.cleaned_data["comment"],
                span=form.span(line.invoice.period.timezone), at=timezone.now(),
                by_id=request.viewer.user_id,
            )  # fmt: skip
            return redirect("dispute", pk=made.pk)
        except operations.DisputeRefused as refused:
            form.add_error(
                "first_day" if form.cleaned_data["first_day"] else "comment", str(refused)
            )
    context = {"line": line, "form": form, "may_write": may_write}
    return render(request, "account/dispute_new.html", context)


@for_members
def dispute(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    One dispute with all that was said; the customer can add to it or withdraw it.
    """
    _customer(request)
    shown = get_object_or_404(queries.disputes(viewer=request.viewer), pk=pk)
    form = CustomerWord(request.POST or None)
    may_write = request.viewer.role is Role.ADMIN
    if request.method == "POST" and may_write and form.is_valid():
        try:
            _say(shown.pk, form, request.viewer.user_id)
            return redirect("dispute", pk=pk)
        except operations.DisputeRefused as refused:
            form.add_error("text", str(refused))
    context = {
        "dispute": shown, "form": form, "notes": queries.dispute_notes(dispute=shown),
        "may_write": may_write, "title": gettext("Dispute"),
    }  # fmt: skip
    return render(request, "account/dispute.html", context)


def _say(dispute_id: int, form: CustomerWord, by_id: int | None) -> None:
    text, now = form.cleaned_data["text"], timezone.now()
    if form.cleaned_data["withdraw"]:
        operations.decide_dispute(
            dispute_id=dispute_id, outcome="withdrawn", text=text, at=now, by_id=by_id
        )
    else:
        operations.comment_on_dispute(dispute_id=dispute_id, text=text, at=now, by_id=by_id)
