"""
What happened to the demo's sites: an outage in a silence of the real heartbeats, work that was
announced, and a probe with two days of answers.
"""

from __future__ import annotations

import datetime as dt
import random
import zoneinfo

from sites.access import Kind, Role, Viewer
from sites.domain import local_days
from sites.models import Site
from telemetry import operations, queries
from telemetry.models import Incident

_STEP = dt.timedelta(minutes=5)


def happen(*, slug: str, now: dt.datetime) -> None:
    """
    Let what a portfolio of servers sees in a quarter happen to one site; once.
    """
    site = Site.objects.get(slug=slug)
    if Incident.objects.filter(site=site).exists():
        return
    viewer = Viewer(stakeholder_id=site.operator_id, kind=Kind.OPERATOR, role=Role.ADMIN)
    subject = operations.Subject(site.pk, "it")
    _outage(site, viewer, subject, now)
    today = now.astimezone(zoneinfo.ZoneInfo(site.timezone)).date()
    for days, hour, minutes, what in (
        (-33, 6, 90, "Firmware of the switches"), (6, 5, 120, "New battery in the UPS"),
    ):  # fmt: skip
        day = today + dt.timedelta(days=days)
        start = local_days(day, day + dt.timedelta(days=1), site.timezone).start
        start += dt.timedelta(hours=hour)
        operations.announce_maintenance(
            subject=subject, start=start, end=start + dt.timedelta(minutes=minutes), reason=what,
            text="Your servers stay up; the network may be away for a minute at a time.",
            at=min(now, start - dt.timedelta(days=7)), by_id=None,
        )  # fmt: skip
    _answers(site, now)


def _outage(site: Site, viewer: Viewer, subject: operations.Subject, now: dt.datetime) -> None:
    service = site.hosting_services.order_by("pk").first()
    if service is None:
        return
    days = queries.uptime_days(viewer=viewer, site_id=site.pk, service_id=service.pk, now=now)
    silent = max(days[:-1], key=lambda day: (day.unknown_s, day.day))
    start = local_days(silent.day, silent.day + dt.timedelta(days=1), site.timezone).start
    start += dt.timedelta(hours=9, minutes=12)
    operations.record_incident(
        subject=subject, started_at=start, ended_at=start + dt.timedelta(minutes=47),
        cause="network", title="No connection to the outside",
        text="The provider’s line was cut at a building site. Servers ran on; nobody reached them.",
        at=min(now, start + dt.timedelta(hours=2)), by_id=None,
    )  # fmt: skip


def _answers(site: Site, now: dt.datetime) -> None:
    """
    Add a probe that rests, so that the demo asks nobody's machines, with answers of two days.
    """
    begin = now - dt.timedelta(hours=48)
    probe = operations.add_probe(
        site_id=site.pk, name="Front door", kind="http", target="https://kiel.nordhaven.example/",
        interval_s=int(_STEP.total_seconds()), at=begin, by_id=None,
    )  # fmt: skip
    dice = random.Random(2025)  # noqa: S311 - the demo is the same each time
    for n in range(int((now - begin) / _STEP)):
        ok = not 300 <= n < 304
        operations.note_probe(
            probe_id=probe.pk, at=begin + n * _STEP, ok=ok,
            took_ms=round(dice.lognormvariate(4, 0.3)) if ok else None,
            answer="200" if ok else "TimeoutError: timed out",
        )  # fmt: skip
    operations.pause_probe(probe_id=probe.pk, paused=True, at=now, by_id=None)
