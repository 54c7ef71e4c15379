"""
A PostgreSQL of a test's own, to be killed without anybody else losing theirs.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
from django.conf import settings

from tests.template import copy_template
from tests.web_server import ROOT


class OwnServer:
    """
    An embedded PostgreSQL with data of its own, beside the one of the tests.
    """

    def __init__(self, var: Path) -> None:
        self.var = var
        ours = {name: text for name, text in os.environ.items() if name != "DATABASE_URL"}
        # Redis stays the one of the tests.
        self.env = {**ours, "WARMGRID_VAR": str(var), "REDIS_URL": settings.REDIS_URL,
                    "LOG_LEVEL": "CRITICAL"}  # fmt: skip

    def run(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments], cwd=ROOT, env=self.env, check=True, text=True,
            stdout=subprocess.PIPE,
        )  # fmt: skip
        return done.stdout

    def start(self) -> None:
        self.run("-m", "portal.embedded", "start")

    def url(self) -> str:
        return self.run("-c", "from portal import embedded; print(embedded.postgres_url())").strip()

    def kill(self) -> None:
        pid = int((self.var / "postgresql" / "postmaster.pid").read_text().split("\n", 1)[0])
        os.kill(pid, signal.SIGKILL)

    def connect(self) -> psycopg.Connection[tuple[int, ...]]:
        return psycopg.connect(self.url())


@contextlib.contextmanager
def server_of_its_own() -> Iterator[OwnServer]:
    """
    Yield a migrated PostgreSQL that a test may kill.
    """
    # Not in pytest's folder, which the account that runs PostgreSQL cannot enter.
    var = Path(os.environ.get("WARMGRID_VAR") or ROOT / "var") / f"crash-{uuid.uuid4().hex[:8]}"
    server = OwnServer(var)
    try:
        server.start()
        copy_template(server.url())
        yield server
    finally:
        server.run("-m", "portal.embedded", "stop")
        shutil.rmtree(var, ignore_errors=True)
