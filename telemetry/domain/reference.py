"""
Reference data as it is published: emission factors and rules about ratios, each row with value,
unit, basis, region, days, source and licence.
"""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Generic, Self, TypeVar

# What a unit is times, to make kg/kWh of it.
KG_PER_KWH = {
    "kg/kWh": Decimal(1),
    "g/kWh": Decimal("0.001"),
    "kg/MWh": Decimal("0.001"),
    "t/MWh": Decimal(1),
    "t/GWh": Decimal("0.001"),
    "kg/GJ": Decimal("0.0036"),
    "t/TJ": Decimal("0.0036"),
}

# A row for the union holds in its states, one for WORLD everywhere.
UNION = {"AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU"} | {
    "IE", "IT", "LT", "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK"
}  # fmt: skip


def regions_of(country: str) -> tuple[str, ...]:
    """
    Return the regions whose rows hold in a country, the nearest first.
    """
    return (country, "EU", "WORLD") if country in UNION else (country, "WORLD")


class Gas(enum.StrEnum):
    """
    What is counted: carbon dioxide alone, or all greenhouse gases as its equivalent.
    """

    CO2 = "co2"
    CO2E = "co2e"


class Extent(enum.StrEnum):
    """
    How far a factor reaches: burning or generating alone, or making and bringing the fuel too.
    """

    DIRECT = "direct"
    LIFE_CYCLE = "life_cycle"


class Standing(enum.StrEnum):
    """
    Whether a rule binds: law, a draft of one, or a figure of others to compare with.
    """

    LAW = "law"
    DRAFT = "draft"
    BENCHMARK = "benchmark"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Dated:
    """
    What holds for the days [valid_from, valid_to); `valid_to` None: until further notice.
    """

    valid_from: dt.date
    valid_to: dt.date | None

    def meets(self, other: Self) -> bool:
        """
        Say whether both hold on some day.
        """
        return (other.valid_to is None or self.valid_from < other.valid_to) and (
            self.valid_to is None or other.valid_from < self.valid_to
        )

    def without(self, other: Self) -> list[Self]:
        """
        Return what remains of this row on the days for which the other does not speak.
        """
        rest = []
        if self.valid_from < other.valid_from:
            rest.append(replace(self, valid_to=other.valid_from))
        if other.valid_to is not None and (self.valid_to is None or other.valid_to < self.valid_to):
            rest.append(replace(self, valid_from=other.valid_to))
        return rest


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorRow(_Dated):
    """
    A factor in kg/kWh; `data_year` is the year it describes, `published` its value and unit as
    the source has them, `heating_value` ncv or gcv for fuels and empty otherwise.
    """

    carrier: str
    region: str
    data_year: int
    kg_per_kwh: Decimal
    basis: str
    source: str
    licence: str
    gas: str = Gas.CO2E.value
    extent: str = Extent.DIRECT.value
    heating_value: str = ""
    published: str = ""

    def clashes(self, other: FactorRow) -> bool:
        """
        Say whether two rows speak for the same thing on the same day.
        """
        return (self.carrier, self.region) == (other.carrier, other.region) and self.meets(other)

    def __str__(self) -> str:
        return f"{self.carrier} {self.region} {self.valid_from}"


@dataclass(frozen=True, slots=True, kw_only=True)
class KpiRuleRow(_Dated):
    """
    A rule for data centres that went into operation within [started_from, started_to); both None:
    for all of them.
    """

    code: str
    region: str
    value: Decimal
    unit: str
    standing: str
    words: str
    source: str
    licence: str
    started_from: dt.date | None = None
    started_to: dt.date | None = None
    # It binds a data centre this long after its start, and not sooner than it is in force.
    grace_months: int = 0

    def clashes(self, other: KpiRuleRow) -> bool:
        """
        Say whether two rows speak for the same data centre on the same day.
        """
        mine, its = (self.code, self.region, self.standing), (other.code, other.region)
        return (
            mine == (*its, other.standing)
            and self.meets(other)
            and _before(self.started_from, other.started_to)
            and _before(other.started_from, self.started_to)
        )

    def __str__(self) -> str:
        return f"{self.code} {self.region} {self.valid_from}"


def _before(start: dt.date | None, end: dt.date | None) -> bool:
    return start is None or end is None or start < end


Row = TypeVar("Row", FactorRow, KpiRuleRow)


class Fate(enum.StrEnum):
    """
    What becomes of a row that is handed in.
    """

    NEW = "new"
    HELD = "held"
    SUPERSEDES = "supersedes"


@dataclass(frozen=True, slots=True)
class Step(Generic[Row]):
    """
    One row handed in with what becomes of it; `replaced` are the held rows it takes days from.
    """

    row: Row
    fate: Fate
    replaced: list[Row] = field(default_factory=list)


def plan(rows: Sequence[Row], held: Iterable[Row]) -> list[Step[Row]]:
    """
    Return what would become of each row beside those that are held.
    """
    current = list(held)
    steps = []
    for row in rows:
        if row in current:
            steps.append(Step(row, Fate.HELD))
            continue
        replaced = [other for other in current if row.clashes(other)]
        steps.append(Step(row, Fate.SUPERSEDES if replaced else Fate.NEW, replaced))
    return steps


def twice(rows: Sequence[Row]) -> tuple[int, int] | None:
    """
    Return the places of the first two rows that speak for the same thing, None where none do.
    """
    for n, row in enumerate(rows):
        for earlier in range(n):
            if row.clashes(rows[earlier]):
                return earlier, n
    return None


def remains(replaced: Iterable[Row], made: Sequence[Row]) -> list[Row]:
    """
    Return what goes on of superseded rows on the days for which none of the new ones speaks.
    """
    rest: list[Row] = []
    for old in replaced:
        parts = [old]
        for row in made:
            parts = [
                p for part in parts for p in (part.without(row) if row.clashes(part) else [part])
            ]
        rest += parts
    return rest
