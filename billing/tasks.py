"""
Billing beside the web process.
"""

import datetime as dt
import logging
from typing import Any

from celery import shared_task
from django.core.mail import send_mail
from django.db import OperationalError
from django.utils import timezone

from billing import operations, queries

# A worker that gave no sign for this long is taken for dead. Two workers on one run do no harm.
STALLED_AFTER = dt.timedelta(seconds=30)
SIGN_OF_LIFE_EVERY = dt.timedelta(seconds=2)
# As many workers share the contracts of a run.
WORKERS_A_RUN = 2
# As many workers share the PDFs to make.
DRAWERS = 2
logger = logging.getLogger(__name__)


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
    send_drawers()


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
def try_held_bills(**kwargs: Any) -> None:
    """
    Let held bills go on whose cause may be gone, each in the run that held it.
    """
    now = timezone.now()
    for run_id, contract_ids in queries.held_to_try(at=now).items():
        try:
            count = operations.try_held_again(
                run_id=run_id, contract_ids=contract_ids, at=now, by_id=None
            )
        except operations.RunInProgress:
            # It has ended by the next time.
            continue
        if count:
            send_workers(run_id=run_id)


@shared_task
def render_document(*, invoice_id: int, **kwargs: Any) -> None:
    """
    Make the PDF of one issued invoice.
    """
    operations.make_document(invoice_id=invoice_id, at=timezone.now())


def send_drawers() -> None:
    """
    Let workers make the PDFs that are missing, side by side.
    """
    for part in range(DRAWERS):
        draw_documents.delay(part=part)


@shared_task
def render_missing_documents(**kwargs: Any) -> None:
    """
    Take up what is without a PDF.
    """
    if queries.invoices_without_document(limit=1):
        send_drawers()


@shared_task
def draw_documents(*, part: int, **kwargs: Any) -> None:
    """
    Make the missing PDFs of one part of the invoices. Delivered twice, the second finds the first
    at work and ends.
    """
    with operations.only_one(f"documents {part}") as alone:
        after = 0
        while alone and (
            found := queries.invoices_without_document(limit=100, after=after, part=(part, DRAWERS))
        ):
            for invoice_id in found:
                after = invoice_id
                try:
                    operations.make_document(invoice_id=invoice_id, at=timezone.now())
                except OperationalError:
                    raise
                except Exception:
                    # The others are not kept waiting for one that cannot be drawn.
                    logger.exception("The document of invoice %s could not be made", invoice_id)


@shared_task
def end_pilots(**kwargs: Any) -> None:
    """
    End the pilots whose last day has passed.
    """
    now = timezone.now()
    operations.end_pilots(today=now.date(), at=now)


@shared_task
def send_reminders(**kwargs: Any) -> None:
    """
    Make the reminders that are due, and e-mail those that were not sent yet.
    """
    for operator_id in queries.operators_that_remind():
        operations.make_reminders(operator_id=operator_id, at=timezone.now())
    for reminder_id in queries.reminders_to_send(limit=200):
        send_reminder.delay(reminder_id=reminder_id)


@shared_task(autoretry_for=(OSError,), retry_backoff=60, max_retries=5)
def send_reminder(*, reminder_id: int, **kwargs: Any) -> None:
    """
    E-mail one reminder. It is marked first: twice reminded is worse than once not, and what was
    not sent shows on the page.
    """
    reminder = operations.reminder_to_send(reminder_id=reminder_id, at=timezone.now())
    if reminder is None or not reminder.invoice.customer.email:
        return
    send_mail(
        f"{reminder.invoice.operator.name}: {reminder.invoice.number}",
        reminder.text,
        None,
        [reminder.invoice.customer.email],
    )
