"""
What heat leaves after its own cost.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from billing.domain.money import to_cents


@dataclass(frozen=True, slots=True)
class HeatMonth:
    """
    One month of a site, net in its currency. `revenue` is billed heat, `shared` what of it went
    back to tenants. `uplift_kwh` is None where heat pumps or pumps were not measured throughout;
    0 where the site has none. Price and fixed cost are None where nobody stated them.
    """

    revenue: Decimal
    shared: Decimal
    uplift_kwh: Decimal | None
    price_per_kwh: Decimal | None
    fixed: Decimal | None

    @property
    def electricity(self) -> Decimal | None:
        """
        Return the cost of the electricity, None where quantity or price is unknown.
        """
        if self.uplift_kwh is None or self.price_per_kwh is None:
            return None
        return to_cents(self.uplift_kwh * self.price_per_kwh)


@dataclass(frozen=True, slots=True)
class Margin:
    """
    The sums over some months. What is not known for each of them is None, never zero.
    """

    revenue: Decimal
    shared: Decimal
    electricity: Decimal | None
    fixed: Decimal | None

    @property
    def left(self) -> Decimal | None:
        """
        Return revenue less what was shared and all own cost, None where a cost is unknown.
        """
        if self.electricity is None or self.fixed is None:
            return None
        return self.revenue - self.shared - self.electricity - self.fixed


def margin(months: Iterable[HeatMonth]) -> Margin:
    """
    Add months up.
    """
    told = list(months)
    return Margin(
        revenue=sum((month.revenue for month in told), Decimal(0)),
        shared=sum((month.shared for month in told), Decimal(0)),
        electricity=_all([month.electricity for month in told]),
        fixed=_all([month.fixed for month in told]),
    )


def _all(parts: list[Decimal | None]) -> Decimal | None:
    known = [part for part in parts if part is not None]
    return sum(known, Decimal(0)) if len(known) == len(parts) else None
