"""
A real web server in a process of its own, as an installation runs it.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from django.conf import settings
from django.db import connection

ROOT = Path(__file__).resolve().parents[1]


@contextlib.contextmanager
def web_server(*, workers: int = 1, env: Mapping[str, str] | None = None) -> Iterator[int]:
    """
    Start gunicorn on a free port and yield the port. Without `env` it works on the database of
    this process.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    ours = {
        "DATABASE_URL": with_name(settings.DATABASE_URL, connection.settings_dict["NAME"]),
        "REDIS_URL": settings.REDIS_URL,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "portal.wsgi", "--workers", str(workers), "--bind",
         f"127.0.0.1:{port}", "--timeout", "120", "--log-level", "error"],
        cwd=ROOT, env={**os.environ, **(ours if env is None else env)},
    )  # fmt: skip
    try:
        _wait_for(port)
        yield port
    finally:
        process.terminate()
        process.wait(timeout=30)


def with_name(url: str, name: str) -> str:
    head, mark, query = url.partition("?")
    return f"{head.rsplit('/', 1)[0]}/{name}{mark}{query}"


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise RuntimeError("The web server did not start.")


def send(
    port: int, path: str, body: bytes, headers: Mapping[str, str], *, chunked: bool = False
) -> tuple[int, bytes]:
    """
    Post a body and return the status and the answer.
    """
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        pieces = [body[n : n + 1000] for n in range(0, len(body), 1000)]
        client.request("POST", path, iter(pieces) if chunked else body, dict(headers),
                       encode_chunked=chunked)  # fmt: skip
        answer = client.getresponse()
        return answer.status, answer.read()
    finally:
        client.close()
