"""
Webhooks in the browser: the secret is shown once, and what became of each message.
"""

import datetime as dt
import re

import pytest
from django.test import Client
from django.utils import timezone

from sites import operations
from sites.access import Role
from sites.models import AuditEntry, Webhook, WebhookMessage
from tests import factories
from tests.factories_availability import make_webhook

pytestmark = pytest.mark.django_db
LIST = "/ops/alarms/webhooks/"


def test_an_address_is_added_with_a_secret_that_is_shown_once(client: Client):
    operator = factories.make_stakeholder()
    client.force_login(factories.make_user(stakeholder=operator))

    wrong = client.post(f"{LIST}new/", {"url": "ftp://x.example"}).content.decode()
    made = client.post(
        f"{LIST}new/",
        {"url": "https://x.example/in", "events": ["alarm.opened", "invoice.issued"]},
    )

    inside = client.post(
        f"{LIST}new/", {"url": "https://192.168.1.9/in", "events": ["alarm.opened"]}
    )

    assert inside.status_code == 422
    assert "Messages do not go to this machine or to a private network." in inside.content.decode()
    assert 'value="https://192.168.1.9/in"' in inside.content.decode()
    assert "Enter an address like https://example.org/hook." in wrong
    assert "Choose at least one event." in wrong
    hook = Webhook.objects.get()
    secret = bytes(hook.secret).decode()
    assert secret in made.content.decode()
    assert "no-store" in made.headers["Cache-Control"]
    again = client.get(f"{LIST}{hook.pk}/").content.decode()
    assert secret not in again
    assert "An invoice was issued" in client.get(LIST).content.decode()
    renewed = client.post(f"{LIST}{hook.pk}/renew/").content.decode()
    hook.refresh_from_db()
    assert bytes(hook.secret).decode() != secret
    assert bytes(hook.secret).decode() in renewed
    client.post(f"{LIST}{hook.pk}/", {"events": ["alarm.resolved"]})
    client.post(f"{LIST}{hook.pk}/end/")
    hook.refresh_from_db()
    assert hook.events == ["alarm.resolved"]
    assert hook.ended_at is not None
    assert client.get(f"{LIST}{hook.pk}/").status_code == 404
    told = AuditEntry.objects.filter(action__startswith="webhook").order_by("pk")
    assert [entry.action for entry in told] == [
        "webhook added", "webhook secret renewed", "webhook changed", "webhook removed",
    ]  # fmt: skip
    assert not re.search(secret, str(list(told.values())))


def test_messages_are_found_and_sent_again_at_one_cost(
    client: Client, django_assert_max_num_queries
):
    site = factories.make_site()
    client.force_login(factories.make_user(stakeholder=site.operator))
    now = timezone.now()
    hook, message = make_webhook(site, at=now)
    for n in range(60):
        operations.announce(
            operator_id=site.operator_id, event="incident.opened", subject=str(n), payload={},
            at=now - dt.timedelta(minutes=n),
        )  # fmt: skip
    WebhookMessage.objects.filter(pk=message.pk).update(
        state="given_up", attempts=10, last_answer="500"
    )

    with django_assert_max_num_queries(10):
        page = client.get(f"{LIST}{hook.pk}/").content.decode()
    given_up = client.get(f"{LIST}{hook.pk}/", {"state": "given_up"}).content.decode()
    rows = client.get(f"{LIST}{hook.pk}/", {"format": "csv"}).getvalue().decode().splitlines()

    assert "1–50 of 61" in page
    assert "webhook.test" in given_up
    assert "incident.opened</td>" not in given_up
    assert len(rows) == 62
    client.post(f"{LIST}messages/{message.pk}/again/")
    message.refresh_from_db()
    assert (message.state, message.attempts) == ("waiting", 0)
    client.post(f"{LIST}{hook.pk}/try/")
    assert WebhookMessage.objects.filter(event="webhook.test").count() == 2


def test_only_administrators_see_where_messages_go(client: Client):
    site = factories.make_site()
    hook, _ = make_webhook(site, at=timezone.now())

    for role in (Role.STAFF, Role.BILLING, Role.VIEWER):
        client.force_login(factories.make_user(stakeholder=site.operator, role=role))
        assert client.get(LIST).status_code == 404
        assert client.post(f"{LIST}{hook.pk}/renew/").status_code == 404
        assert "Webhooks" not in client.get("/ops/alarms/").content.decode()


def test_a_message_of_a_removed_address_is_not_sent_again(client: Client):
    site = factories.make_site()
    client.force_login(factories.make_user(stakeholder=site.operator))
    hook, message = make_webhook(site, at=timezone.now())
    operations.end_webhook(webhook_id=hook.pk, at=timezone.now(), by_id=None)

    assert client.post(f"{LIST}messages/{message.pk}/again/").status_code == 404
    message.refresh_from_db()
    assert message.state == "given_up"
