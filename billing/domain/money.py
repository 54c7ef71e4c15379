"""
Cents: rounding, VAT and sharing out, exactly.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Protocol

from telemetry.domain.shares import share_units

CENT = Decimal("0.01")


class Taxed(Protocol):
    """
    What VAT is computed on.
    """

    @property
    def net(self) -> Decimal: ...
    @property
    def vat_category(self) -> str: ...
    @property
    def vat_rate(self) -> Decimal: ...


def to_cents(amount: Decimal) -> Decimal:
    """
    Return the amount in whole cents, half a cent away from zero.
    """
    return amount.quantize(CENT, rounding=ROUND_HALF_UP)


def vat_by_rate(lines: Iterable[Taxed]) -> dict[tuple[str, Decimal], tuple[Decimal, Decimal]]:
    """
    Return base and tax per VAT category and rate, the tax computed once on the summed net
    (EN 16931 BR-CO-17), never per line.
    """
    base: defaultdict[tuple[str, Decimal], Decimal] = defaultdict(Decimal)
    for line in lines:
        base[line.vat_category, line.vat_rate] += line.net
    return {key: (net, to_cents(net * key[1] / 100)) for key, net in base.items()}


def split(amount: Decimal, weights: Sequence[Decimal]) -> list[Decimal]:
    """
    Share an amount of whole cents so that the parts add up to it exactly (largest remainder,
    ties by order).
    """
    return [part * CENT for part in share_units(int(amount / CENT), weights)]
