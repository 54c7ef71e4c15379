"""
Terms and quantities into lines: a pure function, the same lines for the same inputs.

One tier, band or fee is one line; its net is the unrounded price times the shown quantity, rounded
once. A credit is a negative quantity, never a negative price (EN 16931 BR-27).
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from billing.domain import agreement, indexation, tiers
from billing.domain.agreement import Agreed
from billing.domain.baseline import MonthOfSavings
from billing.domain.counted import rounded, what_counts
from billing.domain.credits import Promise, StepCredit, covered
from billing.domain.money import to_cents

STANDING = "standing"
ENERGY = "energy"
_ONE = Decimal(1)
_NOTHING_MORE = Agreed()


@dataclass(frozen=True, slots=True)
class Stretch:
    """
    Part of a billing period under one version of the terms, with all it is priced from.

    `days` of the `days_in_month` local days; prices per kW and month and per kWh; `energy_kwh`
    as metered, None where the terms charge no energy. `hours` gives local start and kWh of each
    hour where the terms have bands. `taken_kwh` is what was charged before in the calendar year;
    `ends_year` says that the stretch ends it. `indices` are the means the clauses ask for, by
    price and series; `before` the prices that held until now. `up` of `counted` minutes the
    service was there. `pool` is the service's part of the heat revenue. `years` are the 1 Januaries
    since the terms began; `year_savings` and `year_charged_on` the statements of the calendar year
    before this month together; `deposit_held` goes back with this last stretch of the contract.
    """

    terms_id: int
    days: int
    days_in_month: int
    contracted_kw: Decimal | None
    price_per_kw: Decimal | None
    price_per_kwh: Decimal | None
    energy_kwh: Decimal | None
    vat_category: str
    vat_rate: Decimal
    model: str = agreement.USAGE
    agreed: Agreed = _NOTHING_MORE
    is_first: bool = False
    hours: tuple[tuple[dt.datetime, Decimal], ...] = ()
    taken_kwh: Decimal = Decimal(0)
    ends_year: bool = False
    indices: Mapping[str, Mapping[str, Decimal]] = field(default_factory=dict)
    before: Mapping[str, Decimal] = field(default_factory=dict)
    up: int = 0
    counted: int = 0
    pool: Decimal = Decimal(0)
    savings: MonthOfSavings | None = None
    attributes_kwh: Decimal = Decimal(0)
    matched_kwh: Decimal = Decimal(0)
    years: int = 0
    year_savings: Decimal = Decimal(0)
    year_charged_on: Decimal = Decimal(0)
    deposit_held: Decimal = Decimal(0)
    # Metered heat that does not count, kWh by the reason in its ledger.
    not_counted: Mapping[str, Decimal] = field(default_factory=dict)


def stretch(stored: Mapping[str, Any]) -> Stretch:
    """
    Return a stretch from its stored form, JSON with figures as strings; what a document was rated
    from is kept in that form, so that anybody can rate it again.

    :raises agreement.BadTerms: if the particulars are not understood
    """
    given = {name: value for name, value in stored.items() if name not in {*_BESIDE, *_READ}}
    given |= {name: read(stored[name]) for name, read in _READ.items() if name in stored}
    return Stretch(
        **{"contracted_kw": None, "price_per_kw": None, "price_per_kwh": None, "energy_kwh": None}
        | given,
        agreed=agreement.read(stored["model"], stored.get("details", {})),
    )


def canonical(stored: Any) -> bytes:
    """
    Return the bytes that the digest of stored inputs is taken over: JSON with sorted keys and no
    spaces.
    """
    return json.dumps(stored, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _figures(given: Mapping[str, str]) -> dict[str, Decimal]:
    return {name: Decimal(value) for name, value in given.items()}


# Kept to be looked up, not to be priced from.
_BESIDE = {"details", "instants", "ledger", "index_values", "index_month"}
_READ: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(
        (
            "contracted_kw",
            "price_per_kw",
            "price_per_kwh",
            "energy_kwh",
            "vat_rate",
            "taken_kwh",
            "pool",
            "attributes_kwh",
            "matched_kwh",
            "year_savings",
            "year_charged_on",
            "deposit_held",
        ),
        Decimal,
    ),
    "hours": lambda rows: tuple((dt.datetime.fromisoformat(at), Decimal(kwh)) for at, kwh in rows),
    "indices": lambda given: {price: _figures(values) for price, values in given.items()},
    "before": _figures,
    "not_counted": _figures,
    "savings": lambda given: MonthOfSavings(**_figures(given)),
}


@dataclass(frozen=True, slots=True)
class RatedLine:
    """
    One charge: quantity to three decimals, net rounded half up once. `metered` lines are
    computed from the meter and carry its evidence; `note` adds to the formula what decided it.
    """

    terms_id: int
    charge: str
    quantity: Decimal
    unit: str
    unit_price: Decimal
    vat_category: str
    vat_rate: Decimal
    formula: str
    metered: bool = False
    label: str = ""
    note: str = ""

    @property
    def net(self) -> Decimal:
        return to_cents(self.quantity * self.unit_price)


def rate(stretches: Iterable[Stretch]) -> list[RatedLine]:
    """
    Return the lines of a billing period, per stretch the energy first.

    :raises ValueError: if the terms charge energy and none is given
    :raises indexation.IndexMissing: naming the value a price clause lacks
    """
    return [
        line
        for stretch in stretches
        for line in (*_capped(stretch, list(_lines(stretch))), *_deposit(stretch))
    ]


def _lines(stretch: Stretch) -> Iterator[RatedLine]:
    if stretch.model == agreement.SAVINGS:
        yield from _savings(stretch)
    elif stretch.model == agreement.HOST:
        yield from _host(stretch)
    else:
        yield from _told_what_counts(stretch, list(_energy(stretch)))
        yield from _standing(stretch)
        yield from _attributes(stretch)
        yield from _heat_share(stretch)
    yield from _fees(stretch)


def _line(
    stretch: Stretch, charge: str, quantity: Decimal, unit: str, price: Decimal, formula: str,
    *, metered: bool = False, label: str = "", note: str = "",
) -> RatedLine:  # fmt: skip
    return RatedLine(
        terms_id=stretch.terms_id, charge=charge, quantity=quantity, unit=unit, unit_price=price,
        vat_category=stretch.vat_category, vat_rate=stretch.vat_rate, formula=formula,
        metered=metered, label=label, note=note,
    )  # fmt: skip


def _price(stretch: Stretch, name: str) -> tuple[Decimal | None, str]:
    """
    Return a price of the terms, moved by its clause where it has one, and the clause's arithmetic.
    """
    item = next((item for item in stretch.agreed.index if item.price == name), None)
    if item is None:
        plain: Decimal | None = getattr(stretch, name)
        if plain is not None and name == "price_per_kw":
            return _escalated(stretch, plain, 4)
        return plain, ""
    found = indexation.price(
        item.clause, stretch.indices.get(name, {}), before=stretch.before.get(name)
    )
    return found.price, found.formula + _BINDING[found.binding]


def _escalated(stretch: Stretch, price: Decimal, places: int) -> tuple[Decimal, str]:
    """
    Return a fixed price after the agreed rises, rounded half up, and their arithmetic.
    """
    rise = stretch.agreed.escalation
    if rise is None or not stretch.years:
        return price, ""
    found = price * (1 + rise / 100) ** stretch.years
    found = found.quantize(_ONE.scaleb(-places), rounding=ROUND_HALF_UP)
    told = f"{price.normalize():f} × (1 + {rise.normalize():f} %)"
    return found, told + (
        f" ^ {stretch.years}" if stretch.years > 1 else ""
    ) + f", rounded {found:f}"


_BINDING = {
    indexation.Binding.NONE: "",
    indexation.Binding.DEADBAND: " (within the deadband: the price stays)",
    indexation.Binding.COLLAR: " (held by the agreed corridor)",
    indexation.Binding.STEP: " (held by the agreed step)",
    indexation.Binding.FLOOR: " (the agreed lowest price)",
    indexation.Binding.CEILING: " (the agreed highest price)",
}


def _told_what_counts(stretch: Stretch, lines: list[RatedLine]) -> list[RatedLine]:
    """
    Let the first line of energy say what was metered and what of it does not count.
    """
    if not stretch.agreed.qualified_heat or stretch.energy_kwh is None or not lines:
        return lines
    told = what_counts(stretch.energy_kwh, stretch.not_counted)
    note = f"{told}; {lines[0].note}" if lines[0].note else told
    return [replace(lines[0], note=note), *lines[1:]]


def _energy(stretch: Stretch) -> Iterator[RatedLine]:
    agreed = stretch.agreed
    if agreed.allowance_kwh is not None:
        yield from _overage(stretch)
        return
    price, note = _price(stretch, "price_per_kwh")
    if price is None and not agreed.tiers and not agreed.bands:
        return
    metered = rounded(_metered(stretch) * agreed.energy_factor)
    if agreed.tiers:
        yield from _tiers(stretch, metered)
    elif agreed.bands:
        yield from _bands(stretch, metered)
    elif price is not None:
        of = "" if agreed.energy_factor == 1 else _times(_metered(stretch), agreed.energy_factor)
        yield _line(
            stretch, ENERGY, metered, "kWh", price, f"{of}{metered} kWh × {price.normalize():f}",
            metered=True, note=note,
        )  # fmt: skip
    yield from _minimum(stretch, metered)


def _times(metered: Decimal, factor: Decimal) -> str:
    return f"{rounded(metered)} kWh × {factor.normalize():f} = "


def _metered(stretch: Stretch) -> Decimal:
    if stretch.energy_kwh is None:
        raise ValueError("Terms with a price per kWh need the metered energy.")
    return stretch.energy_kwh - sum(stretch.not_counted.values(), Decimal(0))


def _tiers(stretch: Stretch, metered: Decimal) -> Iterator[RatedLine]:
    agreed = stretch.agreed
    way = tiers.volume if agreed.tiers_by_volume else tiers.graduated
    taken = stretch.taken_kwh if agreed.tiers_per_year else Decimal(0)
    for tier, kwh in way(metered, agreed.tiers, taken=taken):
        position = agreed.tiers.index(tier) + 1
        yield _line(
            stretch, ENERGY if position == 1 else f"{ENERGY}_{position}", kwh, "kWh", tier.price,
            f"{kwh} of {metered} kWh × {tier.price.normalize():f}", metered=True,
            label=str(position), note=f"{taken} kWh before in the year" if taken else "",
        )  # fmt: skip


def _bands(stretch: Stretch, metered: Decimal) -> Iterator[RatedLine]:
    bands = stretch.agreed.bands
    for position, (band, kwh) in enumerate(
        tiers.by_band(stretch.hours, bands, total=metered), start=1
    ):
        if kwh:
            yield _line(
                stretch, ENERGY if position == 1 else f"{ENERGY}_{position}", kwh, "kWh",
                band.price, f"{kwh} of {metered} kWh × {band.price.normalize():f}", metered=True,
                label=band.name,
            )  # fmt: skip


def _overage(stretch: Stretch) -> Iterator[RatedLine]:
    allowance, price = stretch.agreed.allowance_kwh, stretch.agreed.overage_price
    if allowance is None or price is None:
        return
    metered = rounded(_metered(stretch))
    free = rounded(allowance * stretch.days / stretch.days_in_month)
    over = max(metered - free, Decimal(0))
    yield _line(
        stretch, ENERGY, over, "kWh", price,
        f"{metered} − {free} kWh included = {over} kWh × {price.normalize():f}",
        metered=True, label="overage",
    )  # fmt: skip


def _minimum(stretch: Stretch, metered: Decimal) -> Iterator[RatedLine]:
    agreed = stretch.agreed
    if agreed.minimum_kwh is None or agreed.minimum_price is None or not stretch.ends_year:
        return
    taken = stretch.taken_kwh + metered
    missing = rounded(tiers.shortfall(taken, agreed.minimum_kwh))
    if missing:
        price = agreed.minimum_price
        yield _line(
            stretch, "minimum", missing, "kWh", price,
            f"{agreed.minimum_kwh.normalize():f} − {taken} = {missing} kWh"
            f" × {price.normalize():f}",
        )  # fmt: skip


def _standing(stretch: Stretch) -> Iterator[RatedLine]:
    price, note = _price(stretch, "price_per_kw")
    if stretch.contracted_kw is None:
        return
    if price is None:
        raise ValueError("A standing charge needs contracted kW and a price.")
    kw = stretch.contracted_kw
    quantity = rounded(kw * stretch.days / stretch.days_in_month)
    share = f"{kw.normalize():f} kW × {stretch.days}/{stretch.days_in_month} days"
    line = _line(
        stretch, STANDING, quantity, "kW", price, f"{share} × {price.normalize():f}", note=note
    )
    yield line
    premium = stretch.agreed.premium_per_kw
    if premium is not None:
        yield _line(
            stretch, "premium", quantity, "kW", premium, f"{share} × {premium.normalize():f}"
        )
    if stretch.agreed.service_credit is not None:
        yield from _service_credit(stretch, stretch.agreed.service_credit, line.net)


def _service_credit(stretch: Stretch, promise: Promise, fee: Decimal) -> Iterator[RatedLine]:
    told = f"available {stretch.up} of {stretch.counted} min: "
    if isinstance(promise, StepCredit):
        steps, credit = promise.of(fee, up=stretch.up, counted=stretch.counted)
        told += f"{steps} steps below {promise.target.normalize():f} %, on {fee}"
    else:
        share, credit = promise.of(fee, up=stretch.up, counted=stretch.counted)
        told += f"{share.normalize():f} % of {fee}"
    if not credit:
        return
    yield _line(stretch, "service_credit", -_ONE, "x", credit, told)


def _attributes(stretch: Stretch) -> Iterator[RatedLine]:
    agreed = stretch.agreed
    if agreed.attribute_price is None:
        return
    used = rounded(_metered(stretch) * agreed.energy_factor)
    held = rounded(covered(used, stretch.attributes_kwh))
    share = f", {held / used * 100:.2f} % of {used} kWh" if used else ""
    yield _line(
        stretch, "attribute", held, "kWh", agreed.attribute_price,
        f"{held} kWh × {agreed.attribute_price.normalize():f}{share}",
    )  # fmt: skip
    if agreed.matched_premium is not None:
        matched = rounded(covered(held, stretch.matched_kwh))
        yield _line(
            stretch, "matched", matched, "kWh", agreed.matched_premium,
            f"{matched} kWh matched in the hour × {agreed.matched_premium.normalize():f}",
        )  # fmt: skip


def _heat_share(stretch: Stretch) -> Iterator[RatedLine]:
    if stretch.pool:
        yield _line(
            stretch, "heat_share", -_ONE, "x", stretch.pool,
            f"part of {stretch.agreed.heat_share} % of the site's heat revenue",
        )  # fmt: skip


def _savings(stretch: Stretch) -> Iterator[RatedLine]:
    month, share = stretch.savings, stretch.agreed.savings_share
    if month is None or share is None:
        raise ValueError("Shared savings need the month's statement.")
    price = share / 100
    yield _line(
        stretch, "savings", rounded(month.charged_on), "x", price,
        f"{month.baseline_cost} − {month.actual_cost} = {month.savings};"
        f" {month.charged_on} × {price.normalize():f}",
    )  # fmt: skip
    if stretch.agreed.true_up and stretch.ends_year:
        yield from _true_up(stretch, month, price)


def _true_up(stretch: Stretch, month: MonthOfSavings, share: Decimal) -> Iterator[RatedLine]:
    """
    Give back what the months of a year were charged beyond the savings of the whole year.
    """
    charged_on = stretch.year_charged_on + month.charged_on
    saved = stretch.year_savings + month.savings
    over = charged_on - max(saved, Decimal(0))
    if over > 0:
        yield _line(
            stretch, "true_up", -rounded(over), "x", share,
            f"{charged_on} charged on − {max(saved, Decimal(0))} saved in the year = {over};"
            f" × {share.normalize():f}",
        )  # fmt: skip


def _host(stretch: Stretch) -> Iterator[RatedLine]:
    price, note = _price(stretch, "price_per_kwh")
    if price is not None:
        quantity = rounded(_metered(stretch))
        paid = price * (1 + stretch.agreed.margin / 100)
        paid = paid.quantize(Decimal("0.000001"), rounding=ROUND_HALF_UP)
        yield _line(
            stretch, ENERGY, quantity, "kWh", paid,
            f"{quantity} kWh × {price.normalize():f}"
            f" × (1 + {stretch.agreed.margin.normalize():f} %)",
            metered=True, note=note,
        )  # fmt: skip
    if stretch.agreed.site_fee is not None:
        yield from _monthly(stretch, "site_fee", stretch.agreed.site_fee)


def _fees(stretch: Stretch) -> Iterator[RatedLine]:
    agreed = stretch.agreed
    if agreed.monthly_fee is not None:
        yield from _monthly(stretch, "fee", agreed.monthly_fee)
    if agreed.connection_fee is not None and stretch.is_first:
        yield _line(
            stretch, "connection", _ONE, "x", agreed.connection_fee, f"{agreed.connection_fee} once"
        )


def _deposit(stretch: Stretch) -> Iterator[RatedLine]:
    """
    Take a deposit with the first bill and give it back with the last: no turnover, so no VAT.
    """
    deposit = stretch.agreed.deposit
    if deposit and stretch.is_first:
        line = _line(
            stretch, "deposit", _ONE, "x", deposit, f"{deposit} once, given back at the end"
        )
        yield replace(line, vat_category="E", vat_rate=Decimal(0))
    if stretch.deposit_held:
        held = stretch.deposit_held
        line = _line(stretch, "deposit_back", -_ONE, "x", held, f"deposit of {held} given back")
        yield replace(line, vat_category="E", vat_rate=Decimal(0))


def _monthly(stretch: Stretch, charge: str, fee: Decimal) -> Iterator[RatedLine]:
    days, of = stretch.days, stretch.days_in_month
    fee, note = _escalated(stretch, fee, 2)
    if days == of:
        told = f"1 month × {fee.normalize():f}"
        yield _line(stretch, charge, _ONE, "month", fee, told, note=note)
        return
    # By the day: a rounded part of a month times a large fee would be cents off.
    a_day = (fee / of).quantize(Decimal("0.000001"), rounding=ROUND_HALF_UP)
    yield _line(
        stretch, charge, Decimal(days), "day", a_day, f"{days} days × {fee.normalize():f} / {of}",
        note=note,
    )  # fmt: skip


def _capped(stretch: Stretch, lines: list[RatedLine]) -> list[RatedLine]:
    cap = stretch.agreed.cap_per_month
    if cap is None:
        return lines
    most = to_cents(cap * stretch.days / stretch.days_in_month)
    over = sum((line.net for line in lines), Decimal(0)) - most
    if over > 0:
        lines.append(
            _line(stretch, "cap", -_ONE, "x", over, f"{most + over} − {most} agreed at most")
        )
    return lines


def is_energy(charge: str) -> bool:
    """
    Say whether a charge is heat or electricity sold by the kWh, tiers and bands included.
    """
    return charge == ENERGY or charge.startswith(f"{ENERGY}_")
