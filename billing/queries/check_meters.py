"""
What other meters at the same place say about the time in dispute.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from billing.models import Dispute
from sites.domain import Period
from telemetry import queries as metering


@dataclass(frozen=True, slots=True)
class CheckMeter:
    """
    A register over the time in dispute: kWh, None where its readings do not cover it, and by how
    many per cent it differs from the one that was billed.
    """

    point_id: int
    name: str
    billed: bool
    kwh: Decimal | None
    differs_percent: Decimal | None = None


def check_meters(*, dispute: Dispute) -> list[CheckMeter]:
    """
    Return the billed register first, then the others at the same delivery point or service. The
    dispute comes from `disputes`, which scopes; nothing for a line without a meter.
    """
    line = dispute.line
    point_id = line.terms.metering_point_id
    if point_id is None:
        return []
    span = dispute.span or line.service
    period = Period(span.lower, span.upper)
    registers = metering.registers_at_place_of(point_id=point_id)
    energies = [
        found.energy_kwh if isinstance(found, metering.MeteredEnergy) else None
        for found in metering.metered_energies(wanted=[(c, period) for c in registers])
    ]
    billed = next(
        (kwh for c, kwh in zip(registers, energies, strict=True) if c.point_id == point_id), None
    )
    rows = [
        CheckMeter(
            channel.point_id, channel.point.name, channel.point_id == point_id, kwh,
            None
            if kwh is None or not billed or channel.point_id == point_id
            else round((kwh - billed) / billed * 100, 1),
        )
        for channel, kwh in zip(registers, energies, strict=True)
    ]  # fmt: skip
    return sorted(rows, key=lambda row: (not row.billed, row.name))
