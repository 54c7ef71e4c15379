"""
The archive: which months lie in files, how large they are, and the way there and back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.cache import cache
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_POST

from portal.forms.archive import ArchiveFilter, SealForm
from portal.views.base import PortalRequest, for_action, for_kind
from portal.views.lists import Column, csv_answer, listing, sorted_rows
from sites import queries as places
from sites.access import Action, Kind
from telemetry import operations, queries
from telemetry.archive import ArchiveUnreadable, shown_place
from telemetry.tasks import archive as tasks


def _states() -> list[tuple[str, str]]:
    return [
        ("sealed", gettext("To be written")),
        ("written", gettext("To be read back")),
        ("verified", gettext("Leaving the database")),
        ("dropped", gettext("In the archive")),
        ("reopened", gettext("Back in the database")),
    ]


def _why(hindrance: queries.Hindrance) -> str:
    return {
        queries.Hindrance.NOT_OVER: gettext("The month has to be over for 14 days."),
        queries.Hindrance.NO_READINGS: gettext("The site has no readings in this month."),
        queries.Hindrance.UNDER_WAY: gettext("It is on its way to the archive already."),
        queries.Hindrance.ARCHIVED: gettext("It is in the archive, and nothing came late since."),
        queries.Hindrance.DIRTY: gettext("Some of it is still being rolled up."),
        queries.Hindrance.FINDING: gettext("A finding about its readings is not decided."),
        queries.Hindrance.DECISION: gettext("An edit of its readings waits for approval."),
        queries.Hindrance.INCIDENT: gettext("An incident that began by then is not over."),
        queries.Hindrance.DISPUTE: gettext("A customer disputes a line about this month."),
    }[hindrance]


def _columns() -> Sequence[Column[Any]]:
    return [
        Column("month", gettext("Month"), ("month", "site__name"), lambda a: f"{a.month:%Y-%m}"),
        Column("site", gettext("Site"), ("site__name", "month"), lambda a: a.site.name),
        Column("revision", value=lambda a: a.revision),
        Column("state", gettext("State"), ("state",), lambda a: a.state),
        Column("readings", gettext("Readings"), ("rows",), lambda a: a.rows, numeric=True),
        Column("late", gettext("Came late"), ("late",), lambda a: a.late, numeric=True),
        Column("database_bytes", gettext("Took in the database"), ("hot_bytes",),
               lambda a: a.hot_bytes, numeric=True),
        Column("file_bytes", gettext("Takes in the file"), ("bytes",), lambda a: a.bytes,
               numeric=True),
        Column("path", value=lambda a: a.path),
        Column("sha256", value=lambda a: bytes(a.sha256).hex()),
        Column("checked_at", value=lambda a: a.checked_at and a.checked_at.isoformat()),
        Column("problem", value=lambda a: a.problem),
    ]  # fmt: skip


@for_kind(Kind.OPERATOR)
def archive(request: PortalRequest) -> HttpResponseBase:
    """
    All archived months, the newest first: filtered, sorted, as pages or CSV.
    """
    sites = list(places.sites(viewer=request.viewer))
    form = ArchiveFilter(
        request.GET, sites=[(site.slug, site.name) for site in sites], states=_states()
    )
    found = queries.archived_months(viewer=request.viewer, **form.chosen())
    columns = _columns()
    if request.GET.get("format") == "csv":
        return csv_answer(sorted_rows(request, found, columns), columns, filename="archive.csv")
    context = {
        "form": form,
        "listing": listing(request, found, columns, default_sort="-month"),
        "totals": queries.archive_totals(viewer=request.viewer),
        "may_archive": request.viewer.can(Action.ARCHIVE),
        "after_months": settings.ARCHIVE_AFTER_MONTHS,
    }
    template = "ops/_archive_rows.html" if request.htmx else "ops/archive.html"
    return render(request, template, context)


@for_action(Action.ARCHIVE)
def seal(request: PortalRequest) -> HttpResponseBase:
    """
    A form to send a month to the archive.
    """
    sites = [(site.pk, site.name) for site in places.sites(viewer=request.viewer)]
    form = SealForm(request.POST or None, sites=sites)
    if request.method == "POST" and form.is_valid():
        try:
            made = operations.seal_month(
                site_id=form.cleaned_data["site"], month=form.cleaned_data["month"],
                at=timezone.now(), by_id=request.viewer.user_id,
            )  # fmt: skip
        except operations.NotSealable as why:
            for hindrance in why.hindrances:
                form.add_error("month", _why(hindrance))
        except ArchiveUnreadable as problem:
            form.add_error("month", str(problem))
        else:
            tasks.archive_month.delay(archive_id=made.pk)
            messages.success(request, gettext("The month is sealed and being written."))
            return redirect("ops-archived", pk=made.pk)
    context = {
        "form": form, "title": gettext("Archive a month"), "button": gettext("Seal and archive"),
        "crumbs": [(reverse("ops-archive"), gettext("Archive"))],
        "hint": gettext(
            "Its readings go to a compressed, signed file. Charts, bills and evidence read it"
            " as before, the first look takes a little longer."
        ),
    }  # fmt: skip
    return render(request, "ops/form.html", context)


@for_kind(Kind.OPERATOR)
def archived(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    One archived month: its file, digest, signature, and what it holds of each channel.
    """
    shown = get_object_or_404(queries.archived_months(viewer=request.viewer), pk=pk)
    under_way = shown.state in ("sealed", "written")
    context = {
        "archive": shown,
        "under_way": under_way,
        "share": cache.get(tasks.archive_progress_key(pk), 0) if shown.state == "sealed" else 100,
        "channels": queries.archived_channels(viewer=request.viewer, archive_id=pk),
        "place": shown_place(),
        "may_archive": request.viewer.can(Action.ARCHIVE),
        "in_use": shown.state in ("verified", "dropped"),
    }
    template = "ops/_archived_state.html" if request.htmx else "ops/archived.html"
    return render(request, template, context)


@for_action(Action.ARCHIVE)
@require_POST
def step(request: PortalRequest, pk: int, how: str) -> HttpResponseBase:
    """
    Bring a month back for good, look whether its file is as it was signed, or seal it again with
    what came late.
    """
    shown = get_object_or_404(queries.archived_months(viewer=request.viewer), pk=pk)
    by_id = request.viewer.user_id
    if how == "restore":
        tasks.restore_month.delay(archive_id=shown.pk, by_id=by_id)
        messages.success(request, gettext("The month is being brought back."))
    elif how == "check":
        tasks.check_month.delay(archive_id=shown.pk, by_id=by_id)
        messages.success(request, gettext("The file is being read from end to end."))
    else:
        try:
            made = operations.seal_month(
                site_id=shown.site_id, month=shown.month, at=timezone.now(), by_id=by_id
            )
        except operations.NotSealable as why:
            for hindrance in why.hindrances:
                messages.error(request, _why(hindrance))
        except ArchiveUnreadable as problem:
            messages.error(request, str(problem))
        else:
            tasks.archive_month.delay(archive_id=made.pk)
            return redirect("ops-archived", pk=made.pk)
    return redirect("ops-archived", pk=shown.pk)
