"""
The operator's energy and heat statements: what waits for approval, what is held back and why, and
what is in force.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_POST

from portal.forms.statements import NewStatement, OutsideCheckForm, Revocation, StatementFilter
from portal.tasks import send_statement
from portal.views.base import PortalRequest, for_action, for_kind, for_members
from portal.views.found import own_organisation
from portal.views.lists import Column, csv_answer, listing, sorted_rows
from portal.views.statement_files import file_of
from sites import queries as places
from sites.access import Action, Kind
from telemetry import operations, queries
from telemetry.documents.words import boxes, held_words, rows
from telemetry.domain.statement import fingerprint


def _columns() -> Sequence[Column[Any]]:
    return [
        Column("number", gettext("Statement"), ("number",), lambda s: s.number),
        Column("tenant", gettext("Tenant"), ("tenant__name",), lambda s: s.tenant.name),
        Column(
            "service", gettext("Service"), ("service__name",),
            lambda s: f"{s.service.name}, {s.service.site.name}",
        ),
        Column("first_month", value=lambda s: f"{s.first_month:%Y-%m}"),
        Column(
            "last_month", gettext("Months"), ("last_month", "first_month"),
            lambda s: f"{s.last_month:%Y-%m}",
        ),
        Column("state", gettext("State"), ("state",), lambda s: s.state),
        Column("issued_at", value=lambda s: s.issued_at and s.issued_at.isoformat()),
        Column(
            "valid_until", gettext("Holds until"), ("valid_until",),
            lambda s: s.valid_until and s.valid_until.date(),
        ),
        Column("why_held", value=lambda s: "; ".join(held_words(held) for held in s.held)),
    ]  # fmt: skip


@for_kind(Kind.OPERATOR)
def statements(request: PortalRequest) -> HttpResponseBase:
    """
    All statements: searched, filtered, sorted, as pages or CSV.
    """
    form = StatementFilter(request.GET)
    found = queries.statements(viewer=request.viewer, **form.chosen())
    columns = _columns()
    if request.GET.get("format") == "csv":
        return csv_answer(sorted_rows(request, found, columns), columns, filename="statements.csv")
    context = {
        "form": form,
        "listing": listing(request, found, columns),
        "waiting": queries.statements(viewer=request.viewer, state="draft").count(),
        "may_issue": request.viewer.can(Action.ISSUE_STATEMENTS),
    }
    template = "ops/_statement_rows.html" if request.htmx else "ops/statements.html"
    return render(request, template, context)


@for_kind(Kind.OPERATOR)
def statement(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    One statement with its figures, what stands against it, and what it rests on.
    """
    shown = get_object_or_404(queries.statements(viewer=request.viewer), pk=pk)
    if asked := request.GET.get("format"):
        return file_of(shown, asked)
    return render(request, "ops/statement.html", _context(request, shown, Revocation()))


def _context(request: PortalRequest, shown: Any, form: Revocation) -> dict[str, Any]:
    return {
        "statement": shown,
        "boxes": boxes(rows(shown.content)),
        "held": [held_words(held) for held in shown.held],
        "inputs": shown.inputs.select_related("channel__point").order_by("role", "pk"),
        "fingerprint": fingerprint(bytes(shown.content_sha256)),
        "checks": queries.checks_of(statement=shown, at=timezone.now()),
        "form": form,
        "may_issue": request.viewer.can(Action.ISSUE_STATEMENTS),
    }


@for_action(Action.ISSUE_STATEMENTS)
@require_POST
def issue(request: PortalRequest) -> HttpResponseBase:
    """
    Approve the drafts that were ticked, one by one: each is issued or says why not.
    """
    asked = [int(pk) for pk in request.POST.getlist("statement") if pk.isdecimal()]
    drafts = queries.statements(viewer=request.viewer, state="draft").filter(pk__in=asked)
    issued = 0
    for draft in drafts:
        try:
            operations.issue_statement(
                statement_id=draft.pk, at=timezone.now(), by_id=request.viewer.user_id
            )
        except operations.NotIssuable as problem:
            messages.error(request, f"{draft.service}, {draft.service.site}: {problem}")
            continue
        issued += 1
        send_statement.delay(statement_id=draft.pk)
    if issued:
        words = ngettext("%s statement issued.", "%s statements issued.", issued)
        messages.success(request, words % issued)
    elif not asked:
        messages.error(request, gettext("Tick the statements to issue."))
    back = request.POST.get("back", "")
    one = asked[0] if len(asked) == 1 and back == "one" else None
    return redirect("ops-statement", pk=one) if one else redirect("ops-statements")


@for_action(Action.ISSUE_STATEMENTS)
@require_POST
def revoke(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    End a statement in force, with a reason for everybody.
    """
    shown = get_object_or_404(queries.statements(viewer=request.viewer), pk=pk)
    form = Revocation(request.POST)
    if not form.is_valid():
        return render(request, "ops/statement.html", _context(request, shown, form))
    try:
        operations.revoke_statement(
            statement_id=shown.pk, reason=form.cleaned_data["reason"], at=timezone.now(),
            by_id=request.viewer.user_id,
        )  # fmt: skip
    except operations.AlreadyEnded:
        messages.error(request, gettext("It is not in force any more."))
    return redirect("ops-statement", pk=pk)


@for_action(Action.ISSUE_STATEMENTS)
def new(request: PortalRequest) -> HttpResponseBase:
    """
    Draft a statement over months of one's choice.
    """
    services = places.hosting_services(viewer=request.viewer)
    form = NewStatement(request.POST or None, services=services)
    if request.method == "POST" and form.is_valid():
        chosen = form.cleaned_data
        try:
            made = operations.draft_statement(
                service_id=chosen["service"], first_month=chosen["first_month"],
                last_month=chosen["last_month"], at=timezone.now(), by_id=request.viewer.user_id,
            )  # fmt: skip
        except ValueError:
            form.add_error("last_month", gettext("This month is not over yet."))
        else:
            if made is not None:
                return redirect("ops-statement", pk=made.pk)
            form.add_error(None, gettext("A statement of these months is in force already."))
    context = {
        "form": form,
        "title": gettext("Draft a statement"),
        "button": gettext("Draft it"),
        "crumbs": [(reverse("ops-statements"), gettext("Statements"))],
        "hint": gettext("Whole months at the site. Nothing is issued before you approve it."),
    }
    return render(request, "ops/form.html", context)


@for_action(Action.ISSUE_STATEMENTS)
def keys(request: PortalRequest) -> HttpResponseBase:
    """
    The keys statements are signed with; a new one retires the old.
    """
    if request.method == "POST":
        operator_id = request.viewer.stakeholder_id
        lost = request.POST.get("compromised", "")
        if lost.isdecimal():
            key = get_object_or_404(queries.keys_of(viewer=request.viewer), pk=int(lost))
            operations.key_compromised(
                key_id=key.pk, at=timezone.now(), by_id=request.viewer.user_id
            )
        elif operator_id is not None:
            operations.rotate_key(
                operator_id=operator_id, at=timezone.now(), by_id=request.viewer.user_id
            )
        return redirect("ops-statement-keys")
    context = {
        "keys": queries.keys_of(viewer=request.viewer),
        "issuer": queries.Issuer.of(own_organisation(request)),
    }
    return render(request, "ops/statement_keys.html", context)


@for_action(Action.ISSUE_STATEMENTS)
def checks(request: PortalRequest) -> HttpResponseBase:
    """
    What third parties verified of the sites: listed, attached, withdrawn.
    """
    sites = list(places.sites(viewer=request.viewer))
    form = OutsideCheckForm(request.POST or None, request.FILES or None, sites=sites)
    if request.method == "POST" and form.is_valid():
        chosen = dict(form.cleaned_data)
        file = chosen.pop("file")
        operations.add_outside_check(
            site_id=chosen.pop("site"), file_name=file.name[:120], file=file.read(),
            at=timezone.now(), by_id=request.viewer.user_id, **chosen,
        )  # fmt: skip
        return redirect("ops-statement-checks")
    context = {"checks": queries.outside_checks(viewer=request.viewer), "form": form}
    return render(request, "ops/statement_checks.html", context)


@for_action(Action.ISSUE_STATEMENTS)
@require_POST
def withdraw_check(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    Show a third party's statement to customers no longer.
    """
    found = get_object_or_404(queries.outside_checks(viewer=request.viewer), pk=pk)
    operations.withdraw_outside_check(
        check_id=found.pk, at=timezone.now(), by_id=request.viewer.user_id
    )
    return redirect("ops-statement-checks")


@for_members
def check_file(request: PortalRequest, pk: int) -> HttpResponse:
    """
    The report of a third party, for whoever may see that it exists.
    """
    found = get_object_or_404(queries.outside_checks(viewer=request.viewer), pk=pk)
    answer = HttpResponse(bytes(found.file), content_type="application/pdf")
    answer["Content-Disposition"] = f'attachment; filename="report-{found.pk}.pdf"'
    return answer
