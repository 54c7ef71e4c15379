"""
What a meter says in one telegram, whatever carried it.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from decimal import Decimal


class NotDecodable(Exception):
    """
    A telegram that cannot be read; the message says why in words for its sender.
    """


@dataclass(frozen=True, slots=True)
class Record:
    """
    One value of a telegram in SI units (Wh, J, W, m³, m³/h, °C, K, s), as EN 13757-3 tells it.

    `function` is "instantaneous", "maximum", "minimum" or "error"; `storage` 0 is now, higher
    numbers are earlier values such as the one at the month's end.
    """

    quantity: str
    unit: str
    value: Decimal | dt.datetime | dt.date | str | None
    function: str = "instantaneous"
    storage: int = 0
    tariff: int = 0
    device: int = 0


@dataclass(frozen=True, slots=True)
class Telegram:
    """
    A meter's identity, its status byte (0: all is well, None: it states none) and its records in
    order.
    """

    serial: str
    manufacturer: str
    version: int
    medium: int
    status: int | None
    records: tuple[Record, ...] = field(default=())

    @property
    def kind(self) -> str:
        """
        What the device measures: heat, cooling, electricity, water, gas, or "" for another.
        """
        return _KINDS.get(self.medium, "")

    def stored(self) -> list[tuple[dt.datetime | dt.date, Record]]:
        """
        Return the earlier register values with the day or time that stands beside them under
        the same storage number.
        """
        days = {
            record.storage: record.value
            for record in self.records
            if record.storage and isinstance(record.value, dt.date)
        }
        return [
            (days[record.storage], record)
            for record in self.records
            if record.storage in days
            and record.quantity in {"energy", "volume"}
            and record.function == "instantaneous"
            and not (record.tariff or record.device)
        ]


# Device types of EN 13757-3, table 4.
_KINDS = {
    0x02: "electricity", 0x03: "gas", 0x04: "heat", 0x05: "heat", 0x06: "water", 0x07: "water",
    0x0A: "cooling", 0x0B: "cooling", 0x0C: "heat", 0x0D: "heat", 0x15: "water", 0x16: "water",
}  # fmt: skip
