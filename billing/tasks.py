"""
Billing beside the web process.
"""

import datetime as dt
from typing import Any

from celery import shared_task
from django.utils import timezone

from billing import operations, queries

# A worker that gave no sign for this long is taken for dead. Two workers on one run do no harm.
STALLED_AFTER = dt.timedelta(seconds=30)
SIGN_OF_LIFE_EVERY = dt.timedelta(seconds=2)
# As many workers share the contracts of a run.
WORKERS_A_RUN = 2


@shared_task
def bill_run(*, run_id: int, **kwargs: Any) -> None:
    """
    Bill what waits in a run; delivered twice, two workers share the items.
    """
    shown = timezone.now()
    while operations.bill_next(run_id=run_id, at=timezone.now()):
        # Now and then: with each invoice, the workers of a run would wait for its one row.
        if timezone.now() - shown > SIGN_OF_LIFE_EVERY:
            shown = timezone.now()
            operations.show_life(run_id=run_id, at=shown)


def send_workers(*, run_id: int) -> None:
    """
    Let workers bill what waits in a run, at once and side by side.
    """
    for _ in range(WORKERS_A_RUN):
        bill_run.delay(run_id=run_id)


@shared_task
def resume_stalled_runs(**kwargs: Any) -> None:
    """
    Take up the runs whose worker was killed.
    """
    for run_id in queries.stalled_runs(before=timezone.now() - STALLED_AFTER):
        send_workers(run_id=run_id)


@shared_task
def render_document(*, invoice_id: int, **kwargs: Any) -> None:
    """
    Make the PDF of one issued invoice.
    """
    operations.make_document(invoice_id=invoice_id, at=timezone.now())


@shared_task
def render_missing_documents(**kwargs: Any) -> None:
    """
    Send a task for each issued invoice without a PDF, some at a time.
    """
    for invoice_id in queries.invoices_without_document(limit=200):
        render_document.delay(invoice_id=invoice_id)
