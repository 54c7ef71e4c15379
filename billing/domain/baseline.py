"""
Shared savings: what the customer would have spent without the heat, and the shares of the rest.

A baseline is fitted once on past bills (IPMVP Option C; CalTRACK 2.0 sections 3.3 to 3.4) and
frozen. Statistics are floats; money is Decimal and begins at the agreed coefficients.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from billing.domain.money import to_cents

_THOUSANDTH = Decimal("0.001")
# Acceptance of a monthly model: ASHRAE Guideline 14.
CV_LIMIT = 0.15
NMBE_LIMIT = 0.05
FSU_LIMIT = 0.5


def degree_days(
    daily_means: Sequence[float], *, base: float, heating_limit: float | None = None
) -> float:
    """
    Return heating degree days, K x d, of daily mean temperatures in degrees C; days warmer than
    the heating limit count nothing (Eurostat: base 18, limit 15).
    """
    return math.fsum(
        max(base - mean, 0.0)
        for mean in daily_means
        if heating_limit is None or mean <= heating_limit
    )


@dataclass(frozen=True, slots=True)
class Fit:
    """
    Use per day = `base_kwh` + `slope_kwh` x degree days per day, and how well it fits.
    """

    base_kwh: float
    slope_kwh: float
    cv_rmse: float
    nmbe: float
    r2: float
    r2_adjusted: float
    periods: int

    @property
    def accepted(self) -> bool:
        """
        Whether the fit may carry a contract: both coefficients positive and within the limits.
        """
        return (
            self.base_kwh > 0
            and self.slope_kwh > 0
            and self.cv_rmse <= CV_LIMIT
            and abs(self.nmbe) <= NMBE_LIMIT
        )


def fit(days: Sequence[float], degree_days: Sequence[float], use_kwh: Sequence[float]) -> Fit:
    """
    Fit the use of billing periods by least squares weighted with their days.

    :raises ValueError: if there are fewer than three periods or the weather never differs
    """
    count = len(days)
    if count < 3:
        raise ValueError("A baseline needs at least three periods.")
    x = [h / d for h, d in zip(degree_days, days, strict=True)]
    y = [u / d for u, d in zip(use_kwh, days, strict=True)]
    weight = math.fsum(days)
    mean_x = math.fsum(w * v for w, v in zip(days, x, strict=True)) / weight
    mean_y = math.fsum(w * v for w, v in zip(days, y, strict=True)) / weight
    spread = math.fsum(w * (v - mean_x) ** 2 for w, v in zip(days, x, strict=True))
    if spread <= 0:
        raise ValueError("A baseline needs periods of different weather.")
    slope = (
        math.fsum(w * (a - mean_x) * (b - mean_y) for w, a, b in zip(days, x, y, strict=True))
        / spread
    )
    base = mean_y - slope * mean_x
    errors = [u - d * base - h * slope for u, d, h in zip(use_kwh, days, degree_days, strict=True)]
    mean_use = math.fsum(use_kwh) / count
    weighted = math.fsum(e * e / d for e, d in zip(errors, days, strict=True))
    total = math.fsum(w * (v - mean_y) ** 2 for w, v in zip(days, y, strict=True))
    r2 = 1 - weighted / total if total else 1.0
    return Fit(
        base_kwh=base,
        slope_kwh=slope,
        cv_rmse=math.sqrt(math.fsum(e * e for e in errors) / (count - 2)) / mean_use,
        nmbe=math.fsum(errors) / ((count - 2) * mean_use),
        r2=r2,
        r2_adjusted=1 - (1 - r2) * (count - 1) / (count - 2),
        periods=count,
    )


@dataclass(frozen=True, slots=True)
class Verified:
    """
    Energy saved against a baseline over a reporting span, kWh, with its uncertainty as a
    fraction of the savings at 90 % confidence; None where nothing was saved.
    """

    adjusted_kwh: float
    savings_kwh: float
    fraction: float
    uncertainty: float | None


def verified_savings(
    model: Fit, *, days: Sequence[float], degree_days: Sequence[float], use_kwh: Sequence[float],
    non_routine_kwh: float = 0.0, t_value: float,
) -> Verified:  # fmt: skip
    """
    Return baseline, adjusted to the weather of the reporting periods, less their use.

    :param non_routine_kwh: agreed adjustment, taken off the savings
    :param t_value: Student's t at 90 % for the fit's degrees of freedom
    """
    adjusted = math.fsum(model.base_kwh * d for d in days) + math.fsum(
        model.slope_kwh * h for h in degree_days
    )
    savings = adjusted - math.fsum(use_kwh) - non_routine_kwh
    share = savings / adjusted
    uncertainty = None
    if share > 0:
        uncertainty = (
            1.26 * t_value * model.cv_rmse / share
            * math.sqrt((1 + 2 / model.periods) / len(days))
        )  # fmt: skip
    return Verified(adjusted, savings, share, uncertainty)


@dataclass(frozen=True, slots=True)
class Boiler:
    """
    What the heat would have cost: fuel price per kWh and emission factor in kg per kWh of fuel,
    both on the gross calorific value as the efficiency is; carbon price per tonne; maintenance
    per year.
    """

    efficiency: Decimal
    fuel_price: Decimal
    carbon_kg_per_kwh: Decimal
    carbon_price: Decimal
    maintenance_per_year: Decimal = Decimal(0)

    def fuel_kwh(self, heat_kwh: Decimal) -> Decimal:
        """
        Return the fuel for an amount of heat, kWh to three decimals.
        """
        return (heat_kwh / self.efficiency).quantize(_THOUSANDTH, rounding=ROUND_HALF_UP)

    def fuel_cost(self, fuel_kwh: Decimal) -> Decimal:
        return to_cents(fuel_kwh * self.fuel_price)

    def carbon_cost(self, fuel_kwh: Decimal) -> Decimal:
        return to_cents(fuel_kwh * self.carbon_kg_per_kwh * self.carbon_price / 1000)


def gross_factor(net_factor: Decimal, *, net_to_gross: Decimal) -> Decimal:
    """
    Return an emission factor per kWh of gross calorific value from one per kWh of net.
    """
    return net_factor * net_to_gross


def cost_per_kwh(boiler: Boiler, *, maintenance_per_kwh: Decimal = Decimal(0)) -> Decimal:
    """
    Return what a kWh of boiler heat costs: fuel and carbon over efficiency, and maintenance.
    """
    carbon = boiler.carbon_kg_per_kwh * boiler.carbon_price / 1000
    return (boiler.fuel_price + carbon) / boiler.efficiency + maintenance_per_kwh


def shared(
    *, heat_kwh: Decimal, cost_per_kwh: Decimal, spent: Decimal, share: Decimal
) -> tuple[Decimal, Decimal]:
    """
    Return the avoided cost of heat delivered and the part of what it saved that is paid, not
    rounded: share x (heat x cost - spent), never below zero.

    :param share: as a fraction
    """
    avoided = heat_kwh * cost_per_kwh
    return avoided, share * max(avoided - spent, Decimal(0))


@dataclass(frozen=True, slots=True)
class Actual:
    """
    What the customer still used in a month: fuel in kWh, and electricity with its price.
    """

    fuel_kwh: Decimal = Decimal(0)
    electricity_kwh: Decimal = Decimal(0)
    electricity_price: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class MonthOfSavings:
    """
    A month's statement in shown figures, so that a pocket calculator reproduces it.

    `savings` may be negative; `charged_on` is what the share is taken of after losses carried
    over, never below zero; `carried` goes to the next month, never above zero.
    """

    baseline_kwh: Decimal
    baseline_fuel_kwh: Decimal
    baseline_cost: Decimal
    actual_cost: Decimal
    savings: Decimal
    charged_on: Decimal
    carried: Decimal


def month_of_savings(
    *, base_kwh: Decimal, slope_kwh: Decimal, days: int, degree_days: Decimal, boiler: Boiler,
    actual: Actual, carried: Decimal = Decimal(0), non_routine_kwh: Decimal = Decimal(0),
) -> MonthOfSavings:  # fmt: skip
    """
    Return what the month would have cost, what it cost, and what of the difference is shared.
    """
    heat = base_kwh * days + slope_kwh * degree_days - non_routine_kwh
    heat = heat.quantize(_THOUSANDTH, rounding=ROUND_HALF_UP)
    fuel = boiler.fuel_kwh(heat)
    baseline = (
        boiler.fuel_cost(fuel)
        + boiler.carbon_cost(fuel)
        + to_cents(boiler.maintenance_per_year / 12)
    )
    spent = (
        boiler.fuel_cost(actual.fuel_kwh)
        + boiler.carbon_cost(actual.fuel_kwh)
        + to_cents(actual.electricity_kwh * actual.electricity_price)
    )
    savings = baseline - spent
    net = savings + carried
    return MonthOfSavings(
        baseline_kwh=heat,
        baseline_fuel_kwh=fuel,
        baseline_cost=baseline,
        actual_cost=spent,
        savings=savings,
        charged_on=max(net, Decimal(0)),
        carried=min(net, Decimal(0)),
    )
