"""
Reports to authorities: what is asked, what is known, what is lacking.
"""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext

from portal.forms.reports import Declared
from portal.views.base import PortalRequest, for_kind, for_members
from portal.views.lists import Column, csv_answer
from sites import queries as places
from sites.access import Action, Kind
from telemetry import operations, queries
from telemetry.documents.spreadsheet import workbook
from telemetry.documents.yearly import yearly_pdf

_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def _year(request: PortalRequest) -> int:
    newest = timezone.localdate().year - 1
    asked = request.GET.get("year", str(newest))
    if not asked.isdecimal() or not 2000 <= int(asked) <= newest + 1:
        raise Http404
    return int(asked)


@for_kind(Kind.OPERATOR)
def reports(request: PortalRequest) -> HttpResponseBase:
    """
    The yearly report of each site with what it lacks, and each customer's electricity of the
    year.
    """
    year = _year(request)
    found = queries.eed_reports(viewer=request.viewer, year=year)
    customers = queries.customer_years(viewer=request.viewer, year=year)
    asked = request.GET.get("format")
    if asked == "csv":
        return csv_answer(_rows(found), _columns(), filename=f"data-centres-{year}.csv")
    if asked == "customers":
        columns = _customer_columns(year)
        return csv_answer(customers, columns, filename=f"customers-{year}.csv")
    newest = timezone.localdate().year - 1
    context = {
        "year": year,
        "running": year > newest,
        "years": range(newest + 1, newest - 4, -1),
        "reports": found,
        "customers": customers,
    }
    return render(request, "ops/reports.html", context)


@for_kind(Kind.OPERATOR)
def report(request: PortalRequest, slug: str, year: int) -> HttpResponseBase:
    """
    One site's report of a year: read, completed, and as CSV or XLSX.
    """
    site = places.sites(viewer=request.viewer).filter(slug=slug).first()
    if site is None or not 2000 <= year <= timezone.localdate().year:
        raise Http404
    shown = queries.eed_report(viewer=request.viewer, site_id=site.pk, year=year)
    if shown is None:
        raise Http404
    asked = request.GET.get("format")
    if asked == "csv":
        return csv_answer(_rows([shown]), _columns(), filename=f"{slug}-{year}.csv")
    if asked == "xlsx":
        return _workbook(shown, slug)
    form = Declared(request.POST or None, answers={a.field.symbol: a.value for a in shown.answers})
    if declared(request, form, site_id=site.pk, year=year):
        return redirect("ops-report", slug=slug, year=year)
    context = {
        "report": shown,
        "site": site,
        "form": form,
        "may_write": request.viewer.can(Action.MANAGE_SITES),
    }
    return render(request, "ops/report.html", context, status=422 if form.errors else 200)


def declared(request: PortalRequest, form: Declared, *, site_id: int, year: int) -> bool:
    """
    Save the answers that were typed in, where the viewer may; say whether that was done.
    """
    may_write = request.viewer.can(Action.MANAGE_SITES)
    if request.method != "POST" or not may_write or not form.is_valid():
        return False
    operations.declare_figures(
        site_id=site_id, year=year, answers=form.cleaned_data, at=timezone.now(),
        by_id=request.viewer.user_id,
    )  # fmt: skip
    messages.success(request, gettext("The answers are saved."))
    return True


def _rows(found: list[Any]) -> list[tuple[Any, Any]]:
    return [(report, answer) for report in found for answer in report.answers]


def _columns() -> list[Column[tuple[Any, Any]]]:
    return [
        Column("site", value=lambda row: row[0].site.slug),
        Column("year", value=lambda row: row[0].year),
        Column("annex", value=lambda row: row[1].field.annex),
        Column("symbol", value=lambda row: row[1].field.symbol),
        Column("question", value=lambda row: row[1].field.words),
        Column("answer", value=lambda row: row[1].value),
        Column("unit", value=lambda row: row[1].field.unit),
        Column("origin", value=lambda row: row[1].field.origin.value),
        Column("lacking", value=lambda row: row[1].gap),
        Column("note", value=lambda row: row[1].note),
    ]


def _workbook(shown: Any, slug: str) -> HttpResponse:
    columns = _columns()
    rows = [
        [column.value((shown, answer)) if column.value else "" for column in columns]
        for answer in shown.answers
    ]
    book = workbook(title=str(shown.year), columns=[c.name for c in columns], rows=rows)
    answer = HttpResponse(book, content_type=_XLSX)
    answer["Content-Disposition"] = f'attachment; filename="{slug}-{shown.year}.xlsx"'
    return answer


def _customer_columns(year: int) -> list[Column[Any]]:
    return [
        Column("customer", value=lambda c: c.service.tenant.name),
        Column("service", value=lambda c: c.service.name),
        Column("site", value=lambda c: c.service.site.name),
        Column("year", value=lambda c: year),
        Column("own_kwh", value=lambda c: c.it_kwh),
        Column("with_share_of_site_kwh", value=lambda c: c.facility_kwh),
        Column("coverage", value=lambda c: f"{c.coverage:.4f}"),
        Column("reason", value=lambda c: c.reason),
    ]


@for_members
def customer_year(request: PortalRequest, pk: int, year: int) -> HttpResponseBase:
    """
    One customer's electricity of a year as PDF or CSV, for the operator and the customer itself.
    """
    if not 2000 <= year <= timezone.localdate().year:
        raise Http404
    found = queries.customer_years(viewer=request.viewer, year=year, service_ids=[pk])
    if not found:
        raise Http404
    (shown,) = found
    name = f"electricity-{shown.service.slug}-{year}"
    if request.GET.get("format") == "csv":
        return csv_answer(shown.months, _year_columns(shown), filename=f"{name}.csv")
    answer = HttpResponse(
        yearly_pdf(year=shown, on=timezone.localdate()), content_type="application/pdf"
    )
    answer["Content-Disposition"] = f'attachment; filename="{name}.pdf"'
    return answer


def _year_columns(shown: Any) -> list[Column[Any]]:
    return [
        Column("customer", value=lambda m: shown.service.tenant.name),
        Column("service", value=lambda m: shown.service.name),
        Column("site", value=lambda m: shown.service.site.name),
        Column("month", value=lambda m: f"{m.month:%Y-%m}"),
        Column("own_kwh", value=lambda m: m.it_kwh),
        Column("with_share_of_site_kwh", value=lambda m: m.facility_kwh),
        Column("coverage", value=lambda m: f"{m.coverage:.4f}"),
        Column("reason", value=lambda m: m.reason),
    ]
