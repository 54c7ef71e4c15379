"""
Keys of radio meters, and what waited for them.
"""

import io
import json

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from django.db import IntegrityError, connection, transaction
from django.test import Client, override_settings

from sites.access import Role
from sites.models import AuditEntry
from telemetry import operations, tasks
from telemetry.models import Channel, IngestBatch, Meter, Reading, RejectedReading
from telemetry.queries.meters_by_serial import opened_key
from tests import factories
from tests.factories_telemetry import LATER, make_heat_channel

KEY = bytes(range(16))
SERIAL = "77447744"


def _sealed_telegram(energy_kwh: int, key: bytes = KEY) -> str:
    """
    Return a radio telegram of one block: energy in kWh, eight digits, in security mode 5.
    """
    maker, address = bytes.fromhex("2d2c"), bytes.fromhex("447744773004")
    records = b"\x2f\x2f" + b"\x0c\x06" + bytes.fromhex(f"{energy_kwh:08d}")[::-1]
    vector = maker + address + b"\x07" * 8
    cipher = Cipher(algorithms.AES(key), modes.CBC(vector)).encryptor()
    hidden = cipher.update(records.ljust(16, b"\x2f")) + cipher.finalize()
    body = b"\x44" + maker + address + b"\x7a\x07\x00\x10\x05" + hidden
    return (bytes([len(body)]) + body).hex()


def _meter() -> Channel:
    channel = make_heat_channel(unit="MWh")
    Meter.objects.update(serial=SERIAL)
    return channel


def _send(channel: Channel, *lines: str, name: str = "mbus") -> operations.IngestResult:
    return operations.ingest(
        site_id=channel.site_id, stream=io.BytesIO("\n".join(lines).encode()), format=name,
        source=IngestBatch.Source.HTTP, received_at=LATER,
    )  # fmt: skip


def _again(channel: Channel) -> operations.IngestResult:
    return operations.replay_rejected(site_id=channel.site_id, received_at=LATER, by_id=None)


@pytest.mark.django_db
def test_telegrams_that_waited_for_their_key_are_stored_once_it_is_there():
    channel = _meter()
    meter = Meter.objects.get()
    first, second = "2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z"
    sent = _send(
        channel, f"{first} {_sealed_telegram(34510)}", f"{second} {_sealed_telegram(34512)}"
    )
    assert (sent.accepted, sent.rejected) == (0, 2)
    assert "no key of this meter" in RejectedReading.objects.earliest("pk").detail

    operations.set_radio_key(meter_id=meter.pk, key=bytes(16), at=LATER, by_id=None)
    assert _again(channel).accepted == 0
    assert {row.detail for row in RejectedReading.objects.all()} == {
        "The key of this meter does not open the telegram."
    }
    operations.set_radio_key(meter_id=meter.pk, key=KEY, at=LATER, by_id=None)
    replay = _again(channel)

    assert (replay.accepted, replay.rejected) == (2, 0)
    assert [f"{r.value:f}"[:6] for r in Reading.objects.order_by("at")] == ["34.510", "34.512"]
    assert set(RejectedReading.objects.values_list("resolved_by", flat=True)) == {replay.batch_id}
    assert _again(channel).rows == 0


@pytest.mark.django_db
def test_a_telegram_goes_on_waiting_until_all_of_it_is_stored():
    channel = _meter()
    Meter.objects.update(serial="1")
    told = {"id": SERIAL, "media": "heat", "timestamp": "2026-01-01T00:00:00Z",
            "total_energy_consumption_kwh": 34510, "power_kw": 9}  # fmt: skip
    Channel.objects.create(
        site=channel.site, point=channel.point, quantity="power", kind="gauge",
        key="heat.power", unit="kW",
    )  # fmt: skip
    _send(channel, json.dumps(told), name="wmbusmeters")
    assert "No meter with the serial" in RejectedReading.objects.get().detail
    # Meanwhile another power was stored for the instant.
    operations.ingest(
        site_id=channel.site_id, format="csv", source=IngestBatch.Source.HTTP, received_at=LATER,
        stream=io.BytesIO(b"channel,at,value\nheat.power,2026-01-01T00:00:00Z,8\n"),
    )  # fmt: skip

    Meter.objects.update(serial=SERIAL)
    replay = _again(channel)

    assert (replay.accepted, replay.conflicting) == (1, 1)
    kept = RejectedReading.objects.get()
    assert (kept.reason, kept.resolved_by) == ("conflict", None)


@pytest.mark.django_db
def test_a_readout_is_read_again_and_a_text_cut_short_is_not():
    channel = _meter()
    Meter.objects.update(serial="1", unit="GJ")
    _send(channel, "6.8(0032.871*GJ)6.26(03329.67*m3)", "9.21(66153690)", name="iec62056-21")
    _send(channel, "68" * 5000)
    Meter.objects.update(serial="66153690")

    assert _again(channel).accepted == 1
    assert Reading.objects.get().at == LATER
    left = RejectedReading.objects.get(resolved_by=None)
    assert left.detail == "The text was too long to be kept whole. Send it again."


@pytest.mark.django_db
def test_a_key_is_encrypted_at_rest_and_not_in_the_trail():
    meter = _meter().point.installations.get().meter

    with pytest.raises(ValueError, match="16 bytes"):
        operations.set_radio_key(meter_id=meter.pk, key=b"short", at=LATER, by_id=None)
    operations.set_radio_key(meter_id=meter.pk, key=KEY, at=LATER, by_id=None)
    operations.set_radio_key(meter_id=meter.pk, key=KEY, at=LATER, by_id=None)

    meter.refresh_from_db()
    sealed = bytes(meter.radio_key or b"")
    assert KEY not in sealed
    assert opened_key(sealed) == KEY
    operations.remove_radio_key(meter_id=meter.pk, at=LATER, by_id=None)
    entries = AuditEntry.objects.filter(action__startswith="radio key").order_by("pk")
    assert [entry.action for entry in entries] == [
        "radio key set", "radio key replaced", "radio key removed",
    ]  # fmt: skip
    assert KEY.hex() not in json.dumps([[entry.before, entry.after] for entry in entries])
    with pytest.raises(IntegrityError, match="a_radio_key_is_kept_encrypted"), transaction.atomic():
        Meter.objects.update(radio_key=KEY)


@pytest.mark.django_db
def test_a_key_kept_under_another_secret_has_to_be_entered_again():
    channel = _meter()
    operations.set_radio_key(meter_id=Meter.objects.get().pk, key=KEY, at=LATER, by_id=None)

    with override_settings(SECRET_KEY="another secret of the portal, long enough"):
        _send(channel, _sealed_telegram(34510))

    assert "Enter it again" in RejectedReading.objects.get().detail


@pytest.mark.django_db(transaction=True)
def test_keys_in_the_clear_are_encrypted_by_the_migration():
    from django.db.migrations.executor import MigrationExecutor

    meter = _meter().point.installations.get().meter
    executor = MigrationExecutor(connection)
    newest = [name for name in executor.loader.graph.leaf_nodes() if name[0] == "telemetry"]
    executor.migrate([("telemetry", "0030_month_figures")])
    try:
        Meter.objects.filter(pk=meter.pk).update(radio_key=KEY)
    finally:
        executor = MigrationExecutor(connection)
        executor.migrate(newest)

    meter.refresh_from_db()
    assert opened_key(bytes(meter.radio_key or b"")) == KEY


@pytest.mark.django_db
def test_a_key_is_entered_on_the_page_of_its_meter(client: Client):
    channel = _meter()
    meter = Meter.objects.get()
    client.force_login(factories.make_user(stakeholder=channel.site.operator, role=Role.ADMIN))
    address = f"/ops/meters/{meter.pk}/key/"
    _send(channel, f"2026-01-01T00:00:00Z {_sealed_telegram(34510)}")

    for wrong, says in (
        ("zz" * 16, "Only the digits 0 to 9 and A to F"),
        ("00" * 15, "A key has 32 hexadecimal digits, these are 30."),
    ):
        refused = client.post(address, {"key": wrong})
        assert refused.status_code == 422
        assert says in refused.content.decode()
        assert wrong not in refused.content.decode()
    spaced = " ".join(f"{byte:02X}" for byte in KEY)
    page = client.post(address, {"key": spaced}, follow=True).content.decode()
    assert "A key is kept, encrypted." in page
    assert KEY.hex() not in page.lower()
    # What the task does that the page asked for.
    tasks.replay_site(site_id=channel.site_id, by_id=None)
    assert Reading.objects.count() == 1

    stranger = Client()
    stranger.force_login(factories.make_user(stakeholder=factories.make_stakeholder()))
    assert stranger.post(address, {"key": "00" * 16}).status_code == 404
    assert stranger.post(f"{address}remove/").status_code == 404
    page = client.post(f"{address}remove/", follow=True).content.decode()
    assert "is forgotten" in page
    assert Meter.objects.get().radio_key is None


@pytest.mark.django_db
def test_a_row_says_whether_it_can_be_tried_again(client: Client):
    channel = _meter()
    client.force_login(factories.make_user(stakeholder=channel.site.operator, role=Role.ADMIN))
    sealed = _send(channel, _sealed_telegram(34510))
    broken = _send(channel, "no json", name="ndjson")

    page = client.get(f"/ops/imports/batches/{sealed.batch_id}/").content.decode()
    assert "Try refused rows again" in page
    page = client.get(f"/ops/imports/batches/{broken.batch_id}/").content.decode()
    assert "Try refused rows again" not in page
    assert "Cannot be tried again" in page
