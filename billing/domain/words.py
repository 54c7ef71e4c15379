"""
Terms of a contract in plain sentences. English; figures as they were agreed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal

from billing.domain import agreement
from billing.domain.agreement import Agreed, Covers, Indexed, Schedule
from billing.domain.credits import Promise, StepCredit
from billing.domain.indexation import Reference
from billing.domain.tiers import Band

_COVERED = {
    Covers.STANDBY: "The fee keeps the power ready; energy is not part of it.",
    Covers.ENERGY: "The fee pays for delivered energy up to the allowance; no power is kept ready.",
    Covers.BOTH: "The fee keeps the power ready and pays for energy up to the allowance.",
}
_REVISED = {
    False: "A final index value corrects bills made from a provisional one; a later revision counts"
    " from the next bill on.",
    True: "A final or revised index value corrects the bills made from the one before.",
}
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = (
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
)  # fmt: skip
# Others stand with their code.
_SIGNS = {"EUR": "€", "GBP": "£"}
_Tell = Callable[[Decimal | None], str]


def sentences(
    *, model: str, agreed: Agreed, currency: str, contracted_kw: Decimal | None,
    price_per_kw: Decimal | None, price_per_kwh: Decimal | None, point: str,
) -> list[str]:  # fmt: skip
    """
    Return what the terms say, the main price first.
    """

    sign = _SIGNS.get(currency, f"{currency} ")

    def money(amount: Decimal | None) -> str:
        if amount is not None and amount == round(amount, 2):
            return f"{sign}{amount:,.2f}"
        return f"{sign}{figure(amount)}"

    told: list[str] = []
    if model == agreement.SAVINGS:
        told.append(
            f"{figure(agreed.savings_share)}% of what the heat saves against the agreed baseline"
            " is paid; a month's loss lowers the next and is never charged."
        )
        if agreed.true_up:
            told.append(
                "With December the year is settled: what the months charged beyond its savings is"
                " given back, and no loss goes on to the next year."
            )
    if contracted_kw is not None and price_per_kw is not None:
        what = "IT power" if model in {agreement.COMPUTE, agreement.BUNDLE} else "power kept ready"
        told.append(
            f"{figure(contracted_kw)} kW of {what} at {money(price_per_kw)} per kW a month,"
            " by the day in part months."
        )
    told.extend(_energy(model, agreed, price_per_kwh, point, money))
    told.extend(_further(agreed, money))
    told.extend(_index(item) for item in agreed.index)
    if agreed.index:
        told.append(_REVISED[agreed.index_revised])
    if agreed.qualified_heat:
        told.append("Only heat that counts under the terms of supply is charged.")
    if agreed.hold_unverified:
        told.append("Nothing is billed from a meter whose verification has ended.")
    return told


def schedule(agreed: Agreed) -> list[str]:
    """
    Return the service-level schedule of terms in sentences, remedies last.
    """
    told = list(_schedule(agreed.service_level)) if agreed.service_level is not None else []
    if agreed.service_credit is not None:
        told.append(_promise(agreed.service_credit))
    return told


def supply(
    *, least_c: Decimal | None, most_c: Decimal | None, return_c: Decimal | None, kw: Decimal,
    outdoor_c: Decimal | None, promised: Decimal | None,
    windows: Sequence[tuple[int, int, int]],
) -> list[str]:  # fmt: skip
    """
    Return what is agreed about heat in sentences: °C, kW, and windows as weekday, first and last
    minute of the wall clock.
    """
    told = [f"Up to {figure(kw)} kW of heat."]
    if least_c is not None and most_c is not None:
        told.append(f"Supply of {figure(least_c)} to {figure(most_c)} °C.")
    elif least_c is not None:
        told.append(f"Supply of at least {figure(least_c)} °C.")
    elif most_c is not None:
        told.append(f"Supply of at most {figure(most_c)} °C.")
    if return_c is not None:
        told.append(f"Return of at most {figure(return_c)} °C.")
    if outdoor_c is not None:
        told.append(f"Nothing is promised while it is colder than {figure(outdoor_c)} °C outside.")
    hours: dict[tuple[int, int], set[int]] = {}
    for weekday, begins, ends in windows:
        hours.setdefault((begins, ends), set()).add(weekday)
    spans = [
        f"{_around(frozenset(days), _DAYS)} {_clock(begins)} to {_clock(ends)}"
        if len(days) < 7
        else f"daily {_clock(begins)} to {_clock(ends)}"
        for (begins, ends), days in sorted(hours.items())
    ]
    told.append(f"Delivery times: {'; '.join(spans)}." if spans else "Delivery at all times.")
    if promised is not None:
        told.append(f"Heat is there as agreed for {figure(promised)}% of these times.")
    return told


def _clock(minutes: int) -> str:
    return f"{minutes // 60}:{minutes % 60:02d}"


def _schedule(agreed: Schedule) -> Iterator[str]:
    if agreed.notice_h:
        yield f"Maintenance is announced at least {agreed.notice_h} hours ahead."
    if agreed.maintenance_h:
        yield f"Announced maintenance takes at most {agreed.maintenance_h} hours a month."
    if agreed.response_h:
        yield f"A fault is answered within {agreed.response_h} hours."
    if agreed.repair_h:
        yield f"A fault is mended within {agreed.repair_h} hours."
    reached = ", ".join(text for text in (agreed.contact, agreed.phone, agreed.email) if text)
    if reached:
        yield f"In case of a fault: {reached}."
    if agreed.remark:
        yield agreed.remark.rstrip(".") + "."


def _promise(promise: Promise) -> str:
    most = f"at most {figure(promise.cap)}%"
    if isinstance(promise, StepCredit):
        return (
            f"Availability of {figure(promise.target)}% is promised; each full"
            f" {figure(promise.step)} points below give back {figure(promise.per_step)}% of the"
            f" fee, {most}. The credit stands on the bill by itself."
        )
    tiers = "; ".join(
        f"from {figure(tier.at_least)}% {figure(tier.credit)}%" for tier in promise.tiers
    )
    return (
        f"By the month's availability this part of the fee is given back: {tiers}; {most}. The"
        " credit stands on the bill by itself."
    )


def figure(amount: Decimal | None) -> str:
    """
    Write a figure as it was agreed, thousands set apart; a dash for none.
    """
    return "–" if amount is None else f"{amount.normalize():,f}"


def _energy(
    model: str, agreed: Agreed, price: Decimal | None, point: str, tell: _Tell
) -> Iterator[str]:
    of = f", counted at {point}" if point else ""
    if agreed.covers is not None:
        yield _COVERED[agreed.covers]
    if agreed.allowance_kwh is not None:
        yield (
            f"{figure(agreed.allowance_kwh)} kWh a month are included; more costs"
            f" {tell(agreed.overage_price)} per kWh{of}."
        )
    elif agreed.tiers:
        way = "The whole quantity takes the price of" if agreed.tiers_by_volume else "Energy in"
        span = "year" if agreed.tiers_per_year else "month"
        steps = "; ".join(
            f"up to {figure(tier.up_to)} kWh {tell(tier.price)}"
            if tier.up_to is not None
            else f"above {tell(tier.price)}"
            for tier in agreed.tiers
        )
        yield f"{way} tiers a {span}, per kWh: {steps}{of}."
    elif agreed.bands:
        bands = "; ".join(
            f"{band.name} ({_when(band)}) {tell(band.price)}" for band in agreed.bands
        )
        yield (
            f"Energy by the clock of the site, per kWh: {bands}{of}. Hours that no band names take"
            " the price of the last."
        )
    elif price is not None and model == agreement.HOST:
        yield (
            f"Electricity is paid back at {tell(price)} per kWh plus {figure(agreed.margin)} %{of}."
        )
    elif price is not None:
        factor = "" if agreed.energy_factor == 1 else f" times {figure(agreed.energy_factor)}"
        yield f"Energy{factor} at {tell(price)} per kWh{of}."


def _when(band: Band) -> str:
    """
    Return the hours of a band in words, what it leaves open left out.
    """
    told = []
    if len(band.months) < 12:
        told.append(_around(frozenset(n - 1 for n in band.months), _MONTHS))
    if len(band.weekdays) < 7:
        told.append(_around(band.weekdays, _DAYS))
    if (band.first_hour, band.end_hour) != (0, 24):
        told.append(f"{band.first_hour}:00 to {band.end_hour}:00")
    return ", ".join(told) or "at all times"


def _around(chosen: frozenset[int], names: tuple[str, ...]) -> str:
    """
    Return places on a circle in words, as a span where they follow each other: Oct to Apr.
    """
    size = len(names)
    starts = [n for n in sorted(chosen) if (n - 1) % size not in chosen]
    if len(starts) != 1:
        return ", ".join(names[n] for n in sorted(chosen))
    last = (starts[0] + len(chosen) - 1) % size
    return names[last] if len(chosen) == 1 else f"{names[starts[0]]} to {names[last]}"


def _further(agreed: Agreed, tell: _Tell) -> Iterator[str]:
    if agreed.monthly_fee is not None:
        yield f"A monthly fee of {tell(agreed.monthly_fee)}."
    if agreed.site_fee is not None:
        yield f"A site fee of {tell(agreed.site_fee)} a month."
    if agreed.connection_fee is not None:
        yield f"A connection fee of {tell(agreed.connection_fee)}, once."
    if agreed.deposit is not None:
        yield f"A deposit of {tell(agreed.deposit)}, once; it is given back with the last bill."
    if agreed.escalation is not None:
        yield (
            f"The fixed prices rise by {figure(agreed.escalation)}% each 1 January after the"
            " terms began."
        )
    if agreed.minimum_kwh is not None:
        yield (
            f"At least {figure(agreed.minimum_kwh)} kWh are paid for each calendar year; what is"
            f" missing costs {tell(agreed.minimum_price)} per kWh."
        )
    if agreed.premium_per_kw is not None:
        yield f"A premium for heat use of {tell(agreed.premium_per_kw)} per kW a month."
    if agreed.heat_share is not None:
        yield (
            f"{figure(agreed.heat_share)}% of the site's heat revenue goes back to its tenants,"
            " shared by IT energy."
        )
    if agreed.attribute_price is not None:
        yield (
            f"Energy attributes at {tell(agreed.attribute_price)} per kWh, only for energy they"
            " really cover."
        )
    if agreed.matched_premium is not None:
        yield f"What is matched in the hour costs {tell(agreed.matched_premium)} per kWh more."
    if agreed.cap_per_month is not None:
        yield f"A month costs at most {tell(agreed.cap_per_month)} before VAT."


def _index(item: Indexed) -> str:
    clause = item.clause
    parts = " + ".join(
        f"{figure(part.weight)} × {part.series} ÷ {figure(part.base)}" for part in clause.parts
    )
    price = "price per kW" if item.price == "price_per_kw" else "price per kWh"
    limits = [
        text
        for value, text in (
            (clause.deadband, "moves within {}% leave it"),
            (clause.collar, "never more than {}% from the start"),
            (clause.step_up, "rises by at most {}% at once"),
            (clause.step_down, "falls by at most {}% at once"),
        )
        if value is not None
        for text in [text.format(figure(value * 100))]
    ]
    if clause.floor is not None:
        limits.append(f"at least {figure(clause.floor)}")
    if clause.ceiling is not None:
        limits.append(f"at most {figure(clause.ceiling)}")
    tail = f"; {', '.join(limits)}" if limits else ""
    return (
        f"The {price} follows {figure(clause.base_price)} × ({figure(clause.fixed)} + {parts})"
        f"{tail}. {_reference(item.reference)}"
    )


def _reference(reference: Reference) -> str:
    if reference.yearly:
        first = (reference.start % 12) + 1
        last = (reference.start + reference.months - 1) % 12 + 1
        return (
            f"It is set for each calendar year from the mean of {reference.months} months,"
            f" {_MONTHS[first - 1]} to {_MONTHS[last - 1]}."
        )
    before = -reference.start
    ago = "the month itself" if not before else f"{before} month{'s' * (before > 1)} before"
    if reference.months == 1:
        return f"The index value is that of {ago}."
    return f"The index value is the mean of {reference.months} months from {ago} on."
