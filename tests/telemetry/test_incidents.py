"""
Silence alone is unknown; silence with a failing probe is an outage; announced work is neither.
"""

import datetime as dt

import pytest

from sites.access import Kind, Role, Viewer
from sites.models import Site
from telemetry import operations, queries
from telemetry.models import Channel, Incident, MaintenanceWindow, MeteringPoint, Part
from tests import factories
from tests.factories_telemetry import make_channel, send

pytestmark = pytest.mark.django_db

START = dt.datetime(2026, 4, 10, 10, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)


def site_with_beats(minutes: list[int]) -> tuple[Site, Channel]:
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
    site, beat = site_with_beats(list(range(11)))
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
    site, _ = site_with_beats([n for n in range(120) if not 20 <= n < 50])
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


def test_work_beyond_its_terms_is_down_unless_a_heartbeat_says_up():
    site, _ = site_with_beats([n for n in range(180) if not 30 <= n < 90])
    operations.set_maintenance_policy(
        site_id=site.pk, notice_h=72, allowance_min=20, at=START, by_id=None
    )
    operations.announce_maintenance(
        subject=operations.Subject(site.pk, Part.IT), start=START + 20 * MINUTE,
        end=START + 70 * MINUTE, reason="Switch", text="", at=START - dt.timedelta(hours=100),
        by_id=None,
    )  # fmt: skip
    viewer = Viewer(1, site.operator_id, Kind.OPERATOR, Role.ADMIN)

    [day] = [
        d
        for d in queries.uptime_days(
            viewer=viewer, site_id=site.pk, now=START + dt.timedelta(hours=30)
        )
        if d.up_s
    ]

    # 20 minutes are planned, 30 beyond them silent and so down; the last 20 of silence are not
    # known, like all of the day without beats.
    assert (day.planned_s, day.down_s, day.up_s) == (1200, 1800, 110 * 60)


def test_work_that_ends_early_gives_its_time_back_and_what_was_called_off_counts_nowhere():
    site, _ = site_with_beats(list(range(60)))
    subject = operations.Subject(site.pk, Part.IT)
    for begins in (10, 1000):
        operations.announce_maintenance(
            subject=subject, start=START + begins * MINUTE, end=START + (begins + 60) * MINUTE,
            reason="Switch", text="", at=START - dt.timedelta(hours=100), by_id=None,
        )  # fmt: skip
    running, coming = MaintenanceWindow.objects.order_by("span")

    assert operations.end_maintenance(window_id=running.pk, at=START + 20 * MINUTE, by_id=None)
    assert not operations.end_maintenance(window_id=coming.pk, at=START + 20 * MINUTE, by_id=None)
    with pytest.raises(operations.AlreadyOver):
        operations.end_maintenance(window_id=running.pk, at=START + 30 * MINUTE, by_id=None)

    viewer = Viewer(1, site.operator_id, Kind.OPERATOR, Role.ADMIN)
    days = queries.uptime_days(viewer=viewer, site_id=site.pk, now=START + dt.timedelta(hours=30))
    assert [d.planned_s for d in days if d.planned_s] == [600]


def test_a_paused_probe_says_nothing():
    site, _ = site_with_beats(list(range(11)))
    probe = _probe(site)
    _note(probe, 14, ok=False)
    operations.pause_probe(probe_id=probe, paused=True, at=START, by_id=None)

    assert operations.watch_heartbeats(at=START + 15 * MINUTE) == (0, 0)
    operations.pause_probe(probe_id=probe, paused=False, at=START, by_id=None)
    assert operations.watch_heartbeats(at=START + 15 * MINUTE) == (1, 0)
