"""
Telegrams of meters as lines of text: M-Bus and wireless M-Bus in hexadecimal, the JSON of
wmbusmeters, and optical read-outs of IEC 62056-21.

The telegram names its meter; where that meter is installed says which channels its values are for.
Which of its values are taken says the profile of its make, or without one: of each quantity the
present value (storage 0, no tariff, no sub-unit). Its instant is that of the line, or of the
receipt: a meter's own clock states no zone.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, BinaryIO

from telemetry.domain import month_ends
from telemetry.domain.meter_profiles import USUAL
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
from telemetry.formats.placed import Meters, Numbered, in_columns
from telemetry.formats.profiled import Told, plain, taken
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


def read_telegram(
    text: str, received_at: dt.datetime, meters: Meters | None
) -> tuple[dt.datetime, Telegram] | Refused:
    """
    Return the instant and the content of `[instant] hexadecimal`, or why there is none. Without
    `meters` no key is known.
    """
    at, digits = _halves(text)
    instant = utc_instant(at) if at else received_at
    if instant is None:
        return Refused("The time stamp is not understood or has no zone.", text[:KEPT_TEXT], "at")
    try:
        frame = mbus.from_hex(digits)
        serial = _serial_outside(frame)
        key = meters.key_of(serial) if meters is not None else None
        layouts = meters.layouts_of(serial) if meters is not None else None
        told = wmbus.decode(frame, key=key, layouts=layouts)
    except NotDecodable as problem:
        return Refused(str(problem), text[:KEPT_TEXT])
    return instant, told


def _halves(text: str) -> tuple[str, str]:
    """
    Return the instant before a telegram, "" where there is none, and its digits, which may have
    blanks between them.
    """
    at, _, digits = text.partition(" ") if _DAY.match(text) else ("", "", text)
    return at, digits


_DAY = re.compile(r"\d{4}-\d\d-\d\dT", re.ASCII)


def _telegram(text: str, delivery: Delivery, meters: Meters) -> Again:
    read = read_telegram(text, delivery.received_at, meters)
    if isinstance(read, Refused):
        return read
    instant, told = read
    meters.learn(told.serial, told.heads)
    profile = meters.profile_of(told, instant)
    present, kept = taken(told, profile.takes if profile is not None else USUAL)
    if not (present or kept) and any(record.is_own for record in told.records):
        why = _not_in_profile(told) if profile is not None else _no_profile(told)
        return Refused(why, text[:KEPT_TEXT])
    given = meters.rows(told.serial, told.kind, instant, present, told.status)
    ends = [
        row for end in kept for row in _at_edge(
            meters, told.serial, told.kind, end.stamp, end.told, before=instant
        )
    ]  # fmt: skip
    if isinstance(given, str):
        return ends if ends and not present else Refused(given, text[:KEPT_TEXT])
    return given + ends


def _no_profile(told: Telegram) -> str:
    return (
        "The telegram holds its readings in the maker's own layout: there is no profile for this"
        f" meter ({_make(told)})."
    )


def _not_in_profile(told: Telegram) -> str:
    return f"Nothing that the profile for this meter takes is in the telegram ({_make(told)})."


def _make(told: Telegram) -> str:
    return f"{told.manufacturer}, version {told.version}, medium {told.medium}"


def _at_edge(
    meters: Meters, serial: str, kind: str, stamp: dt.date, figure: Told, *, before: dt.datetime
) -> list[tuple[str, str, str]]:
    """
    Return the register that the meter kept for a month's end as a reading at that edge.
    """
    edge = month_ends.edge_of(stamp, meters.zone)
    # Some makes state the next set day beside a register of nothing.
    given = meters.rows(serial, kind, edge, [figure]) if edge and edge <= before else ""
    # A point without a channel for it, or another meter at the time: it is not wanted.
    return [] if isinstance(given, str) else given


def serial_outside(text: str) -> str:
    """
    Return the serial that a telegram shows before anything is decrypted; "" where it shows none.
    """
    try:
        frame = mbus.from_hex(_halves(text)[1])
    except NotDecodable:
        return ""
    return _serial_outside(frame)


def _serial_outside(frame: bytes) -> str:
    return bytes(reversed(frame[4:8])).hex()


# Fields of wmbusmeters by what they measure; drivers differ in their names, the unit stands last.
_FIELDS = {
    "energy": {
        "total_energy_consumption_kwh": "kWh", "total_energy_consumption_mj": "MJ",
        "total_energy_consumption_gj": "GJ", "total_kwh": "kWh", "total_heating_kwh": "kWh",
        "heat_kwh": "kWh",
    },
    "cooling_energy": {
        "total_cooling_consumption_kwh": "kWh", "total_cooling_kwh": "kWh",
        "total_energy_backward_kwh": "kWh",
    },
    "volume": {
        "total_volume_m3": "m³", "total_m3": "m³", "total_water_m3": "m³", "volume_m3": "m³",
    },
    "power": {"power_kw": "kW", "current_power_consumption_kw": "kW"},
    "flow": {"volume_flow_m3h": "m³/h", "flow_m3h": "m³/h", "flow_water_m3h": "m³/h"},
    "supply": {
        "flow_temperature_c": "°C", "t1_temperature_c": "°C", "supply_temperature_c": "°C",
        "forward_c": "°C", "flow_c": "°C",
    },
    "return": {"return_temperature_c": "°C", "t2_temperature_c": "°C", "return_c": "°C"},
    "e8": {"forward_energy_m3c": "m3C"},
    "e9": {"return_energy_m3c": "m3C"},
}  # fmt: skip
# Energy that a meter kept, and the field with its day.
_KEPT_FIELDS = {
    "target_energy_kwh": "target_date", "target_kwh": "target_date",
    "energy_at_set_date_kwh": "set_date", "due_energy_consumption_kwh": "due_date",
    "prev_1_month_kwh": "prev_1_month_date", "last_month_energy_consumption_kwh": "last_month_date",
    "last_year_energy_consumption_kwh": "last_year_date", "last_year_kwh": "last_year_date",
}  # fmt: skip
_MEDIA = {"heat": "heat", "electricity": "electricity", "water": "water", "gas": "gas"}


def _wmbusmeters(text: str, delivery: Delivery, meters: Meters) -> Again:
    try:
        item: Any = json.loads(text, parse_float=str, parse_int=str, parse_constant=str)
    except (ValueError, RecursionError):
        return Refused("This line is not JSON.", text[:KEPT_TEXT])
    if not isinstance(item, dict) or not isinstance(item.get("id"), str):
        return Refused("This line is not an object with the meter's id.", text[:KEPT_TEXT])
    instant = _told_instant(item.get("timestamp"), delivery.received_at)
    told = []
    for quantity, names in _FIELDS.items():
        name = next((name for name in names if isinstance(item.get(name), str)), None)
        if name is not None:
            told.append(Told(quantity, item[name], names[name]))
    media = str(item.get("media", ""))
    kind = next((kind for word, kind in _MEDIA.items() if media.startswith(word)), "")
    if "cooling" in media and not media.startswith("heat"):
        kind = "cooling"
    given = meters.rows(item["id"], kind, instant, told, _told_status(item.get("status")))
    if isinstance(given, str):
        return Refused(given, text[:KEPT_TEXT])
    for name, dated in _KEPT_FIELDS.items():
        day = _told_day(item.get(dated))
        if day is not None and isinstance(item.get(name), str):
            figure = Told("month_end", item[name], "kWh")
            given += _at_edge(meters, item["id"], kind, day, figure, before=instant)
    return given


def _told_day(given: Any) -> dt.date | None:
    try:
        return dt.date.fromisoformat(given) if isinstance(given, str) else None
    except ValueError:
        return None


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
    told = Told("month_end", plain(Decimal(figure)), unit)
    return _at_edge(meters, serial, "heat", stamp, told, before=delivery.received_at)


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
