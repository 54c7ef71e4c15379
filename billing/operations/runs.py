"""
Billing runs: the items are the queue, so a killed run goes on where it stopped.
"""

import datetime as dt
import itertools
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.models import Min

from billing import queries
from billing.models import BillingRun, Invoice, RunItem
from billing.operations import invoicing
from billing.operations.corrections import NothingToCorrect, TooFarBack, correct_within
from sites.operations import record

logger = logging.getLogger(__name__)

# So many contracts are read, rated and written together.
AT_ONCE = 50
_IN_PIECES = 2000


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
    run = _start(
        BillingRun(
            operator_id=operator_id, month=month, issue=issue, started_by_id=by_id,
            started_at=at, heartbeat_at=at,
        )
    )  # fmt: skip
    due = queries.contracts_to_bill(operator_id=operator_id, month=month)
    _fill(
        run, (RunItem(run=run, contract_id=pk, turn=int(shares)) for pk, shares in
              due.iterator(chunk_size=_IN_PIECES)),
    )  # fmt: skip
    return run


@transaction.atomic(durable=True)
def start_issuing(
    *, operator_id: int, month: dt.date, invoice_ids: Iterable[int], at: dt.datetime,
    by_id: int | None,
) -> BillingRun:  # fmt: skip
    """
    Make a run that issues the given drafts of a month; what is no draft of it is left out.

    :raises RunInProgress: if drafts of the month are being issued
    """
    run = _start(
        BillingRun(
            kind=BillingRun.Kind.ISSUE, operator_id=operator_id, month=month, issue=True,
            started_by_id=by_id, started_at=at, heartbeat_at=at,
        )
    )  # fmt: skip
    drafts = queries.drafts_of(operator_id=operator_id, month=month).filter(
        pk__in=list(invoice_ids)
    )
    _fill(
        run,
        (RunItem(run=run, contract_id=d.contract_id, document=d) for d in drafts.order_by("pk")),
    )
    return run


@transaction.atomic(durable=True)
def start_corrections(
    *, operator_id: int, invoice_ids: Iterable[int], reason: str, at: dt.datetime,
    by_id: int | None,
) -> BillingRun:  # fmt: skip
    """
    Make a run that corrects the given issued documents of an operator from today's figures, the
    months of a contract in their order.

    :raises RunInProgress: if corrections are being made
    """
    run = _start(
        BillingRun(
            kind=BillingRun.Kind.CORRECT, operator_id=operator_id, reason=reason,
            month=at.date().replace(day=1), issue=True, started_by_id=by_id, started_at=at,
            heartbeat_at=at,
        )
    )  # fmt: skip
    documents = Invoice.objects.filter(
        operator_id=operator_id, status=Invoice.Status.ISSUED, pk__in=list(invoice_ids)
    )
    turns: Counter[int] = Counter()

    def items() -> Iterator[RunItem]:
        # The price of a month may count from that of the month before.
        for document in documents.order_by("period__local_days", "pk"):
            turn = turns[document.contract_id]
            turns[document.contract_id] += 1
            yield RunItem(run=run, contract_id=document.contract_id, document=document, turn=turn)

    _fill(run, items())
    return run


def _start(run: BillingRun) -> BillingRun:
    try:
        with transaction.atomic():
            run.save(force_insert=True)
    except IntegrityError:
        raise RunInProgress(run.month) from None
    return run


def _fill(run: BillingRun, items: Iterator[RunItem]) -> None:
    count = 0
    # In pieces, so that memory does not grow with the number of contracts.
    while some := list(itertools.islice(items, _IN_PIECES)):
        RunItem.objects.bulk_create(some)
        count += len(some)
    record(
        at=run.started_at, by_id=run.started_by_id, operator_id=run.operator_id,
        action=f"{run.get_kind_display()} started".lower(), subject=f"{run.month:%Y-%m}",
        after={"run": run.pk, "contracts": count, "issue": run.issue},
    )  # fmt: skip


def bill_next(*, run_id: int, at: dt.datetime) -> int:
    """
    Bill the next waiting contracts of a run and return how many; without any the run is finished.
    Items and invoices are one transaction: killed in between, neither happened. Where it fails
    the contracts are billed one by one, and one that fails again is held with the reason.
    """
    try:
        return _bill_some(run_id, at)
    except OperationalError:
        # The database is away: that says nothing about the contracts.
        raise
    except Exception:
        logger.exception("Contracts of run %s could not be billed together", run_id)
        return _bill_each(run_id, at)


@transaction.atomic(durable=True)
def _bill_some(run_id: int, at: dt.datetime) -> int:
    run = BillingRun.objects.get(pk=run_id)
    waiting = run.items.filter(state=RunItem.State.WAITING)
    if run.status != BillingRun.Status.RUNNING:
        return 0
    # What depends on other documents of the month has a later turn, which begins when nothing
    # of the turn before is waiting any more, with other workers included.
    turn = waiting.aggregate(turn=Min("turn"))["turn"]
    # Only the items are locked: with their run, a second worker would find nothing free.
    items = list(
        waiting.filter(turn=turn).select_for_update(skip_locked=True).order_by("pk")[:AT_ONCE]
    )
    if not items:
        _finish(run_id, at)
        return 0
    _bill_items(run, items, at)
    return len(items)


def _bill_each(run_id: int, at: dt.datetime) -> int:
    waiting = RunItem.objects.filter(run_id=run_id, state=RunItem.State.WAITING)
    first = waiting.aggregate(turn=Min("turn"))["turn"]
    pks = list(waiting.filter(turn=first).order_by("pk").values_list("pk", flat=True)[:AT_ONCE])
    for pk in pks:
        try:
            _bill_one(pk, at)
        except OperationalError:
            raise
        except Exception as problem:
            logger.exception("Item %s of run %s could not be billed", pk, run_id)
            _hold(pk, at, f"It could not be billed ({type(problem).__name__}): {problem}")
    return len(pks)


@transaction.atomic(durable=True)
def _bill_one(item_id: int, at: dt.datetime) -> None:
    found = RunItem.objects.select_for_update(skip_locked=True, of=("self",)).select_related("run")
    item = found.filter(pk=item_id, state=RunItem.State.WAITING).first()
    if item is not None:
        _bill_items(item.run, [item], at)


@transaction.atomic(durable=True)
def _hold(item_id: int, at: dt.datetime, reason: str) -> None:
    RunItem.objects.filter(pk=item_id, state=RunItem.State.WAITING).update(
        state=RunItem.State.HELD, reason=reason, done_at=at
    )


def _bill_items(run: BillingRun, items: Sequence[RunItem], at: dt.datetime) -> None:
    for item, outcome in zip(items, _outcomes(run, items, at), strict=True):
        item.invoice, item.reason, item.done_at = outcome.invoice, outcome.held, at
        if outcome.invoice is not None:
            item.state = RunItem.State.ISSUED if run.issue else RunItem.State.DRAFTED
        else:
            item.state = RunItem.State.HELD if outcome.held else RunItem.State.SKIPPED
    _save(items)


def _outcomes(
    run: BillingRun, items: Sequence[RunItem], at: dt.datetime
) -> list[invoicing.Outcome]:
    by_id = run.started_by_id
    if run.kind == BillingRun.Kind.ISSUE:
        return invoicing.issue_drafts(
            invoice_ids=[item.document_id or 0 for item in items], at=at, by_id=by_id
        )
    if run.kind == BillingRun.Kind.CORRECT:
        return [_corrected(item.document_id or 0, run, at) for item in items]
    done = invoicing.bill(
        contract_ids=[item.contract_id for item in items], month=run.month, at=at,
        issued=run.issue, by_id=by_id,
    )  # fmt: skip
    return [done[item.contract_id] for item in items]


def _corrected(invoice_id: int, run: BillingRun, at: dt.datetime) -> invoicing.Outcome:
    try:
        made = correct_within(
            invoice_id=invoice_id, reason=run.reason, at=at, by_id=run.started_by_id
        )
    except NothingToCorrect:
        return invoicing.Outcome()
    except (TooFarBack, queries.Incomplete) as problem:
        return invoicing.Outcome(held=str(problem))
    return invoicing.Outcome(made)


def _save(items: Sequence[RunItem]) -> None:
    """
    Write the outcome of items in one statement for all.
    """
    given = {
        name: [getattr(item, name) for item in items]
        for name in ("pk", "state", "reason", "invoice_id", "done_at")
    }
    with connection.cursor() as cursor:
        cursor.execute(_OUTCOMES, given)


_OUTCOMES = """
UPDATE billing_runitem i SET
  state = g.state, reason = g.reason, invoice_id = g.invoice_id, done_at = g.done_at
FROM unnest(
  %(pk)s::bigint[], %(state)s::text[], %(reason)s::text[], %(invoice_id)s::bigint[],
  %(done_at)s::timestamptz[]
) AS g(id, state, reason, invoice_id, done_at)
WHERE i.id = g.id
"""


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
