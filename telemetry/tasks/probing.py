"""
Asking from outside whether something is there.

Targets are typed in by operators, who may reach their own machines with them but not the portal's:
addresses of this machine and of its link are refused, the address that was checked is the one that
is connected to, redirects are not followed, and of an answer only its code is kept.
"""

from __future__ import annotations

import http.client
import socket
import time
from dataclasses import dataclass

from django.conf import settings

from sites import outbound


@dataclass(frozen=True, slots=True)
class Finding:
    """
    What was found; `answer` is a code, or why there was none.
    """

    ok: bool
    took_ms: int | None
    answer: str


def ask(*, kind: str, target: str, timeout_s: float) -> Finding:
    """
    Ask once. HTTP is there when it answers with a code below 400, TCP when it takes a connection.
    """
    began = time.monotonic()
    try:
        ok, answer = _http(target, timeout_s) if kind == "http" else _tcp(target, timeout_s)
    except outbound.Refused as refusal:
        return Finding(False, None, str(refusal))
    except (OSError, http.client.HTTPException, ValueError) as problem:
        return Finding(False, None, f"{type(problem).__name__}: {problem}"[:120])
    return Finding(ok, round((time.monotonic() - began) * 1000), answer)


def _allowed() -> outbound.Allowed:
    # Sites stand behind private networks, and so do their machines.
    return outbound.Allowed(local=settings.PROBE_LOCAL, private=True)


def _tcp(target: str, timeout_s: float) -> tuple[bool, str]:
    host, _, port = target.rpartition(":")
    address = outbound.checked(host.strip("[]"), int(port), _allowed())
    with socket.create_connection((address, int(port)), timeout=timeout_s):
        return True, "connected"


def _http(target: str, timeout_s: float) -> tuple[bool, str]:
    status = outbound.send(
        "GET", target, allowed=_allowed(), timeout_s=timeout_s,
        headers={"User-Agent": "Warmgrid probe"},
    )  # fmt: skip
    return status < 400, str(status)
