"""
Carrying messages to other systems.
"""

import hashlib
import hmac
import http.client
import json
import time
import urllib.error
import urllib.request
from typing import Any

from celery import shared_task
from django.utils import timezone

from sites import operations

_SECONDS = 10


@shared_task
def deliver_messages(**kwargs: Any) -> None:
    """
    Carry the messages that wait, one after the other.
    """
    while (message := operations.next_message(at=timezone.now())) is not None:
        delivered, answer = _deliver(message)
        operations.note_answer(message_id=message.id, delivered=delivered, answer=answer)


def signature(*, secret: bytes, stamp: str, body: bytes) -> str:
    """
    Return HMAC-SHA256 over "<stamp>.<body>" as hexadecimal; the stamp is in seconds since 1970,
    so that a receiver can refuse what is old.
    """
    return hmac.new(secret, stamp.encode() + b"." + body, hashlib.sha256).hexdigest()


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """
    A signed message goes to the address it is meant for and nowhere else.
    """

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirects)


def _deliver(message: operations.DueMessage) -> tuple[bool, str]:
    if not message.url.startswith(("https://", "http://")):
        return False, "The address is neither http nor https."
    body = json.dumps(message.payload, sort_keys=True).encode()
    stamp = str(int(time.time()))
    request = urllib.request.Request(  # noqa: S310 - the scheme is checked above
        message.url,
        data=body,
        headers={
            "Content-Type": "application/json",
            "Warmgrid-Event": message.event,
            # The same at each attempt: a receiver that has seen it may ignore it.
            "Warmgrid-Message": str(message.id),
            "Warmgrid-Timestamp": stamp,
            "Warmgrid-Signature": signature(secret=message.secret, stamp=stamp, body=body),
        },
    )
    try:
        with _OPENER.open(request, timeout=_SECONDS) as answer:
            return 200 <= answer.status < 300, str(answer.status)
    except urllib.error.HTTPError as refused:
        refused.close()
        return False, str(refused.code)
    except (OSError, http.client.HTTPException) as problem:
        return False, f"{type(problem).__name__}: {problem}"
