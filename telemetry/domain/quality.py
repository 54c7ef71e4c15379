"""
What may be said about a value, and how much of a period may rest on estimates.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal


class Flag(enum.StrEnum):
    """
    What a value of the effective series is, worst first: of several the worst tells.

    The flag of a register's figure speaks for the energy on both sides of it, so a stretch between
    two figures has the worse flag of the two. Of every other channel a flag speaks for its value.
    """

    MISSING = "missing"
    SUSPECT = "suspect"
    ESTIMATED = "estimated"
    EDITED = "edited"
    SCALED = "scaled"
    VALID = "valid"
    ACTUAL = "actual"


def worst(flags: Iterable[Flag]) -> Flag:
    """
    Return the worst of some flags; of none, MISSING.
    """
    order = list(Flag)
    return min(flags, key=order.index, default=Flag.MISSING)


class Tolerance(enum.StrEnum):
    """
    What a share of estimated energy means for a bill.
    """

    ISSUE = "ok"
    REVIEW = "review"
    BLOCK = "block"


# Domain reference, VEE: two per cent is an example threshold of Itron's, ten the most that
# CalTRACK lets be missing.
REVIEW_OVER = Decimal("0.02")
BLOCK_OVER = Decimal("0.10")


@dataclass(frozen=True, slots=True)
class Share:
    """
    Estimated energy of a period, kWh, and what it is a part of.
    """

    estimated_kwh: Decimal
    total_kwh: Decimal

    @property
    def share(self) -> Decimal:
        """
        The estimated part, from 0 to 1. Where nothing was delivered nothing was estimated,
        unless estimates cancel out: then all of it was.
        """
        if self.estimated_kwh <= 0:
            return Decimal(0)
        if self.total_kwh <= 0:
            return Decimal(1)
        return min(self.estimated_kwh / self.total_kwh, Decimal(1))

    def tolerance(
        self, *, review_over: Decimal = REVIEW_OVER, block_over: Decimal = BLOCK_OVER
    ) -> Tolerance:
        """
        Say whether a bill may go out, needs a look, or has to wait. The limits are shares.
        """
        if self.share > block_over:
            return Tolerance.BLOCK
        return Tolerance.REVIEW if self.share > review_over else Tolerance.ISSUE
