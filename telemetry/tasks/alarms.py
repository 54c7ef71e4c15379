"""
Looking at the rules of alarms by the clock.
"""

from typing import Any

import structlog
from celery import shared_task
from django.utils import timezone

from telemetry import operations

logger = structlog.get_logger(__name__)


@shared_task
def find_alarms(**kwargs: Any) -> None:
    """
    Open and resolve alarms, and write the letters that are due; looks at state, so a second
    delivery finds nothing to do.
    """
    while True:
        looked = operations.find_alarms(at=timezone.now())
        if looked.opened or looked.resolved:
            logger.info("alarms", opened=looked.opened, resolved=looked.resolved)
        if not looked.more:
            break
    operations.write_letters(at=timezone.now())
