"""
Work that runs beside the web process: rollups, partitions ahead of time.
"""

import datetime as dt
from typing import Any

import structlog
from celery import shared_task
from django.db import connection
from django.utils import timezone

from telemetry import operations, queries

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
