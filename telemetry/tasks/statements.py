"""
The monthly chain of statements: figures and emissions of the month that ended, drafts, and what a
correction has touched. A person approves; the portal's own tasks tell the tenants.
"""

import datetime as dt
from typing import Any

import structlog
from celery import chain, shared_task
from django.utils import timezone

from telemetry import operations, queries

logger = structlog.get_logger(__name__)

# Gateways that were offline over the turn of the month have had their chance by then.
_SETTLED = dt.timedelta(days=2)
_AT_ONCE = 200


@shared_task
def draft_due_statements(**kwargs: Any) -> None:
    """
    Send a task for each service whose statement of the last month is missing or held back.
    """
    today = (timezone.now() - _SETTLED).date()
    month = (today.replace(day=1) - dt.timedelta(days=1)).replace(day=1)
    for service_id in queries.services_without_statement(month=month):
        draft_statement.delay(service_id=service_id, month=month.isoformat())


@shared_task
def draft_statement(*, service_id: int, month: str, **kwargs: Any) -> None:
    """
    Draft one service's statement of a month; a second delivery makes the same draft again.
    """
    day = dt.date.fromisoformat(month)
    try:
        made = operations.draft_statement(
            service_id=service_id, first_month=day, last_month=day, at=timezone.now()
        )
    except ValueError:
        # West of Greenwich the month is not over yet.
        return
    logger.info("statement drafted", service_id=service_id, state=made.state if made else None)


@shared_task
def look_at_touched(**kwargs: Any) -> None:
    """
    Look again at the statements whose readings changed, one after the other.
    """
    touched = queries.statements_touched(limit=_AT_ONCE)
    if touched:
        chain(*[look_again.si(statement_id=pk) for pk in touched]).delay()


@shared_task
def look_again(*, statement_id: int, **kwargs: Any) -> None:
    """
    Supersede or revoke one statement where its readings say something else now.
    """
    following = operations.look_again(statement_id=statement_id, at=timezone.now())
    logger.info("statement looked at", statement_id=statement_id, superseded=following is not None)
