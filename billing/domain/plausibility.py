"""
Whether a bill is what its contract's earlier bills let one expect.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

# A quantity beyond these parts of what is expected is looked at.
LOW, HIGH = Decimal("0.5"), Decimal(2)


@dataclass(frozen=True, slots=True)
class Figures:
    """
    What a contract's documents of one month come to: net in its currency, kWh sold, days billed.
    """

    net: Decimal
    kwh: Decimal
    days: int


@dataclass(frozen=True, slots=True)
class Compared:
    """
    A month beside the one before and the same a year before; None where nothing was billed.
    `most_kwh` is the contracted power over all hours of the month, where that is a limit.
    """

    now: Figures
    month_before: Figures | None
    year_before: Figures | None
    most_kwh: Decimal | None = None

    @property
    def flags(self) -> list[str]:
        """
        What a person should look at: "low", "high", "above", "new".
        """
        return list(self._flags())

    def _flags(self) -> Iterator[str]:
        if self.most_kwh is not None and self.now.kwh > self.most_kwh:
            yield "above"
        # A year before had the same weather, more or less; last month is better than nothing.
        like = self.year_before or self.month_before
        if like is None:
            yield "new"
            return
        # What is sold by the kWh is compared in kWh: a new price is no mistake of the meter.
        by_energy = bool(self.now.kwh or like.kwh)
        now, was = (
            (f.kwh if by_energy else f.net) / f.days if f.days else Decimal(0)
            for f in (self.now, like)
        )
        if now > was * HIGH:
            yield "high"
        elif now < was * LOW:
            yield "low"
