"""
Records of telegrams and lines of profiles, in words.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from django.utils.translation import gettext

from telemetry.domain.meter_profiles import OWN_BLOCK, Take
from telemetry.formats.profiled import plain
from telemetry.formats.telegram import Record
from telemetry.models import Channel, MeterProfileLine


def quantity_words(name: str) -> str:
    """
    Return the name of a channel's quantity.
    """
    return gettext(Channel.Quantity(name).label)


def measured_words(name: str) -> str:
    """
    Return what a record says it is.
    """
    known = {
        "energy": gettext("Energy"), "volume": gettext("Volume"), "power": gettext("Power"),
        "flow": gettext("Flow"), "supply": gettext("Supply temperature"),
        "return": gettext("Return temperature"), "delta": gettext("Temperature difference"),
        "external": gettext("Outdoor temperature"),
        "energy, negative accumulation": gettext("Energy counted backwards (cooling)"),
        OWN_BLOCK: gettext("Block in the maker’s own layout"),
    }  # fmt: skip
    if name in known:
        return known[name]
    if name.startswith("vif "):
        return gettext("The maker’s own value %s") % name.removeprefix("vif ")
    return name[:1].upper() + name[1:]


def _address(function: str, storage: int, tariff: int, device: int, nth: int) -> str:
    words = []
    if function in {"maximum", "minimum"}:
        words.append(gettext("maximum") if function == "maximum" else gettext("minimum"))
    words.append(gettext("storage %d") % storage if storage else gettext("now"))
    if tariff:
        words.append(gettext("tariff %d") % tariff)
    if device:
        words.append(gettext("sub-unit %d") % device)
    if nth > 1:
        words.append(gettext("number %d of its kind") % nth)
    return ", ".join(words)


def record_address(record: Record, nth: int) -> str:
    """
    Return which of the values of its quantity a record is: now, tariff 1.
    """
    if record.quantity == OWN_BLOCK:
        return ""
    return _address(record.function, record.storage, record.tariff, record.device, nth)


def take_words(take: Take) -> str:
    """
    Return which record, or bytes of it, a line of a profile takes.
    """
    words = [measured_words(take.measured)]
    if take.measured != OWN_BLOCK:
        words.append(_address(take.function, take.storage, take.tariff, take.device, take.nth))
    if take.place is not None:
        first, last = take.place.first, take.place.first + take.place.count - 1
        coding = gettext(MeterProfileLine.Coding(take.place.coding).label)
        told = {"first": first, "last": last, "coding": coding}
        words.append(
            gettext("byte %(first)d (%(coding)s)") % told if first == last
            else gettext("bytes %(first)d to %(last)d (%(coding)s)") % told
        )  # fmt: skip
    return ": ".join([words[0], ", ".join(words[1:])]) if words[1:] else words[0]


def factor_words(take: Take) -> str:
    """
    Return how a figure is taken where it is not as the record says it.
    """
    factor = "" if take.factor == 1 else f"× {plain(take.factor.normalize())}"
    return " ".join(part for part in (factor, take.unit.replace("m3C", "m³·°C")) if part)


def value_words(record: Record) -> str:
    """
    Return a record's value with its unit.
    """
    value = record.value
    if record.function == "error":
        return gettext("marked as an error by the meter")
    if isinstance(value, Decimal):
        return f"{plain(value)} {record.unit}".strip()
    if isinstance(value, dt.datetime):
        return value.isoformat(" ", "minutes")
    if isinstance(value, dt.date):
        return value.isoformat()
    if record.is_own:
        return gettext("%d bytes, shown below") % len(record.data)
    return str(value or "–")


def bytes_numbered(data: bytes) -> list[tuple[int, str]]:
    """
    Return bytes in rows of eight, each with the number of its first.
    """
    return [(n + 1, data[n : n + 8].hex(" ").upper()) for n in range(0, len(data), 8)]


def medium_words(medium: int) -> str:
    """
    Return a device type of EN 13757-3.
    """
    known = {
        0x02: gettext("electricity"), 0x03: gettext("gas"), 0x04: gettext("heat, outlet"),
        0x06: gettext("warm water"), 0x07: gettext("water"), 0x0A: gettext("cooling, outlet"),
        0x0B: gettext("cooling, inlet"), 0x0C: gettext("heat, inlet"),
        0x0D: gettext("heat and cooling"), 0x15: gettext("hot water"),
        0x16: gettext("cold water"), 0x37: gettext("radio converter"),
    }  # fmt: skip
    return known.get(medium, gettext("medium %d") % medium)
