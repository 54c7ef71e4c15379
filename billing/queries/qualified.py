"""
What a heat bill takes from the ledger of heat: which of it counts, and how well it was there.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from decimal import Decimal
from typing import Any

from billing.models import Contract
from billing.queries.inputs import Incomplete
from sites.domain import Period
from telemetry import queries as metering
from telemetry.domain.service_levels import counts_for_credits

_NINE = Decimal("1E-9")


def qualified(
    contract: Contract, energy: metering.MeteredEnergy | None, instants: Period, *, by_hour: bool
) -> dict[str, Any]:
    """
    Return what of the metered heat does not count, kWh by reason, and which entries of the ledger
    say so; with `by_hour` also the local start and the kWh of each hour that count. Where losses
    are taken off, they are taken off both in proportion.

    :raises Incomplete: if the ledger does not say yet, or not of the same heat
    """
    if energy is None or contract.delivery_point_id is None:
        raise Incomplete("Only heat metered at a delivery point can be billed by what counts.")
    try:
        found = metering.qualified_heat(
            delivery_point_id=contract.delivery_point_id, channel_id=energy.channel_id,
            period=instants,
        )  # fmt: skip
        gross = metering.energy_over(channel_id=energy.channel_id, period=instants)
        if found.metered_kwh != gross:
            raise metering.LedgerBehind
    except (metering.LedgerBehind, metering.ReadingMissing):
        raise Incomplete(
            f"Which heat of {contract.delivery_point} counts is not settled yet. Where terms of"
            " supply name the bill's metering point, this takes minutes."
        ) from None
    part = energy.energy_kwh / gross if gross else Decimal(0)
    stored: dict[str, Any] = {
        "not_counted": {
            reason: str((kwh * part).quantize(_NINE))
            for reason, kwh in sorted(found.not_counted.items())
        },
        "ledger": {
            "delivery_point": contract.delivery_point_id,
            "entries": found.entries,
            "versions": [
                [run.start.isoformat(), run.end.isoformat(), run.version]
                for run in found.versions
            ],
            "sha256": found.sha256,
        },
    }  # fmt: skip
    if by_hour:
        zone = zoneinfo.ZoneInfo(contract.site.timezone)
        stored["hours"] = [
            (start.astimezone(zone).isoformat(), str((kwh * part).quantize(_NINE)))
            for start, kwh in found.hours
        ]
    return stored


def ledger_lines(ledger: dict[str, Any]) -> str | None:
    """
    Return the entries that a document kept as its `ledger`, in the versions it was made from; None
    where it kept no versions.
    """
    if "versions" not in ledger:
        return None
    return metering.ledger_lines(
        delivery_point_id=ledger["delivery_point"],
        versions=[
            metering.VersionRun(dt.datetime.fromisoformat(start), dt.datetime.fromisoformat(end), n)
            for start, end, n in ledger["versions"]
        ],
    )


def heat_minutes(contract: Contract, first: dt.date, end: dt.date) -> dict[str, int]:
    """
    Return the minutes in which heat was there as agreed, of those that count for credits: the
    known ones, or all where too much is unknown. What the terms of supply exclude counts nowhere.

    :raises Incomplete: if it is not known
    """
    place = contract.delivery_point
    if place is None:
        raise Incomplete("A service credit needs a hosting service or a delivery point.")
    try:
        found = metering.heat_minutes(delivery_point_id=place.pk, first=first, end=end)
    except metering.LedgerBehind:
        raise Incomplete(
            f"How well heat was there at {place} is not settled yet. Where terms of supply hold on"
            " every day, this takes minutes."
        ) from None
    if not found["up"] and not found["down"]:
        raise Incomplete(f"How well heat was there at {place} is not known: nothing was measured.")
    up, counted = counts_for_credits(**found)
    return {"up": up, "counted": counted}
