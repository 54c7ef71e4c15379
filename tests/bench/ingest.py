"""
Readings per second by HTTP and by file, rollup rows per second, each against bare PostgreSQL.
"""

import datetime as dt
import io
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from django.db import connection

from telemetry import operations
from telemetry.models import Channel, DirtyRange, IngestBatch
from tests import factories
from tests.factories_telemetry import make_heat_channel
from tests.web_server import ROOT, send, web_server

CHANNELS = 20
FIRST = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)


def _seconds(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _rows(
    channels: list[Channel], count: int, start: dt.datetime
) -> list[tuple[Channel, str, str]]:
    # One reading a minute, the dial going up by 0.05 kWh each, from one run to the next too.
    each = count // len(channels)
    passed = (start - FIRST) // dt.timedelta(minutes=1)
    instants = [(start + dt.timedelta(minutes=n)).isoformat() for n in range(each)]
    return [
        (channel, at, f"{1000 + (passed + n) / 20:.2f}")
        for channel in channels
        for n, at in enumerate(instants)
    ]


def _csv(rows: list[tuple[Channel, str, str]]) -> bytes:
    lines = "".join(f"{channel.key},{at},{value}\n" for channel, at, value in rows)
    return f"channel,at,value\n{lines}".encode()


def _json(rows: list[tuple[Channel, str, str]]) -> bytes:
    return b"[" + b",".join(_ndjson(rows).splitlines()) + b"]"


def _ndjson(rows: list[tuple[Channel, str, str]]) -> bytes:
    return "".join(
        f'{{"channel": "{channel.key}", "at": "{at}", "value": {value}}}\n'
        for channel, at, value in rows
    ).encode()


def _line(rows: list[tuple[Channel, str, str]]) -> bytes:
    # As Telegraf writes: measurement, tags, field; the code of the point in a tag.
    stamps = {at: int(dt.datetime.fromisoformat(at).timestamp()) for _, at, _ in rows}
    return "".join(
        f"heat,host=gateway-1,point={channel.key.removesuffix('.energy')}"
        f" energy={value} {stamps[at]}\n"
        for channel, at, value in rows
    ).encode()


BODIES = {"csv": _csv, "json": _json, "ndjson": _ndjson, "line": _line}
TYPES = {"csv": "text/csv", "json": "application/json", "ndjson": "application/x-ndjson",
         "line": "text/plain"}  # fmt: skip


def _parts(name: str, rows: list[tuple[Channel, str, str]]) -> list[bytes]:
    size = 50_000
    return [BODIES[name](rows[n : n + size]) for n in range(0, len(rows), size)]


def _bare(rows: list[tuple[Channel, str, str]]) -> float:
    """
    Copy the same rows to a temporary table and insert them into one of the same shape.
    """
    text = "".join(f"{channel.pk}\t{at}\t{value}\t1\n" for channel, at, value in rows).encode()
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE bench_reading")

    def work() -> None:
        with connection.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute(
                "CREATE TEMP TABLE bench_staged (channel_id bigint, at timestamptz,"
                " value numeric(24, 9), batch_id bigint) ON COMMIT DROP"
            )
            with cursor.copy("COPY bench_staged FROM STDIN") as copy:
                copy.write(text)
            cursor.execute(
                "INSERT INTO bench_reading SELECT channel_id, at, value, batch_id"
                " FROM bench_staged ON CONFLICT DO NOTHING"
            )
            cursor.execute("COMMIT")

    return _seconds(work)


def _make_bare_table(start: dt.datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS bench_reading")
        cursor.execute(
            "CREATE TABLE bench_reading (channel_id bigint NOT NULL, at timestamptz NOT NULL,"
            " value numeric(24, 9) NOT NULL, batch_id bigint NOT NULL,"
            " PRIMARY KEY (channel_id, at)) PARTITION BY RANGE (at)"
        )
        for n in range(24):
            first = (start.year * 12 + start.month - 1) + n
            lower, upper = (f"{m // 12}-{m % 12 + 1:02}-01 00:00+00" for m in (first, first + 1))
            cursor.execute(
                f"CREATE TABLE bench_reading_{n} PARTITION OF bench_reading"
                f" FOR VALUES FROM ('{lower}') TO ('{upper}')"
            )


def _bare_rollup(start: dt.datetime, end: dt.datetime) -> float:
    def work() -> None:
        with connection.cursor() as cursor:
            for grain in ("hour", "day", "month"):
                cursor.execute(
                    "SELECT channel_id, date_trunc(%s, at AT TIME ZONE 'Europe/Berlin') AS bucket,"
                    " min(value), max(value), count(*) FROM telemetry_reading"
                    " WHERE at >= %s AND at < %s GROUP BY channel_id, bucket",
                    [grain, start, end],
                )
                cursor.fetchall()

    return _seconds(work)


def measure(*, rows: int, runs: int) -> dict[str, Any]:
    """
    Take medians over some runs, each with new instants.
    """
    site = factories.make_site()
    channels = [make_heat_channel(site=site, code=f"bench-{n}") for n in range(CHANNELS)]
    first = FIRST
    _make_bare_table(first)
    token = operations.create_gateway(site_id=site.pk, name="b", at=first, by_id=None)[1]
    bare, files, rolled, grouped = [], [], [], []
    sent: dict[str, list[float]] = {name: [] for name in BODIES}
    stretch = dt.timedelta(minutes=rows // CHANNELS)
    start = first
    with web_server(workers=2) as port:
        for run in range(runs):
            batch = _rows(channels, rows, start)
            bare.append(_bare(batch))
            files.append(_seconds(partial(_by_file, site.pk, _csv(batch))))
            rolled.append(_seconds(partial(_roll_up, channels)))
            grouped.append(_bare_rollup(start, start + stretch))
            # Each takes its turn to come first, when a month's table is still to be made.
            names = [*BODIES][run % len(BODIES) :] + [*BODIES][: run % len(BODIES)]
            for name in names:
                start += stretch
                bodies = _parts(name, _rows(channels, rows, start))
                sent[name].append(_seconds(partial(_by_http, port, token, name, bodies)))
            # What came by HTTP is no part of the next run's rollup.
            DirtyRange.objects.all().delete()
            start += stretch

    def rate(seconds: list[float]) -> int:
        return round(rows / statistics.median(seconds))

    def ratio(base: list[float], ours: list[float]) -> float:
        return round(statistics.median(base) / statistics.median(ours), 2)

    goals = {"csv": (50_000, 0.4), "json": (50_000, 0.4), "ndjson": (50_000, 0.4),
             "line": (150_000, 0.6)}  # fmt: skip
    return {
        "bare_insert": {"readings_per_s": rate(bare)},
        **{
            f"http_{name}": {"readings_per_s": rate(seconds), "goal": goals[name][0],
                             "ratio_to_bare": ratio(bare, seconds), "ratio_goal": goals[name][1]}
            for name, seconds in sent.items()
        },
        "file_ingest": {"readings_per_s": rate(files),
                        "ratio_to_bare": ratio(bare, files), "ratio_goal": 0.7},
        "rollup": {"rows_per_s": rate(rolled),
                   "ratio_to_group_by": ratio(grouped, rolled), "ratio_goal": 0.5},
    }  # fmt: skip


def _by_file(site_id: int, body: bytes) -> None:
    result = operations.ingest(
        site_id=site_id, stream=io.BytesIO(body), format="csv", source=IngestBatch.Source.FILE,
        received_at=dt.datetime.now(dt.UTC),
    )  # fmt: skip
    assert result.accepted == result.rows


def _roll_up(channels: list[Channel]) -> None:
    for channel in channels:
        operations.roll_up_channel(channel_id=channel.pk, at=dt.datetime.now(dt.UTC))


def _by_http(port: int, token: str, name: str, bodies: list[bytes]) -> None:
    path = "/api/v2/write?precision=s" if name == "line" else "/api/v1/readings"
    headers = {"Authorization": f"Token {token}", "Content-Type": TYPES[name]}

    def post(body: bytes) -> None:
        status, answer = send(port, path, body, headers)
        if status not in {200, 204}:
            raise RuntimeError(answer[:500].decode())

    # What gateways of a large site would send at once, two at a time.
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(post, bodies))


def measure_memory(*, rows: int) -> dict[str, Any]:
    """
    Ingest one large file in a process of its own and read its peak from outside.
    """
    site = factories.make_site()
    channels = [make_heat_channel(site=site, code=f"large-{n}") for n in range(CHANNELS)]
    body = _csv(_rows(channels, rows, dt.datetime(2022, 1, 1, tzinfo=dt.UTC)))
    with tempfile.NamedTemporaryFile(suffix=".csv") as file:
        file.write(body)
        file.flush()
        del body
        started = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "manage.py", "ingest", file.name, "--site", site.slug],
            cwd=ROOT, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        peak = 0
        while process.poll() is None:
            peak = max(peak, _peak_kb(process.pid))
            time.sleep(0.05)
        seconds = time.perf_counter() - started
    if process.returncode:
        raise RuntimeError("the ingest of the large file failed")
    return {
        "large_file": {"rows": rows, "seconds": round(seconds, 1),
                       "peak_mb": round(peak / 1024), "peak_goal_mb": 500},
    }  # fmt: skip


def _peak_kb(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    line = next((text for text in status.splitlines() if text.startswith("VmHWM")), "")
    return int(line.split()[1]) if line else 0
