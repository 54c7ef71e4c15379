"""
Damaged and odd deliveries to every registered format: no crash, no 500, every row accounted for.

FUZZ_SECONDS says how long in all; `make fuzz` takes two and a half minutes.
"""

import io
import logging
import os
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import count

import pytest
from django.test import Client
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from portal import profile_words
from portal.forms.profiles import fitting
from telemetry import formats, operations
from telemetry.domain.meter_profiles import Bytes, Coding, Take
from telemetry.formats import wmbus
from telemetry.formats.profiled import addressed, taken
from telemetry.formats.telegram import NotDecodable
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
TESTS = 2 * len(formats.FORMATS) + 1
# What may stand before the records in a radio telegram, plain, encrypted, compact and the maker's.
BEFORE = (
    "72785634122D2C300401000000", "7A01000000", "78", "79", "79E7F1", "A2", "900101", "8C0000",
    "8D0000000000000000", "8D00000000000000007A01001005",
)  # fmt: skip
# Records of meters of all kinds, after which their frames are whole again.
RECORDS = [
    bytes.fromhex(text) for text in (
        "0C0674240000 8C100600000000 0C1382352200 0A5A2203 4C0619130000 426CDF25",
        "04FF072B010000 04EEFF07C1BC0200 0DFF5F0500010203FF 0F0102", "046D0721B62C 02FD1700",
        "0779987654319344 2304 326CFFFF 066D2D130AE12B00",
    )
]  # fmt: skip


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


def _for_its_time(
    check: Callable[[bytes, dict[str, str]], None], name: str, examples: int,
    deliveries: SearchStrategy[bytes] | None = None,
) -> None:  # fmt: skip
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
        )(given(_examples(name) if deliveries is None else deliveries, options)(check))  # fmt: skip
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


def test_no_records_in_a_whole_frame_make_a_fault_of_ours():
    full = bytes.fromhex("03062C000043060000000314630000426C7F2A022D130001FF2100")
    heads = tuple(bytes.fromhex(h) for h in ("0306", "4306", "0314", "426C", "022D", "01FF21"))
    layouts = {wmbus.signature(heads): heads, 0: (b"\x0d\x06",), 1: (), 0x3030: heads}
    takes = [Take(name, measured) for name in ("energy", "month_end") for measured in
             ("energy", "volume", "vif FF07", "vif FF5F")]  # fmt: skip
    takes += [
        Take("energy", "manufacturer", "manufacturer", place=Bytes(first, 4, coding))
        for first in (1, 3, 200) for coding in Coding
    ]  # fmt: skip
    link = bytes.fromhex("449344113456782337")

    def check(records: bytes, options: dict[str, str]) -> None:
        records = records[:200]
        header = bytes.fromhex("080072 78563412 2D2C 30 04 01 00 0000")
        body = header + records
        wired = b"\x68" + bytes([len(body)]) * 2 + b"\x68" + body
        frames = [wired + bytes([sum(body) & 0xFF, 0x16])]
        for before in BEFORE:
            rest = link + bytes.fromhex(before) + records
            frames.append(bytes([len(rest)]) + rest)
        for frame in frames:
            try:
                told = wmbus.decode(frame, key=bytes(16), layouts=layouts)
            except NotDecodable:
                continue
            present, kept = taken(told, takes)
            assert all(Decimal(one.figure).is_finite() for one in present)
            assert len(kept) <= len(takes)
            for one in addressed(told):
                words = profile_words.value_words(one.record)
                assert words + profile_words.record_address(one.record, one.nth)
                fitting(one, dated=True)

    deliveries = st.one_of(*(_deliveries(records) for records in [*RECORDS, full]))
    _for_its_time(check, "mbus", examples=40, deliveries=deliveries)
