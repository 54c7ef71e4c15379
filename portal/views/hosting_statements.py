"""
The tenant's energy and heat statements: what was issued to it, files for its own reports, and the
link it may give to others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_POST

from portal.drawings import by_hour_of_day, hours_drawing
from portal.forms.statements import IssuedFilter
from portal.views.base import PortalRequest, for_kind
from portal.views.lists import Column, csv_answer, listing, sorted_rows
from portal.views.statement_files import file_of
from sites.access import Kind, Role
from telemetry import operations, queries
from telemetry.documents.check import outcome_of
from telemetry.documents.words import boxes, rows
from telemetry.domain.statement import fingerprint


def _columns() -> Sequence[Column[Any]]:
    return [
        Column("number", gettext("Statement"), ("number",), lambda s: s.number),
        Column(
            "service", gettext("Service"), ("service__name",),
            lambda s: f"{s.service.name}, {s.service.site.name}",
        ),
        Column("first_month", value=lambda s: f"{s.first_month:%Y-%m}"),
        Column(
            "last_month", gettext("Months"), ("last_month", "first_month"),
            lambda s: f"{s.last_month:%Y-%m}",
        ),
        Column(
            "issued_on", gettext("Issued"), ("issued_at",),
            lambda s: s.issued_at and s.issued_at.date(),
        ),
        Column("state", gettext("State"), ("state",), lambda s: s.state),
    ]  # fmt: skip


@for_kind(Kind.TENANT)
def statements(request: PortalRequest) -> HttpResponseBase:
    """
    All statements issued to the tenant: searched, filtered, sorted, as pages or CSV.
    """
    form = IssuedFilter(request.GET)
    found = queries.statements(viewer=request.viewer, **form.chosen())
    columns = _columns()
    if request.GET.get("format") == "csv":
        return csv_answer(sorted_rows(request, found, columns), columns, filename="statements.csv")
    context = {"form": form, "listing": listing(request, found, columns)}
    template = "hosting/_statement_rows.html" if request.htmx else "hosting/statements.html"
    return render(request, template, context)


@for_kind(Kind.TENANT)
def statement(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    One statement, its files, and how others can check it.
    """
    shown = get_object_or_404(queries.statements(viewer=request.viewer), pk=pk)
    if asked := request.GET.get("format"):
        return file_of(shown, asked)
    link = queries.shares_of(viewer=request.viewer, statement_id=shown.pk)
    picture = link and reverse("statement-badge", args=[link.token])
    hours = queries.statement_hours(viewer=request.viewer, statement_id=shown.pk)
    context = {
        "hours": hours_drawing(hours) if hours else None,
        "by_hour": by_hour_of_day(hours),
        "statement": shown,
        "outcome": outcome_of(shown, timezone.now()),
        "boxes": boxes(rows(shown.content)),
        "fingerprint": fingerprint(bytes(shown.content_sha256)),
        "checks": queries.checks_of(statement=shown, at=timezone.now()),
        "address": settings.BASE_URL + reverse("verify-statement", args=[shown.public_id]),
        "shared": link and settings.BASE_URL + reverse("shared-statement", args=[link.token]),
        "badge": picture and settings.BASE_URL + picture,
        "badge_path": picture,
        "may_share": request.viewer.role is Role.ADMIN,
    }
    return render(request, "hosting/statement.html", context)


@for_kind(Kind.TENANT)
@require_POST
def share(request: PortalRequest, pk: int, how: str) -> HttpResponseBase:
    """
    Give or take back the link by which anybody can read a statement.
    """
    shown = get_object_or_404(queries.statements(viewer=request.viewer), pk=pk)
    if request.viewer.role is Role.ADMIN:
        act = operations.share_statement if how == "give" else operations.end_share
        act(statement_id=shown.pk, at=timezone.now(), by_id=request.viewer.user_id)
    return redirect("hosting-statement", pk=pk)
