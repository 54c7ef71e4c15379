"""
Files of readings: sent, looked at, mapped and imported; and every batch with what was refused.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.cache import cache
from django.http import Http404, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_POST

from portal.forms.imports import (
    BatchFilter,
    ColumnFormSet,
    MappingForm,
    MappingSearch,
    RefusedFilter,
    UploadForm,
    initial_column,
    initial_of,
    values_of,
)  # fmt: skip
from portal.views.base import PortalRequest, for_action, for_kind
from portal.views.lists import Column, csv_answer, listing, sorted_rows
from sites import queries as sites
from sites.access import Action, Kind
from telemetry import formats, operations, queries, tasks
from telemetry.formats.csv_detect import guess
from telemetry.formats.csv_preview import Preview, preview
from telemetry.formats.csv_spec import BadMapping, Spec, Value, spec_of

SAMPLE = 200_000


def _batch_columns() -> Sequence[Column[Any]]:
    counts = [
        ("rows", gettext("Rows"), "row_count"), ("accepted", gettext("Stored"), "accepted"),
        ("duplicate", gettext("Known"), "duplicate"), ("refused", gettext("Refused"), "rejected"),
        ("conflicting", gettext("In conflict"), "conflicting"),
    ]  # fmt: skip
    return [
        Column(
            "received_at", gettext("Received"), ("received_at",),
            lambda b: b.received_at.isoformat(),
        ),
        Column("site", gettext("Site"), ("site__name",), lambda b: b.site.name),
        Column(
            "name", gettext("File or gateway"), ("name",), lambda b: b.name or str(b.gateway or "")
        ),
        Column("source", gettext("Way"), ("source",), lambda b: b.source),
        Column("format", value=lambda b: b.format),
        Column("mapping", value=lambda b: b.options.get("mapping", "")),
        *(
            Column(name, label, (field,), attrgetter(field), numeric=True)
            for name, label, field in counts
        ),
        Column("missing", value=lambda b: b.missing),
        Column("skipped", value=lambda b: b.skipped),
    ]  # fmt: skip


@for_kind(Kind.OPERATOR)
def imports(request: PortalRequest) -> HttpResponseBase:
    """
    Everything that was received, newest first, and files that still wait for their mapping.
    """
    form = BatchFilter(request.GET, viewer=request.viewer)
    rows = queries.batches(viewer=request.viewer, **form.chosen())
    columns = _batch_columns()
    if request.GET.get("format") == "csv":
        return csv_answer(sorted_rows(request, rows, columns), columns, filename="imports.csv")
    context = {
        "form": form,
        "filtered": bool(form.chosen()),
        "listing": listing(request, rows, columns, default_sort="-received_at"),
        "may_import": request.viewer.can(Action.MANAGE_METERING),
    }
    if request.htmx:
        return render(request, "ops/_import_rows.html", context)
    waiting = queries.uploads(viewer=request.viewer).exclude(state="done")[:10]
    return render(request, "ops/imports.html", {**context, "waiting": waiting})


@for_action(Action.MANAGE_METERING)
def new(request: PortalRequest) -> HttpResponseBase:
    """
    Take a file for a site.
    """
    posted = request.method == "POST"
    form = UploadForm(
        request.POST if posted else None, request.FILES if posted else None,
        viewer=request.viewer, most_bytes=settings.INGEST_MAX_BODY_BYTES,
    )  # fmt: skip
    if form.is_valid():
        given = form.cleaned_data
        site = get_object_or_404(sites.sites(viewer=request.viewer), pk=given["site"])
        made = operations.add_upload(
            site_id=site.pk, name=given["file"].name, pieces=_pieces(given["file"]),
            at=timezone.now(), by_id=request.viewer.user_id,
        )  # fmt: skip
        answer = redirect("ops-upload", pk=made.pk)
        if _tells_its_format(made.name):
            operations.queue_upload(
                upload_id=made.pk, mapping_id=None, at=timezone.now(), by_id=request.viewer.user_id
            )
            tasks.import_upload.delay(upload_id=made.pk)
        elif given["mapping"]:
            answer["Location"] += f"?mapping={given['mapping']}"
        return answer
    return render(
        request, "ops/import_new.html", {"form": form}, status=422 if form.errors else 200
    )


def _tells_its_format(name: str) -> bool:
    """
    Say whether a file is no table, but in a format that names its channels or meters itself.
    """
    known = formats.of_file(name)
    return known is not None and known.name != "csv"


def _pieces(file: Any) -> Iterator[bytes]:
    while piece := file.read(operations.CHUNK):
        yield piece


@for_action(Action.MANAGE_METERING)
def upload(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    A file on its way: its mapping is chosen and previewed, then its import is followed.
    """
    shown = get_object_or_404(queries.uploads(viewer=request.viewer), pk=pk)
    if shown.state == "done":
        batch = redirect("ops-batch", pk=shown.batch_id)
        if not request.htmx:
            return batch
        answer = HttpResponse(status=200)
        answer["HX-Redirect"] = batch["Location"]
        return answer
    if shown.state == "queued":
        context = {"upload": shown, "share": cache.get(tasks.progress_key(pk), 0)}
        template = "ops/_import_progress.html" if request.htmx else "ops/import_progress.html"
        return render(request, template, context)
    if _tells_its_format(shown.name):
        context = {"upload": shown, "problem": shown.problem}
        return render(request, "ops/import_unreadable.html", context)
    return _choose(request, shown)


def _choose(request: PortalRequest, shown: Any) -> HttpResponseBase:
    try:
        sample = _sample(request, shown)
    except (formats.NotReadable, formats.TooLarge) as problem:
        return render(request, "ops/import_unreadable.html", {"upload": shown, "problem": problem})
    begun, name, code = _beginning(request, shown, sample)
    posted = request.POST if request.method == "POST" else None
    form = MappingForm(posted, initial=initial_of(begun, name=name, code=code))
    columns = ColumnFormSet(
        posted, prefix="columns", initial=[initial_column(value) for value in begun.values]
    )
    spec = begun
    if posted is not None:
        saves = "save" in posted
        found = _spec(form, columns, saves=saves)
        if saves and found is not None:
            return _save(request, shown, form, found)
        spec = found or begun
    read = _preview(request, shown, sample, spec)
    if posted is not None and not form.errors:
        columns = _columns_again(columns, read)
    context = {
        "upload": shown, "form": form, "columns": columns, "preview": read,
        "channels": queries.channel_choices(viewer=request.viewer, site_id=shown.site_id),
        "zones": ["UTC", "+01:00", shown.site.timezone],
        "rows": _told_beside(columns, read),
    }  # fmt: skip
    if request.htmx:
        return render(request, "ops/_import_columns.html", context)
    return render(request, "ops/import_choose.html", context, status=422 if form.errors else 200)


def _sample(request: PortalRequest, shown: Any) -> bytes:
    start = queries.upload_sample(viewer=request.viewer, upload_id=shown.pk)
    plain = formats.inflated(
        io.BytesIO(start), encoding=formats.encoding_of_file(shown.name),
        max_bytes=settings.INGEST_MAX_INFLATED_BYTES,
    )  # fmt: skip
    taken = b""
    try:
        while len(taken) < SAMPLE and (piece := plain.read(1 << 16)):
            taken += piece
    except formats.NotReadable:
        # The first piece of a compressed file ends in the middle.
        if not taken:
            raise
    whole, end, _ = taken.rpartition(b"\n")
    return taken if shown.size <= len(taken) or not end else whole + end


def _beginning(request: PortalRequest, shown: Any, sample: bytes) -> tuple[Spec, str, str]:
    saved = queries.mappings(viewer=request.viewer)
    chosen = request.GET.get("mapping", "")
    mapping = saved.filter(pk=chosen).first() if chosen.isdecimal() else shown.mapping
    if mapping is not None:
        return spec_of(mapping.spec), mapping.name, mapping.code
    return guess(sample, zone=shown.site.timezone).spec, "", ""


def _spec(form: MappingForm, columns: Any, *, saves: bool) -> Spec | None:
    form.is_valid()
    if saves and not columns.is_valid():
        # A column that is not well-formed must not be left out without a word.
        form.add_error(None, gettext("Correct what is marked at the columns."))
    values = values_of(columns, all_of_them=not saves)
    # While a person still chooses, a column may have no channel and a mapping no name.
    checked = values if saves else [{"column": "#1", "channel": "-"}]
    try:
        spec = spec_of({**form.structure(), "values": checked})
    except BadMapping as problem:
        form.tell([pair for pair in problem.problems if pair[0] != "values"])
        if not values:
            form.add_error(None, gettext("Choose a channel for at least one column."))
        return None
    if not saves:
        form.errors.pop("name", None)
        form.errors.pop("code", None)
        made = [Value(**{**value, "missing": tuple(value["missing"])}) for value in values]
        spec = replace(spec, values=tuple(made))
    return None if form.errors else spec


def _save(request: PortalRequest, shown: Any, form: MappingForm, spec: Spec) -> HttpResponseBase:
    now = timezone.now()
    mapping = operations.save_mapping(
        operator_id=shown.site.operator_id, code=form.cleaned_data["code"],
        name=form.cleaned_data["name"], spec=spec.as_json(), at=now,
        by_id=request.viewer.user_id,
    )  # fmt: skip
    operations.queue_upload(
        upload_id=shown.pk, mapping_id=mapping.pk, at=now, by_id=request.viewer.user_id
    )
    tasks.import_upload.delay(upload_id=shown.pk)
    return redirect("ops-upload", pk=shown.pk)


def _preview(request: PortalRequest, shown: Any, sample: bytes, spec: Spec) -> Preview:
    keys = {key for key, _ in queries.channel_choices(viewer=request.viewer, site_id=shown.site_id)}
    units = queries.units_of_channels(site_id=shown.site_id)
    return preview(sample, spec, units=units, known=keys)


def _columns_again(columns: Any, read: Preview) -> Any:
    """
    Return the columns of the table as it is read now; what was said of those it still has stays.
    """
    said = {form.cleaned_data["column"]: form.cleaned_data for form in columns if form.is_valid()}
    names = [name for name in read.header if read.header.count(name) == 1 and name]
    if not read.header or set(said) <= set(names):
        return columns
    return ColumnFormSet(prefix="columns", initial=[said.get(n, {"column": n}) for n in names])


def _told_beside(columns: Any, read: Preview) -> list[tuple[Any, list[str]]]:
    """
    Return each column's form with its first cells.
    """
    place = {name: n for n, name in enumerate(read.columns)}
    rows = []
    for form in columns:
        n = place.get(str(form["column"].value()))
        some = [line.cells[n].sent for line in read.lines if n is not None and n < len(line.cells)]
        rows.append((form, [cell for cell in some if cell][:3]))
    return rows


def _refused_columns() -> Sequence[Column[Any]]:
    return [
        Column("row", gettext("Line"), ("row",), lambda r: r.row, numeric=True),
        Column("reason", gettext("Reason"), ("reason",), lambda r: r.get_reason_display()),
        Column("detail", value=lambda r: r.detail),
        Column("channel", gettext("Channel"), ("channel_text",), lambda r: r.channel_text),
        Column("at", gettext("Time"), ("at_text",), lambda r: r.at_text),
        Column("value", gettext("Value"), ("value_text",), lambda r: r.value_text),
        Column(
            "stored_later", gettext("State"), ("resolved_by",),
            lambda r: "" if r.resolved_by_id is None else "yes",
        ),
    ]  # fmt: skip


@for_kind(Kind.OPERATOR)
def batch(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    One batch: its counts and every row that was refused, with its reason.
    """
    shown = get_object_or_404(queries.batches(viewer=request.viewer), pk=pk)
    reasons = queries.refusals_by_reason(viewer=request.viewer, batch_id=pk)
    form = RefusedFilter(request.GET, reasons=[(name, words) for name, words, _, _ in reasons])
    rows = queries.refused_rows(viewer=request.viewer, batch_id=pk, **form.chosen())
    columns = _refused_columns()
    final = _final(shown.format)
    if request.GET.get("format") == "csv":
        ordered = sorted_rows(request, rows, columns)
        return csv_answer(ordered, columns, filename=f"batch-{pk}-refused.csv")
    shown_rows = listing(request, rows, columns, default_sort="row")
    for row in shown_rows.page:
        row.why_final = final.get(row.reason, "")
    context = {
        "batch": shown,
        "form": form,
        "filtered": bool(form.chosen()),
        "reasons": reasons,
        "listing": shown_rows,
        "open": sum(waiting for name, _, _, waiting in reasons if name not in final),
        "may_import": request.viewer.can(Action.MANAGE_METERING),
    }
    template = "ops/_refused_rows.html" if request.htmx else "ops/batch.html"
    return render(request, template, context)


def _final(name: str) -> dict[str, str]:
    """
    Return the reasons for which trying again does not help, and what does, for rows of a format.
    """
    final = {"conflict": gettext("Decided in the quality workbench, not by trying again.")}
    known = formats.FORMATS.get(name)
    if known is None or known.again is None:
        final["unreadable"] = gettext(
            "Cannot be tried again: the row itself is wrong. Correct it, or the column mapping, and"
            " send it again; what is stored already stays once."
        )
    return final


@for_action(Action.MANAGE_METERING)
@require_POST
def replay(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    Try the refused rows of the batch's site again.
    """
    shown = get_object_or_404(queries.batches(viewer=request.viewer), pk=pk)
    result = operations.replay_rejected(
        site_id=shown.site_id, received_at=timezone.now(), by_id=request.viewer.user_id
    )
    messages.success(
        request,
        gettext("%(stored)d of %(rows)d kept rows of the site are stored now.")
        % {"stored": result.accepted, "rows": result.rows},
    )
    return redirect("ops-batch", pk=pk)


def _mapping_columns() -> Sequence[Column[Any]]:
    return [
        Column("name", gettext("Mapping"), ("name",), lambda m: m.name),
        Column("code", gettext("Code"), ("code",), lambda m: m.code),
        Column(
            "columns", gettext("Columns"), value=lambda m: len(m.spec["values"]), numeric=True
        ),
        Column(
            "changed_at", gettext("Changed"), ("changed_at",), lambda m: m.changed_at.isoformat()
        ),
        Column(
            "changed_by", gettext("By"), ("changed_by__name",), lambda m: str(m.changed_by or "")
        ),
    ]  # fmt: skip


@for_kind(Kind.OPERATOR)
def mappings(request: PortalRequest) -> HttpResponseBase:
    """
    The saved column mappings of the operator.
    """
    form = MappingSearch(request.GET)
    rows = queries.mappings(viewer=request.viewer, search=form.chosen())
    columns = _mapping_columns()
    if request.GET.get("format") == "csv":
        return csv_answer(sorted_rows(request, rows, columns), columns, filename="mappings.csv")
    context = {
        "form": form,
        "filtered": bool(form.chosen()),
        "listing": listing(request, rows, columns, default_sort="name"),
    }
    template = "ops/_mapping_rows.html" if request.htmx else "ops/mappings.html"
    return render(request, template, context)


@for_kind(Kind.OPERATOR)
def mapping(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    One mapping in words, and as JSON to keep or to load elsewhere.
    """
    shown = get_object_or_404(queries.mappings(viewer=request.viewer), pk=pk)
    plain = {"code": shown.code, "name": shown.name, "spec": shown.spec}
    if request.GET.get("format") == "json":
        answer = JsonResponse(plain, json_dumps_params={"indent": 2, "ensure_ascii": False})
        answer["Content-Disposition"] = f'attachment; filename="{shown.code}.json"'
        return answer
    try:
        spec = spec_of(shown.spec)
    except BadMapping:
        raise Http404 from None
    context = {"mapping": shown, "spec": spec, "words": _in_words(spec)}
    return render(request, "ops/mapping.html", context)


def _in_words(spec: Spec) -> list[tuple[str, str]]:
    form = MappingForm(None, initial=initial_of(spec))
    words = []
    for name in form.fields:
        value = form.initial.get(name, "")
        field: Any = form.fields[name]
        told = dict(getattr(field, "choices", {})).get(value, value)
        if name not in {"name", "code"} and told not in ("", None):
            words.append((str(field.label), ", ".join(str(told).splitlines())))
    return words
