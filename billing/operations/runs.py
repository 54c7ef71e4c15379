"""
Billing runs: the items are the queue, so a killed run goes on where it stopped.
"""

import datetime as dt

from django.db import IntegrityError, transaction

from billing import queries
from billing.models import BillingRun, RunItem
from billing.operations import invoicing
from sites.operations import record


class RunInProgress(Exception):
    """
    A run of this operator and month is under way.
    """


@transaction.atomic(durable=True)
def start_run(
    *, operator_id: int, month: dt.date, issue: bool, at: dt.datetime, by_id: int | None
) -> BillingRun:
    """
    Make a run with an item for each contract that is due in the month and not invoiced.

    :raises RunInProgress: if one is running; the constraint also stops a twin
    """
    try:
        with transaction.atomic():
            run = BillingRun.objects.create(
                operator_id=operator_id, month=month, issue=issue, started_by_id=by_id,
                started_at=at, heartbeat_at=at,
            )  # fmt: skip
    except IntegrityError:
        raise RunInProgress(month) from None
    due = queries.contracts_to_bill(operator_id=operator_id, month=month)
    RunItem.objects.bulk_create(RunItem(run=run, contract_id=pk) for pk in due)
    record(
        at=at, by_id=by_id, operator_id=operator_id, action="billing run started",
        subject=f"{month:%Y-%m}", after={"run": run.pk, "contracts": len(due), "issue": issue},
    )  # fmt: skip
    return run


@transaction.atomic(durable=True)
def bill_next(*, run_id: int, at: dt.datetime) -> bool:
    """
    Bill the next waiting contract of a run and say whether there was one; without one the run
    is finished. Item and invoice are one transaction: killed in between, neither happened.
    """
    item = (
        # Only the item is locked: with its run, a second worker would find nothing free.
        RunItem.objects.select_for_update(skip_locked=True, of=("self",))
        .select_related("run")
        .filter(run_id=run_id, run__status=BillingRun.Status.RUNNING)
        .filter(state=RunItem.State.WAITING)
        .order_by("pk")
        .first()
    )
    if item is None:
        _finish(run_id, at)
        return False
    try:
        invoice = invoicing.bill(
            contract_id=item.contract_id,
            month=item.run.month,
            at=at,
            issued=item.run.issue,
            by_id=item.run.started_by_id,
        )
    except (invoicing.AlreadyInvoiced, invoicing.NothingToBill):
        item.state = RunItem.State.SKIPPED
    else:
        item.invoice = invoice
        if invoice is None:
            item.state = RunItem.State.HELD
            item.reason = queries.parked_reason(contract_id=item.contract_id, month=item.run.month)
        else:
            item.state = RunItem.State.ISSUED if item.run.issue else RunItem.State.DRAFTED
    item.done_at = at
    item.save(update_fields=["state", "reason", "invoice", "done_at"])
    return True


def _finish(run_id: int, at: dt.datetime) -> None:
    # Another worker may still hold the last items; the run ends when none is waiting at all.
    run = BillingRun.objects.select_for_update().get(pk=run_id)
    waiting = run.items.filter(state=RunItem.State.WAITING).exists()
    if run.status == BillingRun.Status.RUNNING and not waiting:
        run.status = BillingRun.Status.FINISHED
        run.finished_at = at
        run.save()


def show_life(*, run_id: int, at: dt.datetime) -> None:
    """
    Note that a worker is at the run. Outside the item's transaction, so that several workers
    do not wait for each other.
    """
    BillingRun.objects.filter(pk=run_id).update(heartbeat_at=at)


@transaction.atomic(durable=True)
def cancel_run(*, run_id: int, at: dt.datetime, by_id: int | None) -> None:
    """
    Stop a running run after the invoice at hand; what was issued stays issued.
    """
    run = BillingRun.objects.select_for_update().get(pk=run_id)
    if run.status == BillingRun.Status.RUNNING:
        run.status = BillingRun.Status.CANCELLED
        run.finished_at = at
        run.save()
        record(
            at=at, by_id=by_id, operator_id=run.operator_id, action="billing run stopped",
            subject=f"{run.month:%Y-%m}", after={"run": run.pk},
        )  # fmt: skip
