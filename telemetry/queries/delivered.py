"""
Heat as the customer gets it: what was metered, less what the contract takes off for the pipe.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal

from django.db.backends.postgresql.psycopg_any import DateRange

from sites.domain import Period, local_days
from telemetry.domain.losses import LossMethod, delivered
from telemetry.models import Channel, LossPolicy, MeteringPoint, Rollup
from telemetry.queries.evidence import (
    MeteredEnergy,
    metered_energies,
    metered_energy,
    register_of,
    registers_of,
)
from telemetry.queries.rollups import ReadingMissing, energy_over

_HUNDRED = Decimal(100)


class NoRegister(Exception):
    """
    A metering point has no register of energy. Carries the point's id.
    """


class LossesNotAgreed(Exception):
    """
    Heat is metered at the source and nothing says how much of it reaches the customer.
    """


def delivered_energy(*, point_id: int, period: Period) -> MeteredEnergy:
    """
    Return the energy of a point with its evidence; at the source side of a hand-off less the
    losses agreed for the delivery point, or from the customer's own meter where that is agreed.
    `loss` says in words what was taken off.

    :raises ReadingMissing: if an hour of the period is not covered
    :raises LossesNotAgreed: if no loss policy holds on one of the days
    """
    (found,) = delivered_energies(wanted=[(point_id, period)])
    if isinstance(found, MeteredEnergy):
        return found
    raise found


def delivered_energies(
    *, wanted: Sequence[tuple[int, Period]]
) -> list[MeteredEnergy | ReadingMissing | LossesNotAgreed | NoRegister]:
    """
    Do as `delivered_energy` for many points and periods, in their order; what cannot be told
    comes as the error instead. Points on the customer's side are read together.
    """
    registers = registers_of(point_ids={point_id for point_id, _ in wanted})
    found: dict[int, MeteredEnergy | ReadingMissing | LossesNotAgreed | NoRegister] = {}
    together = []
    for n, (point_id, period) in enumerate(wanted):
        channel = registers.get(point_id)
        if channel is None:
            found[n] = NoRegister(point_id)
        elif channel.point.boundary != MeteringPoint.Boundary.HEAT_SOURCE:
            together.append((n, channel, period))
        else:
            try:
                found[n] = _less_losses(channel, period)
            except (ReadingMissing, LossesNotAgreed) as problem:
                found[n] = problem
    metered = metered_energies(wanted=[(channel, period) for _, channel, period in together])
    found |= {n: energy for (n, _, _), energy in zip(together, metered, strict=True)}
    return [found[n] for n in range(len(wanted))]


def _less_losses(channel: Channel, period: Period) -> MeteredEnergy:
    """
    Return what reaches the customer of heat that is metered at the source.
    """
    point = channel.point
    pieces = list(_pieces(point, period))
    if all(policy.method == LossPolicy.Method.SINK_METER for policy, _ in pieces):
        sink = register_of(point_id=_customers_side(point))
        return metered_energy(channel=sink, period=period)
    found = metered_energy(channel=channel, period=period)
    kwh, words = Decimal(0), []
    for policy, piece in pieces:
        if policy.method == LossPolicy.Method.SINK_METER:
            raise LossesNotAgreed(f"The meter that counts at {point.delivery_point} changes.")
        metered = energy_over(channel_id=found.channel_id, period=piece)
        left, told = _after_losses(policy, metered, point, piece)
        kwh += left
        words.append(told)
    return replace(found, energy_kwh=kwh, loss="; ".join(words))


def _pieces(point: MeteringPoint, period: Period) -> Iterator[tuple[LossPolicy, Period]]:
    """
    Cut a period of whole local days where the policy changes.
    """
    zone = zoneinfo.ZoneInfo(point.site.timezone)
    first, end = (at.astimezone(zone).date() for at in (period.start, period.end))
    policies = LossPolicy.objects.filter(
        delivery_point=point.delivery_point, valid__overlap=DateRange(first, end)
    )
    reached = first
    for policy in policies.order_by("valid"):
        starts = max(first, policy.valid.lower or first)
        ends = min(end, policy.valid.upper or end)
        if starts != reached:
            break
        yield policy, local_days(starts, ends, point.site.timezone)
        reached = ends
    if reached != end:
        raise LossesNotAgreed(
            f"{point} is metered at the source, and no losses to {point.delivery_point} are"
            f" agreed for {reached:%d %B %Y}."
        )


def _customers_side(point: MeteringPoint) -> int:
    sink = MeteringPoint.objects.filter(
        delivery_point=point.delivery_point, boundary=MeteringPoint.Boundary.HEAT_HANDOFF
    ).first()
    if sink is None:
        raise LossesNotAgreed(f"{point.delivery_point} has no meter on the customer's side.")
    return sink.pk


def _after_losses(
    policy: LossPolicy, metered: Decimal, point: MeteringPoint, piece: Period
) -> tuple[Decimal, str]:
    if policy.method == LossPolicy.Method.PERCENT:
        percent = policy.loss_percent or Decimal(0)
        left = delivered(metered, LossMethod.PERCENT, loss_share=percent / _HUNDRED)
        return left, f"{_plain(metered)} kWh at the source less {_plain(percent)} %"
    hours = Decimal(round(piece.hours)) - _cold_hours(policy, point, piece)
    kw = policy.loss_kw or Decimal(0)
    left = delivered(metered, LossMethod.CONST_KW, loss_kw=kw, warm_hours=hours)
    return left, (
        f"{_plain(metered)} kWh at the source less {_plain(kw)} kW × {hours} h the pipe was warm"
    )


def _plain(figure: Decimal) -> str:
    return f"{round(figure, 3).normalize():f}"


def _cold_hours(policy: LossPolicy, point: MeteringPoint, piece: Period) -> Decimal:
    """
    Return the hours in which the supply was measured to be cold. An hour without a measurement
    counts as warm: the pipe does not cool because a thermometer is silent.
    """
    supply = Channel.objects.filter(point=point, quantity=Channel.Quantity.SUPPLY)
    cold = Rollup.objects.filter(
        channel__in=supply, grain=Rollup.Grain.HOUR, mean__lt=policy.warm_from_c,
        start_at__gte=piece.start, start_at__lt=piece.end,
    )  # fmt: skip
    return Decimal(cold.count())
