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


# Student's t at 90 %, two-sided, by degrees of freedom; normal beyond.
_T90 = (
    6.314, 2.920, 2.353, 2.132, 2.015, 1.943, 1.895, 1.860, 1.833, 1.812, 1.796, 1.782, 1.771,
    1.761, 1.753, 1.746, 1.740, 1.734, 1.729, 1.725, 1.721, 1.717, 1.714, 1.711, 1.708, 1.706,
    1.703, 1.701, 1.699, 1.697,
)  # fmt: skip
_T90_BEYOND = 1.645


def t_value(freedom: int) -> float:
    """
    Return Student's t at 90 % confidence, two-sided.
    """
    return _T90[freedom - 1] if 1 <= freedom <= len(_T90) else _T90_BEYOND


def uncertainty(model: Fit, *, fraction: float, months: int) -> float:
    """
    Return the uncertainty of savings as a fraction of them, at 90 % confidence, over so many
    reporting months (ASHRAE Guideline 14, simplified).
    """
    return _uncertainty(model, t_value(model.periods - 2), fraction, months)


def _uncertainty(model: Fit, t: float, fraction: float, months: int) -> float:
    return 1.26 * t * model.cv_rmse / fraction * math.sqrt((1 + 2 / model.periods) / months)


@dataclass(frozen=True, slots=True)
class FitTest:
    """
    One test of a fit: what was found and what is asked, and whether it passed; None: no limit.
    """

    name: str
    shown: str
    limit: str
    passed: bool | None


def acceptance(model: Fit, *, expected: float | None = None) -> list[FitTest]:
    """
    Return the tests a fit must pass to carry a contract (ASHRAE Guideline 14, monthly models; IPMVP
    asks for a year of bills). `expected` is the share of savings hoped for, for the uncertainty
    of a year's savings.
    """
    found = [
        FitTest("Base use a day, kWh", f"{model.base_kwh:.3f}", "above 0", model.base_kwh > 0),
        FitTest("Use a degree day, kWh", f"{model.slope_kwh:.3f}", "above 0", model.slope_kwh > 0),
        FitTest("CV(RMSE)", f"{model.cv_rmse:.1%}", f"at most {CV_LIMIT:.0%}",
             model.cv_rmse <= CV_LIMIT),
        FitTest("NMBE", f"{round(model.nmbe, 4) + 0:.2%}", f"within ±{NMBE_LIMIT:.0%}",
             abs(model.nmbe) <= NMBE_LIMIT),
        FitTest("R²", f"{model.r2:.3f}", "–", None),
        FitTest("Bills", str(model.periods), "12 are usual", None),
    ]  # fmt: skip
    if expected:
        fsu = uncertainty(model, fraction=expected, months=12)
        found.append(
            FitTest(
                f"Uncertainty (FSU) of savings of {expected:.0%}",
                f"{fsu:.1%}",
                f"at most {FSU_LIMIT:.0%}",
                fsu <= FSU_LIMIT,
            )
        )
    return found


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
    unsure = _uncertainty(model, t_value, share, len(days)) if share > 0 else None
    return Verified(adjusted, savings, share, unsure)


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
