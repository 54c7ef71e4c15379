"""
The monthly chain of statements: figures and emissions of the month that ended, drafts, and what a
correction has touched. A person approves; the portal's own tasks tell the tenants.
"""

import datetime as dt
from typing import Any

import structlog
from celery import Signature, chain, shared_task
from django.utils import timezone

from telemetry import operations, queries

logger = structlog.get_logger(__name__)

# Gateways that were offline over the turn of the month have had their chance by then.
_SETTLED = dt.timedelta(days=2)
_AT_ONCE = 200


@shared_task
def draft_due_statements(**kwargs: Any) -> None:
    """
    Send a chain for each site that has a service whose statement of the last month is missing or
    held back.
    """
    today = (timezone.now() - _SETTLED).date()
    month = (today.replace(day=1) - dt.timedelta(days=1)).replace(day=1)
    for site_id in queries.sites_without_statement(month=month):
        month_chain(site_id=site_id, month=month).delay()


def month_chain(*, site_id: int, month: dt.date, queue: str = "rollup") -> Signature[Any]:
    """
    Return the month of a site as one thing after the other: ratios, emissions, drafts of its
    services. What follows is a person's: the approval.
    """
    given: dict[str, Any] = {"site_id": site_id, "month": month.isoformat()}
    steps = (keep_ratios, keep_emissions, draft_site)
    return chain(*[step.si(**given).set(queue=queue) for step in steps])


@shared_task
def keep_ratios(*, site_id: int, month: str, **kwargs: Any) -> None:
    """
    Keep the ratios of a site's month; again changes nothing.
    """
    day = dt.date.fromisoformat(month)
    new = operations.keep_ratios(site_id=site_id, month=day, at=timezone.now())
    logger.info("ratios kept", site_id=site_id, month=month, new=new)


@shared_task
def keep_emissions(*, site_id: int, month: str, **kwargs: Any) -> None:
    """
    Keep the emissions of a site's month; again changes nothing.
    """
    day = dt.date.fromisoformat(month)
    new = operations.keep_emissions(site_id=site_id, month=day, at=timezone.now())
    logger.info("emissions kept", site_id=site_id, month=month, new=new)


@shared_task
def draft_site(*, site_id: int, month: str, **kwargs: Any) -> None:
    """
    Draft the statements of a site's services that lack one, one after the other.
    """
    day = dt.date.fromisoformat(month)
    for service_id in queries.services_without_statement(month=day, site_id=site_id):
        draft_statement(service_id=service_id, month=month)


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
