"""
Statements of the demo's tenants: drafted for each month, the older ones issued, one shared.
"""

from __future__ import annotations

import datetime as dt

from telemetry import operations, queries
from telemetry.models import Statement

MONTHS = 6


def state(*, now: dt.datetime) -> None:
    """
    Draft what is missing for the last months, and issue all but the newest month, which waits
    for the operator. A newer start goes on from there.
    """
    newest = (now.date().replace(day=1) - dt.timedelta(days=1)).replace(day=1)
    month = newest
    for _ in range(MONTHS):
        for service_id in queries.services_without_statement(month=month):
            drafted = operations.draft_statement(
                service_id=service_id, first_month=month, last_month=month, at=now
            )
            issuable = drafted is not None and drafted.state == Statement.State.DRAFT
            if drafted is not None and issuable and month < newest:
                operations.issue_statement(statement_id=drafted.pk, at=now, by_id=None)
        month = (month - dt.timedelta(days=1)).replace(day=1)
    # Whose site shows itself shares its statement too.
    shown = Statement.objects.filter(
        state=Statement.State.ISSUED, service__site__is_public=True
    ).order_by("-last_month", "pk")
    if (first := shown.first()) is not None and not first.shares.exists():
        operations.share_statement(statement_id=first.pk, at=now, by_id=None)
