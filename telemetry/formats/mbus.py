"""
Wired M-Bus (EN 13757-2 and -3): long frames in hexadecimal, decoded with pyMeterBus.

Around the library: frames are checked first, so that each fault has a name of its own; figures stay
exact; six-byte times are read here, which the library reads as four.
"""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from typing import Any

import meterbus

from telemetry.formats.telegram import NotDecodable, Record, Telegram

_QUANTITIES = {
    "ENERGY_WH": "energy", "ENERGY_J": "energy", "VOLUME": "volume", "MASS": "mass",
    "POWER_W": "power", "POWER_J_H": "power", "VOLUME_FLOW": "flow",
    "FLOW_TEMPERATURE": "supply", "RETURN_TEMPERATURE": "return",
    "TEMPERATURE_DIFFERENCE": "delta", "EXTERNAL_TEMPERATURE": "external",
    "ON_TIME": "on time", "OPERATING_TIME": "operating time", "FABRICATION_NO": "fabrication",
    "DATE": "date", "DATE_TIME_GENERAL": "time", "ERROR_FLAGS": "error flags",
    "UNITS_FOR_HCA": "heat cost units", "AMPERE": "current", "VOLTS": "voltage",
}  # fmt: skip
_UNITS = {
    "WH": "Wh", "J": "J", "M3": "m³", "KG": "kg", "W": "W", "J_H": "J/h", "M3_H": "m³/h", "C": "°C",
    "K": "K", "SECONDS": "s", "HCA": "HCA", "A": "A", "V": "V", "BAR": "bar",
}  # fmt: skip
_FUNCTIONS = {
    "INSTANTANEOUS_VALUE": "instantaneous", "MAXIMUM_VALUE": "maximum",
    "MINIMUM_VALUE": "minimum", "ERROR_STATE_VALUE": "error",
}  # fmt: skip
# Security modes of EN 13757-7 that hide the records: AES-128 in CBC or CMAC dress.
_ENCRYPTED = {4, 5, 7, 13}
# Value information of the maker's own, and the mark that extensions of the maker's own follow.
_OWN = 0xFF
_ANSWERS = {0x72, 0x76, 0x7A}
_SLAVE_ERRORS = {
    0x00: "an unspecified error", 0x01: "an unknown request", 0x02: "a buffer that is too long",
    0x03: "too many records", 0x04: "an early end of a record", 0x05: "too many DIF extensions",
    0x06: "too many VIF extensions", 0x07: "a reserved error", 0x08: "that it is busy",
    0x09: "too many read-outs",
}  # fmt: skip


def from_hex(text: str) -> bytes:
    """
    Return the bytes of a hexadecimal text; blanks, `|`, `_` and `:` between digits are left out.

    :raises NotDecodable: if something else stands in it
    """
    digits = re.sub(r"[\s|_:]", "", text)
    try:
        return bytes.fromhex(digits)
    except ValueError:
        raise NotDecodable("The telegram is not hexadecimal.") from None


def decode(frame: bytes) -> Telegram:
    """
    Return what a long frame with variable data says.

    :raises NotDecodable: naming the fault: cut short, wrong checksum, encrypted, no data, a data
        block that does not add up
    """
    user_data = _unframed(frame)
    if user_data[2] == 0x70:
        code = user_data[3] if len(user_data) > 3 else 0
        told = _SLAVE_ERRORS.get(code, f"error {code:#04x}")
        raise NotDecodable(f"The meter answers with {told} instead of readings.")
    if user_data[2] not in _ANSWERS:
        raise NotDecodable(f"Control information {user_data[2]:#04x} is not supported.")
    if len(user_data) < 15:
        raise NotDecodable("The frame has no header of twelve bytes.")
    # Old meters have a signature of their own making there: only modes that exist count.
    mode = user_data[14] & 0x1F
    if mode in _ENCRYPTED and user_data[2] != 0x76:
        raise NotDecodable("The telegram is encrypted and no key of this meter is known.")
    return parsed(frame)


def _unframed(frame: bytes) -> bytes:
    if len(frame) < 6 or frame[0] != 0x68:
        raise NotDecodable("This is no M-Bus long frame: it does not begin with 68.")
    length = frame[1]
    if frame[2] != length or frame[3] != 0x68:
        raise NotDecodable("The two lengths of the frame differ, or its second 68 is missing.")
    if len(frame) < length + 6:
        raise NotDecodable(f"The frame is cut short: {len(frame)} of {length + 6} bytes.")
    data = frame[4 : 4 + length]
    if sum(data) & 0xFF != frame[4 + length]:
        raise NotDecodable(
            f"The checksum is {frame[4 + length]:#04x}, the bytes give {sum(data) & 0xFF:#04x}."
        )
    if frame[5 + length] != 0x16:
        raise NotDecodable("The frame does not end with 16.")
    if length < 3:
        raise NotDecodable("The frame has no control information.")
    return data


def parsed(frame: bytes) -> Telegram:
    """
    Return the header and records of a checked, plain frame.

    :raises NotDecodable: if a record does not add up
    """
    try:
        telegram = meterbus.load(list(frame))
        records = tuple(_records(telegram.records))
        header = telegram.body.bodyHeader
        return Telegram(
            serial=bytes(reversed(header.id_nr_field.parts)).hex(),
            manufacturer=str(telegram.manufacturer),
            version=int(header.version_field.parts[0]),
            medium=int(header.measure_medium_field.parts[0]),
            status=int(header.status_field.parts[0]),
            records=records,
            heads=tuple(bytes(raw.dib.parts) + bytes(raw.vib.parts) for raw in telegram.records),
        )
    except NotDecodable:
        raise
    # The library has no exceptions of its own for broken records: anything may come out.
    except Exception as problem:
        raise NotDecodable(
            f"A record of the telegram does not add up ({type(problem).__name__})."
        ) from None


def _records(given: list[Any]) -> list[Record]:
    found = []
    for raw in given:
        told = raw.interpreted
        function = told["function"].rpartition(".")[2]
        if function in {"SPECIAL_FUNCTION", "MORE_RECORDS_FOLLOW"}:
            own = bytes(raw.dataField.parts)
            found.append(Record("manufacturer", "", None, "manufacturer", data=own))
            continue
        length, _ = raw.dib.length_encoding
        parts = list(raw.dataField.parts)
        variable = raw.dib.length_encoding[1].name == "ENCODING_VARIABLE_LENGTH"
        if len(parts) != length and not variable:
            raise NotDecodable("The last record of the telegram is cut short.")
        kind = told["type"].rpartition(".")[2]
        quantity = _QUANTITIES.get(kind, kind.lower().replace("_", " "))
        # An extension that is not plain "per record" makes it another figure: a limit, say.
        extension = str(told.get("unit_enh") or "").rpartition(".")[2].lower()
        if extension and quantity not in {"time", "date"}:
            quantity = f"{quantity}, {extension.replace('_', ' ')}"
        if _OWN in raw.vib.parts or raw.vib.parts[:1] == [_OWN & 0x7F]:
            quantity = f"vif {bytes(raw.vib.parts).hex().upper()}"
        found.append(
            Record(
                quantity=quantity,
                unit=_unit(told["unit"].rpartition(".")[2], kind),
                value=_value(told["value"], quantity, parts),
                function=_FUNCTIONS.get(function, function.lower()),
                storage=int(told["storage_number"]),
                tariff=int(told.get("tariff") or 0),
                device=int(told.get("device") or 0),
                data=bytes(parts),
            )
        )
    return found


def _unit(name: str, kind: str) -> str:
    # The library calls gigajoules of the extended table "Reserved" and gives them in joules.
    return "J" if (name, kind) == ("Reserved", "Energy") else _UNITS.get(name, "")


def _value(
    given: Any, quantity: str, parts: list[int]
) -> Decimal | dt.datetime | dt.date | str | None:
    if quantity == "time":
        return _long_time(parts) if len(parts) == 6 else _parsed_time(given)
    if quantity == "date":
        return _parsed_date(given)
    if isinstance(given, Decimal | int | float):
        # The library multiplies by a power of ten in floating point; six decimals are exact.
        return Decimal(repr(round(float(given), 6))).normalize()
    return None if given is None else str(given)


def _parsed_date(given: str | None) -> dt.date | str | None:
    try:
        return dt.date.fromisoformat(given) if given else None
    # Month 15 of 2127 stands for "never" with some makes.
    except ValueError:
        return given


def _parsed_time(given: str | None) -> dt.datetime | None:
    try:
        return dt.datetime.fromisoformat(given) if given else None
    except ValueError:
        return None


def _long_time(parts: list[int]) -> dt.datetime | None:
    """
    Read type I of EN 13757-3: seconds, minutes, hours, day, month and year in six bytes.
    """
    year = ((parts[3] & 0xE0) >> 5) | ((parts[4] & 0xF0) >> 1)
    try:
        return dt.datetime(  # noqa: DTZ001 - the meter's own clock, whose zone nobody told
            2000 + year, parts[4] & 0x0F, parts[3] & 0x1F, parts[2] & 0x1F, parts[1] & 0x3F,
            parts[0] & 0x3F,
        )  # fmt: skip
    except ValueError:
        return None
