"""
Silence alone is unknown; silence with a failing probe is an outage; announced work is neither.
"""

import datetime as dt

import pytest

from sites.access import Kind, Role, Viewer
from sites.models import Site
from telemetry import operations, queries
from telemetry.models import Channel, Incident, MeteringPoint, Part
from tests import factories
from tests.factories_telemetry import make_channel, send

pytestmark = pytest.mark.django_db

START = dt.datetime(2026, 4, 10, 10, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)


def _site_with_beats(minutes: list[int]) -> tuple[Site, Channel]:
    site = factories.make_site()
    beat = make_channel(
        site=site, boundary=MeteringPoint.Boundary.FACILITY,
        quantity=Channel.Quantity.HEARTBEAT, interval_s=60,
    )  # fmt: skip
    send(beat, [(START + n * MINUTE, 1) for n in minutes])
    return site, beat


def _probe(site: Site) -> int:
    probe = operations.add_probe(
        site_id=site.pk, name="door", kind="tcp", target="192.0.2.1:443", at=START, by_id=None
    )
    return probe.pk


def _note(probe_id: int, minute: int, *, ok: bool) -> None:
    operations.note_probe(
        probe_id=probe_id, at=START + minute * MINUTE, ok=ok, took_ms=None, answer=""
    )


def test_silence_is_an_outage_only_where_a_probe_failed_too():
    site, beat = _site_with_beats(list(range(11)))
    assert operations.watch_heartbeats(at=START + 15 * MINUTE) == (0, 0)

    probe = _probe(site)
    _note(probe, 14, ok=False)
    assert operations.watch_heartbeats(at=START + 15 * MINUTE) == (1, 0)
    assert operations.watch_heartbeats(at=START + 15 * MINUTE) == (0, 0)
    send(beat, [(START + 16 * MINUTE, 1)])
    assert operations.watch_heartbeats(at=START + 16 * MINUTE) == (0, 1)

    incident = Incident.objects.get()
    assert incident.started_at == START + 11 * MINUTE
    assert incident.ended_at == START + 16 * MINUTE


def test_announced_work_is_left_out_and_late_announcements_are_not():
    site, _ = _site_with_beats([n for n in range(120) if not 20 <= n < 50])
    subject = operations.Subject(site.pk, Part.IT)
    for begins, ends, ahead_h in ((20, 30, 100), (30, 40, 10)):
        operations.announce_maintenance(
            subject=subject, start=START + begins * MINUTE, end=START + ends * MINUTE,
            reason="Switch", text="", at=START - dt.timedelta(hours=ahead_h), by_id=None,
        )  # fmt: skip
    operations.record_incident(
        subject=subject, started_at=START + 30 * MINUTE, ended_at=START + 45 * MINUTE,
        cause="network", title="Overran", text="", at=START, by_id=None,
    )  # fmt: skip
    viewer = Viewer(1, site.operator_id, Kind.OPERATOR, Role.ADMIN)
    now = START + dt.timedelta(hours=30)

    [day] = [d for d in queries.uptime_days(viewer=viewer, site_id=site.pk, now=now) if d.up_s]
    total = queries.availability(
        viewer=viewer, site_ids=[site.pk], first=day.day, end=day.day + dt.timedelta(days=1),
        now=now,
    )[site.pk]  # fmt: skip

    assert (day.planned_s, day.down_s, day.up_s) == (600, 900, 90 * 60)
    assert (total.planned_s, total.down_s, total.up_s) == (600, 900, 90 * 60)
