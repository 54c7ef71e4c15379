"""
What a bill is made from: days, terms and metered energy.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from django.db.backends.postgresql.psycopg_any import DateRange

from billing.models import (
    Contract,
    Terms,
)
from sites.domain import Period
from telemetry import queries as metering
from telemetry.domain.quality import Tolerance


class Incomplete(Exception):
    """
    Something that the bill needs is not there; the message says what.
    """


def next_month(month: dt.date) -> dt.date:
    """
    Return the first day of the month after.
    """
    return (month.replace(day=1) + dt.timedelta(days=32)).replace(day=1)


def billable_days(*, contract: Contract, month: dt.date) -> tuple[dt.date, dt.date] | None:
    """
    Return the local days of the month, the last one excluded, on which the contract runs.
    """
    first = max(month, contract.valid.lower)
    end = next_month(month)
    if contract.valid.upper is not None:
        end = min(end, contract.valid.upper)
    return (first, end) if first < end else None


def terms_of(*, contract_ids: Iterable[int], month: dt.date) -> defaultdict[int, list[Terms]]:
    """
    Return the terms that hold on some day of the month, in order, by contract.
    """
    found: defaultdict[int, list[Terms]] = defaultdict(list)
    days = DateRange(month, next_month(month))
    rows = Terms.objects.filter(contract_id__in=list(contract_ids), valid__overlap=days)
    for terms in rows.select_related("metering_point").order_by("contract_id", "valid"):
        found[terms.contract_id].append(terms)
    return found


def metered(*, terms: Terms, period: Period) -> metering.MeteredEnergy | None:
    """
    Return what the named metering point counted; None where the terms charge no energy.

    Heat metered at the source comes less the losses that were agreed.

    :raises Incomplete: naming the first hour without readings, a meter that may not be billed
        from any more, or losses that nobody agreed
    """
    (found,) = metered_all(wanted=[(terms, period)])
    if isinstance(found, Incomplete):
        raise found
    return found


def metered_all(
    *, wanted: Sequence[tuple[Terms, Period]]
) -> list[metering.MeteredEnergy | Incomplete | None]:
    """
    Do as `metered` for many at once, in their order; what is not complete comes as the error
    instead.
    """
    asked = [
        (terms.metering_point_id, period)
        for terms, period in wanted
        if terms.metering_point_id is not None
    ]
    energies = metering.delivered_energies(wanted=asked)
    found: list[metering.MeteredEnergy | Incomplete | None] = []
    limits = _share_limits(energies, [period for _, period in asked])
    told = iter(energies)
    for terms, period in wanted:
        energy = None if terms.metering_point_id is None else next(told)
        try:
            if isinstance(energy, Exception):
                raise _incomplete(terms, energy)
            found.append(energy if energy is None else _with_doubts(terms, energy, period, limits))
        except Incomplete as gap:
            found.append(gap)
    return found


def _incomplete(terms: Terms, problem: Exception) -> Incomplete:
    if isinstance(problem, metering.ReadingMissing):
        return Incomplete(
            f"{terms.metering_point} has no readings for the hour from"
            f" {problem.args[0]:%d %B %Y %H:%M} UTC."
        )
    if isinstance(problem, metering.NoRegister):
        return Incomplete(f"{terms.metering_point} has no register of energy.")
    return Incomplete(str(problem))


_Limits = Mapping[tuple[dt.datetime, int], metering.ShareLimits]


def _share_limits(energies: Iterable[object], periods: Iterable[Period]) -> _Limits:
    """
    Return how much may be estimated, by the end of a period and the channel: two statements for
    all periods that end together.
    """
    channels: defaultdict[dt.datetime, set[int]] = defaultdict(set)
    for energy, period in zip(energies, periods, strict=True):
        if isinstance(energy, metering.MeteredEnergy):
            channels[period.end].add(energy.channel_id)
    return {
        (end, key): limits
        for end, keys in channels.items()
        for key, limits in metering.share_limits(channel_ids=keys, when=end).items()
    }


def _with_doubts(
    terms: Terms, found: metering.MeteredEnergy, period: Period, limits: _Limits
) -> metering.MeteredEnergy:
    """
    Return the energy with what a person should know of it.

    :raises Incomplete: if it cannot be billed
    """
    doubt = _doubt(found, limits[period.end, found.channel_id])
    # The last local day of a period is the one before the date of its end, wherever it is.
    if found.first_due is None or found.first_due >= period.end.date():
        return replace(found, warning=doubt) if doubt else found
    past = metering.expired_meters(point_id=found.point_id, period=period)
    strict = bool(terms.details.get("hold_unverified"))
    if any(meter.blocks or strict for meter in past):
        raise Incomplete(
            " ".join(told_expiry(meter) for meter in past if meter.blocks or strict)
            + (" The contract lets nothing be billed from such a meter." if strict else "")
        )
    told = [told_expiry(meter) for meter in past]
    return replace(found, warning=" ".join([*told, doubt]).strip())


def _doubt(found: metering.MeteredEnergy, limits: metering.ShareLimits) -> str:
    """
    Return a sentence where so much was estimated that a person should look.

    :raises Incomplete: if so much was estimated that it cannot be billed
    """
    share = found.share
    tolerance = share.tolerance(review_over=limits.review_over, block_over=limits.block_over)
    if tolerance is Tolerance.ISSUE:
        return ""
    told = f"{share.share * 100:.1f}% of the energy of “{found.point_name}” is estimated"
    if tolerance is Tolerance.BLOCK:
        most = float(limits.block_over * 100)
        raise Incomplete(f"{told}; more than {most:g}% cannot be billed.")
    return f"{told}."


def told_expiry(meter: metering.ExpiredMeter) -> str:
    """
    Return a sentence about a meter past its verification.
    """
    ended = f"The verification of meter {meter.serial} ({meter.point_name}) ended on"
    if not meter.blocks:
        return f"{ended} {meter.due:%d %B %Y}."
    return (
        f"{ended} {meter.due:%d %B %Y}; in {meter.country} nothing may be billed from it."
        " Exchange the meter or record its new verification."
    )
