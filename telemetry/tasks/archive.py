"""
Months on their way to the archive: written, read back, taken out of the database, and what was
brought back out again. What a worker that died left undone is found by state.
"""

import datetime as dt
from typing import Any

import structlog
from celery import shared_task
from django.conf import settings
from django.core.cache import cache
from django.db import OperationalError
from django.utils import timezone

from telemetry import operations, queries
from telemetry.archive import ArchiveUnreadable
from telemetry.domain.secrets import WrongSecret

logger = structlog.get_logger(__name__)

_AT_ONCE = 100


def archive_progress_key(archive_id: int) -> str:
    """
    Return under which key the cache holds how much of a month's file is written, in per cent.
    """
    return f"archive:{archive_id}"


@shared_task
def archive_month(*, archive_id: int, **kwargs: Any) -> None:
    """
    Bring a sealed month to its file and read it back; a second delivery of the message finds
    nothing to do. Readings leave the database at a later turn, when nobody reads them any more.
    """

    def tell(share: int) -> None:
        cache.set(archive_progress_key(archive_id), share, timeout=3600)

    try:
        operations.write_month(archive_id=archive_id, at=timezone.now(), tell=tell)
        operations.verify_month(archive_id=archive_id, at=timezone.now())
    except (ArchiveUnreadable, operations.NotSealable, WrongSecret) as problem:
        operations.note_archive_problem(archive_id=archive_id, problem=str(problem))
        logger.warning("month not archived", archive_id=archive_id, problem=str(problem))


@shared_task
def go_on_archiving(**kwargs: Any) -> None:
    """
    Take up months that are sealed and not verified, let go what was brought back and nobody uses,
    and take what has waited long enough out of the database.
    """
    now = timezone.now()
    for archive_id in queries.archives_under_way(limit=_AT_ONCE):
        archive_month.delay(archive_id=archive_id)
    unused_since = now - dt.timedelta(days=settings.ARCHIVE_RECALL_DAYS)
    operations.let_recalled_go(at=now, unused_since=unused_since)
    for month in queries.months_that_leave(until=now - operations.GRACE):
        release_month.delay(month=month.isoformat())


@shared_task
def release_month(*, month: str, **kwargs: Any) -> None:
    """
    Take what the archive has of a month out of the database.
    """
    try:
        left = operations.release_month(month=dt.date.fromisoformat(month), at=timezone.now())
    except OperationalError as busy:
        # Readers kept the table; the next turn tries again.
        logger.info("month not released", month=month, why=str(busy).split("\n")[0])
        return
    logger.info("month released", month=month, rows=left)


@shared_task
def seal_due_months(**kwargs: Any) -> None:
    """
    Seal months that are older than ARCHIVE_AFTER_MONTHS, where that is set.
    """
    if not settings.ARCHIVE_AFTER_MONTHS:
        return
    now = timezone.now()
    for site_id, month in queries.months_to_seal(
        now=now, older_than=settings.ARCHIVE_AFTER_MONTHS, limit=_AT_ONCE
    ):
        try:
            archive = operations.seal_month(site_id=site_id, month=month, at=now, by_id=None)
        except (operations.NotSealable, ArchiveUnreadable) as why:
            logger.info("month not sealed", site_id=site_id, month=str(month), why=str(why))
            continue
        archive_month.delay(archive_id=archive.pk)


@shared_task
def restore_month(*, archive_id: int, by_id: int | None, **kwargs: Any) -> None:
    """
    Bring a month back into the database for good.
    """
    place = queries.archived_place(archive_id=archive_id)
    try:
        operations.restore_month(
            site_id=place.site_id, month=place.month, at=timezone.now(), by_id=by_id
        )
    except operations.NotArchived:
        logger.info("month is back already", archive_id=archive_id)
    except ArchiveUnreadable as problem:
        operations.note_archive_problem(archive_id=archive_id, problem=str(problem))


@shared_task
def check_month(*, archive_id: int, by_id: int | None, **kwargs: Any) -> None:
    """
    Read a month's file from end to end and note whether it is as it was signed.
    """
    try:
        operations.check_month(archive_id=archive_id, at=timezone.now(), by_id=by_id)
    except ArchiveUnreadable as problem:
        operations.note_archive_problem(archive_id=archive_id, problem=str(problem))
