"""
The writing half of InfluxDB's interface: with its own client library, with curl, and by hand.
"""

import base64
import gzip
import json
import socket
import subprocess
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from influxdb_client import InfluxDBClient, Point, WritePrecision
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.rest import ApiException

from telemetry import operations
from telemetry.models import Channel, IngestBatch, Reading, RejectedReading
from tests import factories
from tests.factories_telemetry import make_heat_channel
from tests.web_server import send, web_server

NS = 1735689600 * 10**9


@pytest.fixture
def channel() -> Channel:
    return make_heat_channel(code="pool")


@pytest.fixture
def token(channel: Channel) -> str:
    _, token = operations.create_gateway(
        site_id=channel.site_id, name="g", at=factories.NOON, by_id=None
    )
    return token


def _lines(count: int, start: int = 0) -> bytes:
    return "".join(
        f"heat,host=a,point=pool energy={1000 + n}.5 {NS + n * 60 * 10**9}\n"
        for n in range(start, start + count)
    ).encode()


def _post(
    client: Client, token: str, body: bytes, path: str = "/api/v2/write?org=o&bucket=b",
    **headers: str,
) -> Any:  # fmt: skip
    headers = {"Authorization": f"Token {token}"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    return client.post(path, body, content_type="text/plain; charset=utf-8", headers=headers)


@pytest.mark.django_db
def test_a_write_answers_204_and_its_repetition_too(client: Client, token: str):
    first = _post(client, token, _lines(100))
    again = _post(client, token, _lines(100))

    assert (first.status_code, first.content) == (204, b"")
    assert again.status_code == 204
    assert Reading.objects.count() == 100
    counts = IngestBatch.objects.order_by("pk").values_list("accepted", "duplicate", "format")
    assert list(counts) == [(100, 0, "line"), (0, 100, "line")]


@pytest.mark.django_db
def test_a_partial_write_stores_the_good_lines_and_names_the_others(client: Client, token: str):
    body = _lines(3) + (
        b"# a comment\n\n"
        b"pool.energy value=NaN 1\n"
        b"pool flow=1 1735689600000000000\n"
        b"what is this\n" + _lines(1, start=9) + b'pool energy="12" 1735689600000000000\n'
    )

    answer = _post(client, token, body)

    assert answer.status_code == 400
    said = answer.json()
    assert said["code"] == "invalid"
    head, *lines = said["message"].split("\n")
    assert head == "partial write: 4 of 8 fields were not stored, 4 were"
    assert [line.partition(":")[0] for line in lines] == ["line 6", "line 7", "line 8", "line 10"]
    assert "Unknown channel (pool.flow)" in lines[1]
    assert Reading.objects.count() == 4
    kept = RejectedReading.objects.get(reason="unknown_channel")
    # As an instant that can be read later, whatever the precision was.
    assert (kept.channel_text, kept.at_text) == ("pool.flow", "2025-01-01T00:00:00+00:00")

    make_heat_channel(site=Channel.objects.get().site, code="flow")
    Channel.objects.filter(key="flow.energy").update(key="pool.flow")
    operations.replay_rejected(
        site_id=Channel.objects.latest("pk").site_id, received_at=factories.NOON, by_id=None
    )
    assert Reading.objects.count() == 5


@pytest.mark.django_db
def test_another_value_for_a_stored_instant_is_a_partial_write(client: Client, token: str):
    _post(client, token, _lines(1))

    answer = _post(client, token, _lines(1).replace(b"1000.5", b"7"))

    assert answer.status_code == 400
    assert "Another value is stored" in answer.json()["message"]
    assert float(Reading.objects.get().value) == 1000.5


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)]
)
def test_bodies_may_be_compressed_on_every_route(
    client: Client, token: str, encoding: str, pack: Any
):
    answer = _post(client, token, pack(_lines(50)), Content_Encoding=encoding)
    assert answer.status_code == 204

    rows = [
        {"channel": "pool.energy", "at": f"2026-01-01T00:{n:02}Z", "value": n} for n in range(9)
    ]
    bodies = {
        "application/json": json.dumps(rows),
        "application/x-ndjson": "\n".join(map(json.dumps, rows)),
        "text/csv": "channel,at,value\n"
        + "".join(f"{row['channel']},{row['at']},{row['value']}\n" for row in rows),
    }
    stored = [
        client.post(
            "/api/v1/readings", pack(body.encode()), content_type=name,
            headers={"Authorization": f"Bearer {token}", "Content-Encoding": encoding},
        ).json()["accepted"]
        for name, body in bodies.items()
    ]  # fmt: skip
    assert stored == [9, 0, 0]


@pytest.mark.django_db
def test_refusals_speak_as_influx_does(client: Client, token: str, settings: Any):
    settings.INGEST_MAX_BODY_BYTES = 2_000
    settings.INGEST_MAX_INFLATED_BYTES = 100_000
    bomb = gzip.compress(bytes(1_000_000))
    assert len(bomb) < 2_000

    def refused(answer: Any) -> tuple[int, str]:
        assert set(answer.json()) == {"code", "message"}
        return answer.status_code, answer.json()["code"]

    assert refused(_post(client, "wg_wrong", _lines(1))) == (401, "unauthorized")
    assert refused(_post(client, token, bytes(2_001))) == (413, "request too large")
    assert refused(_post(client, token, bomb, Content_Encoding="gzip")) == (
        413,
        "request too large",
    )
    assert refused(_post(client, token, b"x", Content_Encoding="gzip")) == (400, "invalid")
    assert refused(_post(client, token, b"x", Content_Encoding="br")) == (
        415, "unsupported media type",
    )  # fmt: skip
    assert refused(_post(client, token, _lines(1), "/api/v2/write?precision=y")) == (400, "invalid")
    assert refused(client.get("/api/v2/write", headers={"Authorization": f"Token {token}"})) == (
        405, "method not allowed",
    )  # fmt: skip
    assert not Reading.objects.exists()
    assert not IngestBatch.objects.exists()


@pytest.mark.django_db
def test_clients_of_the_first_version_give_the_token_as_password(client: Client, token: str):
    basic = base64.b64encode(f"anybody:{token}".encode()).decode()

    good = _post(client, token, f"pool energy=1 {NS // 10**9}".encode(), "/write?db=x&precision=s",
                 Authorization=f"Basic {basic}")  # fmt: skip
    bad = _post(client, token, "pool é=1".encode(), "/write", Authorization=f"Basic {basic}")

    assert good.status_code == 204
    assert bad.status_code == 400
    assert "Unknown channel (pool.é)" in bad.json()["error"]
    assert bad["X-Influxdb-Error"].startswith("partial write: 1 of 1")
    for wrong in ("Basic !!", "Basic " + base64.b64encode(b"nothing").decode()):
        assert _post(client, token, b"", "/write", Authorization=wrong).status_code == 401


@pytest.fixture
def port(transactional_db: None) -> Iterator[int]:
    with web_server() as port:
        yield port


def test_the_client_library_of_influx_works_unchanged(port: int, token: str):
    point = Point("heat").tag("point", "pool").tag("host", "gw 1, ä=b").field("energy", 12.25)

    with InfluxDBClient(f"http://127.0.0.1:{port}", token=token, org="any", enable_gzip=True) as db:
        assert db.ping()
        writer = db.write_api(write_options=SYNCHRONOUS)
        writer.write("any", record=point.time(NS))
        writer.write("any", record=point.field("energy", 0.1 + 0.2)
                     .time(1735689660, WritePrecision.S),
                     write_precision=WritePrecision.S)  # fmt: skip
        writer.write("any", record=[f"pool energy={n}i {NS + n * 10**9}" for n in range(120, 130)],
                     write_precision=WritePrecision.NS)  # fmt: skip
        with pytest.raises(ApiException, match=r"Unknown channel \(heat.energy\)") as refused:
            writer.write("any", record="heat energy=1")
        assert refused.value.status == 400
    with InfluxDBClient(f"http://127.0.0.1:{port}", token="wg_wrong", org="any") as db:
        writer = db.write_api(write_options=SYNCHRONOUS)
        with pytest.raises(ApiException) as refused:
            writer.write("any", record=point)
        assert refused.value.status == 401

    first, second = Reading.objects.order_by("at").values_list("value", flat=True)[:2]
    assert [float(first), float(second)] == [12.25, 0.3]


def test_curl_sends_a_file_of_lines(port: int, token: str, tmp_path: Path):
    file = tmp_path / "file.lp"
    file.write_bytes(_lines(1_000))

    # It names the body a form, which nobody should mind.
    done = subprocess.run(
        ["curl", "--silent", "--write-out", "%{http_code}", "--header",
         f"Authorization: Token {token}", "--data-binary", f"@{file}",
         f"http://127.0.0.1:{port}/api/v2/write?bucket=b&precision=ns"],
        capture_output=True, check=True, text=True,
    )  # fmt: skip

    assert done.stdout == "204"
    assert Reading.objects.count() == 1_000


def test_a_body_in_chunks_is_read_to_its_end_or_refused(port: int, token: str):
    headers = {"Authorization": f"Token {token}"}

    assert send(port, "/api/v2/write", _lines(500), headers, chunked=True) == (204, b"")
    assert Reading.objects.count() == 500
    packed = gzip.compress(_lines(500, start=500))
    assert send(
        port, "/api/v2/write", packed, {**headers, "Content-Encoding": "gzip"}, chunked=True
    ) == (204, b"")
    assert Reading.objects.count() == 1_000


def test_a_body_cut_off_on_its_way_stores_nothing(port: int, token: str):
    body = _lines(100)
    head = f"POST /api/v2/write HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Token {token}\r\n"
    announced = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[:-25]
    in_chunks = f"{head}Transfer-Encoding: chunked\r\n\r\n{len(body):x}\r\n".encode() + body[:-25]
    for request in (announced, in_chunks):
        with socket.create_connection(("127.0.0.1", port)) as line:
            line.sendall(request)
            line.shutdown(socket.SHUT_WR)
            answer = line.makefile("rb").read()
        assert b" 400 " in answer.split(b"\r\n", 1)[0]
        assert b"before it was complete" in answer
    assert not Reading.objects.exists()


def test_a_batch_whose_answer_was_lost_is_all_duplicates_when_sent_again(port: int, token: str):
    body = _lines(2_000)
    head = (
        f"POST /api/v2/write HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Token {token}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", port)) as line:
        line.sendall(head.encode() + body)
    deadline = time.monotonic() + 30
    while not IngestBatch.objects.exists() and time.monotonic() < deadline:
        time.sleep(0.02)

    again = send(port, "/api/v2/write", body, {"Authorization": f"Token {token}"})

    assert again == (204, b"")
    counts = IngestBatch.objects.order_by("pk").values_list("accepted", "duplicate")
    assert list(counts) == [(2_000, 0), (0, 2_000)]


def test_the_same_batch_at_once_from_all_sides_is_stored_once(transactional_db: None, token: str):
    forwards = _lines(3_000)
    backwards = b"".join(reversed(forwards.splitlines(keepends=True)))
    headers = {"Authorization": f"Token {token}"}

    def deliver(port: int, body: bytes) -> int:
        for tries in range(1, 20):
            status, answer = send(port, "/api/v2/write", body, headers)
            if status == 204:
                return tries
            # Two that wait for each other: one is told to send again.
            assert status == 503, answer
        raise AssertionError("never acknowledged")

    with web_server(workers=3) as server, ThreadPoolExecutor(6) as pool:
        list(pool.map(partial(deliver, server), [forwards, backwards] * 6))

    assert Reading.objects.count() == 3_000
    assert sum(IngestBatch.objects.values_list("accepted", flat=True)) == 3_000
