"""
Messages to other systems: where they go, and what became of each.
"""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from sites.access import Scope, ScopedQuerySet
from sites.models.parties import Stakeholder


class WebhookQuerySet(ScopedQuerySet["Webhook"]):
    scope = Scope(operator="operator")


class Webhook(models.Model):
    """
    An address that is told of events, such as "invoice.issued". Each message is signed with
    HMAC-SHA256 of the secret, which is shown once.
    """

    operator = models.ForeignKey(Stakeholder, on_delete=models.PROTECT, related_name="webhooks")
    url = models.URLField(max_length=300)
    secret = models.BinaryField()
    events = ArrayField(models.CharField(max_length=40))
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    objects = WebhookQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(name="a_webhook_has_events", condition=Q(events__len__gt=0)),
        ]

    def __str__(self) -> str:
        return self.url


class WebhookMessageQuerySet(ScopedQuerySet["WebhookMessage"]):
    scope = Scope(operator="webhook__operator")


class WebhookMessage(models.Model):
    """
    One event for one address. It is tried again, ever later, until it arrives or is given up.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        DELIVERED = "delivered", "Delivered"
        GIVEN_UP = "given_up", "Given up"

    webhook = models.ForeignKey(Webhook, on_delete=models.PROTECT, related_name="messages")
    event = models.CharField(max_length=40)
    # Names the thing the event is about, so that it is told once.
    subject = models.CharField(max_length=80)
    payload = models.JSONField()
    created_at = models.DateTimeField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField()
    # What the other side answered last: a status code, or why there was none.
    last_answer = models.CharField(max_length=200, blank=True)

    objects = WebhookMessageQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["webhook", "event", "subject"], name="an_event_is_told_once"
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_attempt_at"], name="messages_waiting", condition=Q(state="waiting")
            )
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.subject}"
