"""
A probe with an answer, an incident, announced work and a webhook, for tests.
"""

import datetime as dt

from sites import operations as sites
from sites.models import Site, Webhook, WebhookMessage
from telemetry import operations
from telemetry.models import Incident, MaintenanceWindow, Probe


def make_probe(site: Site, *, at: dt.datetime, ok: bool = True, took_ms: int = 40) -> Probe:
    """
    Make a probe that speaks for a site and has asked once.
    """
    probe = operations.add_probe(
        site_id=site.pk, name="door", kind="tcp", target="192.0.2.1:443", at=at, by_id=None
    )
    operations.note_probe(
        probe_id=probe.pk, at=at, ok=ok, took_ms=took_ms if ok else None,
        answer="connected" if ok else "TimeoutError: timed out",
    )  # fmt: skip
    return probe


def make_incident(
    site: Site, *, at: dt.datetime, minutes: int | None = 30, service_id: int | None = None,
    title: str = "Switch failed",
) -> Incident:  # fmt: skip
    """
    Make an incident of a site's servers, or of one service, that began at an instant.
    """
    return operations.record_incident(
        subject=operations.Subject(site.pk, "it", service_id), started_at=at,
        ended_at=None if minutes is None else at + dt.timedelta(minutes=minutes),
        cause="network", title=title, text="A port died.", at=at, by_id=None,
    )  # fmt: skip


def make_work(
    site: Site, *, start: dt.datetime, minutes: int = 60, ahead_h: int = 100,
    service_id: int | None = None,
) -> MaintenanceWindow:  # fmt: skip
    """
    Announce work on a site's servers, or on one service, so many hours ahead.
    """
    return operations.announce_maintenance(
        subject=operations.Subject(site.pk, "it", service_id), start=start,
        end=start + dt.timedelta(minutes=minutes), reason="New switch", text="Two short breaks.",
        at=start - dt.timedelta(hours=ahead_h), by_id=None,
    )  # fmt: skip


def make_webhook(site: Site, *, at: dt.datetime) -> tuple[Webhook, WebhookMessage]:
    """
    Make an address that is told of incidents, with a test message that waits.
    """
    hook, _ = sites.add_webhook(
        operator_id=site.operator_id, url="https://hook.example/in", events=["incident.opened"],
        at=at, by_id=None,
    )  # fmt: skip
    sites.send_test(webhook_id=hook.pk, at=at, by_id=None)
    return hook, hook.messages.get()
