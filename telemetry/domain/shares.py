"""
Sharing whole units so that the parts add up to the whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction


def share_units(units: int, weights: Sequence[Decimal]) -> list[int]:
    """
    Share whole units by weight (largest remainder, ties by order); the parts add up exactly.

    :raises ValueError: if the weights do not add up to more than zero or one is below zero
    """
    total = sum((Fraction(weight) for weight in weights), Fraction(0))
    if total <= 0 or min(weights) < 0:
        raise ValueError("Weights must be at least zero and add up to more than zero.")
    exact = [units * Fraction(weight) / total for weight in weights]
    parts = [share.numerator // share.denominator for share in exact]
    by_remainder = sorted(range(len(parts)), key=lambda i: parts[i] - exact[i])
    for i in by_remainder[: units - sum(parts)]:
        parts[i] += 1
    return parts
