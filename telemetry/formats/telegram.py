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
    numbers are earlier values such as the one at the month's end. A quantity of the maker's own is
    "vif" with the bytes of its value information; `data` are the bytes of a value as sent, and of a
    block in the maker's own layout.
    """

    quantity: str
    unit: str
    value: Decimal | dt.datetime | dt.date | str | None
    function: str = "instantaneous"
    storage: int = 0
    tariff: int = 0
    device: int = 0
    data: bytes = b""

    @property
    def is_own(self) -> bool:
        """
        Whether only the maker knows what it means.
        """
        return self.quantity == "manufacturer" or self.quantity.startswith("vif ")


@dataclass(frozen=True, slots=True)
class Telegram:
    """
    A meter's identity, its status byte (0: all is well, None: it states none) and its records in
    order. `heads` are the data and value information of each record as sent: compact telegrams
    leave them out.
    """

    serial: str
    manufacturer: str
    version: int
    medium: int
    status: int | None
    records: tuple[Record, ...] = field(default=())
    heads: tuple[bytes, ...] = field(default=())

    @property
    def kind(self) -> str:
        """
        What the device measures: heat, cooling, electricity, water, gas, or "" for another.
        """
        return _KINDS.get(self.medium, "")


# Device types of EN 13757-3, table 4.
_KINDS = {
    0x02: "electricity", 0x03: "gas", 0x04: "heat", 0x05: "heat", 0x06: "water", 0x07: "water",
    0x0A: "cooling", 0x0B: "cooling", 0x0C: "heat", 0x0D: "heat", 0x15: "water", 0x16: "water",
}  # fmt: skip
