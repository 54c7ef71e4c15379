"""
E-mails. Their messages in the queue carry keys of rows, never a token.
"""

import datetime as dt
from typing import Any

import structlog
from celery import shared_task
from django.conf import settings
from django.contrib.auth.tokens import default_token_generator
from django.core.mail import send_mail
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from sites import operations, queries
from telemetry import operations as metering_operations
from telemetry import queries as metering
from telemetry.queries import validation

logger = structlog.get_logger(__name__)

# The task sent with an invitation has had its chance by then.
OVERDUE = dt.timedelta(minutes=2)
# As many alarms stand in a letter; the rest is a number.
LISTED = 20


def _send(letter: str, *, to: str, context: dict[str, Any], folder: str = "accounts") -> None:
    subject = render_to_string(f"{folder}/mail/{letter}_subject.txt", context)
    body = render_to_string(f"{folder}/mail/{letter}.txt", context)
    # A subject is one line, whatever stands in the names.
    send_mail(" ".join(subject.split()), body, None, [to])


@shared_task
def send_invitation(*, invitation_id: int, **kwargs: Any) -> None:
    """
    E-mail an invitation; one that was sent, accepted or withdrawn is left alone. Where the mail
    server refuses, the sweep below tries again.
    """
    due = operations.invitation_to_send(invitation_id=invitation_id, at=timezone.now())
    if due is None:
        return
    invitation, token = due
    organisation = invitation.stakeholder
    _send(
        "invitation",
        to=invitation.email,
        context={
            "invitation": invitation,
            "operator": organisation.operator or organisation,
            "link": settings.BASE_URL + reverse("invitation", args=[token]),
        },
    )
    operations.mark_invitation_sent(invitation_id=invitation_id, at=timezone.now())
    logger.info("invitation sent", invitation_id=invitation_id)


@shared_task
def send_waiting_invitations(**kwargs: Any) -> None:
    """
    Send a task for each invitation whose e-mail got lost on the way.
    """
    now = timezone.now()
    for key in queries.invitations_to_send(made_before=now - OVERDUE, at=now, limit=100):
        send_invitation.delay(invitation_id=key)


@shared_task(autoretry_for=(OSError,), retry_backoff=30, max_retries=5)
def send_password_reset(*, user_id: int, **kwargs: Any) -> None:
    """
    E-mail a link to set a new password; a second one does no harm, both work until one is used.
    """
    user = queries.account(user_id=user_id)
    if user is None:
        return
    parts = [urlsafe_base64_encode(force_bytes(user.pk)), default_token_generator.make_token(user)]
    link = settings.BASE_URL + reverse("password-reset-new", args=parts)
    minutes = settings.PASSWORD_RESET_TIMEOUT // 60
    _send("password_reset", to=user.email, context={"user": user, "link": link, "minutes": minutes})
    logger.info("password reset sent", user_id=user_id)


@shared_task
def send_waiting_statements(**kwargs: Any) -> None:
    """
    Send a task for each statement in force that its tenant was not told of.
    """
    for key in metering.statements_to_mail(limit=100):
        send_statement.delay(statement_id=key)


@shared_task(autoretry_for=(OSError,), retry_backoff=30, max_retries=5)
def send_statement(*, statement_id: int, **kwargs: Any) -> None:
    """
    Tell the members of a tenant of a new statement, once; nothing of its figures is in the e-mail.
    """
    statement = metering_operations.statement_to_mail(statement_id=statement_id, at=timezone.now())
    if statement is None:
        return
    link = settings.BASE_URL + reverse("hosting-statement", args=[statement.pk])
    for address in metering.addressees(tenant_id=statement.tenant_id):
        context = {"statement": statement, "link": link}
        _send("issued", to=address, context=context, folder="statements")
    logger.info("statement sent", statement_id=statement_id)


@shared_task
def send_alarm_letters(**kwargs: Any) -> None:
    """
    Send the letters about alarms that wait, one after the other; one the mail server refuses
    waits for the next time.
    """
    while (letter := metering_operations.letter_to_send(at=timezone.now())) is not None:
        alarms = metering.alarms_of_letter(letter_id=letter.pk)
        over = metering.alarms_of_letter(letter_id=letter.pk, is_over=True)
        site = letter.contact.site
        context = {
            "letter": letter, "site": site, "count": len(alarms), "count_over": len(over),
            "alarms": alarms[:LISTED], "more": max(len(alarms) - LISTED, 0),
            "over": over[:LISTED], "more_over": max(len(over) - LISTED, 0),
            "link": settings.BASE_URL + reverse("ops-alarms") + f"?site={site.pk}",
        }  # fmt: skip
        problem = _tried("alarms", to=letter.contact.email, context=context, folder="alarms")
        metering_operations.note_letter(letter_id=letter.pk, at=timezone.now(), problem=problem)


@shared_task
def send_approval_letters(**kwargs: Any) -> None:
    """
    Tell those who may approve the edits that wait for a second person; what was decided meanwhile
    is left out. One the mail server refuses waits for the next time.
    """
    metering_operations.write_approval_letters(at=timezone.now())
    while (letter := metering_operations.approval_letter_to_send(at=timezone.now())) is not None:
        edits = validation.edits_of_letter(letter_id=letter.pk)
        context = {
            "letter": letter, "count": len(edits), "edits": edits[:LISTED],
            "more": max(len(edits) - LISTED, 0),
            "link": settings.BASE_URL + reverse("ops-edits") + "?state=proposed",
        }  # fmt: skip
        problem = ""
        if edits:
            problem = _tried("edits", to=letter.user.email, context=context, folder="quality")
        metering_operations.note_approval_letter(
            letter_id=letter.pk, at=timezone.now(), problem=problem
        )


def _tried(letter: str, *, to: str, context: dict[str, Any], folder: str) -> str:
    """
    Send a letter; return what the mail server said against it, if anything.
    """
    try:
        _send(letter, to=to, context=context, folder=folder)
    except OSError as refused:
        return f"{type(refused).__name__}: {refused}"
    return ""


@shared_task
def send_waiting_work_notices(**kwargs: Any) -> None:
    """
    Send a task for each announcement of work whose e-mails were not sent.
    """
    for key in metering.windows_to_mail(at=timezone.now(), limit=100):
        send_work_notice.delay(window_id=key)


@shared_task(autoretry_for=(OSError,), retry_backoff=30, max_retries=5)
def send_work_notice(*, window_id: int, **kwargs: Any) -> None:
    """
    Tell the members of the customers that announced work touches, once.
    """
    window = metering_operations.maintenance_to_mail(window_id=window_id, at=timezone.now())
    if window is None:
        return
    for customer in window.told.order_by("pk"):
        for address in metering.addressees(tenant_id=customer.pk):
            context = {"window": window, "zone": window.site.timezone}
            _send("work", to=address, context=context, folder="availability")
    logger.info("work notice sent", window_id=window_id)
