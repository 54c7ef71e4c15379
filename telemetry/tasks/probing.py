"""
Asking from outside whether something is there.

Targets are typed in by operators, who may reach their own machines with them but not the portal's:
addresses of this machine and of its link are refused, the address that was checked is the one that
is connected to, redirects are not followed, and of an answer only its code is kept.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import time
import urllib.parse
from dataclasses import dataclass

from django.conf import settings


@dataclass(frozen=True, slots=True)
class Finding:
    """
    What was found; `answer` is a code, or why there was none.
    """

    ok: bool
    took_ms: int | None
    answer: str


class Refused(Exception):
    """
    The target is not one that may be asked.
    """


def ask(*, kind: str, target: str, timeout_s: float) -> Finding:
    """
    Ask once. HTTP is there when it answers with a code below 400, TCP when it takes a connection.
    """
    began = time.monotonic()
    try:
        ok, answer = _http(target, timeout_s) if kind == "http" else _tcp(target, timeout_s)
    except Refused as refusal:
        return Finding(False, None, str(refusal))
    except (OSError, http.client.HTTPException, ValueError) as problem:
        return Finding(False, None, f"{type(problem).__name__}: {problem}"[:120])
    return Finding(ok, round((time.monotonic() - began) * 1000), answer)


def _checked(host: str, port: int) -> str:
    """
    Return the address of a host, once all it resolves to may be asked.
    """
    found = {
        str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    }  # fmt: skip
    for text in found:
        address = ipaddress.ip_address(text.split("%")[0])
        address = getattr(address, "ipv4_mapped", None) or address
        local = address.is_loopback or address.is_link_local or address.is_unspecified
        if (local and not settings.PROBE_LOCAL) or address.is_multicast:
            raise Refused("This address may not be asked.")
    return sorted(found)[0]


def _tcp(target: str, timeout_s: float) -> tuple[bool, str]:
    host, _, port = target.rpartition(":")
    host = host.strip("[]")
    with socket.create_connection((_checked(host, int(port)), int(port)), timeout=timeout_s):
        return True, "connected"


def _http(target: str, timeout_s: float) -> tuple[bool, str]:
    url = urllib.parse.urlsplit(target)
    if url.scheme not in {"http", "https"} or not url.hostname:
        raise Refused("The address is neither http nor https.")
    port = url.port or (443 if url.scheme == "https" else 80)
    plain = socket.create_connection((_checked(url.hostname, port), port), timeout=timeout_s)
    connection = http.client.HTTPConnection(url.hostname, port, timeout=timeout_s)
    connection.sock = plain
    try:
        if url.scheme == "https":
            context = ssl.create_default_context()
            connection.sock = context.wrap_socket(plain, server_hostname=url.hostname)
        path = urllib.parse.urlunsplit(("", "", url.path or "/", url.query, ""))
        connection.request("GET", path, headers={"User-Agent": "Warmgrid probe"})
        status = connection.getresponse().status
    finally:
        connection.close()
    return status < 400, str(status)
