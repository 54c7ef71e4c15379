"""
Liveness and readiness, asked of a process whose servers are really absent or really there.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from tests.web_server import ROOT, with_name

NOBODY_THERE = "127.0.0.1:1"
ASK = """
import json, django
django.setup()
from django.test import Client
answer = Client(headers={"host": "localhost"}).get(%r)
print(json.dumps([answer.status_code, answer.json()]))
"""


def _ask(path: str, *, database: str = "", broker: str = "") -> list[object]:
    done = subprocess.run(
        [sys.executable, "-c", ASK % path],
        cwd=ROOT,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "portal.settings",
            "DATABASE_URL": database or settings.DATABASE_URL,
            "REDIS_URL": broker or settings.REDIS_URL,
        },
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    answer: list[object] = json.loads(done.stdout)
    return answer


@pytest.fixture
def migrated(db: None) -> str:
    return with_name(settings.DATABASE_URL, connection.settings_dict["NAME"])


@pytest.fixture
def stock_redis(tmp_path: Path) -> Iterator[str]:
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("no redis-server on this machine")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with subprocess.Popen(
        [program, "--port", str(port), "--bind", "127.0.0.1", "--save", ""],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
    ) as server:
        yield f"redis://127.0.0.1:{port}/0"
        server.terminate()


def test_everything_in_order(migrated: str):
    assert _ask("/readyz", database=migrated) == [
        200,
        {"database": "ok", "broker": "ok", "migrations": "ok"},
    ]


def test_a_stock_redis_by_tcp_is_a_broker_too(migrated: str, stock_redis: str):
    assert _ask("/readyz", database=migrated, broker=stock_redis) == [
        200,
        {"database": "ok", "broker": "ok", "migrations": "ok"},
    ]


def test_without_broker_the_answer_names_it(migrated: str):
    assert _ask("/readyz", database=migrated, broker=f"redis://:secret@{NOBODY_THERE}/0") == [
        503,
        {"database": "ok", "broker": "failing", "migrations": "ok"},
    ]


def test_without_database_the_process_lives_and_is_not_ready():
    nowhere = f"postgresql://somebody:secret@{NOBODY_THERE}/x"

    assert _ask("/healthz", database=nowhere) == [200, {"status": "ok"}]
    assert _ask("/readyz", database=nowhere) == [
        503,
        {"database": "failing", "broker": "ok", "migrations": "failing"},
    ]
