"""
Who may claim what: a kWh of renewable electricity or of displaced heat is claimed once.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

WHOLE = Decimal(1)


def remaining(shares: Iterable[Decimal]) -> Decimal:
    """
    Return the share that nobody has claimed yet, 0 to 1.
    """
    return max(WHOLE - sum(shares, Decimal(0)), Decimal(0))


def may_claim(share: Decimal, held: Iterable[Decimal]) -> bool:
    """
    Say whether a share fits beside those already claimed; nothing and less is no claim.
    """
    return 0 < share <= remaining(held)


def renewable(*kinds: Decimal, facility_kwh: Decimal) -> Decimal:
    """
    Return the kWh that are renewable of a facility's energy: all kinds together, at most all of
    it (Regulation (EU) 2024/1364, E_RES-TOT).
    """
    return min(sum(kinds, Decimal(0)), facility_kwh)
