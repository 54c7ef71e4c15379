"""
Price clauses: a price that follows published indices, with its arithmetic shown.

P = P0 x (a + sum of b x I / I0), a and the b adding up to 1 (form: Mainzer Fernwaerme;
AVBFernwaermeV section 24(4)). The limits follow in this order: deadband, step against the price
before, floor and ceiling, rounding.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import Any

_ONE = Decimal(1)
_TOLERANCE = Decimal("1e-9")


class IndexMissing(Exception):
    """
    A clause needs an index value that nobody has entered; the message names series and month.
    """


class Binding(StrEnum):
    """
    Which limit of a clause decided the price.
    """

    NONE = "none"
    DEADBAND = "deadband"
    COLLAR = "collar"
    STEP = "step_cap"
    FLOOR = "floor"
    CEILING = "ceiling"


@dataclass(frozen=True, slots=True)
class Part:
    """
    One index of a clause: its weight, and its value when the base price was agreed.
    """

    series: str
    weight: Decimal
    base: Decimal


@dataclass(frozen=True, slots=True)
class Clause:
    """
    How a price follows its indices.

    `fixed` is the share that never moves. `deadband`, `collar`, `step_up` and `step_down` are
    fractions: the price stays while it would move by no more than the deadband; the factor stays
    within 1 +- collar; against the price before it rises and falls by no more than the steps.
    `places` are the decimals the price is rounded to, half up.

    :raises ValueError: if the shares do not add up to 1 or a base is not above zero
    """

    base_price: Decimal
    fixed: Decimal
    parts: tuple[Part, ...]
    places: int = 4
    deadband: Decimal | None = None
    collar: Decimal | None = None
    step_up: Decimal | None = None
    step_down: Decimal | None = None
    floor: Decimal | None = None
    ceiling: Decimal | None = None

    def __post_init__(self) -> None:
        shares = self.fixed + sum((part.weight for part in self.parts), Decimal(0))
        if abs(shares - 1) > _TOLERANCE:
            raise ValueError(f"The shares of a price clause must add up to 1, not {shares}.")
        if any(part.base <= 0 for part in self.parts):
            raise ValueError("The base value of an index must be above zero.")

    @property
    def counts_from_before(self) -> bool:
        """
        Whether the price depends on the one that held until now.
        """
        return (self.deadband, self.step_up, self.step_down) != (None, None, None)


@dataclass(frozen=True, slots=True)
class Price:
    """
    A price found by a clause, the limit that decided it and the arithmetic in one line.
    """

    price: Decimal
    factor: Decimal
    binding: Binding
    formula: str


def factor(clause: Clause, values: Mapping[str, Decimal]) -> Decimal:
    """
    Return a + sum of b x I / I0, not rounded.

    :raises IndexMissing: if a value is absent
    """
    found = clause.fixed
    for part in clause.parts:
        if part.series not in values:
            raise IndexMissing(part.series)
        found += part.weight * values[part.series] / part.base
    return found


def price(clause: Clause, values: Mapping[str, Decimal], *, before: Decimal | None = None) -> Price:
    """
    Return the price for the index values; `before` is the price that held until now, None for
    the first.

    :raises IndexMissing: if a value is absent
    """
    moved = factor(clause, values)
    binding = Binding.NONE
    kept = moved
    if clause.collar is not None and abs(moved - 1) > clause.collar:
        kept = _ONE + clause.collar.copy_sign(moved - 1)
        binding = Binding.COLLAR
    found, limit = _limited(clause, clause.base_price * kept, before)
    rounded = found.quantize(_ONE.scaleb(-clause.places), rounding=ROUND_HALF_UP)
    return Price(
        price=rounded,
        factor=moved,
        binding=binding if limit is Binding.NONE else limit,
        formula=_formula(clause, values, moved, rounded),
    )


def price_of_line(paid: Decimal, details: Mapping[str, Any]) -> Decimal:
    """
    Return the price that a line of energy was billed at, which the next is limited by: what a host
    is paid has its margin on it.
    """
    margin = Decimal(details.get("margin", "0"))
    if not margin:
        return paid
    # Six decimals, as lines keep them: that gives back a price of up to five exactly.
    return (paid / (1 + margin / 100)).quantize(Decimal("0.000001"), rounding=ROUND_HALF_UP)


def _limited(clause: Clause, raw: Decimal, before: Decimal | None) -> tuple[Decimal, Binding]:
    found, binding = raw, Binding.NONE
    if before is not None:
        if clause.deadband is not None and abs(raw - before) <= before * clause.deadband:
            found, binding = before, Binding.DEADBAND
        if clause.step_up is not None and found > before * (1 + clause.step_up):
            found, binding = before * (1 + clause.step_up), Binding.STEP
        if clause.step_down is not None and found < before * (1 - clause.step_down):
            found, binding = before * (1 - clause.step_down), Binding.STEP
    if clause.floor is not None and found < clause.floor:
        found, binding = clause.floor, Binding.FLOOR
    if clause.ceiling is not None and found > clause.ceiling:
        found, binding = clause.ceiling, Binding.CEILING
    return found, binding


def _formula(
    clause: Clause, values: Mapping[str, Decimal], moved: Decimal, rounded: Decimal
) -> str:
    terms = [f"{clause.fixed.normalize():f}"]
    terms += [
        f"{part.weight.normalize():f} × {values[part.series].normalize():f}"
        f" / {part.base.normalize():f}"
        for part in clause.parts
    ]
    return (
        f"{clause.base_price.normalize():f} × ({' + '.join(terms)})"
        f" = {clause.base_price.normalize():f} × {moved:.6f}, rounded {rounded:f}"
    )


@dataclass(frozen=True, slots=True)
class Published:
    """
    A value of a series for a month as it was known: how often it had been revised, and whether
    its publisher called it provisional.
    """

    value: Decimal
    revision: int
    provisional: bool

    def stored(self) -> dict[str, str | int | bool]:
        """
        Return the value as it is kept with a document.
        """
        return {
            "value": f"{self.value:f}",
            "revision": self.revision,
            "provisional": self.provisional,
        }

    @classmethod
    def read(cls, kept: Mapping[str, Any]) -> Published:
        """
        Return a value from its kept form.
        """
        return cls(Decimal(kept["value"]), int(kept["revision"]), bool(kept["provisional"]))


def that_counts(used: Published, newest: Published, *, corrects_finals: bool) -> Published:
    """
    Return the value that counts for what was billed from `used`: a final one in the place of a
    provisional one, and in the place of a final one only where that is agreed.
    """
    later = newest.revision > used.revision and not newest.provisional
    return newest if later and (used.provisional or corrects_finals) else used


def rebased(value: Decimal, *, overlap_old: Decimal, overlap_new: Decimal) -> Decimal:
    """
    Return a value of a rebased series on its old base: value x old / new at the overlap (chain
    linking).

    :raises ValueError: if the overlap on the new base is zero
    """
    if not overlap_new:
        raise ValueError("A series cannot be linked over a value of zero.")
    return value * overlap_old / overlap_new


@dataclass(frozen=True, slots=True)
class Reference:
    """
    Which months of an index count for the price of a month: `months` of them from `start` months
    after the price's own month, or after January of its year. The usual rule "year Y takes the
    mean of October Y-2 to September Y-1" is start -15, months 12, yearly.
    """

    start: int
    months: int = 1
    yearly: bool = False

    def of(self, month: dt.date) -> list[dt.date]:
        """
        Return the first days of the months that count for `month`.
        """
        anchor = month.year * 12 + (0 if self.yearly else month.month - 1) + self.start
        return [dt.date((anchor + n) // 12, (anchor + n) % 12 + 1, 1) for n in range(self.months)]


def mean(series: str, values: Mapping[dt.date, Decimal], months: Sequence[dt.date]) -> Decimal:
    """
    Return the mean of a series over the months, not rounded.

    :raises IndexMissing: naming the first month without a value
    """
    for month in months:
        if month not in values:
            raise IndexMissing(f"{series} for {month:%B %Y}")
    return sum((values[month] for month in months), Decimal(0)) / len(months)
