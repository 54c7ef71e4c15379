"""
Who may claim what: a kWh of renewable electricity or of displaced heat is claimed once.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True, kw_only=True)
class LotRow:
    """
    A lot of attributes as a file tells it: kWh produced from `first_day` to `last_day`, that day
    included, with the numbers under which its registry holds it.
    """

    registry_id: str
    kind: str
    technology: str
    country: str
    plant: str
    registry: str
    first_day: dt.date
    last_day: dt.date
    kwh: Decimal
    kg_per_kwh: Decimal
    cancelled_on: dt.date | None
    proof_reference: str


def named_twice(rows: Sequence[LotRow]) -> tuple[int, int] | None:
    """
    Return the places of the first two rows that name the same numbers, None where none do.
    """
    seen: dict[tuple[str, str], int] = {}
    for place, row in enumerate(rows):
        earlier = seen.setdefault((row.registry, row.registry_id), place)
        if earlier != place:
            return earlier, place
    return None
