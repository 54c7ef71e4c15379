"""
Readings that name their meter become rows of the channels where that meter is.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Iterable, Iterator

from telemetry.domain.conversion import UnlikeUnits, conversion
from telemetry.domain.meter_profiles import Profile, chosen
from telemetry.formats.frame import Again, Columns, Heard, Learnt, Refused
from telemetry.formats.profiled import Told
from telemetry.formats.telegram import NotDecodable, Telegram
from telemetry.formats.wmbus import signature
from telemetry.queries import meters_by_serial, profiles

ROWS = 5_000


class Meters:
    """
    The meters of one site, asked for before the rows are drawn.
    """

    def __init__(self, site_id: int) -> None:
        self._placed = meters_by_serial.placed_meters(site_id=site_id)
        self._keys: dict[bytes, bytes] = {}
        self._heard: list[Heard] = []
        self._learnt: list[Learnt] = []
        self._layouts = profiles.layouts_of_site(site_id=site_id)
        self._profiles = profiles.profiles_of_site(site_id=site_id)
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

    def profile_of(self, told: Telegram, at: dt.datetime) -> Profile | None:
        """
        Return the profile of a telegram's make, None where there is none.
        """
        return chosen(
            self._profiles, manufacturer=told.manufacturer, version=told.version,
            medium=told.medium, at=at,
        )  # fmt: skip

    def layouts_of(self, serial: str) -> dict[int, tuple[bytes, ...]]:
        """
        Return what full telegrams of a meter said of their records, by the signature of that.
        """
        known = self._placed.get(meters_by_serial.plain_serial(serial), [])
        return self._layouts.get(known[0].meter_id, {}) if known else {}

    def learn(self, serial: str, heads: tuple[bytes, ...]) -> None:
        """
        Remember what a full radio telegram said of its records, for compact ones that follow.
        """
        known = self._placed.get(meters_by_serial.plain_serial(serial), [])
        if not known or not heads:
            return
        meter_id, sign = known[0].meter_id, signature(heads)
        layouts = self._layouts.setdefault(meter_id, {})
        if sign not in layouts:
            layouts[sign] = heads
            self._learnt.append(Learnt(meter_id, sign, heads))

    def heard(self) -> list[Heard]:
        """
        Return what meters said of themselves since the last time it was asked.
        """
        heard, self._heard = self._heard, []
        return heard

    def learnt(self) -> list[Learnt]:
        """
        Return what was learnt of compact telegrams since the last time it was asked.
        """
        learnt, self._learnt = self._learnt, []
        return learnt

    def channels_of(self, serial: str, at: dt.datetime) -> dict[str, tuple[str, str]] | None:
        """
        Return the channels where a meter is: quantity to key and unit; None where it is not.
        """
        known = self._placed.get(meters_by_serial.plain_serial(serial), [])
        return next((placed.channels for placed in known if at in placed.valid), None)

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
            yield _columns(numbers, rows, refused, meters)
            numbers, rows, refused = [], [], []
    if rows or refused:
        yield _columns(numbers, rows, refused, meters)


def _columns(
    numbers: list[int],
    rows: list[tuple[str, str, str]],
    refused: list[tuple[int, Refused]],
    meters: Meters,
) -> Columns:
    channels, ats, values = zip(*rows, strict=True) if rows else ((), (), ())
    return Columns(
        numbers, list(channels), list(ats), list(values), refused, heard=meters.heard(),
        learnt=meters.learnt(),
    )  # fmt: skip
