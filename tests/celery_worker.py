"""
A real Celery worker in a process of its own, on the test database and the real broker.
"""

import contextlib
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from celery import current_app
from django.conf import settings
from django.db import connection

ROOT = Path(__file__).resolve().parents[1]


@contextlib.contextmanager
def queue_of_its_own(
    queue: str = "",
) -> Iterator[tuple[str, Callable[[], subprocess.Popen[bytes]]]]:
    """
    Yield the name of a queue that no other test run uses, a new one unless given, and a function
    that starts a worker on it. What still runs at the end is stopped.
    """
    queue = queue or f"test-{uuid.uuid4().hex}"
    workers: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        database = connection.settings_dict["NAME"]
        worker = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "portal", "worker", "-P", "solo", "-Q", queue,
             "--loglevel", "WARNING", "--without-gossip", "--without-mingle"],
            cwd=ROOT,
            env={
                **os.environ,
                "DATABASE_URL": settings.DATABASE_URL.rsplit("/", 1)[0] + f"/{database}",
                "REDIS_URL": settings.REDIS_URL,
                "ARCHIVE_URL": settings.ARCHIVE_URL,
            },
        )  # fmt: skip
        workers.append(worker)
        return worker

    try:
        yield queue, start
    finally:
        for worker in workers:
            worker.terminate()
            worker.wait(timeout=30)
        with current_app.connection_for_write() as broker:
            broker.default_channel.queue_delete(queue)  # type: ignore[attr-defined]
