"""
Probes: what is asked from outside, and what was found.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db import transaction
from django.db.models import F

from sites.operations import record
from telemetry.models import Probe, ProbeResult

_STATED = ("name", "kind", "target", "interval_s", "timeout_s", "hosting_service_id")


def _told(probe: Probe) -> dict[str, str]:
    return {name: str(getattr(probe, name)) for name in _STATED}


class NotThisSitesService(Exception):
    """
    The service is hosted elsewhere.
    """


def _check_service(probe: Probe) -> None:
    service_id = probe.hosting_service_id
    if service_id is not None and not probe.site.hosting_services.filter(pk=service_id).exists():
        raise NotThisSitesService


@transaction.atomic(durable=True)
def add_probe(*, site_id: int, at: dt.datetime, by_id: int | None, **fields: Any) -> Probe:
    """
    Add a probe; `fields` are those of `Probe`. It asks for the first time at once.

    :raises NotThisSitesService: if its service is another site's
    :raises IntegrityError: if the site has a probe of that name, or it would wait too long
    """
    probe = Probe(site_id=site_id, created_at=at, next_at=at, **fields)
    _check_service(probe)
    probe.save()
    record(
        at=at, by_id=by_id, operator_id=probe.site.operator_id, action="probe added",
        subject=f"{probe.site.slug}/{probe.name}", after=_told(probe),
    )  # fmt: skip
    return probe


def _locked(probe_id: int) -> Probe:
    return Probe.objects.select_for_update(of=("self",)).select_related("site").get(pk=probe_id)


@transaction.atomic(durable=True)
def edit_probe(*, probe_id: int, at: dt.datetime, by_id: int | None, **fields: Any) -> Probe:
    """
    Change what a probe asks, how often, or for what; it asks at once. What it found stays.

    :raises NotThisSitesService: if its service is another site's
    :raises IntegrityError: if the site has a probe of that name, or it would wait too long
    """
    probe = _locked(probe_id)
    before = _told(probe)
    for name in _STATED:
        setattr(probe, name, fields.get(name, getattr(probe, name)))
    _check_service(probe)
    probe.next_at = at
    probe.save(update_fields=[*_STATED, "next_at"])
    record(
        at=at, by_id=by_id, operator_id=probe.site.operator_id, action="probe changed",
        subject=f"{probe.site.slug}/{probe.name}", before=before, after=_told(probe),
    )  # fmt: skip
    return probe


@transaction.atomic(durable=True)
def pause_probe(*, probe_id: int, paused: bool, at: dt.datetime, by_id: int | None) -> None:
    """
    Let a probe rest, or ask again from now on; the same twice changes nothing.
    """
    probe = _locked(probe_id)
    if (probe.paused_at is not None) is paused:
        return
    probe.paused_at = at if paused else None
    probe.next_at = at
    probe.save(update_fields=["paused_at", "next_at"])
    record(
        at=at, by_id=by_id, operator_id=probe.site.operator_id,
        action="probe paused" if paused else "probe resumed",
        subject=f"{probe.site.slug}/{probe.name}",
    )  # fmt: skip


@transaction.atomic(durable=True)
def end_probe(*, probe_id: int, at: dt.datetime, by_id: int | None) -> None:
    """
    Stop a probe; what it found stays.
    """
    probe = _locked(probe_id)
    probe.ended_at = probe.ended_at or at
    probe.save(update_fields=["ended_at"])
    record(
        at=at, by_id=by_id, operator_id=probe.site.operator_id, action="probe ended",
        subject=f"{probe.site.slug}/{probe.name}",
    )  # fmt: skip


@transaction.atomic(durable=True)
def take_due_probes(*, at: dt.datetime, limit: int = 500) -> list[int]:
    """
    Return the probes that are due and set when each is next, so that none is asked twice.
    """
    due = (
        Probe.objects.select_for_update(skip_locked=True)
        .filter(ended_at__isnull=True, paused_at__isnull=True, next_at__lte=at)
        .order_by("next_at", "pk")[:limit]
    )
    keys = [probe.pk for probe in due]
    Probe.objects.filter(pk__in=keys).update(next_at=at + F("interval_s") * dt.timedelta(seconds=1))
    return keys


@transaction.atomic(durable=True)
def note_probe(
    *, probe_id: int, at: dt.datetime, ok: bool, took_ms: int | None, answer: str
) -> None:
    """
    Keep what a probe found; the same instant again changes nothing.
    """
    ProbeResult.objects.bulk_create(
        [ProbeResult(probe_id=probe_id, at=at, ok=ok, took_ms=took_ms, answer=answer[:120])],
        ignore_conflicts=True,
    )


@transaction.atomic(durable=True)
def drop_old_results(*, before: dt.datetime) -> int:
    """
    Drop what probes found before an instant; incidents stay.
    """
    return ProbeResult.objects.filter(at__lt=before).delete()[0]
