"""
What a profile takes of a telegram.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from telemetry.domain.meter_profiles import Take, figure_of
from telemetry.formats.telegram import Record, Telegram


class Told(NamedTuple):
    """
    One value of a meter: its quantity, the figure in plain decimals and its unit.
    """

    quantity: str
    figure: str
    unit: str


class Kept(NamedTuple):
    """
    A register as the meter kept it, with the day or time of its clock.
    """

    stamp: dt.date
    told: Told


@dataclass(frozen=True, slots=True)
class Addressed:
    """
    A record with which of several alike it is, from 1.
    """

    record: Record
    nth: int

    def is_of(self, take: Take) -> bool:
        """
        Whether a line of a profile means this record.
        """
        record = self.record
        return (
            take.measured, take.function, take.storage, take.tariff, take.device, take.nth
        ) == (
            record.quantity, record.function, record.storage, record.tariff, record.device, self.nth
        )  # fmt: skip


def plain(figure: Decimal) -> str:
    """
    Return a figure in plain decimals.
    """
    return f"{figure:f}"


def addressed(told: Telegram) -> list[Addressed]:
    """
    Number the records of a telegram that have the same address.
    """
    met: Counter[tuple[object, ...]] = Counter()
    found = []
    for record in told.records:
        key = (record.quantity, record.function, record.storage, record.tariff, record.device)
        met[key] += 1
        found.append(Addressed(record, met[key]))
    return found


def taken(told: Telegram, takes: Iterable[Take]) -> tuple[list[Told], list[Kept]]:
    """
    Return the present values, each quantity once, and the registers kept for a month's end.
    """
    present: dict[str, Told] = {}
    kept = []
    records = addressed(told)
    for take in takes:
        found = next((one.record for one in records if one.is_of(take)), None)
        figure = None if found is None else value_of(found, take)
        if found is None or figure is None:
            continue
        value = Told(take.quantity, plain(figure), take.unit or found.unit)
        if take.quantity == "month_end":
            stamp = stamp_beside(told, found)
            kept += [Kept(stamp, value)] if stamp is not None else []
        else:
            present.setdefault(take.quantity, value)
    return list(present.values()), kept


def value_of(record: Record, take: Take) -> Decimal | None:
    """
    Return the figure that a line of a profile takes of its record.
    """
    if take.place is not None:
        figure = figure_of(record.data, take.place)
    else:
        figure = record.value if isinstance(record.value, Decimal) else None
    return None if figure is None else figure * take.factor


def stamp_beside(told: Telegram, record: Record) -> dt.date | None:
    """
    Return the day or time under which the meter kept a value.
    """
    return next(
        (
            other.value
            for other in told.records
            if isinstance(other.value, dt.date)
            and (other.storage, other.tariff, other.device, other.function)
            == (record.storage, record.tariff, record.device, "instantaneous")
        ),
        None,
    )
