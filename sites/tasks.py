"""
Carrying messages to other systems.
"""

import hashlib
import hmac
import http.client
import json
import time
from typing import Any

from celery import shared_task
from django.utils import timezone

from sites import operations, outbound

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


def _deliver(message: operations.DueMessage) -> tuple[bool, str]:
    body = json.dumps(message.payload, sort_keys=True).encode()
    stamp = str(int(time.time()))
    headers = {
        "Content-Type": "application/json",
        "Warmgrid-Event": message.event,
        # The same at each attempt: a receiver that has seen it may ignore it.
        "Warmgrid-Message": str(message.id),
        "Warmgrid-Timestamp": stamp,
        "Warmgrid-Signature": signature(secret=message.secret, stamp=stamp, body=body),
    }
    try:
        status = outbound.send(
            "POST", message.url, allowed=operations.webhook_targets(), timeout_s=_SECONDS,
            headers=headers, body=body,
        )  # fmt: skip
    except outbound.Refused as refusal:
        return False, str(refusal)
    except (OSError, http.client.HTTPException, ValueError) as problem:
        return False, f"{type(problem).__name__}: {problem}"
    return 200 <= status < 300, str(status)
