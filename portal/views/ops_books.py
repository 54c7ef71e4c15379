"""
The books: which accounts take what, and exports for other programs.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from django.contrib import messages
from django.forms.models import model_to_dict
from django.http import HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext

from billing import queries
from billing.domain import bookkeeping as rules
from billing.formats import books as files
from billing.operations import keep_books
from portal.drawings import first_of_month
from portal.forms.bookkeeping import Books, Stretch
from portal.views.base import PortalRequest, for_kind
from sites.access import Action, Kind


def _named(kinds: Iterable[rules.RevenueKey]) -> list[tuple[rules.RevenueKey, str]]:
    models = dict(queries.price_models())
    return [
        (key, gettext("%(model)s, %(rate)s%% VAT (%(category)s)") % {
            "model": models.get(key.model, key.model), "rate": f"{key.vat_rate.normalize():f}",
            "category": key.vat_category,
        })
        for key in kinds
    ]  # fmt: skip


@for_kind(Kind.OPERATOR)
def books(request: PortalRequest) -> HttpResponseBase:
    """
    The accounts of the books; journal and DATEV stack of a stretch of days.
    """
    viewer = request.viewer
    may_bill = viewer.can(Action.BILL)
    present = queries.bookkeeping(viewer=viewer)
    kinds = _named(queries.revenue_kinds(viewer=viewer))
    there = queries.revenue_accounts(viewer=viewer)
    form = Books(
        request.POST or None, kinds=kinds, present=there,
        initial=model_to_dict(present) if present else {},
    )  # fmt: skip
    if request.method == "POST" and may_bill and form.is_valid():
        keep_books(
            operator_id=viewer.stakeholder_id or 0, settings=form.settings(),
            revenue=form.revenue(), at=timezone.now(), by_id=viewer.user_id,
        )  # fmt: skip
        messages.success(request, gettext("The accounts are kept."))
        return redirect("ops-books")
    stretch = Stretch(request.GET if "first" in request.GET else _last_month())
    if stretch.is_valid() and request.GET.get("format") in {"csv", "datev"}:
        answer = _export(request, stretch.cleaned_data["first"], stretch.cleaned_data["last"])
        if answer is not None:
            return answer
    context = {
        "form": form, "stretch": stretch, "may_bill": may_bill, "set_up": present is not None,
        "without": [name for key, name in kinds if key not in there],
    }  # fmt: skip
    if stretch.is_valid():
        context["unposted"] = queries.unposted_payments(viewer=viewer, **stretch.cleaned_data)
    return render(request, "ops/books.html", context)


def _last_month() -> dict[str, str]:
    first = first_of_month(timezone.localdate(), back=1)
    last = first_of_month(timezone.localdate()) - dt.timedelta(days=1)
    return {"first": first.isoformat(), "last": last.isoformat()}


def _export(request: PortalRequest, first: dt.date, last: dt.date) -> HttpResponseBase | None:
    accounts = queries.accounts(viewer=request.viewer)
    if accounts is None:
        messages.error(request, gettext("Set the accounts first."))
        return None
    days = {"viewer": request.viewer, "first": first, "last": last}
    missing = _missing(accounts, days)
    if missing:
        messages.error(request, missing)
        return None
    if request.GET["format"] == "csv":
        return _file(files.journal_csv(_postings(accounts, days)), f"journal-{first}-{last}.csv")
    return _datev(request, accounts, days)


def _missing(accounts: rules.Accounts, days: dict[str, Any]) -> str:
    # Found before the first byte leaves: an answer that streams cannot turn into an error.
    try:
        for document in queries.booked_documents(**days):
            rules.entries_of_document(document, accounts)
    except rules.AccountMissing as problem:
        return str(problem)
    return ""


def _postings(accounts: rules.Accounts, days: dict[str, Any]) -> Iterator[rules.Posting]:
    for document in queries.booked_documents(**days):
        yield from rules.postings_of_document(document, accounts)
    for payment in queries.booked_payments(**days):
        yield from rules.postings_of_payment(payment, accounts)


def _datev(
    request: PortalRequest, accounts: rules.Accounts, days: dict[str, Any]
) -> HttpResponseBase | None:
    present = queries.bookkeeping(viewer=request.viewer)
    if present is None or not present.consultant:
        messages.error(request, gettext("A stack for DATEV needs the consultant’s number."))
        return None
    first, last = days["first"], days["last"]
    begins = _year_begins(first, present.year_begins_in)
    if _year_begins(last, present.year_begins_in) != begins:
        messages.error(request, gettext("A stack for DATEV lies within one accounting year."))
        return None
    entries = chain(
        chain.from_iterable(
            rules.entries_of_document(d, accounts) for d in queries.booked_documents(**days)
        ),
        chain.from_iterable(
            rules.entries_of_payment(p, accounts) for p in queries.booked_payments(**days)
        ),
    )
    lines = files.datev_stack(
        entries, consultant=present.consultant, client=present.client, year_begins=begins,
        first=first, last=last, digits=len(present.receivables), made_at=timezone.now(),
    )  # fmt: skip
    name = f"EXTF_Buchungsstapel-{first}-{last}.csv"
    return _file((line.encode("cp1252", "replace") for line in lines), name, "windows-1252")


def _year_begins(day: dt.date, month: int) -> dt.date:
    return dt.date(day.year if day.month >= month else day.year - 1, month, 1)


def _file(
    lines: Iterator[str] | Iterator[bytes], name: str, charset: str = "utf-8"
) -> StreamingHttpResponse:
    answer = StreamingHttpResponse(lines, content_type=f"text/csv; charset={charset}")
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer
