"""
Workers of a run are killed by kill -9: one document for each contract, no hole in the numbers.

The database is one of its own. KILLED_CONTRACTS sets how many contracts; KILLED_SEED repeats a run.
"""

import os
import random
import signal
import subprocess
import sys
import time

import psycopg

from tests.own_server import OwnServer, server_of_its_own
from tests.web_server import ROOT

CONTRACTS = int(os.environ.get("KILLED_CONTRACTS", "400"))
SEED = int(os.environ.get("KILLED_SEED", time.time_ns()))
KILLS = 5

_MAKE_A_RUN = """
import sys
from billing import operations
from tests.factories_billing import JANUARY, make_contracts, meter_january
from tests.factories_telemetry import LATER, make_heat_channel
channel = make_heat_channel(code="billed")
meter_january(channel)
make_contracts([channel], "K", {contracts})
print(operations.start_run(
    operator_id=channel.site.operator_id, month=JANUARY, issue=True, at=LATER, by_id=None).pk)
"""
# What a worker does with a run, without the queue, which is shared with other tests.
_WORK = """
import sys, django
django.setup()
from django.utils import timezone
from billing import operations
while operations.bill_next(run_id=int(sys.argv[1]), at=timezone.now()):
    pass
"""


def _worker(server: OwnServer, run_id: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", _WORK, run_id], cwd=ROOT,
        env={**server.env, "DJANGO_SETTINGS_MODULE": "portal.settings"},
    )  # fmt: skip


Database = psycopg.Connection[tuple[int, ...]]


def _figures(database: Database, select: str) -> tuple[int, ...]:
    row = database.execute(f"SELECT {select}").fetchone()
    # Nothing is left open that would show old rows, or hold them.
    database.rollback()
    assert row is not None
    return row


def _kill_at_random(
    server: OwnServer, database: Database, run_id: str, point: int, chance: random.Random
) -> None:
    """
    Let two workers bill until `point` contracts are done, and kill them a little later.
    """
    workers = [_worker(server, run_id) for _ in range(2)]
    deadline = time.monotonic() + 600
    done = "count(*) FROM billing_runitem WHERE state <> 'waiting'"
    while _figures(database, done) < (point,):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(chance.random() / 5)
    for worker in workers:
        worker.send_signal(signal.SIGKILL)
        worker.wait()


def test_a_run_killed_at_five_points_makes_one_document_each_and_no_hole():
    chance = random.Random(SEED)  # noqa: S311
    print("KILLED_SEED", SEED)
    with server_of_its_own() as server:
        run_id = server.run(
            "manage.py", "shell", "--verbosity", "0", "-c",
            _MAKE_A_RUN.format(contracts=CONTRACTS),
        ).strip()  # fmt: skip
        # One in each fifth, so that they are apart.
        points = [int((n + chance.random()) * CONTRACTS / KILLS) for n in range(KILLS)]
        seen: list[int] = []
        with server.connect() as database:
            for point in points:
                _kill_at_random(server, database, run_id, point, chance)
                seen += _figures(database, "count(*) FROM billing_invoice")
            assert _worker(server, run_id).wait() == 0

            assert _figures(
                database,
                "count(*), count(*) FILTER (WHERE status = 'issued'), count(DISTINCT contract_id),"
                " count(DISTINCT number), min(sequence), max(sequence) FROM billing_invoice",
            ) == (*[CONTRACTS] * 4, 1, CONTRACTS)
            assert _figures(database, "last_number FROM billing_numberseries") == (CONTRACTS,)
            # Each document names the one before it.
            assert _figures(
                database,
                "count(*) FROM billing_invoice a JOIN billing_invoice b"
                " ON b.sequence = a.sequence + 1 AND b.previous_hash = a.document_hash",
            ) == (CONTRACTS - 1,)
            assert _figures(
                database,
                "(SELECT count(*) FROM billing_invoiceline),"
                " (SELECT count(*) FROM billing_billedinterval),"
                " (SELECT count(*) FROM billing_lineevidence),"
                " (SELECT count(*) FROM billing_runitem WHERE state = 'issued'),"
                " (SELECT count(*) FROM billing_billingrun WHERE status = 'finished'),"
                " (SELECT count(*) FROM sites_auditentry WHERE action = 'invoice issued')",
            ) == (2 * CONTRACTS, 2 * CONTRACTS, CONTRACTS, CONTRACTS, 1, CONTRACTS)
    print("killed with", seen, "invoices made")
