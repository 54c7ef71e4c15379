"""
What comes before a month's invoices go out: what stands against them, what they would come to,
the drafts beside the past, and what was never billed.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_POST

from billing import operations, queries, tasks
from portal.forms.billing import DraftFilter, HindranceFilter, MissingFilter, MonthChoice
from portal.views.base import PortalRequest, for_action, for_kind
from portal.views.lists import Column, Listing, csv_answer, listing
from sites.access import Action, Kind

# Rated together where a preview goes through all contracts for its CSV.
_AT_ONCE = 100
# So many are rated for their totals without being asked for: some seconds.
_ADDED_AT_ONCE = 500


def _closed_months(request: PortalRequest) -> list[dt.date]:
    due = queries.months_due(viewer=request.viewer, before=timezone.localdate())
    return [month for month, _ in due]


@dataclass(frozen=True, slots=True)
class _Told:
    """
    What stands against a bill, in words, and where it is mended.
    """

    reference: str
    customer: str
    site: str
    kind: str
    name: str
    blocks: bool
    text: str
    url: str


def _names() -> dict[str, str]:
    return {
        "terms": gettext("No terms"),
        "register": gettext("No register"),
        "losses": gettext("Losses not agreed"),
        "readings": gettext("Readings missing"),
        "estimates": gettext("Much estimated"),
        "approval": gettext("Waiting for approval"),
        "findings": gettext("Open findings"),
        "calibration": gettext("Verification ended"),
        "index": gettext("Index value missing"),
        "figures": gettext("Monthly figure missing"),
        "heartbeat": gettext("No heartbeat"),
        "dispute": gettext("In dispute"),
        "held": gettext("Month before is held"),
    }


def _words(found: queries.Hindrance) -> str:
    figures = found.figures
    count = figures[0] if figures and isinstance(figures[0], int) else 0
    match found.kind:
        case "terms":
            return ngettext("%s day has no terms.", "%s days have no terms.", count) % count
        case "register":
            return gettext("The metering point has no register of energy.")
        case "losses":
            return gettext("Heat is metered at the source and no losses are agreed.")
        case "readings":
            text = gettext("%(lacking)s of %(days)s days are not fully metered.")
            return text % {"lacking": figures[0], "days": figures[1]}
        case "estimates":
            return gettext("%s%% of the energy is estimated.") % str(figures[0])
        case "approval":
            waiting: str = ngettext(
                "%s edit or estimate waits for a second person.",
                "%s edits or estimates wait for a second person.", count,
            )  # fmt: skip
            return waiting % count
        case "findings":
            return ngettext("%s finding is open.", "%s findings are open.", count) % count
        case "calibration":
            return gettext("Meter %(serial)s: verification ended on %(day)s.") % {
                "serial": figures[0], "day": date_format(figures[1], "j F Y"),
            }  # fmt: skip
        case "index":
            return gettext("Index %(series)s has no value for %(month)s.") % {
                "series": figures[0], "month": date_format(figures[1], "F Y"),
            }  # fmt: skip
        case "figures":
            named = dict(queries.figure_kinds()).get(str(figures[0]), "")
            return gettext("The figure “%s” is not entered.") % named
        case "heartbeat":
            return gettext("No heartbeat came, so availability is not known.")
        case "dispute":
            return gettext("%s is in dispute.") % f"{figures[0]:.2f}"
    return f"{date_format(figures[0], 'F Y')}: {figures[1]}"


_AT_THE_POINT = {"register", "losses", "readings", "calibration"}
_IN_THE_WORKBENCH = {"estimates", "findings"}


def _mended_at(found: queries.Hindrance) -> str:
    if found.point_id is not None:
        if found.kind in _AT_THE_POINT:
            return reverse("ops-point", args=[found.point_id])
        if found.kind in _IN_THE_WORKBENCH:
            return f"{reverse('ops-quality')}?point={found.point_id}&state=live"
    if found.kind == "figures":
        return reverse("ops-contract-figures", args=[found.contract_id])
    elsewhere = {
        "approval": reverse("ops-edits") + "?state=proposed",
        "dispute": reverse("ops-disputes") + "?state=live",
        "index": reverse("ops-indices"),
    }
    return elsewhere.get(found.kind) or reverse("ops-contract", args=[found.contract_id])


@for_kind(Kind.OPERATOR)
def checks(request: PortalRequest) -> HttpResponseBase:
    """
    What stands against billing a month, each with where it is mended.
    """
    months = _closed_months(request)
    form = HindranceFilter(request.GET, months=months, kinds=list(_names().items()))
    names = _names()
    month, wanted = form.chosen()
    found = queries.preflight(viewer=request.viewer, month=month) if month else []
    told = [
        _Told(h.reference, h.customer, h.site, h.kind, names[h.kind], h.blocks, _words(h),
              _mended_at(h))
        for h in found if form.matches(h)
    ]  # fmt: skip
    columns: list[Column[_Told]] = [
        Column("contract", gettext("Contract"), (), lambda t: t.reference),
        Column("customer", gettext("Customer"), (), lambda t: t.customer),
        Column("site", gettext("Site"), (), lambda t: t.site),
        Column("kind", gettext("What"), (), lambda t: t.name),
        Column("blocks", value=lambda t: "holds the bill" if t.blocks else "warns"),
        Column("text", gettext("Why"), (), lambda t: t.text),
    ]
    if request.GET.get("format") == "csv":
        return csv_answer(told, columns, filename=f"before-billing-{month:%Y-%m}.csv")
    context = {
        "form": form, "month": month, "listing": listing(request, told, columns),
        "blocked": len({h.contract_id for h in found if h.blocks}),
        "warned": len([h for h in found if not h.blocks]),
        "counts": [(names[kind], n) for kind, n in _counted(found) if n],
        "filtered": bool(wanted),
    }  # fmt: skip
    template = "ops/_check_rows.html" if request.htmx else "ops/billing_checks.html"
    return render(request, template, context)


def _counted(found: Sequence[queries.Hindrance]) -> list[tuple[str, int]]:
    return [(kind, sum(h.kind == kind for h in found)) for kind in queries.HINDRANCES]


def _preview_columns() -> list[Column[operations.Preview]]:
    return [
        Column("contract", gettext("Contract"), (), lambda p: p.contract.reference),
        Column("customer", gettext("Customer"), (), lambda p: p.contract.customer.name),
        Column("site", gettext("Site"), (), lambda p: p.contract.site.name),
        Column("currency", value=lambda p: p.contract.currency),
        Column("kwh", gettext("kWh"), (), lambda p: p.compared and p.compared.now.kwh,
               numeric=True),
        Column("net", gettext("Net"), (), lambda p: None if p.held else p.net, numeric=True),
        Column("gross", value=lambda p: None if p.held else p.gross),
        Column("month_before", gettext("Month before"), (),
               lambda p: p.compared and p.compared.month_before and p.compared.month_before.net,
               numeric=True),
        Column("year_before", gettext("Year before"), (),
               lambda p: p.compared and p.compared.year_before and p.compared.year_before.net,
               numeric=True),
        Column("flags", gettext("Look at"), (),
               lambda p: " ".join(p.compared.flags) if p.compared else ""),
        Column("held", value=lambda p: p.held),
    ]  # fmt: skip


@for_kind(Kind.OPERATOR)
def preview(request: PortalRequest) -> HttpResponseBase:
    """
    What a run of a month would bill; nothing is stored. A page is rated when it is looked at, the
    CSV holds all.
    """
    form = MonthChoice(request.GET, months=_closed_months(request))
    month = form.month
    contracts = queries.to_preview(viewer=request.viewer, month=month)
    columns = _preview_columns()
    if request.GET.get("format") == "csv" and month:
        return csv_answer(_all_previews(contracts, month), columns, filename="preview.csv")
    sums, held = None, 0
    if request.GET.get("totals") and month:
        sums, held = operations.totals(_all_previews(contracts, month))
        if request.htmx:
            context = {"month": month, "totals": sums, "held": held}
            return render(request, "ops/_preview_totals.html", context)
    shown: Listing[Any] = listing(request, contracts, columns)
    page = list(shown.page.object_list)
    rows = operations.preview(contracts=page, month=month) if month else []
    context = {
        "form": form, "month": month, "listing": shown, "rows": rows,
        "held": sum(bool(row.held) for row in rows),
        "totals": sums, "held_of_all": held, "added_at_once": shown.count <= _ADDED_AT_ONCE,
    }  # fmt: skip
    template = "ops/_preview_rows.html" if request.htmx else "ops/billing_preview.html"
    return render(request, template, context)


def _all_previews(contracts: Any, month: dt.date) -> Iterator[operations.Preview]:
    rows = contracts.iterator(chunk_size=_AT_ONCE)
    while some := list(itertools.islice(rows, _AT_ONCE)):
        yield from operations.preview(contracts=some, month=month)


@dataclass(frozen=True, slots=True)
class _Draft:
    """
    A draft beside the past.
    """

    invoice: Any
    compared: Any


@for_kind(Kind.OPERATOR)
def drafts(request: PortalRequest) -> HttpResponseBase:
    """
    The drafts of a month beside the month and the year before; those to look at come first.
    """
    months = queries.months_with_drafts(viewer=request.viewer)
    form = DraftFilter(request.GET, months=months)
    month = form.month
    found = _compared(request, month) if month else []
    chosen = [draft for draft in found if form.matches(draft)]
    columns: list[Column[_Draft]] = [
        Column("contract", gettext("Draft"), (), lambda d: d.invoice.contract.reference),
        Column("customer", gettext("Customer"), (), lambda d: d.invoice.customer.name),
        Column("currency", value=lambda d: d.invoice.currency),
        Column("kwh", gettext("kWh"), (), lambda d: d.compared.now.kwh, numeric=True),
        Column("net", gettext("Net"), (), lambda d: d.invoice.net, numeric=True),
        Column("gross", value=lambda d: d.invoice.gross),
        Column("month_before", gettext("Month before"), (),
               lambda d: d.compared.month_before and d.compared.month_before.net, numeric=True),
        Column("year_before", gettext("Year before"), (),
               lambda d: d.compared.year_before and d.compared.year_before.net, numeric=True),
        Column("flags", gettext("Look at"), (), lambda d: " ".join(d.compared.flags)),
    ]  # fmt: skip
    if request.GET.get("format") == "csv":
        return csv_answer(chosen, columns, filename="drafts.csv")
    missing = queries.missing_bills(
        viewer=request.viewer, before=timezone.localdate(), month=month
    ) if month else []  # fmt: skip
    context = {
        "form": form, "month": month, "listing": listing(request, chosen, columns),
        "count": len(found), "flagged": sum(bool(d.compared.flags) for d in found),
        "missing": sum(row.state != "draft" and row.billed_before for row in missing),
        "may_bill": request.viewer.can(Action.BILL),
    }  # fmt: skip
    template = "ops/_draft_rows.html" if request.htmx else "ops/billing_drafts.html"
    return render(request, template, context)


def _compared(request: PortalRequest, month: dt.date) -> list[_Draft]:
    invoices = list(queries.drafts(viewer=request.viewer, month=month))
    figures = queries.drafted(invoice_ids=[invoice.pk for invoice in invoices])
    past = queries.compared_with_past(
        month=month, now={contract: (now, most) for contract, now, most in figures.values()}
    )
    found = [_Draft(invoice, past[invoice.contract_id]) for invoice in invoices]
    return sorted(found, key=lambda draft: not draft.compared.flags)


@for_action(Action.BILL)
@require_POST
def issue_drafts(request: PortalRequest) -> HttpResponseBase:
    """
    Approve and issue the ticked drafts of a month, or all that the filter shows, in a run.
    """
    form = DraftFilter(request.POST, months=queries.months_with_drafts(viewer=request.viewer))
    month, viewer = form.month, request.viewer
    if month is None or viewer.stakeholder_id is None:
        messages.error(request, gettext("There are no drafts of this month."))
        return redirect("ops-drafts")
    if request.POST.get("which") == "all":
        asked = [d.invoice.pk for d in _compared(request, month) if form.matches(d)]
    else:
        asked = [int(pk) for pk in request.POST.getlist("invoice") if pk.isdecimal()]
    if not asked:
        messages.error(request, gettext("Tick the drafts to issue."))
        return redirect(f"{reverse('ops-drafts')}?month={month.isoformat()}")
    return follow(
        request, queries.runs(viewer=viewer).filter(kind="issue", month=month),
        lambda: operations.start_issuing(
            operator_id=viewer.stakeholder_id or 0, month=month, invoice_ids=asked,
            at=timezone.now(), by_id=viewer.user_id,
        ),
    )  # fmt: skip


def follow(request: PortalRequest, running: Any, start: Any) -> HttpResponse:
    """
    Start a run and go to it, or to the one that is under way.
    """
    try:
        run = start()
    except operations.RunInProgress:
        messages.error(request, gettext("Wait until this run has ended, then try again."))
        return redirect("ops-run", pk=running.filter(status="running").first().pk)
    tasks.send_workers(run_id=run.pk)
    return redirect("ops-run", pk=run.pk)


@for_kind(Kind.OPERATOR)
def missing(request: PortalRequest) -> HttpResponseBase:
    """
    Bills that were never made of months that are over, with why not.
    """
    today = timezone.localdate()
    form = MissingFilter(
        request.GET, months=[m for m, _ in queries.months_due(viewer=request.viewer, before=today)]
    )
    found = queries.missing_bills(viewer=request.viewer, before=today, month=form.month_if_chosen)
    rows = [row for row in found if form.matches(row)]
    columns: list[Column[queries.MissingBill]] = [
        Column("contract", gettext("Contract"), (), lambda m: m.reference),
        Column("customer", gettext("Customer"), (), lambda m: m.customer),
        Column("site", gettext("Site"), (), lambda m: m.site),
        Column("month", gettext("Month"), (), lambda m: f"{m.month:%Y-%m}"),
        Column("state", gettext("State"), (), lambda m: m.state),
        Column("reason", value=lambda m: m.reason),
        Column("billed_before", value=lambda m: "yes" if m.billed_before else "no"),
    ]
    if request.GET.get("format") == "csv":
        return csv_answer(rows, columns, filename="missing-bills.csv")
    context = {
        "form": form, "listing": listing(request, rows, columns),
        "stopped": sum(row.billed_before and row.state != "draft" for row in found),
    }  # fmt: skip
    template = "ops/_missing_rows.html" if request.htmx else "ops/billing_missing.html"
    return render(request, template, context)
