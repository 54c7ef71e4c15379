"""
Emissions avoided by heat that replaced somebody's fuel. They stand outside every inventory and
are never taken off a footprint.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal


class Basis(enum.StrEnum):
    """
    The heating value a figure refers to.
    """

    NCV = "ncv"
    GCV = "gcv"


class BasesDiffer(ValueError):
    """
    The fuel's factor and the boiler's efficiency refer to different heating values.
    """


@dataclass(frozen=True, slots=True)
class Boiler:
    """
    What would have made the heat: kg/kWh of its fuel and its efficiency, each with its basis, and
    the relative uncertainties (0.05 for 5 %) of what the claim rests on.
    """

    fuel_kg_per_kwh: Decimal
    fuel_basis: Basis
    efficiency: Decimal
    efficiency_basis: Basis
    uncertainties: Sequence[Decimal] = ()


@dataclass(frozen=True, slots=True)
class Avoided:
    """
    Avoided emissions in kg: of the fuel, less what pumps and heat pumps caused, and what may be
    claimed of it. A negative result is shown in full and nothing is taken off it.
    """

    gross_kg: Decimal
    net_kg: Decimal
    uncertainty: Decimal
    claim_kg: Decimal


def avoided(
    heat_kwh: Decimal, boiler: Boiler, *, auxiliary_kwh: Decimal, electricity_kg_per_kwh: Decimal
) -> Avoided:
    """
    Return what heat used at the building avoided there. The factor of electricity is the higher
    of the location-based and the market-based one.

    :raises BasesDiffer: if factor and efficiency do not refer to the same heating value
    :raises ValueError: if the efficiency is not above zero
    """
    if boiler.fuel_basis is not boiler.efficiency_basis:
        raise BasesDiffer(f"{boiler.fuel_basis} and {boiler.efficiency_basis}")
    if boiler.efficiency <= 0:
        raise ValueError("An efficiency is above zero.")
    gross = heat_kwh * boiler.fuel_kg_per_kwh / boiler.efficiency
    net = gross - auxiliary_kwh * electricity_kg_per_kwh
    uncertainty = combined(boiler.uncertainties)
    # The haircut of a loss would make it smaller.
    claim = net * (1 - uncertainty) if net > 0 else net
    return Avoided(gross, net, uncertainty, claim)


def together(parts: Sequence[Avoided]) -> Avoided:
    """
    Return several months or buildings as one. What each may claim is added, so a month that made
    things worse counts in full and one that made them better less its uncertainty.
    """
    net = sum((part.net_kg for part in parts), Decimal(0))
    claim = sum((part.claim_kg for part in parts), Decimal(0))
    return Avoided(
        gross_kg=sum((part.gross_kg for part in parts), Decimal(0)),
        net_kg=net,
        uncertainty=max((part.uncertainty for part in parts), default=Decimal(0)),
        claim_kg=claim,
    )


def combined(uncertainties: Sequence[Decimal]) -> Decimal:
    """
    Return independent relative uncertainties as one: the root of the sum of their squares, at
    most 1.
    """
    return min(sum((u * u for u in uncertainties), Decimal(0)).sqrt(), Decimal(1))


@dataclass(frozen=True, slots=True)
class Uplift:
    """
    What a heat pump gives and takes, in kWh.
    """

    delivered_kwh: Decimal
    electricity_kwh: Decimal


def uplift(source_kwh: Decimal, cop: Decimal) -> Uplift:
    """
    Return what a heat pump makes of heat at its coefficient of performance.

    :raises ValueError: if the coefficient is not above 1
    """
    if cop <= 1:
        raise ValueError("A heat pump gives more heat than it takes electricity.")
    delivered = source_kwh / (1 - 1 / cop)
    return Uplift(delivered, delivered / cop)
