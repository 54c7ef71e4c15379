"""
Terms of a contract in plain sentences. English; figures as they were agreed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal

from billing.domain import agreement
from billing.domain.agreement import Agreed, Indexed

_Tell = Callable[[Decimal | None], str]


def sentences(
    *, model: str, agreed: Agreed, currency: str, contracted_kw: Decimal | None,
    price_per_kw: Decimal | None, price_per_kwh: Decimal | None, point: str,
) -> list[str]:  # fmt: skip
    """
    Return what the terms say, the main price first.
    """

    def money(amount: Decimal | None) -> str:
        if amount is not None and amount == round(amount, 2):
            return f"{currency} {amount:.2f}"
        return f"{currency} {_plain(amount)}"

    told: list[str] = []
    if model == agreement.SAVINGS:
        told.append(
            f"{_plain(agreed.savings_share)} % of what the heat saves against the agreed baseline"
            " is paid; a month's loss lowers the next and is never charged."
        )
    if contracted_kw is not None and price_per_kw is not None:
        what = "IT power" if model in {agreement.COMPUTE, agreement.BUNDLE} else "power kept ready"
        told.append(
            f"{_plain(contracted_kw)} kW of {what} at {money(price_per_kw)} per kW a month."
        )
    told.extend(_energy(model, agreed, price_per_kwh, point, money))
    told.extend(_further(agreed, money))
    told.extend(_index(item) for item in agreed.index)
    return told


def _plain(amount: Decimal | None) -> str:
    return "–" if amount is None else f"{amount.normalize():f}"


def _energy(
    model: str, agreed: Agreed, price: Decimal | None, point: str, tell: _Tell
) -> Iterator[str]:
    of = f", counted at {point}" if point else ""
    if agreed.allowance_kwh is not None:
        yield (
            f"{_plain(agreed.allowance_kwh)} kWh a month are included; more costs"
            f" {tell(agreed.overage_price)} per kWh{of}."
        )
    elif agreed.tiers:
        way = "The whole quantity takes the price of" if agreed.tiers_by_volume else "Energy in"
        span = "year" if agreed.tiers_per_year else "month"
        steps = "; ".join(
            f"up to {_plain(tier.up_to)} kWh {tell(tier.price)}"
            if tier.up_to is not None
            else f"above {tell(tier.price)}"
            for tier in agreed.tiers
        )
        yield f"{way} tiers a {span}, per kWh: {steps}{of}."
    elif agreed.bands:
        bands = "; ".join(
            f"{band.name} ({band.first_hour}:00 to {band.end_hour}:00) {tell(band.price)}"
            for band in agreed.bands
        )
        yield f"Energy by time of day at the site, per kWh: {bands}{of}."
    elif price is not None and model == agreement.HOST:
        yield (
            f"Electricity is paid back at {tell(price)} per kWh plus {_plain(agreed.margin)} %{of}."
        )
    elif price is not None:
        factor = "" if agreed.energy_factor == 1 else f" times {_plain(agreed.energy_factor)}"
        yield f"Energy{factor} at {tell(price)} per kWh{of}."


def _further(agreed: Agreed, tell: _Tell) -> Iterator[str]:
    if agreed.monthly_fee is not None:
        yield f"A monthly fee of {tell(agreed.monthly_fee)}."
    if agreed.site_fee is not None:
        yield f"A site fee of {tell(agreed.site_fee)} a month."
    if agreed.connection_fee is not None:
        yield f"A connection fee of {tell(agreed.connection_fee)}, once."
    if agreed.minimum_kwh is not None:
        yield (
            f"At least {_plain(agreed.minimum_kwh)} kWh are paid for each calendar year; what is"
            f" missing costs {tell(agreed.minimum_price)} per kWh."
        )
    if agreed.premium_per_kw is not None:
        yield f"A premium for heat use of {tell(agreed.premium_per_kw)} per kW a month."
    if agreed.heat_share is not None:
        yield (
            f"{_plain(agreed.heat_share)} % of the site's heat revenue goes back to its tenants,"
            " shared by IT energy."
        )
    if agreed.attribute_price is not None:
        yield (
            f"Energy attributes at {tell(agreed.attribute_price)} per kWh, only for energy they"
            " really cover."
        )
    if agreed.matched_premium is not None:
        yield f"What is matched in the hour costs {tell(agreed.matched_premium)} per kWh more."
    if agreed.service_credit is not None:
        promise = agreed.service_credit
        yield (
            f"Availability of {_plain(promise.target)} % is promised; each full"
            f" {_plain(promise.step)} points below give back {_plain(promise.per_step)} % of the"
            f" fee, at most {_plain(promise.cap)} %."
        )
    if agreed.cap_per_month is not None:
        yield f"A month costs at most {tell(agreed.cap_per_month)} before VAT."


def _index(item: Indexed) -> str:
    clause = item.clause
    parts = " + ".join(
        f"{_plain(part.weight)} × {part.series} ÷ {_plain(part.base)}" for part in clause.parts
    )
    price = "price per kW" if item.price == "price_per_kw" else "price per kWh"
    limits = [
        text
        for value, text in (
            (clause.deadband, "moves within {} % leave it"),
            (clause.collar, "never more than {} % from the start"),
            (clause.step_up, "rises by at most {} % at once"),
            (clause.step_down, "falls by at most {} % at once"),
        )
        if value is not None
        for text in [text.format(_plain(value * 100))]
    ]
    if clause.floor is not None:
        limits.append(f"at least {_plain(clause.floor)}")
    if clause.ceiling is not None:
        limits.append(f"at most {_plain(clause.ceiling)}")
    tail = f"; {', '.join(limits)}" if limits else ""
    return (
        f"The {price} follows {_plain(clause.base_price)} × ({_plain(clause.fixed)} + {parts})"
        f"{tail}."
    )
