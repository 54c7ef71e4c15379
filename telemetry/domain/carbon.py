"""
Emissions of the electricity used, and each tenant's part of them.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import TypeVar

from telemetry.domain.shares import share_units

GRAMS_PER_KG = 1000
# A reported year is restated where a figure of it changes by more than this (method 1.1).
RESTATED_ABOVE = Decimal("0.05")

T = TypeVar("T")


class Rest(enum.StrEnum):
    """
    Whose factor the electricity has that no attribute covers, the nearest that is held (GHG
    Protocol scope 2 guidance, hierarchy of the market-based method).
    """

    SUPPLIER = "supplier"
    RESIDUAL = "residual"
    GRID = "grid"


def location_based(energy_kwh: Decimal, kg_per_kwh: Decimal) -> Decimal:
    """
    Return kg by the mean factor of the grid where the electricity was used (GHG Protocol
    scope 2, location-based).
    """
    return energy_kwh * kg_per_kwh


def market_based(
    energy_kwh: Decimal, covered: Sequence[tuple[Decimal, Decimal]], residual: Decimal
) -> Decimal:
    """
    Return kg by contract: `covered` are kWh with the factor bought with them, the rest has the
    residual mix (GHG Protocol scope 2, market-based).

    :raises ValueError: if more is covered than was used
    """
    bought = sum((kwh for kwh, _ in covered), Decimal(0))
    if bought > energy_kwh:
        raise ValueError("More kWh are covered than were used.")
    return (
        sum((kwh * factor for kwh, factor in covered), Decimal(0))
        + (energy_kwh - bought) * residual
    )


def kg_per_kwh_of(tonnes_per_terajoule: Decimal) -> Decimal:
    """
    Return a fuel factor in kg/kWh from t/TJ, as Regulation (EU) 2018/2066 lists them.
    """
    return tonnes_per_terajoule * Decimal("3.6") / 1000


@dataclass(frozen=True, slots=True)
class Part:
    """
    A tenant's part of the facility: kWh, and emissions in whole grams.
    """

    facility_kwh: Decimal
    grams: int

    @property
    def kg(self) -> Decimal:
        return Decimal(self.grams) / GRAMS_PER_KG


def whole_grams(energy_kwh: Decimal, kg_per_kwh: Decimal) -> int:
    """
    Return location-based emissions in whole grams, rounded half up.
    """
    exact = location_based(energy_kwh, kg_per_kwh) * GRAMS_PER_KG
    return int(exact.quantize(Decimal(1), rounding=ROUND_HALF_UP))


def parts_of_tenants(
    it_kwh: Mapping[T, Decimal],
    facility_kwh: Decimal,
    kg_per_kwh: Decimal,
    *,
    purchased_kwh: Decimal | None = None,
) -> dict[T, Part]:
    """
    Share the facility's energy and its location-based emissions among tenants by their IT
    energy. What the operator uses itself is carried by the tenants alike; what the site produced
    and used itself was not purchased and has no emissions. Grams add up exactly; without any IT
    energy nobody has a part.
    """
    used = sum(it_kwh.values(), Decimal(0))
    if used <= 0:
        return {}
    purchased = facility_kwh if purchased_kwh is None else purchased_kwh
    shared = share_units(whole_grams(purchased, kg_per_kwh), list(it_kwh.values()))
    return {
        tenant: Part(facility_kwh=facility_kwh * kwh / used, grams=part)
        for (tenant, kwh), part in zip(it_kwh.items(), shared, strict=True)
    }


def differs(reported: Decimal, now: Decimal) -> Decimal:
    """
    Return by how much a figure differs from what was reported, as a share of what was reported;
    1 where nothing was reported and something is known now.
    """
    if reported == now:
        return Decimal(0)
    return abs(now - reported) / abs(reported) if reported else Decimal(1)
