"""
Profiles of meter makes: which record of a telegram goes to which channel, from when on, and what
compact telegrams need to know. The telegrams are those of wmbusmeters' tests.
"""

import datetime as dt
import io
import struct
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from seeds import reference
from sites.access import Role
from sites.models import AuditEntry
from telemetry import operations, tasks
from telemetry.domain.meter_profiles import Bytes, Coding, Profile, Take, chosen, figure_of
from telemetry.formats import wmbus
from telemetry.formats.mbus import from_hex
from telemetry.formats.telegram import NotDecodable
from telemetry.models import (
    Channel,
    IngestBatch,
    Meter,
    MeterProfile,
    MeterProfileLine,
    MeterRegister,
    Reading,
    RejectedReading,
    TelegramLayout,
)
from tests import factories
from tests.factories_telemetry import LATER, make_heat_channel, make_meter_profile

# Heating 2474 kWh; tariff 1, which is cooling, 0 kWh.
SHARKY = (
    "5E44A51139259471410D7A720050052F2F0C06742400008C1006000000000C13823522008C2013494400000B3B0000"
    "000C2B000000000A5A22030A5E91020AA61800004C0619130000CC100600000000426CDF252F2F2F2F2F2F2F2F2F2F2F"
)
# Q heat 5, version 35: 35226.8 kWh as four bytes of BCD from the thirteenth of its own value on.
QHEAT = (
    "5344934411345678233778077998765431934423040dff5f350082fe00005f0107c005ffff68223500df2c80253200"
    "fe24251535005c03030000000000af03f508e91e1d2efc236e1fa218fe142f046d1911f225"
)
IN_OWN = Take(
    "energy", "vif FF5F", unit="kWh", factor=Decimal("0.1"), place=Bytes(13, 4, Coding.BCD)
)
FULL = (
    "2E442D2C6767676730048D2039D1684020BCDB7803062C000043060000000314630000426C7F2A022D130001FF2100"
)
COMPACT = "25442D2C6767676730048D203AD2684020D81579E7F1D5902C00000000006300007F2A130000"
AT = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def _meter(serial: str, *quantities: str, unit: str = "kWh") -> Channel:
    channel = make_heat_channel(unit=unit)
    Meter.objects.update(serial=serial)
    for quantity in quantities:
        Channel.objects.create(
            site=channel.site, point=channel.point, quantity=quantity, kind="gauge",
            key=f"heat.{quantity}",
        )  # fmt: skip
    return channel


def _send(channel: Channel, *telegrams: str, at: dt.datetime = AT) -> operations.IngestResult:
    body = "\n".join(f"{at.isoformat()} {telegram}" for telegram in telegrams)
    return operations.ingest(
        site_id=channel.site_id, stream=io.BytesIO(body.encode()), format="mbus",
        source=IngestBatch.Source.HTTP, received_at=LATER,
    )  # fmt: skip


def _stored() -> dict[str, Decimal]:
    return dict(Reading.objects.values_list("channel__quantity", "value"))


@pytest.mark.django_db
def test_a_tariff_goes_where_the_profile_of_its_make_says():
    channel = _meter("71942539", "month_end")
    MeterRegister.objects.create(
        meter=Meter.objects.get(), quantity="cooling_energy", unit="kWh", max_an_hour=400
    )
    Channel.objects.create(
        site=channel.site, point=channel.point, quantity="cooling_energy", kind="register",
        key="heat.cooling_energy",
    )  # fmt: skip
    _send(channel, SHARKY)
    assert _stored() == {"energy": 2474, "month_end": 1319}

    assert reference.load_meter_profiles(at=LATER) == 4
    assert reference.load_meter_profiles(at=LATER) == 0
    _send(channel, SHARKY)
    assert _stored() == {"energy": 2474, "month_end": 1319, "cooling_energy": 0}

    # The operator's own goes before the one that comes with the portal.
    make_meter_profile(
        channel.site, Take("energy", "energy", tariff=1), manufacturer="DME", first_version=65,
        last_version=65,
    )  # fmt: skip
    _send(channel, SHARKY, at=AT + dt.timedelta(hours=1))
    assert Reading.objects.get(at=AT + dt.timedelta(hours=1)).value == 0


@pytest.mark.django_db
def test_a_layout_of_the_makers_own_waits_for_its_profile():
    channel = _meter("31547698")
    _send(channel, QHEAT)
    kept = RejectedReading.objects.get()
    assert kept.detail == (
        "The telegram holds its readings in the maker's own layout: there is no profile for this"
        " meter (QDS, version 35, medium 4)."
    )

    profile = make_meter_profile(channel.site, Take("energy", "energy"))
    tasks.replay_site(site_id=channel.site_id, by_id=None)
    kept.refresh_from_db()
    assert kept.detail.startswith("Nothing that the profile for this meter takes")
    make_meter_profile(channel.site, IN_OWN, replaces_id=profile.pk)
    tasks.replay_site(site_id=channel.site_id, by_id=None)

    assert _stored() == {"energy": Decimal("35226.8")}
    kept.refresh_from_db()
    assert kept.resolved_by is not None


@pytest.mark.django_db
def test_a_block_of_a_makers_own_application_is_read_by_its_bytes():
    channel = _meter("12345678")
    # Control information A2 belongs to the maker, as do all bytes after it.
    body = bytes.fromhex("44934478563412010AA2") + struct.pack("<I", 4711)
    telegram = (bytes([len(body)]) + body).hex()
    Meter.objects.update(kind="cooling")
    _send(channel, telegram)
    assert "(QDS, version 1, medium 10)" in RejectedReading.objects.get().detail

    make_meter_profile(
        channel.site,
        Take("energy", "manufacturer", "manufacturer", unit="MWh",
             place=Bytes(1, 4, Coding.UNSIGNED)),
        first_version=0, last_version=9, medium=10,
    )  # fmt: skip
    tasks.replay_site(site_id=channel.site_id, by_id=None)

    assert _stored() == {"energy": 4_711_000}


@pytest.mark.django_db
def test_a_profile_holds_for_telegrams_of_its_time():
    channel = _meter("71942539", "cooling_energy")
    head: dict[str, Any] = {"manufacturer": "DME", "first_version": 0, "last_version": 255}
    first = make_meter_profile(channel.site, Take("energy", "energy"), **head)
    second = make_meter_profile(
        channel.site, Take("energy", "energy", storage=1), since=AT, replaces_id=first.pk, **head
    )
    first.refresh_from_db()
    assert (first.valid.upper, first.superseded_at) == (AT, None)

    hour = dt.timedelta(hours=1)
    for at in (AT - hour, AT, AT + hour):
        _send(channel, SHARKY, at=at)
    assert list(Reading.objects.order_by("at").values_list("value", flat=True)) == [
        2474, 1319, 1319,
    ]  # fmt: skip

    # From before its beginning on another takes its place altogether.
    third = make_meter_profile(channel.site, since=AT, replaces_id=second.pk, **head)
    second.refresh_from_db()
    assert second.superseded_at == LATER
    operations.end_meter_profile(
        operator_id=channel.site.operator_id, profile_id=third.pk, at=AT + hour, by_id=None
    )
    third.refresh_from_db()
    assert third.valid.upper == AT + hour
    told = AuditEntry.objects.filter(action__startswith="meter profile").order_by("pk")
    assert [entry.action.split()[-1] for entry in told] == ["saved", "saved", "saved", "ended"]
    assert told[1].before["lines"][0]["storage"] == 0
    assert told[1].after["lines"][0]["storage"] == 1


@pytest.mark.django_db(transaction=True)
def test_the_database_refuses_profiles_that_contradict_or_take_nothing():
    site = make_heat_channel().site
    profile = make_meter_profile(site, first_version=10, last_version=20)
    make_meter_profile(site, first_version=21, last_version=30)
    make_meter_profile(site, first_version=10, last_version=20, medium=4)
    make_meter_profile(factories.make_site(), first_version=10, last_version=20)
    with pytest.raises(IntegrityError, match="one_profile_a_meter_and_instant"):
        make_meter_profile(site, first_version=20, last_version=25)
    with pytest.raises(operations.NothingTaken):
        operations.save_meter_profile(
            operator_id=site.operator_id, name="", at=LATER, by_id=None,
            profile=Profile("QDS", 0, 0, None, None, None, True, ()),
        )  # fmt: skip
    for wrong, name in (
        ({"factor": 0}, "a_line_takes_something"),
        ({"first_byte": 1}, "bytes_are_told_as_a_whole"),
        ({"first_byte": 1, "byte_count": 9, "coding": "bcd", "unit": "kWh"}, "as_a_whole"),
        ({"measured": "manufacturer"}, "the_makers_block_is_read_by_its_bytes"),
    ):
        with pytest.raises(IntegrityError, match=name):
            MeterProfileLine.objects.filter(profile=profile).update(**wrong)
    with pytest.raises(IntegrityError, match="versions_and_a_medium"):
        MeterProfile.objects.update(manufacturer="q")


@pytest.mark.django_db
def test_a_compact_telegram_is_filled_up_by_an_earlier_full_one():
    channel = _meter("67676767", "power")
    Channel.objects.filter(quantity="power").update(unit="kW")
    assert _send(channel, COMPACT).rejected == 1
    assert "needs a full one of this meter before it" in RejectedReading.objects.get().detail

    _send(channel, FULL, at=AT + dt.timedelta(hours=1))
    layout = TelegramLayout.objects.get()
    assert (layout.signature, layout.meter.serial) == (0xF1E7, "67676767")
    tasks.replay_site(site_id=channel.site_id, by_id=None)
    assert _send(channel, COMPACT, at=AT + dt.timedelta(hours=2)).accepted == 2

    assert set(Reading.objects.filter(channel=channel).values_list("value", flat=True)) == {44}
    assert Reading.objects.filter(channel=channel).count() == 3
    assert _send(channel, FULL, at=AT + dt.timedelta(hours=3)).accepted == 2
    assert TelegramLayout.objects.count() == 1


def test_a_compact_telegram_that_does_not_fit_is_refused():
    full = wmbus.decode(from_hex(FULL))
    layouts = {wmbus.signature(full.heads): full.heads}
    assert wmbus.decode(from_hex(COMPACT), layouts=layouts).records == full.records

    other = {0xF1E7: (bytes.fromhex("0406"), *full.heads[1:])}
    with pytest.raises(NotDecodable, match="does not fit the full one"):
        wmbus.decode(from_hex(COMPACT), layouts=other)


@given(st.integers(0, 99_999_999), st.integers(0, 9))
def test_figures_in_bytes_are_what_was_written(number: int, before: int):
    led, pad = bytes(before), bytes(3)
    assert number <= 99_999_999
    bcd = bytes.fromhex(f"{number:08d}")[::-1]
    assert figure_of(led + bcd + pad, Bytes(before + 1, 4, Coding.BCD)) == number
    for coding, order, signed in (
        (Coding.UNSIGNED, "little", False), (Coding.UNSIGNED_BIG, "big", False),
        (Coding.SIGNED, "little", True), (Coding.SIGNED_BIG, "big", True),
    ):  # fmt: skip
        told = (-number if signed else number).to_bytes(5, order, signed=signed)  # type: ignore[arg-type]
        found = figure_of(led + told + pad, Bytes(before + 1, 5, coding))
        assert found == (-number if signed else number)
    assert figure_of(led, Bytes(before + 1, 1, Coding.UNSIGNED)) is None


def test_bytes_that_are_no_figure_are_none():
    assert figure_of(b"\x1a", Bytes(1, 1, Coding.BCD)) is None
    assert figure_of(struct.pack("<f", 20.5), Bytes(1, 4, Coding.FLOAT)) == Decimal("20.5")
    assert figure_of(struct.pack("<f", float("nan")), Bytes(1, 4, Coding.FLOAT)) is None
    assert figure_of(b"\x00\x00", Bytes(1, 2, Coding.FLOAT)) is None


def test_the_nearest_profile_is_chosen():
    def profile(name: str, *, own: bool, medium: int | None, last: int = 255) -> Profile:
        return Profile("KAM", 0, last, medium, None, None, own, (), name=name)

    shipped = profile("shipped", own=False, medium=4)
    own = profile("own", own=True, medium=None, last=50)
    narrow = profile("narrow", own=True, medium=4, last=10)

    def found(version: int, medium: int = 4, maker: str = "KAM") -> str:
        held = chosen(
            [shipped, own, narrow], manufacturer=maker, version=version, medium=medium, at=AT
        )
        return held.name if held else ""

    assert [found(5), found(5, 12), found(30), found(60), found(60, 12), found(5, maker="X")] == [
        "narrow", "own", "own", "shipped", "", "",
    ]  # fmt: skip


@pytest.mark.django_db(transaction=True)
def test_an_operator_makes_a_profile_from_a_telegram_that_waits(client: Client):
    channel = _meter("31547698", unit="MWh")
    _send(channel, QHEAT)
    client.force_login(factories.make_user(stakeholder=channel.site.operator, role=Role.STAFF))
    kept = RejectedReading.objects.get()
    batch = client.get(f"/ops/imports/batches/{kept.batch_id}/").content.decode()
    address = f"/ops/meters/profiles/new/?kept={kept.pk}"
    assert address in batch

    page = client.get(address)
    told = page.content.decode()
    assert "Make QDS, version 35, heat, outlet, meter 31547698." in told
    assert "The maker’s own value FF5F" in told
    assert "68 22 35 00" in told
    editor = page.context["editor"]
    head = {
        "telegram": page.context["look"].text, "drawn": editor.drawn, "name": "Q heat by radio",
        "manufacturer": "QDS", "first_version": "35", "last_version": "35", "medium": "",
        "since": "", "bytes-rows": "1", "bytes-0-record": "1", "bytes-0-first": "13",
        "bytes-0-count": "4", "bytes-0-coding": "bcd", "bytes-0-factor": "0.1",
        "bytes-0-unit": "kWh", "bytes-0-quantity": "energy",
    }  # fmt: skip

    shown = client.post(address, head, headers={"HX-Request": "true"}).content.decode()
    assert "35.2268 MWh" in shown
    assert "heat.energy" in shown
    wrong = client.post(address, {**head, "save": "1", "bytes-0-count": "90"})
    assert wrong.status_code == 422
    assert not MeterProfile.objects.exists()
    saved = client.post(address, {**head, "save": "1"}, follow=True).content.decode()
    assert "Telegrams that wait are being tried again." in saved
    assert "bytes 13 to 16 (BCD, lowest digits first)" in saved
    # What the task does that the page asked for.
    tasks.replay_site(site_id=channel.site_id, by_id=None)
    assert _stored() == {"energy": Decimal("35.2268")}

    profile = MeterProfile.objects.get()
    again = client.post(address, {**head, "save": "1"})
    assert again.status_code == 422
    assert "Another of your profiles is for one of these versions." in again.content.decode()
    change = f"/ops/meters/profiles/{profile.pk}/edit/"
    opened = client.get(change).content.decode()
    assert 'name="bytes-0-first" value="13"' in opened
    client.post(change, {**head, "save": "1", "name": "Renamed"})
    assert MeterProfile.objects.get(superseded_at=None).name == "Renamed"
    newest = MeterProfile.objects.get(superseded_at=None)
    client.post(f"/ops/meters/profiles/{newest.pk}/end/")
    newest.refresh_from_db()
    assert newest.valid.upper is not None


@pytest.mark.django_db(transaction=True)
def test_profiles_that_come_with_the_portal_are_copied_and_not_changed(client: Client):
    channel = _meter("71942539")
    reference.load_meter_profiles(at=LATER)
    client.force_login(factories.make_user(stakeholder=channel.site.operator, role=Role.ADMIN))
    shipped = MeterProfile.objects.get(manufacturer="DME")

    page = client.get(f"/ops/meters/profiles/{shipped.pk}/").content.decode()
    assert "Energy: now, tariff 1" in page
    assert "Copy and change" in page
    assert client.post(f"/ops/meters/profiles/{shipped.pk}/end/").status_code == 404
    change = f"/ops/meters/profiles/{shipped.pk}/edit/"
    drawn = client.get(change).context["editor"].drawn
    given = {
        "telegram": "", "drawn": drawn, "name": "Ours", "manufacturer": "DME",
        "first_version": "65", "last_version": "66", "save": "1", "keep-0": "on", "keep-6": "on",
    }  # fmt: skip
    client.post(change, given)

    own = MeterProfile.objects.get(operator=channel.site.operator)
    assert [line.quantity for line in own.lines.all()] == ["energy", "cooling_energy"]
    shipped.refresh_from_db()
    assert shipped.superseded_at is None
    answer = client.get("/ops/meters/profiles/?format=csv")
    listed = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]
    assert "Ours,DME,65–66" in listed
    assert "Comes with Warmgrid" in listed
