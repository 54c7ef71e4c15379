"""
Quantities as they are billed, and which metered heat counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal

_THOUSANDTH = Decimal("0.001")

# Reasons of the ledger of heat as they stand on a bill.
NOT_COUNTED = {
    "rejected": "rejected in bypass",
    "partner": "while the customer's side was closed",
    "outside": "outside the delivery times",
    "cool": "cooler than agreed",
    "return": "returned hotter than agreed",
    "meter": "past the meter's verification",
    "estimated": "estimated beyond the agreed share",
}


def rounded(quantity: Decimal) -> Decimal:
    """
    Return a quantity as it is billed: three decimals, half up.
    """
    return quantity.quantize(_THOUSANDTH, rounding=ROUND_HALF_UP)


def what_counts(metered: Decimal, not_counted: Mapping[str, Decimal]) -> str:
    """
    Say what was metered, what of it does not count for which reason, and what is left, kWh.
    """
    told = f"{rounded(metered)} kWh metered"
    if not not_counted:
        return f"{told}, all of which counts"
    for reason, kwh in not_counted.items():
        told += f" − {rounded(kwh)} kWh {NOT_COUNTED.get(reason, reason)}"
    left = rounded(metered - sum(not_counted.values(), Decimal(0)))
    return f"{told} = {left} kWh that count"
