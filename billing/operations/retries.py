"""
Held bills go on: what a run held is put back into its queue when its cause may be gone.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from django.db import IntegrityError, transaction
from django.db.models import F

from billing import queries
from billing.models import BillingRun, RunItem
from billing.operations.runs import RunInProgress
from sites.operations import record


@transaction.atomic(durable=True)
def try_held_again(
    *, run_id: int, at: dt.datetime, by_id: int | None, contract_ids: Iterable[int] | None = None
) -> int:
    """
    Let a run that ended go on with what it held, or with that of some contracts, and return how
    many bills that are. They become drafts where the run makes drafts.

    :raises RunInProgress: if another run of the month is under way
    """
    run = BillingRun.objects.select_for_update().get(pk=run_id)
    if run.status != BillingRun.Status.FINISHED:
        return 0
    items = run.items.filter(state=RunItem.State.HELD)
    if contract_ids is not None:
        items = items.filter(contract_id__in=list(contract_ids))
    items.filter(first_reason="").update(first_reason=F("reason"))
    count = items.update(state=RunItem.State.WAITING, reason="", tries=F("tries") + 1)
    if not count:
        return 0
    run.status, run.finished_at, run.heartbeat_at = BillingRun.Status.RUNNING, None, at
    try:
        with transaction.atomic():
            run.save()
    except IntegrityError:
        raise RunInProgress(run.month) from None
    record(
        at=at, by_id=by_id, operator_id=run.operator_id, action=queries.TRIED_AGAIN,
        subject=f"{run.month:%Y-%m}", after={"run": run.pk, "bills": count},
    )  # fmt: skip
    return count
