"""
Looking after sites by the clock: probes, and incidents that heartbeats and probes show together.
"""

import datetime as dt
from typing import Any

import structlog
from celery import shared_task
from django.utils import timezone

from telemetry import operations, queries
from telemetry.tasks import probing

logger = structlog.get_logger(__name__)

_RESULTS_KEPT = dt.timedelta(days=100)


@shared_task
def ask_due_probes(**kwargs: Any) -> None:
    """
    Send one task for each probe that is due. A message that waited past its probe's next turn is
    dropped, so that probes do not pile up behind a slow target.
    """
    for probe_id in operations.take_due_probes(at=timezone.now()):
        ask_probe.apply_async(kwargs={"probe_id": probe_id}, expires=60)


@shared_task
def ask_probe(*, probe_id: int, **kwargs: Any) -> None:
    """
    Ask one probe and keep what it found; asked twice, it has two findings.
    """
    probe = queries.probe_to_ask(probe_id=probe_id)
    if probe is None:
        return
    at = timezone.now()
    found = probing.ask(kind=probe.kind, target=probe.target, timeout_s=probe.timeout_s)
    operations.note_probe(
        probe_id=probe_id, at=at, ok=found.ok, took_ms=found.took_ms, answer=found.answer
    )


@shared_task
def watch_heartbeats(**kwargs: Any) -> None:
    """
    Open and end incidents; looks at state, so a second delivery finds nothing to do.
    """
    opened, ended = operations.watch_heartbeats(at=timezone.now())
    if opened or ended:
        logger.info("incidents", opened=opened, ended=ended)


@shared_task
def drop_old_probe_results(**kwargs: Any) -> None:
    """
    Drop findings that no page shows any more.
    """
    operations.drop_old_results(before=timezone.now() - _RESULTS_KEPT)
