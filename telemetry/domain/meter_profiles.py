"""
Which values of a make's telegrams are which quantities of a point.
"""

from __future__ import annotations

import datetime as dt
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

# The block of a telegram in which a maker may write as they like.
OWN_BLOCK = "manufacturer"


class Coding(StrEnum):
    """
    How bytes in a maker's own layout are a figure.
    """

    BCD = "bcd"
    UNSIGNED = "unsigned"
    SIGNED = "signed"
    UNSIGNED_BIG = "unsigned_big"
    SIGNED_BIG = "signed_big"
    FLOAT = "float"


@dataclass(frozen=True, slots=True)
class Bytes:
    """
    Where in a maker's own bytes a figure stands; the first byte has the number 1.
    """

    first: int
    count: int
    coding: Coding


@dataclass(frozen=True, slots=True)
class Take:
    """
    One line of a profile: of the records with this address the nth is the quantity of a channel.
    `measured` is what the record says it is, as decoded. A figure counts `factor` times, in `unit`;
    "" is the record's own unit. `place`: the figure stands in these of the record's bytes.
    """

    quantity: str
    measured: str
    function: str = "instantaneous"
    storage: int = 0
    tariff: int = 0
    device: int = 0
    nth: int = 1
    unit: str = ""
    factor: Decimal = Decimal(1)
    place: Bytes | None = None

    @property
    def address(self) -> tuple[str, str, int, int, int, int, Bytes | None]:
        """
        What says which record, or bytes of it, is meant.
        """
        return (
            self.measured, self.function, self.storage, self.tariff, self.device, self.nth,
            self.place,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Profile:
    """
    What is taken of the telegrams of a make: of versions from the first to the last, and of one
    medium or, with None, of all. It holds for telegrams of `since` until before `until`. `own`: it
    is the operator's, not one that comes with the portal.
    """

    manufacturer: str
    first_version: int
    last_version: int
    medium: int | None
    since: dt.datetime | None
    until: dt.datetime | None
    own: bool
    takes: tuple[Take, ...]
    pk: int | None = None
    name: str = ""


# Without a profile: of each quantity the present value, and the register kept for a month's end.
USUAL = (
    *(Take(name, name) for name in ("energy", "volume", "power", "flow", "supply", "return")),
    Take("month_end", "energy", storage=1),
)


def chosen(
    profiles: Iterable[Profile], *, manufacturer: str, version: int, medium: int, at: dt.datetime
) -> Profile | None:
    """
    Return the profile for a telegram: an operator's before one that comes with the portal, one
    for its medium before one for all.
    """
    fit = [
        profile for profile in profiles
        if profile.manufacturer == manufacturer
        and profile.first_version <= version <= profile.last_version
        and profile.medium in {None, medium}
        and (profile.since is None or profile.since <= at)
        and (profile.until is None or at < profile.until)
    ]  # fmt: skip
    return max(fit, key=lambda p: (p.own, p.medium is not None), default=None)


def figure_of(data: bytes, place: Bytes) -> Decimal | None:
    """
    Return the figure that stands in some bytes; None where there are too few or they are none.
    """
    told = data[place.first - 1 : place.first - 1 + place.count]
    if len(told) != place.count:
        return None
    if place.coding is Coding.BCD:
        digits = bytes(reversed(told)).hex()
        return Decimal(int(digits)) if digits.isdecimal() else None
    if place.coding is Coding.FLOAT:
        real = struct.unpack("<f", told)[0] if len(told) == 4 else float("nan")
        # Six digits are what four bytes hold for certain.
        figure = Decimal(f"{real:.7g}")
        return figure if figure.is_finite() else None
    big = place.coding in {Coding.UNSIGNED_BIG, Coding.SIGNED_BIG}
    signed = place.coding in {Coding.SIGNED, Coding.SIGNED_BIG}
    return Decimal(int.from_bytes(told, "big" if big else "little", signed=signed))
