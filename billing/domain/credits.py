"""
Money that goes back: service credits, credit notes, the tenants' part of heat revenue.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal

from billing.domain.money import split, to_cents
from telemetry.domain.service_levels import Tier, credit_percent

_HUNDRED = Decimal(100)


@dataclass(frozen=True, slots=True)
class StepCredit:
    """
    A service credit of `per_step` per cent of a fee for each full `step` percentage points that
    availability stays below `target` per cent, at most `cap` per cent of the fee.
    """

    target: Decimal
    step: Decimal
    per_step: Decimal
    cap: Decimal = _HUNDRED

    def of(self, fee: Decimal, *, up: int, counted: int) -> tuple[int, Decimal]:
        """
        Return the full steps missed and the credit for a fee; `up` of `counted` units of time,
        whole numbers, so that an edge is hit exactly. Nothing counted: no credit.
        """
        if not counted:
            return 0, Decimal(0)
        missing = self.target - Decimal(up) * _HUNDRED / counted
        steps = int((missing / self.step).to_integral_value(rounding=ROUND_FLOOR))
        if steps <= 0:
            return 0, Decimal(0)
        share = min(self.per_step * steps, self.cap)
        return steps, to_cents(fee * share / _HUNDRED)


@dataclass(frozen=True, slots=True)
class TierCredit:
    """
    A service credit by the tier that availability falls in, at most `cap` per cent of the fee;
    tiers fall, the last begins at 0 per cent.
    """

    tiers: tuple[Tier, ...]
    cap: Decimal = _HUNDRED

    def of(self, fee: Decimal, *, up: int, counted: int) -> tuple[Decimal, Decimal]:
        """
        Return the share in per cent and the credit for a fee. Nothing counted: no credit.
        """
        share = min(credit_percent(self.tiers, up=up, counted=counted), self.cap)
        return share, to_cents(fee * share / _HUNDRED)


Promise = StepCredit | TierCredit


def partial_tax(nets: Sequence[Decimal], *, rate: Decimal) -> list[Decimal]:
    """
    Return the VAT of each of several credit notes against one invoice and rate, so that together
    they credit exactly what was charged: the tax on all so far less what was credited before.
    """
    taxes: list[Decimal] = []
    for n in range(1, len(nets) + 1):
        so_far = to_cents(sum(nets[:n], Decimal(0)) * rate / _HUNDRED)
        taxes.append(so_far - sum(taxes, Decimal(0)))
    return taxes


def pool(revenue: Decimal, *, share: Decimal) -> Decimal:
    """
    Return the part of heat revenue, in per cent, that goes back to the tenants; a negative
    revenue, after corrections, gives none.
    """
    return to_cents(max(revenue, Decimal(0)) * share / _HUNDRED)


def shared_pool(amount: Decimal, it_kwh: Mapping[int, Decimal]) -> dict[int, Decimal]:
    """
    Share a pool among hosting services by their IT kWh, to the cent (largest remainder, ties by
    the smallest key).
    """
    keys = sorted(it_kwh)
    if not any(it_kwh.values()):
        return dict.fromkeys(keys, Decimal(0))
    return dict(zip(keys, split(amount, [it_kwh[key] for key in keys]), strict=True))


def covered(kwh: Decimal, held_kwh: Decimal) -> Decimal:
    """
    Return how much of a quantity is covered by energy attributes held for it: the most that may
    be billed or claimed.
    """
    return min(kwh, max(held_kwh, Decimal(0)))
