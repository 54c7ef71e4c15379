"""
Telegrams of meters as lines of text: M-Bus and wireless M-Bus in hexadecimal, the JSON of
wmbusmeters, and optical read-outs of IEC 62056-21.

The telegram names its meter; where that meter is installed says which channels its values are for.
Of each quantity the present value is taken: storage 0, no tariff, no sub-unit. Its instant is that
of the line, or of the receipt: a meter's own clock states no zone.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, BinaryIO

from telemetry.domain import month_ends
from telemetry.domain.meter_status import LOW_POWER, PERMANENT_ERROR, TEMPORARY_ERROR
from telemetry.domain.readings import utc_instant
from telemetry.formats import lines, mbus, wmbus
from telemetry.formats.frame import (
    KEPT_TEXT,
    Again,
    Columns,
    Delivery,
    Format,
    NotReadable,
    Refused,
)
from telemetry.formats.placed import Meters, Numbered, Told, in_columns, plain
from telemetry.formats.telegram import NotDecodable, Telegram


def parse_telegrams(stream: BinaryIO, delivery: Delivery) -> Iterator[Columns]:
    """
    Return the readings of telegrams, one a line: `[instant] hexadecimal`.
    """
    meters = Meters(delivery.site_id)
    return in_columns(_each_line(stream, lambda text: _telegram(text, delivery, meters)), meters)


def parse_wmbusmeters(stream: BinaryIO, delivery: Delivery) -> Iterator[Columns]:
    """
    Return the readings of wmbusmeters' JSON, one object a line.
    """
    meters = Meters(delivery.site_id)
    return in_columns(_each_line(stream, lambda text: _wmbusmeters(text, delivery, meters)), meters)


def parse_readout(stream: BinaryIO, delivery: Delivery) -> Iterator[Columns]:
    """
    Return the readings of one optical read-out.

    :raises NotReadable: if it is none
    """
    meters = Meters(delivery.site_id)
    text = stream.read(1 << 20).decode("latin-1")
    return in_columns(iter([(1, _readout(text, delivery, meters))]), meters)


def _each_line(stream: BinaryIO, read: Callable[[str], Again]) -> Iterator[Numbered]:
    number = 0
    for piece in lines.pieces(stream, errors="replace"):
        for line in piece.removesuffix("\n").split("\n"):
            number += 1
            text = line.strip()
            if text and not text.startswith("#"):
                yield number, read(text)


def _again(
    read: Callable[[str, Delivery, Meters], Again],
) -> Callable[[int], Callable[[str, dt.datetime], Again]]:
    def of_site(site_id: int) -> Callable[[str, dt.datetime], Again]:
        meters = Meters(site_id)

        def again(text: str, received_at: dt.datetime) -> Again:
            if len(text) >= KEPT_TEXT:
                return Refused("The text was too long to be kept whole. Send it again.", text)
            return read(text, Delivery(site_id, received_at), meters)

        return again

    return of_site


def _telegram(text: str, delivery: Delivery, meters: Meters) -> Again:
    at, _, digits = text.rpartition(" ") if re.match(r"\d{4}-\d\d-\d\dT", text) else ("", "", text)
    instant = utc_instant(at.strip()) if at else delivery.received_at
    if instant is None:
        return Refused("The time stamp is not understood or has no zone.", text[:KEPT_TEXT], "at")
    try:
        frame = mbus.from_hex(digits)
        told = wmbus.decode(frame, key=meters.key_of(_serial_outside(frame)))
    except NotDecodable as problem:
        return Refused(str(problem), text[:KEPT_TEXT])
    given = meters.rows(told.serial, told.kind, instant, present(told), told.status)
    if isinstance(given, str):
        return Refused(given, text[:KEPT_TEXT])
    return given + _kept(told, meters)


def _kept(told: Telegram, meters: Meters) -> list[tuple[str, str, str]]:
    """
    Return the register that the meter kept for a month's end: storage 1 with its date.
    """
    stored = [
        record for record in told.records
        if record.storage == 1 and record.function == "instantaneous"
        and not (record.tariff or record.device)
    ]  # fmt: skip
    stamp = next((r.value for r in stored if isinstance(r.value, dt.date)), None)
    energy = next((r for r in stored if r.quantity == "energy"), None)
    if stamp is None or energy is None or not isinstance(energy.value, Decimal):
        return []
    figure = Told("month_end", plain(energy.value), energy.unit)
    return _at_edge(meters, told.serial, told.kind, stamp, figure)


def _at_edge(
    meters: Meters, serial: str, kind: str, stamp: dt.date, figure: Told
) -> list[tuple[str, str, str]]:
    edge = month_ends.edge_of(stamp, meters.zone)
    given = meters.rows(serial, kind, edge, [figure]) if edge is not None else ""
    # A point without a channel for it, or another meter at the time: it is not wanted.
    return [] if isinstance(given, str) else given


def _serial_outside(frame: bytes) -> str:
    # What a radio telegram says before anything is decrypted.
    return bytes(reversed(frame[4:8])).hex()


_WANTED = {"energy": "energy", "volume": "volume", "power": "power", "flow": "flow",
           "supply": "supply", "return": "return"}  # fmt: skip


def present(told: Telegram) -> list[Told]:
    """
    Return the present value of each quantity that a channel may be for; what the meter marks as
    an error is none.
    """
    found: dict[str, Told] = {}
    for record in told.records:
        quantity = _WANTED.get(record.quantity)
        is_now = record.function == "instantaneous" and not (
            record.storage or record.tariff or record.device
        )
        if quantity and is_now and isinstance(record.value, Decimal):
            found.setdefault(quantity, Told(quantity, plain(record.value), record.unit))
    return list(found.values())


# Fields of wmbusmeters with what they measure; the unit stands in the name.
_FIELDS = {
    "total_energy_consumption_kwh": ("energy", "kWh"),
    "total_energy_consumption_mj": ("energy", "MJ"),
    "total_energy_consumption_gj": ("energy", "GJ"),
    "total_volume_m3": ("volume", "m³"),
    "power_kw": ("power", "kW"),
    "current_power_consumption_kw": ("power", "kW"),
    "volume_flow_m3h": ("flow", "m³/h"),
    "flow_temperature_c": ("supply", "°C"),
    "return_temperature_c": ("return", "°C"),
}
_MEDIA = {"heat": "heat", "electricity": "electricity", "water": "water", "gas": "gas"}


def _wmbusmeters(text: str, delivery: Delivery, meters: Meters) -> Again:
    try:
        item: Any = json.loads(text, parse_float=str, parse_int=str, parse_constant=str)
    except (ValueError, RecursionError):
        return Refused("This line is not JSON.", text[:KEPT_TEXT])
    if not isinstance(item, dict) or not isinstance(item.get("id"), str):
        return Refused("This line is not an object with the meter's id.", text[:KEPT_TEXT])
    instant = _told_instant(item.get("timestamp"), delivery.received_at)
    told = [
        Told(quantity, item[name], unit)
        for name, (quantity, unit) in _FIELDS.items()
        if isinstance(item.get(name), str)
    ]
    media = str(item.get("media", ""))
    kind = next((kind for word, kind in _MEDIA.items() if media.startswith(word)), "")
    if "cooling" in media and not media.startswith("heat"):
        kind = "cooling"
    given = meters.rows(item["id"], kind, instant, told, _told_status(item.get("status")))
    return Refused(given, text[:KEPT_TEXT]) if isinstance(given, str) else given


# Words of wmbusmeters for the bits of the status byte; makes have further ones of their own.
_STATUS_WORDS = {
    "OK": 0, "POWER_LOW": LOW_POWER, "PERMANENT_ERROR": PERMANENT_ERROR,
    "TEMPORARY_ERROR": TEMPORARY_ERROR,
}  # fmt: skip


def _told_status(given: Any) -> int | None:
    words = given.split() if isinstance(given, str) else []
    if not words or not set(words) <= set(_STATUS_WORDS):
        return None
    return sum(_STATUS_WORDS[word] for word in set(words))


def _told_instant(given: Any, received_at: dt.datetime) -> dt.datetime:
    # wmbusmeters stamps the receipt in UTC; its tests stamp the year 1111.
    instant = utc_instant(given) if isinstance(given, str) else None
    return instant if instant is not None and instant.year >= 2000 else received_at


# Data sets of Landis+Gyr heat meters by their OBIS-like numbers.
_SETS = {"6.8": "energy", "6.26": "volume"}
_SET = re.compile(r"(\d{1,2}\.\d{1,2}(?:\*\d+)?)\(([^()]*)\)")
_NUMBER = re.compile(r"\d+(?:\.\d+)?", re.ASCII)


def _readout(text: str, delivery: Delivery, meters: Meters) -> Again:
    sets = dict(_SET.findall(text))
    if "6.8" not in sets and "9.21" not in sets:
        raise NotReadable("This is no read-out: the data sets 6.8 and 9.21 are missing.")
    # Some makes put the serial behind the volume of another set: 9.21 is its number.
    serial = sets.get("9.21", "")
    told = []
    for number, quantity in _SETS.items():
        if number not in sets:
            continue
        figure, _, unit = sets[number].partition("*")
        if not _NUMBER.fullmatch(figure):
            return Refused(f"{figure!r} in {number} is not a number.", text[:KEPT_TEXT], "value")
        told.append(Told(quantity, plain(Decimal(figure)), unit))
    given = meters.rows(serial, "heat", delivery.received_at, told)
    if isinstance(given, str):
        return Refused(given, text[:KEPT_TEXT])
    return given + _kept_readout(sets, serial, delivery, meters)


def _readout_again(text: str, delivery: Delivery, meters: Meters) -> Again:
    try:
        return _readout(text, delivery, meters)
    except NotReadable as problem:
        return Refused(str(problem), text)


# The yearly set day, and what the register showed then.
_SET_DAY = re.compile(r"(\d\d)-(\d\d)(?:&(\d\d):(\d\d))?", re.ASCII)


def _kept_readout(
    sets: dict[str, str], serial: str, delivery: Delivery, meters: Meters
) -> list[tuple[str, str, str]]:
    figure, _, unit = sets.get("6.8*01", "").partition("*")
    day = _SET_DAY.fullmatch(sets.get("6.36", ""))
    if day is None or not _NUMBER.fullmatch(figure) or int(day[3] or 0) > 23:
        return []
    stamp = month_ends.last_set_day(
        int(day[1]), int(day[2]), dt.time(int(day[3] or 0), min(59, int(day[4] or 0))),
        before=delivery.received_at, zone=meters.zone,
    )  # fmt: skip
    if stamp is None:
        return []
    return _at_edge(meters, serial, "heat", stamp, Told("month_end", plain(Decimal(figure)), unit))


TELEGRAMS = Format(
    name="mbus",
    media_types=("application/x-mbus-hex",),
    extensions=("mbus", "hex"),
    parse=parse_telegrams,
    again=_again(_telegram),
    example=(
        b"2026-01-01T00:00:00Z 68 1F 1F 68 08 02 72 78 56 34 12 24 40 01 07 55 00 00 00 03 13 15 31"
        b" 00 DA 02 3B 13 01 8B 60 04 37 18 02 18 16\n"
    ),
)
WMBUSMETERS = Format(
    name="wmbusmeters",
    media_types=("application/x-wmbusmeters",),
    extensions=("wmbusmeters",),
    parse=parse_wmbusmeters,
    again=_again(_wmbusmeters),
    example=b'{"id": "12345678", "media": "heat", "total_energy_consumption_kwh": 34.5}\n',
)
READOUT = Format(
    name="iec62056-21",
    media_types=("application/x-iec62056-21",),
    extensions=("iec",),
    parse=parse_readout,
    again=_again(_readout_again),
    example=b"6.8(0032.871*GJ)6.26(03329.67*m3)9.21(66153690)\n",
)
