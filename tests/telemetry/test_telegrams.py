"""
Meters' telegrams against what other decoders found in the same bytes, and their way to channels.
"""

import datetime as dt
import io
import json
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from seeds.reference import meter_profiles
from telemetry import operations
from telemetry.domain.meter_profiles import USUAL, Profile, chosen
from telemetry.formats import mbus, wmbus
from telemetry.formats.profiled import Told, taken
from telemetry.formats.telegram import NotDecodable, Record
from telemetry.models import Channel, IngestBatch, Meter, Reading, RejectedReading
from tests.factories_telemetry import LATER, make_heat_channel

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared/data/a_mbus"
FRAMES = sorted(DATA.glob("libmbus/*/*.norm.xml"))
VECTORS = DATA / "wmbusmeters/heat_meter_vectors.jsonl"

needs_data = pytest.mark.skipif(
    not DATA.exists(), reason="real telegrams are not at ../shared/data"
)


def _text(node: etree._Element, name: str) -> str:
    return (node.findtext(name) or "").strip()


def _same(record: Record, expected: str) -> bool:
    value = record.value
    if isinstance(value, dt.datetime):
        return f"{value.isoformat()}Z" == expected
    if isinstance(value, dt.date):
        return value.isoformat() == expected
    if isinstance(value, Decimal):
        return abs(value - Decimal(expected)) <= Decimal("0.000001") * max(Decimal(1), abs(value))
    return (value or "") == expected


@needs_data
@pytest.mark.parametrize("path", FRAMES, ids=lambda path: path.name.removesuffix(".norm.xml"))
def test_a_wired_frame_says_what_libmbus_found(path: Path):
    hexadecimal = path.with_name(path.name.replace(".norm.xml", ".hex")).read_text()
    root = etree.fromstring(path.read_bytes())
    meter, expected = root.find("SlaveInformation"), root.findall("DataRecord")
    assert meter is not None

    found = mbus.decode(mbus.from_hex(hexadecimal))

    assert found.serial.lstrip("0") == _text(meter, "Id").lower().lstrip("0")
    assert (found.manufacturer, found.version, f"{found.status:02X}") == (
        _text(meter, "Manufacturer"), int(_text(meter, "Version")), _text(meter, "Status"),
    )  # fmt: skip
    assert len(found.records) == len(expected)
    for record, told in zip(found.records, expected, strict=True):
        if record.function == "manufacturer":
            assert record.is_own
            continue
        assert record.storage == int(_text(told, "StorageNumber")), told.get("id")
        assert _same(record, _text(told, "Value")), (told.get("id"), record)


@needs_data
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("error/application_busy", "that it is busy"),
        ("error/error", "an unspecified error"),
        ("error/premature_end_of_data2", "cut short"),
        ("error/premature_end_of_dif2", "cut short"),
        ("error/premature_end_of_var_vif1", "does not add up"),
        ("error/too_long_var_vif", "does not add up"),
        ("error/too_many_difes", "too many DIF extensions"),
        ("error/too_many_records", "too many records"),
        ("error/too_many_vifes", "too many VIF extensions"),
        ("error/unimplemented_ci", "an unknown request"),
        ("unsupported/invalid_length", "checksum"),
        ("unsupported/manual_frame1", "not hexadecimal"),
        ("unsupported/manual_frame5", "0x51 is not supported"),
    ],
)
def test_what_is_no_reading_is_refused_by_name(name: str, says: str):
    with pytest.raises(NotDecodable, match=says):
        mbus.decode(mbus.from_hex((DATA / f"libmbus/{name}.hex").read_text()))


PLAIN = mbus.from_hex(
    "68 1F 1F 68 08 02 72 78 56 34 12 24 40 01 07 55 00 00 00 03 13 15 31 00 DA 02 3B 13 01"
    " 8B 60 04 37 18 02 18 16"
)


def _resealed(frame: bytes) -> bytes:
    data = frame[4:-2]
    return frame[:4] + data + bytes([sum(data) & 0xFF, 0x16])


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (PLAIN[:20], "cut short: 20 of 37 bytes"),
        (PLAIN[:-2] + b"\x00\x16", "The checksum is 0x00, the bytes give 0x18"),
        (PLAIN[:-1] + b"\x15", "does not end with 16"),
        (b"\x10" + PLAIN[1:], "does not begin with 68"),
        (_resealed(PLAIN[:17] + b"\x20\x05" + PLAIN[19:]), "encrypted and no key"),
        (b"", "no M-Bus long frame"),
    ],
)
def test_each_fault_of_a_frame_has_its_own_name(frame: bytes, says: str):
    with pytest.raises(NotDecodable, match=says):
        mbus.decode(frame)


# Fields of wmbusmeters, the quantity, and units of a telegram in one of theirs.
_KWH = {"Wh": Decimal(1000), "J": Decimal(3_600_000), "kWh": Decimal(1)}
_M3, _C, _M3C = {"m³": Decimal(1)}, {"°C": Decimal(1)}, {"m3C": Decimal(1)}
FIELDS = {
    "total_energy_consumption_kwh": ("energy", _KWH),
    "total_kwh": ("energy", _KWH),
    "total_cooling_consumption_kwh": ("cooling_energy", _KWH),
    "total_volume_m3": ("volume", _M3),
    "power_kw": ("power", {"W": Decimal(1000)}),
    "flow_temperature_c": ("supply", _C),
    "return_temperature_c": ("return", _C),
    "t1_temperature_c": ("supply", _C),
    "t2_temperature_c": ("return", _C),
    "volume_flow_m3h": ("flow", {"m³/h": Decimal(1)}),
    "forward_energy_m3c": ("e8", _M3C),
    "return_energy_m3c": ("e9", _M3C),
    # What was kept for a day: the last of them in a telegram.
    "prev_1_month_kwh": ("month_end", _KWH),
    "last_month_energy_consumption_kwh": ("month_end", _KWH),
    "energy_at_set_date_kwh": ("month_end", _KWH),
}


@dataclass
class Heard:
    """
    What the telegrams of a vector tell together, with the profiles that come with the portal.
    """

    values: dict[str, Told] = field(default_factory=dict)
    why_not: str = ""


def _heard(
    vector: dict[str, Any], layouts: dict[int, tuple[bytes, ...]], profiles: list[Profile]
) -> Heard:
    key, heard = str(vector["args"]).split()[-1], Heard()
    for text in vector["telegrams"]:
        try:
            told = wmbus.decode(
                mbus.from_hex(text), key=bytes.fromhex(key) if len(key) == 32 else None,
                layouts=layouts,
            )  # fmt: skip
        except NotDecodable as problem:
            heard.why_not = str(problem)
            continue
        assert told.serial == vector["expected"]["id"], vector["args"]
        layouts[wmbus.signature(told.heads)] = told.heads
        profile = chosen(
            profiles, manufacturer=told.manufacturer, version=told.version, medium=told.medium,
            at=LATER,
        )  # fmt: skip
        present, kept = taken(told, profile.takes if profile else USUAL)
        heard.values |= {one.quantity: one for one in [*present, *(end.told for end in kept[-1:])]}
        heard.why_not = (
            "Only what it kept for a day; the rest is in the maker's own layout."
            if kept else "Only data in the maker's own layout."
        )  # fmt: skip
    return heard


@needs_data
def test_radio_telegrams_decode_with_the_profiles_and_the_table_says_which_do_not():
    profiles = [profile for _, profile in meter_profiles()]
    refused: dict[str, list[str]] = {}
    layouts: defaultdict[str, dict[int, tuple[bytes, ...]]] = defaultdict(dict)
    checked: Counter[str] = Counter()
    decoded = 0
    for row in VECTORS.read_text().splitlines():
        vector = json.loads(row)
        expected = vector["expected"]
        heard = _heard(vector, layouts[expected["id"]], profiles)
        if "energy" not in heard.values:
            refused.setdefault(heard.why_not, []).append(vector["driver"])
            continue
        decoded += 1
        for name, (quantity, units) in FIELDS.items():
            value = heard.values.get(quantity)
            if name not in expected or value is None:
                continue
            figure = Decimal(value.figure) / units[value.unit]
            wanted = Decimal(str(expected[name]))
            assert abs(figure - wanted) <= Decimal("0.0006") * max(Decimal(1), abs(wanted)), (
                name, figure, vector,
            )  # fmt: skip
            checked[quantity] += 1

    assert decoded == 43 - sum(map(len, refused.values()))
    assert checked["energy"] >= 39
    assert checked["e8"] == checked["e9"] >= 9
    assert checked["cooling_energy"] >= 2
    assert checked["month_end"] >= 6
    table = (ROOT / "docs/mbus.md").read_text()
    assert f"Of the 43 collected telegrams of radio heat meters, {decoded} decode" in table
    for why, drivers in refused.items():
        for driver in set(drivers):
            assert f"| {driver} | {drivers.count(driver)} | {why} |" in table


def _meter(kind: str = "heat", serial: str = "77447744") -> Channel:
    channel = make_heat_channel(unit="MWh")
    Meter.objects.update(serial=serial, kind=kind)
    Channel.objects.create(
        site=channel.site, point=channel.point, quantity="supply", kind="gauge",
        key="heat.supply", unit="°C",
    )  # fmt: skip
    return channel


MULTICAL = (
    "68464668084a72447744772d2c3404060000000406ce86000004ff073444020004ff08f8ce0100041411680300043b"
    "0f02000002593c19025da41104ff220000000004a5ff21c7d02700d916"
)


def _ingest(channel: Channel, body: str, name: str) -> operations.IngestResult:
    return operations.ingest(
        site_id=channel.site_id, stream=io.BytesIO(body.encode()), format=name,
        source=IngestBatch.Source.HTTP, received_at=LATER,
    )  # fmt: skip


@pytest.mark.django_db
def test_a_telegram_finds_the_channels_of_its_meter_in_their_units():
    channel = _meter()

    # Written with blanks, as people and tools do.
    found = _ingest(channel, f"2026-01-01T00:00:00Z {bytes.fromhex(MULTICAL).hex(' ')}\n", "mbus")

    assert (found.accepted, found.rejected) == (2, 0)
    values = dict(Reading.objects.values_list("channel__key", "value"))
    assert values == {"heat.energy": Decimal("34.51"), "heat.supply": Decimal("64.6")}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("kind", "serial", "says"),
    [
        ("heat", "1", "No meter with the serial 77447744 is installed"),
        ("electricity", "77447744", "of a meter for heat, meter 77447744 is installed as one for"),
    ],
)
def test_a_telegram_of_another_meter_is_kept_with_its_reason(kind: str, serial: str, says: str):
    channel = _meter(kind, serial)

    found = _ingest(channel, f"{MULTICAL}\nnonsense\n", "mbus")

    assert (found.accepted, found.rejected) == (0, 2)
    first, second = RejectedReading.objects.order_by("row")
    assert says in first.detail
    assert second.detail == "The telegram is not hexadecimal."


@pytest.mark.django_db
def test_the_json_of_wmbusmeters_and_an_optical_read_out():
    channel = _meter()
    said = {"id": "77447744", "media": "heat", "timestamp": "2026-01-01T00:00:00Z",
            "total_energy_consumption_kwh": 34510, "flow_temperature_c": 64.6}  # fmt: skip
    assert _ingest(channel, json.dumps(said) + "\n", "wmbusmeters").accepted == 2

    Meter.objects.update(serial="66153690", unit="GJ")
    good = "6.8(0032.871*GJ)6.26(03329.67*m3)9.21(66153690)"
    assert _ingest(channel, good, "iec62056-21").accepted == 1
    assert Reading.objects.get(at=LATER).value == Decimal("32.871")
    wrong = _ingest(channel, good.replace("0032.871", "032A.871"), "iec62056-21")
    assert (wrong.accepted, wrong.rejected) == (0, 1)
    assert RejectedReading.objects.get().detail == "'032A.871' in 6.8 is not a number."


@needs_data
@pytest.mark.django_db
def test_the_json_of_every_driver_of_wmbusmeters_is_understood():
    channel = _meter()
    for quantity, kind in (
        ("volume", "register"), ("e8", "register"), ("return", "gauge"), ("month_end", "gauge"),
    ):  # fmt: skip
        Channel.objects.create(
            site=channel.site, point=channel.point, quantity=quantity, kind=kind,
            key=f"heat.{quantity}",
        )  # fmt: skip
    # One meter stands for all; each has an hour of its own.
    said = []
    for number, row in enumerate(VECTORS.read_text().splitlines()):
        told = json.loads(row)["expected"]
        at = f"2026-{1 + number // 24:02}-01T{number % 24:02}:00:00Z"
        said.append({**told, "id": "77447744", "timestamp": at, "media": "heat"})
    result = _ingest(channel, "\n".join(map(json.dumps, said)), "wmbusmeters")

    # Only the one which holds nothing of now is refused.
    assert (result.rejected, len(said)) == (1, 43)
    counted = Counter(
        Reading.objects.exclude(channel__quantity="month_end").values_list(
            "channel__quantity", flat=True
        )
    )
    assert counted["energy"] == 42
    assert counted["volume"] >= 35
    assert counted["supply"] == counted["return"] >= 25
    kept = Reading.objects.filter(channel__quantity="month_end")
    assert kept.count() >= 8


def test_hexadecimal_as_people_write_it():
    assert mbus.from_hex("|68 1f_1F:68|") == bytes([0x68, 0x1F, 0x1F, 0x68])
    assert re.fullmatch(r"[0-9a-f]{4}", f"{wmbus.checksum(b'123456789'):04x}")
    # Check value of CRC-16/EN-13757 in the catalogue of parametrised CRC algorithms.
    assert wmbus.checksum(b"123456789") == 0xC2B7
