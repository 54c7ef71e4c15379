"""
PostgreSQL is killed while gateways send: what was acknowledged is stored, and nothing twice.

The server is one of its own, so that nobody else loses theirs. CRASH_READINGS sets how many.
"""

import contextlib
import json
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from tests.own_server import OwnServer, server_of_its_own
from tests.web_server import send, web_server

READINGS = int(os.environ.get("CRASH_READINGS", "200000"))
BATCH = 2_500
KILLS = 3
FIRST_S = 1735689600

_MAKE_A_GATEWAY = """
from telemetry import operations
from tests.factories import NOON
from tests.factories_telemetry import make_heat_channel
channel = make_heat_channel(code="pool")
print(operations.create_gateway(site_id=channel.site_id, name="g", at=NOON, by_id=None)[1])
"""


def _lines(batch: int) -> bytes:
    numbers = range(batch * BATCH, (batch + 1) * BATCH)
    return "".join(f"pool energy={n}i {FIRST_S + n}\n" for n in numbers).encode()


def _deliver(port: int, token: str, batch: int, acknowledged: list[int]) -> int:
    """
    Send a batch until it is acknowledged, as Telegraf does; return how often it took.
    """
    body = _lines(batch)
    headers = {"Authorization": f"Token {token}"}
    deadline = time.monotonic() + 120
    tries = 0
    while time.monotonic() < deadline:
        tries += 1
        with contextlib.suppress(OSError):
            status, answer = send(port, "/api/v2/write?precision=s", body, headers)
            if status == 204:
                acknowledged.append(batch)
                return tries
            # Whoever may try again is told so; 500 would be a fault of ours.
            assert status == 503, answer
        time.sleep(0.1)
    raise AssertionError("The batch was never acknowledged.")


def test_what_was_acknowledged_outlives_a_killed_database_and_is_stored_once():
    batches = READINGS // BATCH
    acknowledged: list[int] = []
    with server_of_its_own() as server:
        token = server.run("manage.py", "shell", "--verbosity", "0", "-c", _MAKE_A_GATEWAY).strip()
        with web_server(workers=2, env=server.env) as port, ThreadPoolExecutor(3) as pool:
            tries = [pool.submit(_deliver, port, token, n, acknowledged) for n in range(batches)]
            killer = threading.Thread(
                target=_kill_now_and_then, args=(server, acknowledged, batches)
            )
            killer.start()
            retried = sum(found.result() - 1 for found in tries)
            killer.join()
            assert send(port, "/api/v2/write?precision=s", _lines(0),
                        {"Authorization": f"Token {token}"})[0] == 204  # fmt: skip
        with server.connect() as database:
            stored = database.execute(
                "SELECT count(*), count(DISTINCT at), sum(value)::bigint,"
                " count(*) FILTER (WHERE extract(epoch FROM at) - %s <> value)"
                " FROM telemetry_reading",
                [FIRST_S],
            ).fetchone()
            counted = database.execute(
                "SELECT sum(accepted), sum(conflicting + rejected), count(*)"
                " FROM telemetry_ingestbatch"
            ).fetchone()
            last = database.execute(
                "SELECT duplicate FROM telemetry_ingestbatch ORDER BY id DESC LIMIT 1"
            ).fetchone()

    total = batches * BATCH
    assert sorted(acknowledged) == list(range(batches))
    assert stored == (total, total, total * (total - 1) // 2, 0)
    assert counted is not None
    assert counted[:2] == (total, 0)
    assert last == (BATCH,)
    assert retried >= KILLS
    print(json.dumps({"readings": total, "tries_again": retried, "batches": counted[2]}))


def _kill_now_and_then(server: OwnServer, acknowledged: list[int], batches: int) -> None:
    for n in range(1, KILLS + 1):
        while len(acknowledged) < n * batches // (KILLS + 1):
            time.sleep(0.005)
        server.kill()
        server.start()
