"""
Readings that name their meter become rows of the channels where that meter is.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import NamedTuple

from telemetry.domain.conversion import UnlikeUnits, conversion
from telemetry.formats.frame import Again, Columns, Heard, Refused
from telemetry.formats.telegram import NotDecodable
from telemetry.queries import meters_by_serial

ROWS = 5_000


class Told(NamedTuple):
    """
    One value of a meter: its quantity, the figure in plain decimals and its unit.
    """

    quantity: str
    figure: str
    unit: str


class Meters:
    """
    The meters of one site, asked for before the rows are drawn.
    """

    def __init__(self, site_id: int) -> None:
        self._placed = meters_by_serial.placed_meters(site_id=site_id)
        self._keys: dict[bytes, bytes] = {}
        self._heard: list[Heard] = []
        self.zone = zoneinfo.ZoneInfo(meters_by_serial.zone_of_site(site_id=site_id))

    def key_of(self, serial: str) -> bytes | None:
        """
        Return the radio key of a meter, None where none is known.

        :raises NotDecodable: if it is kept and cannot be read
        """
        found = self._placed.get(meters_by_serial.plain_serial(serial), [])
        sealed = next((placed.sealed_key for placed in found if placed.sealed_key), None)
        if sealed is None:
            return None
        if sealed not in self._keys:
            try:
                self._keys[sealed] = meters_by_serial.opened_key(sealed)
            except meters_by_serial.KeyLost:
                raise NotDecodable(
                    f"The key of meter {serial} was kept under another secret of the portal."
                    " Enter it again."
                ) from None
        return self._keys[sealed]

    def heard(self) -> list[Heard]:
        """
        Return what meters said of themselves since the last time it was asked.
        """
        heard, self._heard = self._heard, []
        return heard

    def rows(
        self,
        serial: str,
        kind: str,
        at: dt.datetime,
        told: Iterable[Told],
        status: int | None = None,
    ) -> list[tuple[str, str, str]] | str:
        """
        Return channel, instant and value of what the meter's point has channels for, or in words
        why there is nothing. What the meter says of itself waits for `heard`.
        """
        known = self._placed.get(meters_by_serial.plain_serial(serial), [])
        if not known:
            return f"No meter with the serial {serial} is installed at this site."
        placed = next((p for p in known if at in p.valid), None)
        if placed is None:
            return f"Meter {placed_words(serial)} was not installed at {at.isoformat()}."
        if kind and placed.kind != kind:
            return (
                f"The telegram is of a meter for {kind}, meter {placed.serial} is installed as one"
                f" for {placed.kind}."
            )
        if status is not None:
            self._heard.append(Heard(placed.meter_id, at, status))
        found = []
        for quantity, figure, unit in told:
            if quantity not in placed.channels:
                continue
            key, wanted = placed.channels[quantity]
            if quantity == "month_end":
                # It is the main register, as it stood.
                _, wanted = placed.channels.get("energy", (key, ""))
            try:
                convert = conversion(unit, wanted) if wanted else None
            except UnlikeUnits as problem:
                return f"{key}: {problem}"
            value = figure if convert is None else convert(figure)
            found.append((key, at.isoformat(), value or figure))
        if not found:
            return f"None of the channels at meter {placed.serial} is in the telegram."
        return found


def placed_words(serial: str) -> str:
    """
    Return a serial for a message.
    """
    return serial or "without a serial"


def plain(figure: Decimal) -> str:
    """
    Return a figure in plain decimals.
    """
    return f"{figure:f}"


Numbered = tuple[int, Again]


def in_columns(found: Iterable[Numbered], meters: Meters) -> Iterator[Columns]:
    """
    Gather what each line gave: its rows, or why there are none.
    """
    numbers: list[int] = []
    rows: list[tuple[str, str, str]] = []
    refused: list[tuple[int, Refused]] = []
    for number, given in found:
        if isinstance(given, Refused):
            refused.append((number, given))
        else:
            numbers += [number] * len(given)
            rows += given
        if len(rows) + len(refused) >= ROWS:
            yield _columns(numbers, rows, refused, meters.heard())
            numbers, rows, refused = [], [], []
    if rows or refused:
        yield _columns(numbers, rows, refused, meters.heard())


def _columns(
    numbers: list[int],
    rows: list[tuple[str, str, str]],
    refused: list[tuple[int, Refused]],
    heard: list[Heard],
) -> Columns:
    channels, ats, values = zip(*rows, strict=True) if rows else ((), (), ())
    return Columns(numbers, list(channels), list(ats), list(values), refused, heard=heard)
