"""
What meters say of themselves: the status byte of M-Bus telegrams.
"""

import datetime as dt
import io
import json
from pathlib import Path

import pytest
from django.db import IntegrityError, transaction
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.test import Client

from portal.templatetags.portal import meter_words
from sites.access import Role
from telemetry import operations
from telemetry.domain.meter_status import is_fault
from telemetry.formats import mbus
from telemetry.formats.telegram import NotDecodable
from telemetry.models import Alarm, Channel, IngestBatch, Meter, MeterStatus
from tests import factories
from tests.factories_telemetry import LATER, make_heat_channel
from tests.telemetry.test_telegrams import DATA, MULTICAL, needs_data

SERIAL = "77447744"
STATUS_AT = 16


def _multical(status: int) -> str:
    frame = bytearray(bytes.fromhex(MULTICAL))
    frame[STATUS_AT] = status
    frame[-2] = sum(frame[4:-2]) & 0xFF
    return frame.hex()


def _meter() -> Channel:
    channel = make_heat_channel(unit="MWh")
    Meter.objects.update(serial=SERIAL)
    return channel


def _send(channel: Channel, *lines: str, name: str = "mbus") -> None:
    operations.ingest(
        site_id=channel.site_id, stream=io.BytesIO("\n".join(lines).encode()), format=name,
        source=IngestBatch.Source.HTTP, received_at=LATER,
    )  # fmt: skip


def _runs() -> list[tuple[int, int, int]]:
    return [
        (run.status, run.span.lower.hour, run.span.upper.hour)
        for run in MeterStatus.objects.order_by("span")
    ]


def _line(hour: int, status: int) -> str:
    return f"2026-01-01T{hour:02d}:00:00Z {_multical(status)}"


@pytest.mark.parametrize(
    ("status", "words", "fault"),
    [
        (0x00, ["no fault"], False),
        (0x01, ["busy"], False),
        (0x02, ["application error"], True),
        (0x03, ["abnormal condition"], True),
        (0x04, ["power low"], True),
        (0x0C, ["power low", "permanent error"], True),
        (0x10, ["temporary error"], True),
        (0x27, ["abnormal condition", "power low", "code 20h of the maker"], True),
        (0x70, ["temporary error", "code 60h of the maker"], True),
        (0x88, ["permanent error", "code 80h of the maker"], True),
        (0xE0, ["code E0h of the maker"], False),
    ],
)
def test_a_status_byte_in_words(status: int, words: list[str], fault: bool):
    assert (meter_words(status), is_fault(status)) == (words, fault)


@needs_data
def test_real_meters_state_their_faults():
    said = set()
    for path in sorted(Path(DATA).glob("libmbus/*/*.hex")):
        try:
            said.add(mbus.decode(mbus.from_hex(path.read_text())).status)
        except NotDecodable:
            continue

    assert {0x00, 0x10, 0x27, 0x70, 0x88} <= said


@pytest.mark.django_db
def test_a_status_is_kept_as_stretches_and_sent_twice_changes_nothing():
    channel = _meter()
    lines = [_line(0, 0), _line(1, 0), _line(2, 0x10), _line(3, 0x10), _line(4, 0)]

    _send(channel, *lines[:3])
    _send(channel, *lines)
    assert _runs() == [(0, 0, 1), (0x10, 2, 3), (0, 4, 4)]
    # Late, or of a clock that is ahead.
    _send(channel, _line(3, 0x08), f"2036-01-01T00:00:00Z {_multical(0x08)}")
    assert _runs() == [(0, 0, 1), (0x10, 2, 3), (0, 4, 4)]
    with pytest.raises(IntegrityError, match="one_status_a_meter"), transaction.atomic():
        MeterStatus.objects.create(
            meter=Meter.objects.get(), status=1, span=DateTimeTZRange(
                dt.datetime(2026, 1, 1, 0, 30, tzinfo=dt.UTC), LATER, "[]"
            ),
        )  # fmt: skip


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("words", "status"), [("OK", 0), ("POWER_LOW TEMPORARY_ERROR", 0x14), ("LEAK", None)]
)
def test_words_of_wmbusmeters(words: str, status: int | None):
    said = {"id": SERIAL, "media": "heat", "timestamp": "2026-01-01T00:00:00Z", "status": words,
            "total_energy_consumption_kwh": 34510}  # fmt: skip

    _send(_meter(), json.dumps(said), name="wmbusmeters")

    assert list(MeterStatus.objects.values_list("status", flat=True)) == (
        [] if status is None else [status]
    )


@pytest.mark.django_db
def test_a_fault_raises_an_alarm_that_ends_with_it():
    channel = _meter()
    begun = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    operations.add_alarm_rule(
        site_id=channel.site_id, name="fault", kind="meter_fault", severity="watch", at=begun,
        by_id=None,
    )  # fmt: skip

    _send(channel, _line(0, 0))
    assert operations.find_alarms(at=LATER).opened == 0
    _send(channel, _line(1, 0x04))
    assert operations.find_alarms(at=LATER).opened == 1
    alarm = Alarm.objects.get()
    assert (alarm.since, SERIAL in alarm.place) == (begun + dt.timedelta(hours=1), True)
    # Another fault is the same alarm; "busy" is none.
    _send(channel, _line(2, 0x0C))
    assert operations.find_alarms(at=LATER).opened == 0
    _send(channel, _line(3, 0x01))
    assert operations.find_alarms(at=LATER).resolved == 1


@pytest.mark.django_db
def test_meter_point_and_list_show_it(client: Client):
    channel = _meter()
    client.force_login(factories.make_user(stakeholder=channel.site.operator, role=Role.ADMIN))
    meter = Meter.objects.get()
    assert "What it says of itself" not in client.get(f"/ops/meters/{meter.pk}/").content.decode()

    _send(channel, _line(0, 0), _line(1, 0x70))

    page = client.get(f"/ops/meters/{meter.pk}/").content.decode()
    assert "temporary error, code 60h of the maker" in page
    assert "70h" in page
    assert "temporary error" in client.get(f"/ops/points/{channel.point_id}/").content.decode()
    listed = client.get("/ops/meters/?format=csv").getvalue().decode()
    assert "temporary error, code 60h of the maker" in listed
