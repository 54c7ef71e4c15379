"""
Messages to other systems over real HTTP: signed, tried again, told once.
"""

import datetime as dt
import hashlib
import hmac
import http.server
import ipaddress
import json
import threading
from collections.abc import Iterator

import pytest
from django.utils import timezone
from pytest_django import Settings

from sites import operations, outbound, tasks
from sites.models import WebhookMessage
from tests import factories

pytestmark = pytest.mark.django_db


class _Receiver(http.server.ThreadingHTTPServer):
    """
    Answers with the next of some codes and keeps what it was sent.
    """

    codes: list[int]
    received: list[tuple[dict[str, str], bytes]]


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((dict(self.headers), body))
        self.send_response(self.server.codes.pop(0))
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def receiver(settings: Settings) -> Iterator[_Receiver]:
    """
    An HTTP server of somebody else.
    """
    settings.WEBHOOK_PRIVATE = True
    server = _Receiver(("127.0.0.1", 0), _Handler)
    server.codes, server.received = [], []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def _announce(operator_id: int, subject: str = "INV-1") -> None:
    operations.announce(
        operator_id=operator_id, event="invoice.issued", subject=subject,
        payload={"gross": "1.00"}, at=timezone.now(),
    )  # fmt: skip


def _webhook(receiver: _Receiver, events: list[str]) -> tuple[int, str]:
    operator = factories.make_stakeholder()
    _, secret = operations.add_webhook(
        operator_id=operator.pk, url=f"http://127.0.0.1:{receiver.server_port}/hook",
        events=events, at=timezone.now(), by_id=None,
    )  # fmt: skip
    return operator.pk, secret


def _wait_over() -> None:
    past = timezone.now() - dt.timedelta(seconds=1)
    WebhookMessage.objects.filter(state="waiting").update(next_attempt_at=past)


def test_a_message_is_signed_and_told_once(receiver: _Receiver):
    receiver.codes = [204, 204]
    operator_id, secret = _webhook(receiver, ["invoice.issued"])
    for _ in range(2):
        _announce(operator_id)

    tasks.deliver_messages()
    tasks.deliver_messages()

    [(headers, body)] = receiver.received
    assert json.loads(body)["subject"] == "INV-1"
    expected = hmac.new(
        secret.encode(), headers["Warmgrid-Timestamp"].encode() + b"." + body, hashlib.sha256
    ).hexdigest()
    assert headers["Warmgrid-Signature"] == expected
    assert WebhookMessage.objects.get().state == "delivered"


def test_what_fails_is_tried_later_and_given_up_in_the_end(receiver: _Receiver):
    receiver.codes = [302] + [500] * operations.ATTEMPTS
    operator_id, _ = _webhook(receiver, ["invoice.issued"])
    _announce(operator_id)

    tasks.deliver_messages()
    waiting = WebhookMessage.objects.get()
    # A redirect is not followed.
    assert (waiting.state, waiting.last_answer, len(receiver.received)) == ("waiting", "302", 1)
    assert waiting.next_attempt_at > timezone.now()
    for _ in range(operations.ATTEMPTS):
        _wait_over()
        tasks.deliver_messages()

    given_up = WebhookMessage.objects.get()
    assert (given_up.state, given_up.last_answer) == ("given_up", "500")
    assert len(receiver.received) == operations.ATTEMPTS
    receiver.codes = [200]
    operations.send_again(message_id=given_up.pk, at=timezone.now(), by_id=None)
    tasks.deliver_messages()
    assert WebhookMessage.objects.get().state == "delivered"


def test_an_address_that_is_gone_or_not_asked_for_gets_nothing(receiver: _Receiver):
    operator_id, _ = _webhook(receiver, ["invoice.paid"])
    _announce(operator_id)
    assert not WebhookMessage.objects.exists()

    port = receiver.server_port
    receiver.server_close()
    gone, _ = operations.add_webhook(
        operator_id=operator_id, url=f"http://127.0.0.1:{port}/", events=["invoice.issued"],
        at=timezone.now(), by_id=None,
    )  # fmt: skip
    _announce(operator_id, "INV-2")
    tasks.deliver_messages()

    message = WebhookMessage.objects.get()
    assert message.state == "waiting"
    assert "Error" in message.last_answer
    operations.end_webhook(webhook_id=gone.pk, at=timezone.now(), by_id=None)
    assert WebhookMessage.objects.get().state == "given_up"


INSIDE = (
    "http://localhost:9/", "http://127.1/", "https://0.0.0.0/", "https://[::1]/hook",
    "http://169.254.169.254/latest/meta-data", "https://10.0.0.7/", "http://192.168.1.1:8080/",
    "https://172.16.3.4/", "https://100.100.100.200/", "https://192.0.0.192/", "http://2130706433/",
    "https://168.63.129.16/", "https://[fe80::1]/", "https://[fd00:ec2::254]/",
    "https://[::ffff:10.0.0.1]/", "https://[64:ff9b::a00:1]/", "https://[2002:a00:1::]/",
    "https://224.0.0.1/",
)  # fmt: skip


@pytest.mark.parametrize("url", INSIDE)
def test_messages_do_not_go_inside_unless_that_is_set(url: str, settings: Settings):
    operator = factories.make_stakeholder()
    settings.WEBHOOK_PRIVATE = False

    with pytest.raises(outbound.Refused):
        operations.add_webhook(
            operator_id=operator.pk, url=url, events=["invoice.issued"], at=timezone.now(),
            by_id=None,
        )  # fmt: skip


def test_what_was_saved_is_looked_at_again_when_it_is_sent(receiver: _Receiver, settings: Settings):
    operator_id, _ = _webhook(receiver, ["invoice.issued"])
    settings.WEBHOOK_PRIVATE = False
    _announce(operator_id)

    tasks.deliver_messages()

    waiting = WebhookMessage.objects.get()
    assert (waiting.state, waiting.last_answer) == ("waiting", "This address may not be asked.")
    assert not receiver.received


def test_an_address_on_the_internet_may_be_connected_to():
    for text in ("8.8.8.8", "2a01:4f8::1"):
        outbound.Allowed().check(ipaddress.ip_address(text))
    outbound.check_url("https://nowhere.invalid/hook", outbound.Allowed())
