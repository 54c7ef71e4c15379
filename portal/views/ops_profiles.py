"""
Profiles of meter makes: which values of their telegrams go to which channels.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.db import IntegrityError
from django.http import Http404, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_POST

from portal import profile_words as words
from portal.forms.profiles import Editor, ProfileFilter, TelegramForm, head_of
from portal.views.base import PortalRequest, for_action, for_kind
from portal.views.lists import Column, csv_answer, listing, sorted_rows
from sites.access import Action, Kind
from telemetry import operations, tasks
from telemetry.domain.conversion import UnlikeUnits, conversion
from telemetry.domain.meter_profiles import USUAL, Profile, Take, chosen
from telemetry.formats import Refused
from telemetry.formats.placed import Meters
from telemetry.formats.profiled import plain, value_of
from telemetry.formats.telegram import Record, Telegram
from telemetry.formats.telegrams import read_telegram, serial_outside
from telemetry.queries import profiles as profile_rows

SHOWN_TELEGRAMS = 10


def _columns() -> Sequence[Column[Any]]:
    return [
        Column("name", gettext("Profile"), ("name",), lambda p: p.name),
        Column("manufacturer", gettext("Make"), ("manufacturer", "first_version"),
               lambda p: p.manufacturer),
        Column("versions", gettext("Versions"), ("first_version",), _versions),
        Column("medium", gettext("Medium"), ("medium",),
               lambda p: "" if p.medium is None else words.medium_words(p.medium)),
        Column("lines", gettext("Values"), ("line_count",), lambda p: p.line_count, numeric=True),
        Column("from", gettext("For telegrams from"), ("from_at",),
               lambda p: p.valid.lower and p.valid.lower.isoformat()),
        Column("until", gettext("Until"), (),
               lambda p: p.valid.upper and p.valid.upper.isoformat()),
        Column("whose", gettext("Whose"), ("operator",), _whose),
    ]  # fmt: skip


def _versions(profile: Any) -> str:
    first, last = profile.first_version, profile.last_version
    if (first, last) == (0, 255):
        return gettext("all")
    return str(first) if first == last else f"{first}–{last}"


def _whose(profile: Any) -> str:
    if profile.superseded_at is not None:
        return gettext("Replaced")
    return gettext("Comes with Warmgrid") if profile.operator_id is None else gettext("Your own")


@for_kind(Kind.OPERATOR)
def profiles(request: PortalRequest) -> HttpResponseBase:
    """
    The profiles of the operator and those that come with the portal.
    """
    form = ProfileFilter(request.GET)
    rows = profile_rows.meter_profiles(viewer=request.viewer, **form.chosen())
    columns = _columns()
    if request.GET.get("format") == "csv":
        return csv_answer(sorted_rows(request, rows, columns), columns, filename="profiles.csv")
    shown = listing(request, rows, columns, default_sort="manufacturer")
    for row in shown.page:
        row.versions, row.whose = _versions(row), _whose(row)
        row.medium_words = "" if row.medium is None else words.medium_words(row.medium)
    context = {
        "form": form, "filtered": bool(form.chosen()), "listing": shown,
        "may_manage": request.viewer.can(Action.MANAGE_METERING),
    }  # fmt: skip
    template = "ops/_profile_rows.html" if request.htmx else "ops/profiles.html"
    return render(request, template, context)


def _found(request: PortalRequest, pk: int) -> Any:
    rows = profile_rows.meter_profiles(viewer=request.viewer, past=True).prefetch_related("lines")
    return get_object_or_404(rows, pk=pk)


@for_kind(Kind.OPERATOR)
def profile(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    One profile in words.
    """
    shown = _found(request, pk)
    in_force = shown.superseded_at is None and shown.valid.upper is None
    own = shown.operator_id is not None
    context = {
        "profile": shown, "whose": _whose(shown), "versions": _versions(shown),
        "medium": gettext("all") if shown.medium is None else words.medium_words(shown.medium),
        "lines": [
            (words.take_words(take), words.factor_words(take), words.quantity_words(take.quantity))
            for take in profile_rows.as_profile(shown).takes
        ],
        "own": own, "may_manage": request.viewer.can(Action.MANAGE_METERING),
        "may_end": own and in_force,
    }  # fmt: skip
    return render(request, "ops/profile.html", context)


@dataclass
class _Look:
    """
    A telegram as it was read, where its meter is, and by which profile it is read now.
    """

    text: str = ""
    at: dt.datetime | None = None
    told: Telegram | None = None
    problem: str = ""
    meters: Meters | None = None
    held: Profile | None = None
    channels: dict[str, tuple[str, str]] | None = None


def _look(request: PortalRequest, text: str) -> _Look:
    if not text:
        return _Look()
    meters = _meters_of(request, serial_outside(text))
    read = read_telegram(text, timezone.now(), meters)
    if isinstance(read, Refused):
        return _Look(text, problem=read.detail, meters=meters)
    at, told = read
    # The meter behind an adapter has another serial than its telegram shows outside.
    meters = _meters_of(request, told.serial) or meters
    held = chosen(
        profile_rows.profiles_in_force(viewer=request.viewer), manufacturer=told.manufacturer,
        version=told.version, medium=told.medium, at=at,
    )  # fmt: skip
    channels = meters.channels_of(told.serial, at) if meters is not None else None
    return _Look(text, at, told, meters=meters, held=held, channels=channels)


def _meters_of(request: PortalRequest, serial: str) -> Meters | None:
    site_id = profile_rows.site_of_meter(viewer=request.viewer, plain_serial=serial.lstrip("0"))
    return Meters(site_id) if site_id is not None else None


@for_action(Action.MANAGE_METERING)
def new(request: PortalRequest) -> HttpResponseBase:
    """
    Make a profile: for a telegram that is pasted, or one that waits (`?kept=`).
    """
    text = ""
    if request.method != "POST" and request.GET.get("kept", "").isdecimal():
        rows = profile_rows.kept_telegrams(viewer=request.viewer)
        row = get_object_or_404(rows, pk=int(request.GET["kept"]))
        text = row.value_text
        if "T" not in text[:11]:
            # Without an instant of its own it counts at its receipt.
            text = f"{row.batch.received_at.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ} {text}"
    return _edit(request, base=None, replaces_id=None, text=text)


@for_action(Action.MANAGE_METERING)
def edit(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    Change a profile of one's own; of another a copy is made.
    """
    row = _found(request, pk)
    is_own = row.operator_id == request.viewer.stakeholder_id
    changes = is_own and row.superseded_at is None and row.valid.upper is None
    return _edit(
        request, base=profile_rows.as_profile(row), replaces_id=row.pk if changes else None,
        text=row.sample,
    )  # fmt: skip


def _edit(
    request: PortalRequest, *, base: Profile | None, replaces_id: int | None, text: str
) -> HttpResponseBase:
    posted = request.POST if request.method == "POST" else None
    pasted = TelegramForm(posted, required=base is None, initial={"telegram": text})
    if posted is not None:
        text = pasted.cleaned_data["telegram"] if pasted.is_valid() else ""
    look = _look(request, text)
    if look.problem and posted is not None:
        pasted.add_error("telegram", look.problem)
    zone = request.user.timezone  # type: ignore[union-attr]
    with timezone.override(ZoneInfo(zone)):
        editor = Editor(
            posted, telegram=text, told=look.told, takes=_begin_with(base, look),
            head=_head(base, look), zone=zone,
        )  # fmt: skip
        if editor.saves and pasted.is_valid() and editor.is_valid():
            saved = _save(request, editor, text, replaces_id)
            if saved is not None:
                return saved
    context = {
        "pasted": pasted, "look": look, "editor": editor, "base": base,
        "replaces": replaces_id is not None, "rows": _arrivals(editor, look),
        "bytes": _bytes_told(editor, look),
        "waiting": _waiting(request) if base is None and look.told is None else [],
        "medium": words.medium_words(look.told.medium) if look.told else "",
        "others": [
            (n, words.take_words(take), words.quantity_words(take.quantity), keep)
            for n, take, keep in editor.others
        ],
    }  # fmt: skip
    if request.htmx:
        return render(request, "ops/_profile_records.html", context)
    faulty = editor.saves or (posted is not None and pasted.errors)
    return render(request, "ops/profile_edit.html", context, status=422 if faulty else 200)


def _begin_with(base: Profile | None, look: _Look) -> tuple[Take, ...]:
    if base is not None:
        return base.takes
    return look.held.takes if look.held is not None else USUAL


def _head(base: Profile | None, look: _Look) -> dict[str, Any]:
    if base is not None:
        return head_of(base)
    if look.told is None:
        return {"first_version": 0, "last_version": 255}
    return {
        "manufacturer": look.told.manufacturer, "first_version": look.told.version,
        "last_version": look.told.version, "medium": look.told.medium,
        "name": f"{look.told.manufacturer} {look.told.version}",
    }  # fmt: skip


def _save(
    request: PortalRequest, editor: Editor, text: str, replaces_id: int | None
) -> HttpResponseBase | None:
    given = editor.head.cleaned_data
    operator_id = request.viewer.stakeholder_id
    if operator_id is None:
        raise Http404
    made = Profile(
        manufacturer=given["manufacturer"], first_version=given["first_version"],
        last_version=given["last_version"], medium=given["medium"], since=given["since"],
        until=None, own=True, takes=tuple(editor.takes()),
    )  # fmt: skip
    try:
        row = operations.save_meter_profile(
            operator_id=operator_id, profile=made, name=given["name"], at=timezone.now(),
            by_id=request.viewer.user_id, sample=text, replaces_id=replaces_id,
        )  # fmt: skip
    except operations.NothingTaken:
        editor.head.add_error(None, gettext("Choose where at least one record goes."))
        return None
    except IntegrityError as refusal:
        if "one_profile_a_meter_and_instant" not in str(refusal):
            raise
        editor.head.add_error(
            "first_version",
            gettext("Another of your profiles is for one of these versions. Change that one."),
        )
        return None
    waiting = profile_rows.sites_with_kept_telegrams(viewer=request.viewer)
    for site_id in waiting:
        tasks.replay_site.delay(site_id=site_id, by_id=request.viewer.user_id)
    messages.success(
        request,
        gettext("Saved. Telegrams that wait are being tried again.")
        if waiting else gettext("Saved. Telegrams are read by it from now on."),
    )  # fmt: skip
    return redirect("ops-profile", pk=row.pk)


def _arrivals(editor: Editor, look: _Look) -> list[dict[str, Any]]:
    """
    Return each record with what it says and where it goes.
    """
    return [
        {
            "form": form, "number": n + 1, "what": words.measured_words(form.one.record.quantity),
            "address": words.record_address(form.one.record, form.one.nth),
            "value": words.value_words(form.one.record),
            "error": form.one.record.function == "error",
            "dump": words.bytes_numbered(form.one.record.data) if form.one.record.is_own else [],
            "arrives": _arrival(look, form.one.record, form.take()),
        }
        for n, form in enumerate(editor.records)
    ]  # fmt: skip


def _arrival(look: _Look, record: Record, take: Take | None) -> tuple[str, str, bool] | None:
    """
    Return the figure and the channel that a value becomes, and whether all is well with it.
    """
    if take is None:
        return None
    figure = value_of(record, take)
    if figure is None:
        return gettext("These bytes are no figure."), "", False
    unit = take.unit or record.unit
    sent = f"{plain(figure)} {unit}".strip()
    if look.channels is None:
        return sent, "", True
    if take.quantity not in look.channels:
        return sent, gettext("the point has no such channel"), False
    key, wanted = look.channels[take.quantity]
    if take.quantity == "month_end":
        _, wanted = look.channels.get("energy", (key, ""))
    try:
        convert = conversion(unit, wanted) if wanted else None
    except UnlikeUnits as problem:
        return str(problem), key, False
    told = convert(plain(figure)) if convert else plain(figure)
    return f"{told} {wanted or unit}".strip(), key, True


def _bytes_told(editor: Editor, look: _Look) -> list[tuple[Any, Any]]:
    rows: list[Any] = list(editor.bytes)
    return [
        (form, _arrival(look, editor.record(take), take) if (take := form.take()) else None)
        for form in rows
    ]


def _waiting(request: PortalRequest) -> list[Any]:
    return list(profile_rows.kept_telegrams(viewer=request.viewer)[:SHOWN_TELEGRAMS])


@for_action(Action.MANAGE_METERING)
@require_POST
def end(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    Let a profile of one's own end: telegrams are read as if it were not there.
    """
    shown = _found(request, pk)
    if shown.operator_id is None or shown.superseded_at or shown.valid.upper:
        raise Http404
    operations.end_meter_profile(
        operator_id=shown.operator_id, profile_id=shown.pk, at=timezone.now(),
        by_id=request.viewer.user_id,
    )  # fmt: skip
    messages.success(request, gettext("%s has ended.") % shown.name)
    return redirect("ops-profiles")
