"""
Work that runs beside the web process: rollups, partitions ahead of time.
"""

import datetime as dt
import tempfile
from collections.abc import Callable
from typing import IO, Any

import structlog
from celery import shared_task
from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.utils import timezone

from telemetry import formats, operations, queries
from telemetry.models import IngestBatch
from telemetry.tasks import alarms as alarms
from telemetry.tasks import archive as archive
from telemetry.tasks import statements as statements
from telemetry.tasks import watching as watching

logger = structlog.get_logger(__name__)

_AT_ONCE = 500


@shared_task
def roll_up_dirty(**kwargs: Any) -> None:
    """
    Send one task for each channel that has something to roll up.
    """
    for channel_id in queries.channels_to_roll_up(limit=_AT_ONCE):
        roll_up_channel.delay(channel_id=channel_id)


@shared_task
def roll_up_channel(*, channel_id: int, **kwargs: Any) -> None:
    """
    Roll up one channel; a second delivery of the message finds nothing to do.
    """
    ranges = operations.roll_up_channel(channel_id=channel_id, at=timezone.now())
    logger.info("rolled up", channel_id=channel_id, ranges=ranges)


# Readings trickle in; a delivery point is looked at once for all that came in this time.
_HEAT_WAITS = dt.timedelta(minutes=3)


@shared_task
def settle_heat_due(**kwargs: Any) -> None:
    """
    Send one task for each delivery point whose heat ledger waits.
    """
    now = timezone.now()
    for key in queries.heat_to_settle(now=now, marked_before=now - _HEAT_WAITS, limit=_AT_ONCE):
        settle_heat.delay(delivery_point_id=key)


@shared_task
def settle_heat(*, delivery_point_id: int, **kwargs: Any) -> None:
    """
    Bring one heat ledger up to date; a second delivery of the message finds nothing to do.
    """
    days = operations.settle_heat(delivery_point_id=delivery_point_id, at=timezone.now())
    logger.info("heat settled", delivery_point_id=delivery_point_id, days=days)


@shared_task
def check_due_days(**kwargs: Any) -> None:
    """
    Look at the days whose rules are due, channel by channel; looks at state, so a second delivery
    finds nothing to do.
    """
    for channel_id in queries.channels_with_due_days(limit=_AT_ONCE):
        days = operations.check_days(channel_id=channel_id, at=timezone.now())
        logger.info("days checked", channel_id=channel_id, days=days)


@shared_task
def create_partitions_ahead(**kwargs: Any) -> None:
    """
    Make the partitions of this month and the next two, so that ingest finds them there.
    """
    month = timezone.now().date().replace(day=1)
    with connection.cursor() as cursor:
        for _ in range(3):
            cursor.execute("SELECT telemetry_ensure_partition(%s)", [month])
            month = (month + dt.timedelta(days=32)).replace(day=1)


# A message to the workers that was not heard by then is sent again; two do no harm.
_UNHEARD = dt.timedelta(minutes=15)
_UPLOADS_KEPT = dt.timedelta(days=7)


def progress_key(upload_id: int) -> str:
    """
    Return under which key the cache holds how far an import is, in per cent.
    """
    return f"import:{upload_id}"


class _Watched:
    """
    A stream that tells how much of it was read, in per cent, when that changes.
    """

    def __init__(self, stream: IO[bytes], size: int, tell: Callable[[int], None]) -> None:
        self._stream, self._size, self._tell = stream, max(1, size), tell
        self._read = self._told = 0

    def read(self, size: int, /) -> bytes:
        data = self._stream.read(size)
        self._read += len(data)
        share = min(100, 100 * self._read // self._size)
        if share != self._told:
            self._told = share
            self._tell(share)
        return data


@shared_task
def import_upload(*, upload_id: int, **kwargs: Any) -> None:
    """
    Import a file that a person sent; a second delivery of the message finds nothing to do.
    """
    upload = operations.upload_to_import(upload_id=upload_id)
    if upload is None:
        return
    known = formats.of_file(upload.name)
    by_mapping = {"mapping": upload.mapping.code} if upload.mapping is not None else {}
    if by_mapping or known is None:
        known = formats.FORMATS["csv"]

    def tell(share: int) -> None:
        cache.set(progress_key(upload_id), share, timeout=3600)

    with tempfile.TemporaryFile() as file:
        operations.copy_upload(upload_id=upload_id, to=file)
        try:
            stream = formats.inflated(
                _Watched(file, upload.size, tell),
                encoding=formats.encoding_of_file(upload.name),
                max_bytes=settings.INGEST_MAX_INFLATED_BYTES,
            )
            result = operations.ingest(
                site_id=upload.site_id, stream=stream, format=known.name, name=upload.name,
                source=IngestBatch.Source.FILE, received_at=timezone.now(), by_id=upload.by_id,
                options=by_mapping,
            )  # fmt: skip
        except (formats.NotReadable, formats.TooLarge) as problem:
            operations.fail_upload(upload_id=upload_id, problem=str(problem))
            return
    operations.finish_upload(upload_id=upload_id, batch_id=result.batch_id)
    logger.info("file imported", upload_id=upload_id, batch_id=result.batch_id)


@shared_task
def import_left_uploads(**kwargs: Any) -> None:
    """
    Take up imports whose message got lost, and drop files that nobody imported.
    """
    now = timezone.now()
    for upload_id in queries.uploads_left_queued(queued_before=now - _UNHEARD):
        import_upload.delay(upload_id=upload_id)
    operations.drop_old_uploads(made_before=now - _UPLOADS_KEPT)


@shared_task
def replay_site(*, site_id: int, by_id: int | None, **kwargs: Any) -> None:
    """
    Try the kept readings of a site again, after a name was given to a channel, say.
    """
    operations.replay_rejected(site_id=site_id, received_at=timezone.now(), by_id=by_id)
