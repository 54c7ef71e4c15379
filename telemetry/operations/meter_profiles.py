"""
Profiles of meter makes, and what compact telegrams leave out.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

from django.db import transaction
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange

from sites.operations import record
from telemetry.domain.meter_profiles import Profile, Take
from telemetry.formats import Learnt
from telemetry.models import MeterProfile, MeterProfileLine, TelegramLayout
from telemetry.queries.profiles import as_profile, packed


class NothingTaken(Exception):
    """
    A profile without a line would silence its meters.
    """


@transaction.atomic(durable=True)
def save_meter_profile(
    *, operator_id: int, profile: Profile, name: str, at: dt.datetime, by_id: int | None,
    sample: str = "", replaces_id: int | None = None,
) -> MeterProfile:  # fmt: skip
    """
    Let a profile of an operator hold for telegrams from `profile.since` on. The one that it
    replaces ends then, or is superseded where it began no earlier; both stay readable.

    :raises NothingTaken: if the profile has no line
    :raises IntegrityError: if another profile is for one of its versions at one of its instants
    """
    if not profile.takes:
        raise NothingTaken
    before = _make_room(operator_id, replaces_id, profile.since, at)
    row = MeterProfile.objects.create(
        operator_id=operator_id, sample=sample, set_at=at, set_by_id=by_id, name=name,
        **_columns(profile),
    )  # fmt: skip
    _write_lines(row, profile.takes)
    record(
        at=at, by_id=by_id, operator_id=operator_id, action="meter profile saved",
        subject=f"{profile.manufacturer} {name}", before=before, after=_told(row),
    )  # fmt: skip
    return row


def _make_room(
    operator_id: int, replaces_id: int | None, since: dt.datetime | None, at: dt.datetime
) -> dict[str, Any] | None:
    if replaces_id is None:
        return None
    old = MeterProfile.objects.select_for_update(of=("self",)).get(
        pk=replaces_id, operator_id=operator_id, superseded_at__isnull=True
    )
    before = _told(old)
    _end(old, since, at)
    return before


def _end(row: MeterProfile, since: dt.datetime | None, at: dt.datetime) -> None:
    begins = row.valid.lower
    if since is None or (begins is not None and since <= begins):
        row.superseded_at = at
    else:
        row.valid = DateTimeTZRange(begins, since)
    row.save(update_fields=["superseded_at", "valid"])


@transaction.atomic(durable=True)
def end_meter_profile(
    *, operator_id: int, profile_id: int, at: dt.datetime, by_id: int | None
) -> None:
    """
    Let a profile of an operator end at an instant; telegrams after it are read as if there were
    none.

    :raises MeterProfile.DoesNotExist: if it is none of the operator's, or has ended
    """
    row = MeterProfile.objects.select_for_update(of=("self",)).get(
        pk=profile_id, operator_id=operator_id, superseded_at__isnull=True,
        valid__endswith__isnull=True,
    )  # fmt: skip
    before = _told(row)
    _end(row, at, at)
    record(
        at=at, by_id=by_id, operator_id=operator_id, action="meter profile ended",
        subject=f"{row.manufacturer} {row.name}", before=before, after=_told(row),
    )  # fmt: skip


@transaction.atomic(durable=True)
def load_meter_profiles(profiles: Sequence[tuple[str, Profile]], *, at: dt.datetime) -> int:
    """
    Bring the profiles that come with the portal up to date, by name; return how many are new or
    changed. One that changed is superseded and stays readable.
    """
    held = {
        row.name: row
        for row in MeterProfile.objects.select_for_update(of=("self",))
        .filter(operator__isnull=True, superseded_at__isnull=True)
        .prefetch_related("lines")
    }
    changed = 0
    for name, profile in profiles:
        old = held.get(name)
        if old is not None and _content(as_profile(old)) == _content(profile):
            continue
        if old is not None:
            _end(old, None, at)
        row = MeterProfile.objects.create(name=name, set_at=at, **_columns(profile))
        _write_lines(row, profile.takes)
        changed += 1
    return changed


def _content(profile: Profile) -> tuple[object, ...]:
    return (
        profile.manufacturer, profile.first_version, profile.last_version, profile.medium,
        profile.takes,
    )  # fmt: skip


def _columns(profile: Profile) -> dict[str, Any]:
    return {
        "manufacturer": profile.manufacturer, "first_version": profile.first_version,
        "last_version": profile.last_version, "medium": profile.medium,
        "valid": DateTimeTZRange(profile.since, None),
    }  # fmt: skip


def _write_lines(row: MeterProfile, takes: Iterable[Take]) -> None:
    MeterProfileLine.objects.bulk_create(
        MeterProfileLine(
            profile=row, number=number, quantity=take.quantity, measured=take.measured,
            function=take.function, storage=take.storage, tariff=take.tariff,
            device=take.device, nth=take.nth, unit=take.unit, factor=take.factor,
            first_byte=take.place.first if take.place else None,
            byte_count=take.place.count if take.place else None,
            coding=take.place.coding if take.place else "",
        )
        for number, take in enumerate(takes, start=1)
    )  # fmt: skip


def _told(row: MeterProfile) -> dict[str, Any]:
    lower, upper = row.valid.lower, row.valid.upper
    return {
        "name": row.name, "versions": f"{row.first_version}-{row.last_version}",
        "medium": row.medium, "from": lower and lower.isoformat(),
        "until": upper and upper.isoformat(), "superseded": row.superseded_at is not None,
        "lines": [
            {
                "quantity": take.quantity, "measured": take.measured, "function": take.function,
                "storage": take.storage, "tariff": take.tariff, "sub_unit": take.device,
                "nth": take.nth, "unit": take.unit, "factor": str(take.factor),
                "bytes": take.place and [take.place.first, take.place.count, take.place.coding],
            }
            for take in as_profile(row).takes
        ],
    }  # fmt: skip


def keep_layouts(learnt: Iterable[Learnt]) -> None:
    """
    Keep what full telegrams said of their records, for compact ones. Opens no transaction: it
    belongs to the ingest's.
    """
    rows = [
        TelegramLayout(meter_id=one.meter_id, signature=one.signature, heads=packed(one.heads))
        for one in learnt
    ]
    if rows:
        TelegramLayout.objects.bulk_create(rows, ignore_conflicts=True)
