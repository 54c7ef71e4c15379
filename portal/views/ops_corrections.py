"""
Issued documents that would be others now, and their corrections.
"""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_POST

from billing import operations, queries, tasks
from portal.forms.money import CorrectionLimits, Reason
from portal.views.base import PortalRequest, for_action, for_kind
from portal.views.lists import Column, csv_answer, listing
from portal.views.ops_billing_month import follow
from sites.access import Action, Kind
from sites.queries import countries


def _why(one: queries.ToCorrect) -> str:
    told = [str(value) for value in one.values]
    told += [
        f"{price.charge}: {price.old_formula}, now {price.now_formula}" for price in one.prices
    ]
    return "; ".join(told)


@for_kind(Kind.OPERATOR)
def corrections(request: PortalRequest) -> HttpResponseBase:
    """
    Issued documents whose energy or price is another now.
    """
    columns: list[Column[Any]] = [
        Column("number", gettext("Document"), (), lambda c: c.number),
        Column("customer", gettext("Customer"), (), lambda c: c.customer),
        Column("contract", value=lambda c: c.reference),
        Column("month", gettext("Month"), (), lambda c: c.month),
        Column("billed_kwh", gettext("Billed, kWh"), (), lambda c: c.billed_kwh, numeric=True),
        Column("metered_kwh", gettext("Now, kWh"), (), lambda c: c.metered_kwh, numeric=True),
        Column("change", gettext("Change, kWh"), (), lambda c: c.change_kwh, numeric=True),
        Column("change_by_price", gettext("By price, net"), (), lambda c: c.change_by_price,
               numeric=True),
        Column("currency", value=lambda c: c.currency),
        Column("why", value=_why),
        Column("too_late", value=lambda c: "yes" if c.too_late else "no"),
    ]  # fmt: skip
    rows = queries.to_correct(viewer=request.viewer, today=timezone.localdate())
    if request.GET.get("format") == "csv":
        return csv_answer(rows, columns, filename="to-correct.csv")
    context = {
        "listing": listing(request, rows, columns), "usual": queries.LOOK_BACK_MONTHS,
        "limits": queries.correction_limits(viewer=request.viewer).values(),
        "may_bill": request.viewer.can(Action.BILL),
    }  # fmt: skip
    return render(request, "ops/corrections.html", context)


@for_action(Action.BILL)
@require_POST
def correct(request: PortalRequest, pk: int, how: str) -> HttpResponseBase:
    """
    Correct an issued document from today's figures, or credit all that stands of it.
    """
    shown = get_object_or_404(queries.invoices(viewer=request.viewer, status="issued"), pk=pk)
    form = Reason(request.POST)
    if not form.is_valid():
        messages.error(request, gettext("Give a reason. It is printed on the new document."))
        return redirect("ops-invoice", pk=pk)
    act = operations.correct_invoice if how == "correct" else operations.credit_invoice
    try:
        made = act(
            invoice_id=shown.pk, reason=form.cleaned_data["reason"], at=timezone.now(),
            by_id=request.viewer.user_id,
        )  # fmt: skip
    except operations.NothingToCorrect:
        messages.error(request, gettext("Nothing would change: the document says what stands."))
        return redirect("ops-invoice", pk=pk)
    except (operations.TooFarBack, operations.NotComplete) as problem:
        messages.error(request, str(problem))
        return redirect("ops-invoice", pk=pk)
    tasks.render_document.delay(invoice_id=made.pk)
    messages.success(request, gettext("%s is issued.") % made.number)
    return redirect("ops-invoice", pk=made.pk)


@for_action(Action.BILL)
@require_POST
def correct_many(request: PortalRequest) -> HttpResponseBase:
    """
    Correct the ticked documents from today's figures, or all of the list, in a run.
    """
    viewer = request.viewer
    reason = request.POST.get("reason", "").strip()[:200]
    if request.POST.get("which") == "all":
        found = queries.to_correct(viewer=viewer, today=timezone.localdate())
        asked = [one.invoice_id for one in found if not one.too_late]
    else:
        asked = [int(pk) for pk in request.POST.getlist("invoice") if pk.isdecimal()]
    if not asked or not reason:
        messages.error(
            request, gettext("Tick the documents to correct and give a reason. It is printed.")
        )
        return redirect("ops-corrections")
    return follow(
        request, queries.runs(viewer=viewer).filter(kind="correct"),
        lambda: operations.start_corrections(
            operator_id=viewer.stakeholder_id or 0, invoice_ids=asked, reason=reason,
            at=timezone.now(), by_id=viewer.user_id,
        ),
    )  # fmt: skip


@for_action(Action.BILL)
def limits(request: PortalRequest) -> HttpResponseBase:
    """
    How far back corrections are looked for, by country of the operator's sites.
    """
    viewer = request.viewer
    form = CorrectionLimits(
        request.POST or None, countries=countries(viewer=viewer),
        present=queries.correction_limits(viewer=viewer), usual=queries.LOOK_BACK_MONTHS,
    )  # fmt: skip
    if request.method == "POST" and form.is_valid():
        operations.set_correction_limits(
            operator_id=viewer.stakeholder_id or 0, limits=form.limits(), at=timezone.now(),
            by_id=viewer.user_id,
        )  # fmt: skip
        return redirect("ops-corrections")
    context = {
        "form": form,
        "title": gettext("How far back"),
        "button": gettext("Save"),
        "crumbs": [(reverse("ops-corrections"), gettext("To correct"))],
        "hint": gettext(
            "A contract may say otherwise. More is charged only within the contract’s own limit."
        ),
    }
    return render(request, "ops/form.html", context)
