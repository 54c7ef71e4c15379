"""
Readings in, by file and by HTTP: counts, idempotence, refusals, replay, dirty ranges.
"""

import datetime as dt
import gzip
import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.test import Client

from telemetry import operations
from telemetry.models import Channel, DirtyRange, IngestBatch, Reading, RejectedReading
from tests import factories
from tests.factories_telemetry import LATER, csv_of, ingest_csv, make_heat_channel

pytestmark = pytest.mark.django_db

START = dt.datetime(2026, 1, 31, 20, tzinfo=dt.UTC)


def _rows(count: int, key: str = "heat.energy") -> list[tuple[str, str, str]]:
    return [
        (key, (START + dt.timedelta(minutes=n)).isoformat(), f"{1000 + n}.5") for n in range(count)
    ]


def _counts(result: operations.IngestResult) -> tuple[int, int, int, int]:
    return result.accepted, result.duplicate, result.conflicting, result.rejected


def test_one_bad_row_in_ten_thousand_is_kept_and_replayed_once_its_cause_is_mended():
    channel = make_heat_channel()
    rows = _rows(10_000)
    rows[4711] = ("heat2.energy", *rows[4711][1:])

    result = ingest_csv(site=channel.site, body=csv_of(rows))

    assert _counts(result) == (9_999, 0, 0, 1)
    kept = RejectedReading.objects.get()
    assert (kept.row, kept.field, kept.reason) == (4712, "channel", "unknown_channel")
    assert kept.value_text == "5711.5"

    late = make_heat_channel(site=channel.site, code="heat2")
    replay = operations.replay_rejected(site_id=channel.site_id, received_at=LATER, by_id=None)

    assert _counts(replay) == (1, 0, 0, 0)
    assert Reading.objects.filter(channel=late).count() == 1
    kept.refresh_from_db()
    assert kept.resolved_by_id == replay.batch_id
    again = operations.replay_rejected(site_id=channel.site_id, received_at=LATER, by_id=None)
    assert again.rows == 0


def test_the_same_batch_twice_reports_duplicates_and_changes_nothing():
    channel = make_heat_channel()
    body = csv_of(_rows(500))
    first = ingest_csv(site=channel.site, body=body)
    before = list(Reading.objects.order_by("at").values_list("at", "value", "batch_id"))
    dirty = DirtyRange.objects.count()

    second = ingest_csv(site=channel.site, body=body)

    assert _counts(first) == (500, 0, 0, 0)
    assert _counts(second) == (0, 500, 0, 0)
    assert list(Reading.objects.order_by("at").values_list("at", "value", "batch_id")) == before
    assert DirtyRange.objects.count() == dirty
    digests = {bytes(batch.sha256) for batch in IngestBatch.objects.all()}
    assert len(digests) == 1


def test_another_value_for_a_stored_instant_is_kept_for_review_and_raw_stays():
    channel = make_heat_channel()
    stamp = START.isoformat()
    ingest_csv(site=channel.site, body=csv_of([("heat.energy", stamp, "5")]))

    result = ingest_csv(
        site=channel.site,
        body=csv_of([("heat.energy", stamp, "6"), ("heat.energy", stamp, "5.0")]),
    )

    assert _counts(result) == (0, 1, 1, 0)
    kept = RejectedReading.objects.get()
    assert (kept.row, kept.reason, kept.value_text) == (1, "conflict", "6")
    assert Reading.objects.get().value == 5


def test_late_data_dirties_from_its_predecessor_to_its_successor():
    channel = make_heat_channel()
    day = "2026-01-10T"
    around = [("heat.energy", f"{day}00:10Z", "1"), ("heat.energy", f"{day}03:40Z", "9")]
    ingest_csv(site=channel.site, body=csv_of(around))
    DirtyRange.objects.all().delete()

    ingest_csv(site=channel.site, body=csv_of([("heat.energy", f"{day}02:05Z", "4")]))

    span = DirtyRange.objects.get().span
    assert (span.lower, span.upper) == (
        dt.datetime(2026, 1, 10, 0, tzinfo=dt.UTC),
        dt.datetime(2026, 1, 10, 4, tzinfo=dt.UTC),
    )


def test_readings_are_never_changed_and_their_channel_stays():
    channel = make_heat_channel()
    ingest_csv(site=channel.site, body=csv_of(_rows(1)))

    with pytest.raises(IntegrityError, match="never changed"), transaction.atomic():
        Reading.objects.update(value=0)
    with pytest.raises(IntegrityError, match="has readings"), transaction.atomic():
        Channel.objects.filter(pk=channel.pk).delete()


@pytest.mark.parametrize(
    ("at", "value", "field", "reason"),
    [
        ("2026-01-31T20:00:00", "1", "at", "bad_instant"),
        ("2026-02-30T20:00:00Z", "1", "at", "bad_instant"),
        ("0001-01-01T00:00:00+14:00", "1", "at", "bad_instant"),
        ("2030-01-01T00:06:00Z", "1", "at", "future"),
        ("2026-01-31T20:00:00Z", "NaN", "value", "bad_value"),
        ("2026-01-31T20:00:00Z", "Infinity", "value", "bad_value"),
        ("2026-01-31T20:00:00Z", "12,5", "value", "bad_value"),
        ("2026-01-31T20:00:00Z", "1e40", "value", "bad_value"),
        ("2026-01-31T20:00:00Z", "1.0000000001", "value", "bad_value"),
        ("2026-01-31T20:00:00Z", "", "value", "missing_field"),
        ("", "1", "at", "missing_field"),
    ],
)
def test_a_row_in_error_is_refused_with_its_field_and_reason(
    client: Client, at: str, value: str, field: str, reason: str
):
    channel = make_heat_channel()
    _, token = operations.create_gateway(
        site_id=channel.site_id, name="g", at=factories.NOON, by_id=None
    )
    received = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)

    quoted = csv_of([("heat.energy", at, f'"{value}"')])
    result = ingest_csv(site=channel.site, body=quoted, received_at=received)

    assert _counts(result) == (0, 0, 0, 1)
    kept = RejectedReading.objects.get()
    assert (kept.field, kept.reason) == (field, reason)
    assert not Reading.objects.exists()
    answer = client.post(
        "/api/v1/readings",
        json.dumps([{"channel": "heat.energy", "at": at, "value": value}]),
        content_type="application/json",
        headers={"Authorization": f"Bearer {token}"},
    )
    assert answer.status_code == 422
    assert answer.json()["problems"][0]["field"] == field


def test_a_gateway_sends_json_and_csv(client: Client):
    channel = make_heat_channel()
    gateway, token = operations.create_gateway(
        site_id=channel.site_id, name="g", at=factories.NOON, by_id=None
    )
    headers = {"Authorization": f"Token {token}"}
    row = {"channel": "heat.energy", "at": "2026-01-31T21:00:00+01:00", "value": 12345.678901}

    first = client.post(
        "/api/v1/readings", json.dumps([row]), content_type="application/json", headers=headers
    )
    second = client.post(
        "/api/v1/readings",
        csv_of([("heat.energy", "2026-01-31T20:00:00Z", "12345.678901")]),
        content_type="text/csv; charset=utf-8",
        headers=headers,
    )

    assert (first.status_code, first.json()["accepted"]) == (200, 1)
    assert (second.status_code, second.json()["duplicate"]) == (200, 1)
    assert str(Reading.objects.get().value) == "12345.678901000"
    gateway.refresh_from_db()
    assert gateway.last_seen_at is not None


def test_foreign_channels_wrong_tokens_and_garbage_store_and_leak_nothing(client: Client):
    own = make_heat_channel(code="own")
    foreign = make_heat_channel(code="foreign")
    _, token = operations.create_gateway(
        site_id=own.site_id, name="g", at=factories.NOON, by_id=None
    )

    def post(body: bytes, *, content_type: str = "application/json", bearer: str = token) -> int:
        answer = client.post(
            "/api/v1/readings",
            body,
            content_type=content_type,
            headers={"Authorization": f"Bearer {bearer}"},
        )
        assert b"Traceback" not in answer.content
        assert foreign.site.slug not in answer.content.decode()
        return answer.status_code

    row = json.dumps([{"channel": foreign.key, "at": "2026-01-01T00:00Z", "value": 1}]).encode()
    garbage = bytes(range(256)) * 40_000
    assert post(row) == 422
    assert post(row.replace(b"foreign", b"nowhere")) == 422
    assert post(row, bearer="wg_wrong") == 401
    assert post(garbage) == 400
    assert post(garbage, content_type="text/csv") == 400
    assert post(b"[" * 100_000) == 400
    assert post(b"[1, 2]") == 400
    assert post(row, content_type="application/xml") == 415
    assert client.post("/api/v1/readings", row, content_type="text/csv").status_code == 401
    assert not Reading.objects.exists()
    assert not DirtyRange.objects.exists()


def test_the_command_loads_a_file_and_says_what_it_did(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    channel = make_heat_channel()
    file = tmp_path / "readings.csv"
    file.write_bytes(b"\xef\xbb\xbf" + csv_of([*_rows(3), ("heat.energy", "yesterday", "1")]))

    call_command("ingest", file, "--site", channel.site.slug, "--json")

    counts = json.loads(capsys.readouterr().out)
    assert (counts["accepted"], counts["rejected"]) == (3, 1)
    assert counts["problems"][0]["row"] == 4
    file.write_text("a,b\n1,2\n")
    with pytest.raises(CommandError, match="must name the columns"):
        call_command("ingest", file, "--site", channel.site.slug)
    with pytest.raises(CommandError, match="no site"):
        call_command("ingest", file, "--site", "nowhere")


def test_the_command_tells_format_and_compression_by_the_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    channel = make_heat_channel()
    lines = "".join(f"heat energy={n} {1735689600 + n}\n" for n in range(5)).encode()
    packed = tmp_path / "readings.LP.gz"
    packed.write_bytes(gzip.compress(lines))
    plain = tmp_path / "readings"
    plain.write_bytes(lines)
    seconds = ("--site", channel.site.slug, "--option", "precision=s", "--json")

    call_command("ingest", packed, *seconds)
    first = json.loads(capsys.readouterr().out)
    call_command("ingest", plain, *seconds, "--format", "line")
    second = json.loads(capsys.readouterr().out)

    assert (first["accepted"], second["duplicate"]) == (5, 5)
    with pytest.raises(CommandError, match="--format"):
        call_command("ingest", plain, *seconds)
    packed.write_bytes(gzip.compress(lines)[:-5])
    with pytest.raises(CommandError, match="ends in the middle"):
        call_command("ingest", packed, *seconds)


def test_another_content_type_is_told_which_are_known(client: Client):
    channel = make_heat_channel()
    _, token = operations.create_gateway(
        site_id=channel.site_id, name="g", at=factories.NOON, by_id=None
    )

    answer = client.post(
        "/api/v1/readings", b"x", content_type="application/xml",
        headers={"Authorization": f"Bearer {token}"},
    )  # fmt: skip

    assert answer.status_code == 415
    for known in ("application/json", "application/x-ndjson", "text/csv", "text/plain"):
        assert known in answer.json()["detail"]
