"""
Damaged and odd deliveries to every registered format: no crash, no 500, every row accounted for.

FUZZ_SECONDS says how long in all; `make fuzz` takes two and a half minutes.
"""

import io
import logging
import os
import time
from collections.abc import Callable, Iterator
from itertools import count

import pytest
from django.test import Client
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from telemetry import formats, operations
from telemetry.models import IngestBatch, Reading, RejectedReading
from telemetry.operations.staging import Judge
from tests import factories
from tests.factories_telemetry import LATER, make_heat_channel

# What has hurt parsers before.
NASTY = [
    b"\0", b"\r", b"\n", b"\r\n", b"\xff", b"\xef\xbb\xbf", b'"', b"'", b"\\", b",", b"=", b" ",
    b"#", b"{", b"}", b"[", b"]", b":", b"NaN", b"-inf", b"1e999999999", b"1e-999999999",
    b"9" * 400, b"\\ud800", b"null", b"true", b"0001-01-01T00:00:00+14:00",
    b"9999-12-31T23:59:59-14:00",
    b"\xe2\x80\xa8", "٣".encode(), b"h", b"68", b"16",
]  # fmt: skip
# Further ways in: the options that change how a format is read.
OPTIONS = {
    "line": [{}, {"precision": "s"}, {"precision": "ns"}, {"precision": "fortnight"}],
    "csv": [{}, {"mapping": "table"}, {"mapping": "nowhere"}],
}
TABLE = b"time;energy\n01.01.2024 00:15;1.234,5\n01.01.2024 00:30;-\n"
TESTS = 2 * len(formats.FORMATS)


def _deliveries(example: bytes) -> SearchStrategy[bytes]:
    """
    Some repetitions of an example with a few places changed, or anything at all.
    """
    bits = st.sampled_from(NASTY) | st.binary(max_size=8)
    edits = st.lists(st.tuples(st.integers(0, 1 << 12), st.integers(0, 12), bits), max_size=6)
    changed = st.builds(_edited, st.integers(1, 5).map(lambda n: example * n), edits)
    return changed | st.lists(bits, max_size=30).map(b"".join)


def _edited(body: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    for place, length, bit in edits:
        at = place % (len(body) + 1)
        body = body[:at] + bit + body[at + length :]
    return body


def _examples(name: str) -> SearchStrategy[bytes]:
    found = _deliveries(formats.FORMATS[name].example)
    return found | _deliveries(TABLE) if name == "csv" else found


def _for_its_time(check: Callable[[bytes, dict[str, str]], None], name: str, examples: int) -> None:
    """
    Try new deliveries until the time of this test is over.
    """
    end = time.monotonic() + float(os.environ.get("FUZZ_SECONDS", "8")) / TESTS
    options = st.sampled_from(OPTIONS.get(name, [{}]))
    for number in count(time.time_ns()):
        tried = settings(
            max_examples=examples, deadline=None, database=None,
            suppress_health_check=list(HealthCheck),
            # What fails is shown as it is; making it smaller could take longer than the fuzz.
            phases=[Phase.generate, Phase.shrink],
        )(given(_examples(name), options)(check))  # fmt: skip
        seed(number)(tried)()
        if time.monotonic() > end:
            return


@pytest.fixture(params=sorted(formats.FORMATS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(autouse=True)
def _no_logs() -> Iterator[None]:
    # Thousands of refused requests, each with two lines.
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def site_id(db: None) -> int:
    site = make_heat_channel().site
    operations.save_mapping(
        operator_id=site.operator_id, code="table", name="A table", at=LATER, by_id=None,
        spec={"time": {"columns": ["time"], "format": "%d.%m.%Y %H:%M", "zone": "Europe/Berlin"},
              "separator": ";", "decimal": ",", "thousands": ".",
              "values": [{"column": "energy", "channel": "heat.energy"}]},
    )  # fmt: skip
    return site.pk


def test_every_row_of_a_damaged_delivery_is_accounted_for(name: str, site_id: int):
    def check(body: bytes, options: dict[str, str]) -> None:
        delivery = formats.Delivery(site_id, LATER, options)
        judge = Judge({"heat.energy": "1"}, LATER)
        try:
            batches = list(formats.FORMATS[name].parse(io.BytesIO(body), delivery))
        except formats.NotReadable:
            return
        for columns in batches:
            judged = judge.judge(columns)
            rows = len(columns.values)
            assert len(columns.numbers) == len(columns.channels) == len(columns.ats) == rows
            assert judged.staged + len(judged.refused) == rows + len(columns.refused)
            assert judged.copied.count("\n") == judged.staged
        # Quotes in line protocol may hold line ends.
        if name == "ndjson" or (name == "line" and b'"' not in body):
            assert _numbers(batches) == _numbers_of_lines(body, name)

    _for_its_time(check, name, examples=40)


def _numbers(batches: list[formats.Columns]) -> set[int]:
    return {n for columns in batches for n in columns.numbers} | {
        n for columns in batches for n, _ in columns.refused
    }


def _numbers_of_lines(body: bytes, name: str) -> set[int]:
    text = body.removeprefix(b"\xef\xbb\xbf").decode(errors="replace")
    blank, comment = (" \t\r", "#") if name == "line" else (None, "nothing")
    lines = [line.strip(blank) for line in text.split("\n")]
    return {n for n, line in enumerate(lines, start=1) if line and not line.startswith(comment)}


def test_no_damaged_delivery_makes_a_fault_of_ours(name: str, site_id: int, client: Client):
    _, token = operations.create_gateway(site_id=site_id, name="g", at=factories.NOON, by_id=None)
    headers = {"Authorization": f"Token {token}"}
    media_type = formats.FORMATS[name].media_types[0]

    def check(body: bytes, options: dict[str, str]) -> None:
        query = "&".join(f"{key}={text}" for key, text in options.items())
        answer = client.post(
            f"/api/v1/readings?{query}", body, content_type=media_type, headers=headers
        )
        # The client of the tests names no type for an empty body.
        assert answer.status_code in ({200, 400, 422} if body else {400, 415}), answer.content
        if answer.status_code in {400, 415}:
            return
        counts = answer.json()
        parts = ("accepted", "duplicate", "conflicting", "rejected")
        assert counts["rows"] == sum(counts[part] for part in parts)
        batch = IngestBatch.objects.get(pk=counts["batch_id"])
        assert Reading.objects.filter(batch_id=batch.pk).count() == counts["accepted"]
        kept = RejectedReading.objects.filter(batch_id=batch.pk).count()
        assert kept == counts["rejected"] + counts["conflicting"]

    _for_its_time(check, name, examples=15)
