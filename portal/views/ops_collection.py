"""
How an operator collects: mandates, direct debits, and reminders of what is late.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_POST

from billing import operations, queries
from portal.forms.collection import (
    Collect,
    DunningLevel,
    EndMandate,
    Mandate,
    MandateFilter,
    ReminderFilter,
)
from portal.views.base import PortalRequest, for_action, for_kind
from portal.views.lists import Column, csv_answer, listing, sorted_rows
from sites import queries as parties
from sites.access import Action, Kind


def _mandate_columns() -> Sequence[Column[Any]]:
    return [
        Column("customer", gettext("Customer"), ("customer__name",), lambda m: m.customer.name),
        Column("reference", gettext("Reference"), ("reference",), lambda m: m.reference),
        Column("signed_on", gettext("Signed"), ("signed_on",), lambda m: m.signed_on),
        Column("account_name", gettext("Account"), ("account_name",), lambda m: m.account_name),
        Column("iban_end", value=lambda m: m.iban[-4:]),
        Column("collected", gettext("Debits"), ("collected",), lambda m: m.collected, numeric=True),
        Column("ended", gettext("State"), ("revoked_on",), lambda m: m.revoked_on),
    ]


@for_kind(Kind.OPERATOR)
def mandates(request: PortalRequest) -> HttpResponseBase:
    """
    The customers' mandates for direct debits, those in force first.
    """
    form = MandateFilter(request.GET)
    rows = queries.mandates(viewer=request.viewer, **form.chosen())
    columns = _mandate_columns()
    if request.GET.get("format") == "csv":
        return csv_answer(sorted_rows(request, rows, columns), columns, filename="mandates.csv")
    context = {
        "form": form, "listing": listing(request, rows, columns),
        "may_bill": request.viewer.can(Action.BILL),
    }  # fmt: skip
    return render(
        request, "ops/_mandate_rows.html" if request.htmx else "ops/mandates.html", context
    )


def _mandate_crumbs() -> list[tuple[str, str]]:
    return [
        (reverse("ops-debits"), gettext("Direct debits")),
        (reverse("ops-mandates"), gettext("Mandates")),
    ]


@for_action(Action.BILL)
def new_mandate(request: PortalRequest) -> HttpResponseBase:
    """
    A form for a mandate a customer signed.
    """
    customers = [(str(c.pk), c.name) for c in parties.customers(viewer=request.viewer)]
    form = Mandate(request.POST or None, customers=customers, today=timezone.localdate())
    if request.method == "POST" and form.is_valid():
        given = dict(form.cleaned_data)
        try:
            operations.add_mandate(
                operator_id=request.viewer.stakeholder_id or 0,
                customer_id=int(given.pop("customer")), at=timezone.now(),
                by_id=request.viewer.user_id, **given,
            )  # fmt: skip
            messages.success(request, gettext("The mandate is in force."))
            return redirect("ops-mandates")
        except operations.NotPossible as problem:
            form.add_error("reference", str(problem))
    context = {
        "form": form, "title": gettext("Add a mandate"), "button": gettext("Add"),
        "crumbs": _mandate_crumbs(),
        "hint": gettext("Keep the signed form: the bank may ask for it up to 13 months later."),
    }  # fmt: skip
    return render(request, "ops/form.html", context)


@for_action(Action.BILL)
def end_mandate(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    Note that a customer took a mandate back.
    """
    shown = get_object_or_404(queries.mandates(viewer=request.viewer), pk=pk)
    form = EndMandate(request.POST or None, initial={"day": timezone.localdate()})
    if request.method == "POST" and form.is_valid():
        try:
            operations.end_mandate(
                mandate_id=shown.pk, day=form.cleaned_data["day"], at=timezone.now(),
                by_id=request.viewer.user_id,
            )  # fmt: skip
            return redirect("ops-mandates")
        except operations.NotPossible as problem:
            form.add_error("day", str(problem))
    context = {
        "form": form, "title": gettext("End mandate %s") % shown.reference,
        "button": gettext("End"), "crumbs": _mandate_crumbs(),
        "hint": gettext("Debits already sent to the bank are not called back by this."),
    }  # fmt: skip
    return render(request, "ops/form.html", context)


def _file_columns() -> Sequence[Column[Any]]:
    return [
        Column("message_id", gettext("File"), ("message_id",), lambda f: f.message_id),
        Column("collect_on", gettext("Collects on"), ("collect_on",), lambda f: f.collect_on),
        Column("made_at", gettext("Made"), ("made_at",), lambda f: f.made_at.isoformat()),
        Column("count", gettext("Debits"), ("count",), lambda f: f.count, numeric=True),
        Column("returned", gettext("Sent back"), ("returned",), lambda f: f.returned, numeric=True),
        Column("total_eur", gettext("Total"), ("total",), lambda f: f.total, numeric=True),
    ]


@for_kind(Kind.OPERATOR)
def debits(request: PortalRequest) -> HttpResponseBase:
    """
    What direct debits would collect on a day, and the files made so far.
    """
    today = timezone.localdate()
    may_bill = request.viewer.can(Action.BILL)
    columns = _file_columns()
    rows = queries.debit_files(viewer=request.viewer)
    if request.GET.get("format") == "csv":
        return csv_answer(sorted_rows(request, rows, columns), columns, filename="debit-files.csv")
    chosen = request.POST if request.method == "POST" else request.GET
    form = Collect(chosen if "day" in chosen else None, today=today)
    day = form.cleaned_data["day"] if form.is_bound and form.is_valid() else form.initial["day"]
    if request.method == "POST" and may_bill and form.is_valid():
        answer = _make_file(request, form)
        if answer is not None:
            return answer
    due = queries.collectable(viewer=request.viewer, day=day)
    context = {
        "form": form, "day": day, "due": due, "may_bill": may_bill,
        "total": sum((document.due_amount for document, _ in due), Decimal(0)),
        "listing": listing(request, rows, columns, default_sort="-made_at"),
    }  # fmt: skip
    return render(request, "ops/debits.html", context)


def _make_file(request: PortalRequest, form: Collect) -> HttpResponseBase | None:
    try:
        made = operations.make_debit_file(
            operator_id=request.viewer.stakeholder_id or 0, collect_on=form.cleaned_data["day"],
            at=timezone.now(), by_id=request.viewer.user_id,
        )  # fmt: skip
    except operations.NotPossible as problem:
        form.add_error("day", str(problem))
        return None
    if made is None:
        form.add_error("day", gettext("Nothing is to be collected on that day."))
        return None
    messages.success(request, gettext("The file is made. Download it and send it to your bank."))
    return redirect("ops-debit-file", pk=made.pk)


@for_kind(Kind.OPERATOR)
def debit_file(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    One file of direct debits and what it collects; as XML for the bank.
    """
    shown = get_object_or_404(queries.debit_files(viewer=request.viewer), pk=pk)
    if request.GET.get("format") == "xml":
        answer = HttpResponse(bytes(shown.xml), content_type="application/xml")
        answer["Content-Disposition"] = f'attachment; filename="{shown.message_id}.xml"'
        return answer
    context = {"file": shown, "debits": queries.debits(file=shown)}
    return render(request, "ops/debit_file.html", context)


def _reminder_columns() -> Sequence[Column[Any]]:
    return [
        Column("made_at", gettext("Made"), ("made_at",), lambda r: r.made_at.isoformat()),
        Column("number", gettext("Document"), ("invoice__number",), lambda r: r.invoice.number),
        Column("customer", gettext("Customer"), ("invoice__customer__name",),
               lambda r: r.invoice.customer.name),
        Column("level", gettext("Level"), ("level",), lambda r: r.level, numeric=True),
        Column("currency", value=lambda r: r.invoice.currency),
        Column("open", gettext("Open then"), ("open_amount",), lambda r: r.open_amount,
               numeric=True),
        Column("fee", gettext("Fee"), ("fee",), lambda r: r.fee, numeric=True),
        Column("sent_at", gettext("Sent"), ("sent_at",),
               lambda r: r.sent_at and r.sent_at.isoformat()),
    ]  # fmt: skip


@for_kind(Kind.OPERATOR)
def reminders(request: PortalRequest) -> HttpResponseBase:
    """
    The steps of reminders, and each reminder that was made.
    """
    form = ReminderFilter(request.GET)
    rows = queries.reminders(viewer=request.viewer, **form.chosen())
    columns = _reminder_columns()
    if request.GET.get("format") == "csv":
        return csv_answer(sorted_rows(request, rows, columns), columns, filename="reminders.csv")
    context: dict[str, Any] = {
        "form": form, "listing": listing(request, rows, columns, default_sort="-made_at"),
    }  # fmt: skip
    if request.htmx:
        return render(request, "ops/_reminder_rows.html", context)
    levels = queries.dunning_levels(viewer=request.viewer)
    context |= {
        "levels": levels, "next_level": len(levels) + 1 if len(levels) < 4 else None,
        "may_bill": request.viewer.can(Action.BILL),
    }  # fmt: skip
    return render(request, "ops/reminders.html", context)


@for_action(Action.BILL)
def reminder_level(request: PortalRequest, level: int) -> HttpResponseBase:
    """
    A form for one step of reminders.
    """
    if not 1 <= level <= 4:
        raise Http404
    present = next(
        (row for row in queries.dunning_levels(viewer=request.viewer) if row.level == level), None
    )
    initial: dict[str, Any] = {}
    if present is not None:
        initial = {
            "days_after_due": present.days_after_due, "fee": present.fee,
            **{f"text_{code}": text for code, text in present.texts.items()},
        }  # fmt: skip
    form = DunningLevel(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            operations.set_dunning(
                operator_id=request.viewer.stakeholder_id or 0, level=level,
                days_after_due=form.cleaned_data["days_after_due"], fee=form.cleaned_data["fee"],
                texts=form.texts(), at=timezone.now(), by_id=request.viewer.user_id,
            )  # fmt: skip
            return redirect("ops-reminders")
        except operations.NotPossible as problem:
            form.add_error("days_after_due", str(problem))
    context = {
        "form": form, "title": gettext("Reminder level %s") % level, "button": gettext("Save"),
        "crumbs": [(reverse("ops-reminders"), gettext("Reminders"))],
        "hint": gettext("Customers get the letter in their own language, by e-mail, once a level."),
    }  # fmt: skip
    return render(request, "ops/form.html", context)


@for_action(Action.BILL)
@require_POST
def drop_level(request: PortalRequest) -> HttpResponseBase:
    """
    Take away the highest step of reminders.
    """
    try:
        operations.drop_dunning(
            operator_id=request.viewer.stakeholder_id or 0, at=timezone.now(),
            by_id=request.viewer.user_id,
        )  # fmt: skip
    except operations.NotPossible as problem:
        messages.error(request, str(problem))
    return redirect("ops-reminders")
