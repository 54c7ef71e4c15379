"""
Telling other systems: an event becomes a message for each address that wants it, in the
transaction of the event itself; a task carries the messages.
"""

import datetime as dt
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import transaction

from sites import outbound
from sites.models import Webhook, WebhookMessage
from sites.operations.audit import record

# Ten attempts over about a day: 30 s, 1 min, 2 min and so on, six hours at most.
ATTEMPTS = 10
# What can be told; the payload of each names the thing and its site or customer.
EVENTS = (
    "alarm.opened",
    "alarm.resolved",
    "incident.opened",
    "incident.ended",
    "maintenance.announced",
    "maintenance.ended",
    "invoice.issued",
    "invoice.paid",
    "invoice.disputed",
    "statement.issued",
)
TEST_EVENT = "webhook.test"
_FIRST_PAUSE = dt.timedelta(seconds=30)
_LONGEST_PAUSE = dt.timedelta(hours=6)


def webhook_targets() -> outbound.Allowed:
    """
    Return where messages may go: to the internet, and inside only where the installation says so.
    """
    inside = settings.WEBHOOK_PRIVATE
    return outbound.Allowed(local=inside, private=inside)


@transaction.atomic(durable=True)
def add_webhook(
    *, operator_id: int, url: str, events: list[str], at: dt.datetime, by_id: int | None
) -> tuple[Webhook, str]:
    """
    Add an address and return it with its secret, which cannot be read again.

    :raises outbound.Refused: if it lies in a network that messages may not go to
    """
    outbound.check_url(url, webhook_targets())
    secret = secrets.token_urlsafe(32)
    webhook = Webhook.objects.create(
        operator_id=operator_id, url=url, secret=secret.encode(), events=events, created_at=at
    )
    record(
        at=at, by_id=by_id, operator_id=operator_id, action="webhook added", subject=url[:120],
        after={"events": events},
    )  # fmt: skip
    return webhook, secret


@transaction.atomic(durable=True)
def edit_webhook(*, webhook_id: int, events: list[str], at: dt.datetime, by_id: int | None) -> None:
    """
    Change which events an address is told of; messages that wait are carried all the same.
    """
    webhook = Webhook.objects.select_for_update().get(pk=webhook_id)
    before = {"events": webhook.events}
    webhook.events = events
    webhook.save(update_fields=["events"])
    record(
        at=at, by_id=by_id, operator_id=webhook.operator_id, action="webhook changed",
        subject=webhook.url[:120], before=before, after={"events": events},
    )  # fmt: skip


@transaction.atomic(durable=True)
def renew_secret(*, webhook_id: int, at: dt.datetime, by_id: int | None) -> str:
    """
    Return a new secret of an address, which cannot be read again; the old one signs nothing more.
    """
    secret = secrets.token_urlsafe(32)
    webhook = Webhook.objects.select_for_update().get(pk=webhook_id)
    webhook.secret = secret.encode()
    webhook.save(update_fields=["secret"])
    record(
        at=at, by_id=by_id, operator_id=webhook.operator_id, action="webhook secret renewed",
        subject=webhook.url[:120],
    )  # fmt: skip
    return secret


@transaction.atomic(durable=True)
def send_test(*, webhook_id: int, at: dt.datetime, by_id: int | None) -> None:
    """
    Let one address have a message that is about nothing, to see whether it arrives.
    """
    webhook = Webhook.objects.get(pk=webhook_id)
    subject = at.isoformat()
    WebhookMessage.objects.create(
        webhook=webhook, event=TEST_EVENT, subject=subject, created_at=at, next_attempt_at=at,
        payload={"event": TEST_EVENT, "subject": subject, "at": subject},
    )  # fmt: skip
    record(
        at=at, by_id=by_id, operator_id=webhook.operator_id, action="webhook tried",
        subject=webhook.url[:120],
    )  # fmt: skip


@transaction.atomic(durable=True)
def end_webhook(*, webhook_id: int, at: dt.datetime, by_id: int | None) -> None:
    """
    Tell an address nothing more; what waits for it is given up.
    """
    webhook = Webhook.objects.select_for_update().get(pk=webhook_id)
    webhook.ended_at = at
    webhook.save(update_fields=["ended_at"])
    webhook.messages.filter(state=WebhookMessage.State.WAITING).update(
        state=WebhookMessage.State.GIVEN_UP, last_answer="The address was removed."
    )
    record(
        at=at, by_id=by_id, operator_id=webhook.operator_id, action="webhook removed",
        subject=webhook.url[:120],
    )  # fmt: skip


def announce(
    *, operator_id: int, event: str, subject: str, payload: dict[str, Any], at: dt.datetime
) -> None:
    """
    Note an event for the addresses that want it, within the caller's transaction. The same
    event of the same subject is told once.
    """
    announce_all(operator_id=operator_id, event=event, told={subject: payload}, at=at)


def announce_all(
    *, operator_id: int, event: str, told: Mapping[str, dict[str, Any]], at: dt.datetime
) -> None:
    """
    Do as `announce` for many subjects with their payloads.
    """
    wanting = Webhook.objects.filter(
        operator_id=operator_id, events__contains=[event], ended_at__isnull=True
    )
    WebhookMessage.objects.bulk_create(
        [
            WebhookMessage(
                webhook=webhook, event=event, subject=subject, created_at=at, next_attempt_at=at,
                payload={"event": event, "subject": subject, "at": at.isoformat(), **payload},
            )
            for webhook in wanting
            for subject, payload in told.items()
        ],
        ignore_conflicts=True,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class DueMessage:
    """
    A message that is about to be carried.
    """

    id: int
    url: str
    secret: bytes
    event: str
    payload: dict[str, Any]


@transaction.atomic(durable=True)
def next_message(*, at: dt.datetime) -> DueMessage | None:
    """
    Take the message that has waited longest and put its next attempt off, so that a worker that
    dies with it loses nothing and two workers do not carry it at once.
    """
    row = (
        WebhookMessage.objects.select_for_update(skip_locked=True, of=("self",))
        .select_related("webhook")
        .filter(state=WebhookMessage.State.WAITING, next_attempt_at__lte=at)
        .order_by("next_attempt_at", "pk")
        .first()
    )
    if row is None:
        return None
    row.attempts += 1
    pause = min(_FIRST_PAUSE * 2 ** (row.attempts - 1), _LONGEST_PAUSE)
    row.next_attempt_at = at + pause
    row.save(update_fields=["attempts", "next_attempt_at"])
    return DueMessage(row.pk, row.webhook.url, bytes(row.webhook.secret), row.event, row.payload)


@transaction.atomic(durable=True)
def note_answer(*, message_id: int, delivered: bool, answer: str) -> None:
    """
    Note what the other side answered; after the last attempt the message is given up.
    """
    row = WebhookMessage.objects.select_for_update().get(pk=message_id)
    row.last_answer = answer[:200]
    if delivered:
        row.state = WebhookMessage.State.DELIVERED
    elif row.attempts >= ATTEMPTS:
        row.state = WebhookMessage.State.GIVEN_UP
    row.save(update_fields=["state", "last_answer"])


@transaction.atomic(durable=True)
def send_again(*, message_id: int, at: dt.datetime, by_id: int | None) -> None:
    """
    Let a message that was given up wait for another round of attempts.
    """
    row = (
        WebhookMessage.objects.select_for_update(of=("self",))
        .select_related("webhook")
        .get(pk=message_id)
    )
    row.state, row.attempts, row.next_attempt_at = WebhookMessage.State.WAITING, 0, at
    row.save(update_fields=["state", "attempts", "next_attempt_at"])
    record(
        at=at, by_id=by_id, operator_id=row.webhook.operator_id, action="message sent again",
        subject=f"{row.event} {row.subject}"[:120],
    )  # fmt: skip
