"""
What the terms of a contract say beyond their columns, read from their stored form.

The stored form is JSON with figures as strings. Sections that a model does not use are refused, and
every fault names its field, so that a form can show it where it belongs.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from itertools import pairwise
from typing import Any

from billing.domain.credits import Promise, StepCredit, TierCredit
from billing.domain.indexation import Clause, Part, Reference
from billing.domain.tiers import Band, Tier, check_tiers
from telemetry.domain.service_levels import Tier as CreditTier

FIXED, USAGE, SAVINGS = "fixed", "usage", "savings"
COMPUTE, BUNDLE, HOST = "compute", "bundle", "host"


class BadTerms(Exception):
    """
    Terms that cannot be read; `field` names the part at fault, as in "index.0.parts".
    """

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Indexed:
    """
    A price of the terms that follows indices: "price_per_kw" or "price_per_kwh".
    """

    price: str
    clause: Clause
    reference: Reference


class Covers(StrEnum):
    """
    What a fixed fee pays for.
    """

    STANDBY = "standby"
    ENERGY = "energy"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Schedule:
    """
    How the service is given, beside temperatures and windows, which are those of the delivery
    point, and maintenance, which is that of the site: hours until somebody answers a fault and
    until it is mended, and whom to ask. `notice_h` and `maintenance_h` are kept of terms that
    stated maintenance themselves.
    """

    notice_h: int = 0
    maintenance_h: int = 0
    response_h: int = 0
    repair_h: int = 0
    contact: str = ""
    phone: str = ""
    email: str = ""
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Agreed:
    """
    The particulars of one version of terms.

    Money is in the contract's currency; `energy_factor` multiplies metered IT energy (agreed PUE);
    `heat_share` is the per cent of the site's heat revenue that its tenants share; `savings_share`
    the operator's per cent of what is saved; `margin` per cent on top of reimbursed electricity.
    Quantities are kWh, `minimum_kwh` and tiers per calendar year where `tiers_per_year`.
    `qualified_heat`: heat that does not count under the terms of supply is not billed.
    `escalation` raises the fixed prices by that per cent each 1 January after the first.
    `index_revised`: a final index value that is revised corrects the bills made from it; else the
    revision counts from the next bill on. `hold_unverified`: nothing is billed from a meter past
    its verification, whatever the country allows. `true_up`: with the last month of a year its
    shares are brought to that of the year.
    """

    monthly_fee: Decimal | None = None
    allowance_kwh: Decimal | None = None
    overage_price: Decimal | None = None
    tiers: tuple[Tier, ...] = ()
    tiers_by_volume: bool = False
    tiers_per_year: bool = False
    bands: tuple[Band, ...] = ()
    minimum_kwh: Decimal | None = None
    minimum_price: Decimal | None = None
    cap_per_month: Decimal | None = None
    connection_fee: Decimal | None = None
    index: tuple[Indexed, ...] = ()
    index_revised: bool = False
    service_credit: Promise | None = None
    service_level: Schedule | None = None
    covers: Covers | None = None
    escalation: Decimal | None = None
    hold_unverified: bool = False
    true_up: bool = False
    deposit: Decimal | None = None
    qualified_heat: bool = False
    energy_factor: Decimal = Decimal(1)
    premium_per_kw: Decimal | None = None
    heat_share: Decimal | None = None
    savings_share: Decimal | None = None
    attribute_price: Decimal | None = None
    matched_premium: Decimal | None = None
    site_fee: Decimal | None = None
    margin: Decimal = field(default=Decimal(0))


# Which particulars each model may have; the rest is a mistake, not a detail to ignore.
_COMMON = {
    "monthly_fee",
    "connection_fee",
    "deposit",
    "index",
    "index_revised",
    "service_credit",
    "service_level",
    "cap_per_month",
    "escalation",
    "hold_unverified",
}
ALLOWED = {
    FIXED: _COMMON | {"covers", "allowance_kwh", "overage_price", "qualified_heat"},
    USAGE: _COMMON | {
        "tiers", "tiers_by_volume", "tiers_per_year", "bands", "minimum_kwh", "minimum_price",
        "qualified_heat",
    },
    SAVINGS: {
        "monthly_fee", "connection_fee", "deposit", "savings_share", "true_up", "cap_per_month",
        "service_level",
    },
    COMPUTE: _COMMON | {"energy_factor", "premium_per_kw", "heat_share"},
    BUNDLE: _COMMON | {"energy_factor", "attribute_price", "matched_premium"},
    HOST: {"site_fee", "margin", "index", "index_revised", "escalation", "hold_unverified"},
}  # fmt: skip
_TOGETHER = [("allowance_kwh", "overage_price"), ("minimum_kwh", "minimum_price")]
_NEEDED = {SAVINGS: ["savings_share"], BUNDLE: ["attribute_price"]}


def read(model: str, stored: Mapping[str, Any]) -> Agreed:
    """
    Return the particulars of terms of a model.

    :raises BadTerms: naming the field that is unknown, out of place or not understood
    """
    for name in stored:
        if name not in ALLOWED[model]:
            raise BadTerms(name, f"does not belong to the price model {model!r}.")
    for pair in _TOGETHER:
        if sum(name in stored for name in pair) == 1:
            absent = next(name for name in pair if name not in stored)
            raise BadTerms(absent, f"is needed together with {' and '.join(set(pair) - {absent})}.")
    for name in _NEEDED.get(model, []):
        if name not in stored:
            raise BadTerms(name, "is needed for this price model.")
    if "tiers" in stored and "bands" in stored:
        raise BadTerms("bands", "cannot be combined with tiers.")
    covers = stored.get("covers")
    if covers in (Covers.ENERGY, Covers.BOTH) and "allowance_kwh" not in stored:
        raise BadTerms("allowance_kwh", "says up to which energy the fee covers it.")
    if covers == Covers.STANDBY and "allowance_kwh" in stored:
        raise BadTerms("allowance_kwh", "does not belong to a fee for standby alone.")
    return Agreed(**{name: _READERS[name](name, value) for name, value in stored.items()})


def _figure(name: str, value: Any) -> Decimal:
    try:
        found = Decimal(value) if isinstance(value, str) else None
    except InvalidOperation:
        found = None
    if found is None or not found.is_finite():
        raise BadTerms(name, "is not a number.")
    return found


def _amount(name: str, value: Any) -> Decimal:
    found = _figure(name, value)
    if found < 0:
        raise BadTerms(name, "must not be below zero.")
    return found


def _share(name: str, value: Any) -> Decimal:
    found = _amount(name, value)
    if found > 100:
        raise BadTerms(name, "is a percentage and cannot exceed 100.")
    return found


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise BadTerms(name, "is yes or no.")
    return value


def _whole(name: str, value: Any, low: int, high: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise BadTerms(name, f"must be a whole number from {low} to {high}.")
    return value


def _rows(name: str, value: Any) -> Sequence[Mapping[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise BadTerms(name, "is not a list of rows.")
    return value


def _tiers(name: str, value: Any) -> tuple[Tier, ...]:
    tiers = tuple(
        Tier(
            up_to=None if row.get("up_to") is None else _amount(f"{name}.{n}.up_to", row["up_to"]),
            price=_amount(f"{name}.{n}.price", row.get("price")),
        )
        for n, row in enumerate(_rows(name, value))
    )
    try:
        check_tiers(tiers)
    except ValueError as problem:
        raise BadTerms(name, str(problem)) from None
    return tiers


def _bands(name: str, value: Any) -> tuple[Band, ...]:
    bands = []
    for n, row in enumerate(_rows(name, value)):
        at = f"{name}.{n}"
        bands.append(
            Band(
                name=str(row.get("name", "")),
                price=_amount(f"{at}.price", row.get("price")),
                months=_whole_set(f"{at}.months", row.get("months", range(1, 13)), 1, 12),
                weekdays=_whole_set(f"{at}.weekdays", row.get("weekdays", range(7)), 0, 6),
                first_hour=_whole(f"{at}.first_hour", row.get("first_hour", 0), 0, 23),
                end_hour=_whole(f"{at}.end_hour", row.get("end_hour", 24), 1, 24),
            )
        )
    names = [band.name for band in bands]
    if not all(names) or len(set(names)) != len(names):
        raise BadTerms(name, "each band needs a name of its own.")
    return tuple(bands)


def _whole_set(name: str, value: Any, low: int, high: int) -> frozenset[int]:
    if not isinstance(value, (list, range)) or not value:
        raise BadTerms(name, "is a list of whole numbers.")
    return frozenset(_whole(name, one, low, high) for one in value)


def _index(name: str, value: Any) -> tuple[Indexed, ...]:
    found = []
    for n, row in enumerate(_rows(name, value)):
        at = f"{name}.{n}"
        if row.get("price") not in {"price_per_kw", "price_per_kwh"}:
            raise BadTerms(f"{at}.price", "names the price: price_per_kw or price_per_kwh.")
        limits = ("deadband", "collar", "step_up", "step_down", "floor", "ceiling")
        try:
            clause = Clause(
                base_price=_amount(f"{at}.base_price", row.get("base_price")),
                fixed=_amount(f"{at}.fixed", row.get("fixed")),
                parts=tuple(
                    Part(
                        series=str(part.get("series", "")),
                        weight=_figure(f"{at}.parts.{i}.weight", part.get("weight")),
                        base=_amount(f"{at}.parts.{i}.base", part.get("base")),
                    )
                    for i, part in enumerate(_rows(f"{at}.parts", row.get("parts")))
                ),
                places=_whole(f"{at}.places", row.get("places", 4), 2, 6),
                **{k: _amount(f"{at}.{k}", row[k]) for k in limits if row.get(k) is not None},
            )
        except ValueError as problem:
            raise BadTerms(f"{at}.parts", str(problem)) from None
        found.append(
            Indexed(
                price=row["price"],
                clause=clause,
                reference=Reference(
                    start=_whole(f"{at}.start", row.get("start", -1), -60, 0),
                    months=_whole(f"{at}.months", row.get("months", 1), 1, 24),
                    yearly=_flag(f"{at}.yearly", row.get("yearly", False)),
                ),
            )
        )
    return tuple(found)


def _credit(name: str, value: Any) -> Promise:
    if not isinstance(value, dict):
        raise BadTerms(name, "is not understood.")
    cap = _share(f"{name}.cap", value.get("cap", "100"))
    if "tiers" in value:
        return TierCredit(tiers=_credit_tiers(f"{name}.tiers", value["tiers"]), cap=cap)
    found = StepCredit(
        target=_share(f"{name}.target", value.get("target")),
        step=_amount(f"{name}.step", value.get("step")),
        per_step=_share(f"{name}.per_step", value.get("per_step")),
        cap=cap,
    )
    if not found.step:
        raise BadTerms(f"{name}.step", "must be above zero.")
    return found


def _credit_tiers(name: str, value: Any) -> tuple[CreditTier, ...]:
    tiers = tuple(
        CreditTier(
            _share(f"{name}.{n}.at_least", row.get("at_least")),
            _share(f"{name}.{n}.credit", row.get("credit")),
        )
        for n, row in enumerate(_rows(name, value))
    )
    falling = all(a.at_least > b.at_least and a.credit < b.credit for a, b in pairwise(tiers))
    if not tiers or not falling:
        raise BadTerms(name, "fall from tier to tier, and their credits rise.")
    if tiers[-1].at_least:
        raise BadTerms(name, "end with a tier from 0 % on.")
    return tiers


def _schedule(name: str, value: Any) -> Schedule:
    known = {one.name for one in fields(Schedule)}
    if not isinstance(value, dict) or set(value) - known:
        raise BadTerms(name, "is not understood.")
    hours = {
        key: _whole(f"{name}.{key}", value[key], 0, 8760) for key in value if key.endswith("_h")
    }
    return Schedule(**{key: str(text) for key, text in value.items()} | hours)  # type: ignore[arg-type]


def _covers(name: str, value: Any) -> Covers:
    try:
        return Covers(value)
    except ValueError:
        raise BadTerms(name, "is standby, energy or both.") from None


_READERS: dict[str, Callable[[str, Any], Any]] = {
    "monthly_fee": _amount,
    "allowance_kwh": _amount,
    "overage_price": _amount,
    "tiers": _tiers,
    "tiers_by_volume": _flag,
    "tiers_per_year": _flag,
    "bands": _bands,
    "minimum_kwh": _amount,
    "minimum_price": _amount,
    "cap_per_month": _amount,
    "connection_fee": _amount,
    "index": _index,
    "index_revised": _flag,
    "service_credit": _credit,
    "service_level": _schedule,
    "covers": _covers,
    "escalation": _share,
    "hold_unverified": _flag,
    "qualified_heat": _flag,
    "true_up": _flag,
    "deposit": _amount,
    "energy_factor": _amount,
    "premium_per_kw": _amount,
    "heat_share": _share,
    "savings_share": _share,
    "attribute_price": _amount,
    "matched_premium": _amount,
    "site_fee": _amount,
    "margin": _amount,
}


def months_needed(agreed: Agreed, month: dt.date) -> dict[str, list[dt.date]]:
    """
    Return, per index series, the months whose values the price of a month needs.
    """
    needed: dict[str, list[dt.date]] = {}
    for item in agreed.index:
        for part in item.clause.parts:
            needed.setdefault(part.series, []).extend(item.reference.of(month))
    return {series: sorted(set(months)) for series, months in needed.items()}
