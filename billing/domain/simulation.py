"""
What months would have cost under other terms or with other inputs: stored inputs of the months in,
rated months out. Nothing is stored; the rating is that of bills.
"""

from __future__ import annotations

import copy
import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from billing.domain import indexation, rating
from billing.domain.rating import RatedLine

_HUNDRED = Decimal(100)
_THOUSANDTH = Decimal("0.001")
Stored = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """
    What is tried: new prices and kW; `loss` in per cent of what the meter counts, instead of what
    is agreed; `share` of savings or heat revenue in per cent; `energy`, `prices` and `indices`
    moved by per cent. None leaves an input as it is.
    """

    price_per_kwh: Decimal | None = None
    price_per_kw: Decimal | None = None
    contracted_kw: Decimal | None = None
    loss: Decimal | None = None
    share: Decimal | None = None
    energy: Decimal | None = None
    prices: Decimal | None = None
    indices: Decimal | None = None

    @property
    def is_none(self) -> bool:
        return self == Change()


@dataclass(frozen=True, slots=True)
class Input:
    """
    What a month is rated from, as `rating.stretch` reads it, and the kWh the meter counted before
    losses; or why it cannot be.
    """

    month: dt.date
    stored: Stored | None
    metered_kwh: Decimal | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Month:
    """
    A rated month: its lines, or why there are none.
    """

    month: dt.date
    lines: tuple[RatedLine, ...] = ()
    why: str = ""
    energy_kwh: Decimal | None = None

    @property
    def net(self) -> Decimal | None:
        if self.why:
            return None
        return sum((line.net for line in self.lines), Decimal(0))

    def by_charge(self) -> dict[str, Decimal]:
        """
        Return the net of each kind of charge, tiers and bands together.
        """
        found: defaultdict[str, Decimal] = defaultdict(Decimal)
        for line in self.lines:
            found[kind_of(line.charge)] += line.net
        return dict(found)


def kind_of(charge: str) -> str:
    """
    Return the kind of a charge: "energy" for each of its tiers and bands.
    """
    return rating.ENERGY if charge.startswith(f"{rating.ENERGY}_") else charge


@dataclass(slots=True)
class _Running:
    """
    What one month leaves to the next: kWh taken and savings in the calendar year, prices that
    hold, a loss carried over.
    """

    taken: dict[int, Decimal] = field(default_factory=dict)
    prices: dict[str, str] = field(default_factory=dict)
    carried: Decimal | None = None
    savings: dict[int, tuple[Decimal, Decimal]] = field(default_factory=dict)


def run(inputs: Iterable[Input], change: Change) -> list[Month]:
    """
    Return the months rated in order, each with what the ones before left it.
    """
    running = _Running()
    return [_month(given, change, running) for given in inputs]


def _month(given: Input, change: Change, running: _Running) -> Month:
    if given.stored is None:
        return Month(given.month, why=given.why)
    stored = _chained(changed(given, change), given.month.year, running)
    try:
        stretch = rating.stretch(stored)
        lines = tuple(rating.rate([stretch]))
    except indexation.IndexMissing as missing:
        return Month(given.month, why=f"The price index {missing} is not entered.")
    _leave(stored, lines, given.month.year, running)
    return Month(given.month, lines, energy_kwh=stretch.energy_kwh)


def changed(given: Input, change: Change) -> Stored:
    """
    Return the stored inputs of a month with what is tried in them. A deposit is no cost and left
    out.
    """
    stored: Stored = copy.deepcopy(given.stored or {})
    details = stored.get("details", {})
    details.pop("deposit", None)
    stored.pop("deposit_held", None)
    for name in ("price_per_kwh", "price_per_kw", "contracted_kw"):
        value = getattr(change, name)
        if value is not None and (name in stored or name == "price_per_kwh"):
            stored[name] = str(value)
            for clause in details.get("index", []):
                if clause["price"] == name:
                    clause["base_price"] = str(value)
    if change.prices is not None:
        _scale_prices(stored, 1 + change.prices / _HUNDRED)
    _change_energy(stored, given.metered_kwh, change)
    if change.share is not None:
        _change_share(stored, details, change.share)
    if change.indices is not None:
        for values in stored.get("indices", {}).values():
            for series in values:
                values[series] = str(Decimal(values[series]) * (1 + change.indices / _HUNDRED))
    return stored


_PRICES = (
    "overage_price", "monthly_fee", "minimum_price", "premium_per_kw", "attribute_price",
    "matched_premium", "site_fee",
)  # fmt: skip


def _scale_prices(stored: Stored, factor: Decimal) -> None:
    details = stored.get("details", {})
    rows = [*details.get("tiers", []), *details.get("bands", [])]
    places: list[tuple[Stored, str]] = [(stored, "price_per_kw"), (stored, "price_per_kwh")]
    places += [(details, name) for name in _PRICES] + [(row, "price") for row in rows]
    places += [(clause, "base_price") for clause in details.get("index", [])]
    for holder, name in places:
        if holder.get(name) is not None:
            holder[name] = str(Decimal(holder[name]) * factor)


def _change_energy(stored: Stored, metered_kwh: Decimal | None, change: Change) -> None:
    if "energy_kwh" not in stored:
        return
    kwh = was = Decimal(stored["energy_kwh"])
    if change.loss is not None and metered_kwh is not None:
        kwh = metered_kwh * (1 - change.loss / _HUNDRED)
    if change.energy is not None:
        kwh *= 1 + change.energy / _HUNDRED
    if kwh != was:
        stored["energy_kwh"] = str(kwh.quantize(_THOUSANDTH, rounding=ROUND_HALF_UP))
        _scale_what_counts(stored, kwh / was if was else Decimal(0))


def _scale_what_counts(stored: Stored, factor: Decimal) -> None:
    # Of more heat as much more does not count, and its hours keep their parts of the whole.
    not_counted = stored.get("not_counted", {})
    stored |= {"not_counted": {why: str(Decimal(kwh) * factor) for why, kwh in not_counted.items()}}


def _change_share(stored: Stored, details: Stored, share: Decimal) -> None:
    if "savings_share" in details:
        details["savings_share"] = str(share)
    if "heat_share" in details:
        before = Decimal(details["heat_share"])
        details["heat_share"] = str(share)
        if before and "pool" in stored:
            pool = Decimal(stored["pool"]) * share / before
            stored["pool"] = str(pool.quantize(Decimal("0.01"), rounding=ROUND_HALF_UP))


def _chained(stored: Stored, year: int, running: _Running) -> Stored:
    if "taken_kwh" in stored and year in running.taken:
        stored["taken_kwh"] = str(running.taken[year])
    if running.prices:
        stored["before"] = {**stored.get("before", {}), **running.prices}
    if "savings" in stored and running.carried is not None:
        starts_anew = stored.get("details", {}).get("true_up") and year not in running.savings
        _carry(stored["savings"], Decimal(0) if starts_anew else running.carried)
    if "year_savings" in stored and year in running.savings:
        saved, charged = running.savings[year]
        stored["year_savings"], stored["year_charged_on"] = str(saved), str(charged)
    return stored


def _carry(month: Stored, carried: Decimal) -> None:
    net = Decimal(month["savings"]) + carried
    month["charged_on"] = str(max(net, Decimal(0)))
    month["carried"] = str(min(net, Decimal(0)))


def _leave(
    stored: Mapping[str, Any], lines: tuple[RatedLine, ...], year: int, running: _Running
) -> None:
    if "taken_kwh" in stored:
        taken = sum((x.quantity for x in lines if kind_of(x.charge) == rating.ENERGY), Decimal(0))
        running.taken[year] = Decimal(stored["taken_kwh"]) + taken
    for line in lines:
        if line.charge in (rating.STANDING, rating.ENERGY):
            price = "price_per_kw" if line.charge == rating.STANDING else "price_per_kwh"
            billed = indexation.price_of_line(line.unit_price, stored.get("details", {}))
            running.prices[price] = str(billed)
    if "savings" in stored:
        month = stored["savings"]
        running.carried = Decimal(month["carried"])
        saved = Decimal(stored.get("year_savings", "0")) + Decimal(month["savings"])
        charged = Decimal(stored.get("year_charged_on", "0")) + Decimal(month["charged_on"])
        running.savings[year] = (saved, charged)


def steps(before: Mapping[str, Decimal], after: Mapping[str, Decimal]) -> list[tuple[str, Decimal]]:
    """
    Return by how much each kind of charge differs, the largest differences first; together they
    are the difference of the sums.
    """
    kinds = sorted({*before, *after})
    found = [(kind, after.get(kind, Decimal(0)) - before.get(kind, Decimal(0))) for kind in kinds]
    return sorted((step for step in found if step[1]), key=lambda step: -abs(step[1]))
