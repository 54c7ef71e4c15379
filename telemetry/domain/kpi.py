"""
Ratios of a data centre after ISO/IEC 30134, with what they rest on.

A ratio is never averaged: energies of both sides are added over the time in which both are
measured, and divided once.
"""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

# Below this share of measured time no figure is given (domain reference, section 4).
PUBLISHED_FROM = Decimal("0.9")
MONTHS_OF_A_YEAR = 12
LITRES_PER_M3 = 1000


class Reason(enum.StrEnum):
    """
    Why there is no figure.
    """

    NO_METER = "no_meter"
    NOT_STARTED = "not_started"
    LOW_COVERAGE = "low_coverage"
    ZERO_DENOMINATOR = "zero_denominator"
    # A PUE under 1 or an ERF over 1: a meter, unit or multiplier is wrong.
    IMPLAUSIBLE = "implausible"
    NO_FACTOR = "no_factor"
    NO_ATTRIBUTES = "no_attributes"


@dataclass(frozen=True, slots=True)
class Joint:
    """
    Energies of one month in kWh over the seconds in which both sides were measured; `month` is its
    first day where the reader wants to know.
    """

    numerator_kwh: Decimal
    denominator_kwh: Decimal
    measured_s: int
    expected_s: int
    month: dt.date | None = None


@dataclass(frozen=True, slots=True)
class Ratio:
    """
    A ratio with its inputs; `value` is None with a `reason`. `interim`: less than a year.
    """

    value: Decimal | None
    numerator_kwh: Decimal | None
    denominator_kwh: Decimal | None
    coverage: Decimal
    months: int
    reason: Reason | None
    # The months it is made of; empty for readers who may not know the energies.
    joints: tuple[Joint, ...] = ()

    @property
    def interim(self) -> bool:
        return self.months < MONTHS_OF_A_YEAR


def without(reason: Reason) -> Ratio:
    """
    Return the ratio that cannot be formed.
    """
    return Ratio(None, None, None, Decimal(0), 0, reason)


def coverage(measured_s: int, expected_s: int) -> Decimal:
    """
    Return the measured share of a time, 0 to 1; 0 for no time at all.
    """
    return Decimal(measured_s) / Decimal(expected_s) if expected_s > 0 else Decimal(0)


def divide(numerator: Decimal, denominator: Decimal) -> Decimal | None:
    """
    Return the ratio; None where there is nothing to divide by.
    """
    return numerator / denominator if denominator > 0 else None


def pue(months: Iterable[Joint]) -> Ratio:
    """
    Return facility energy over IT energy; under 1 it is a fault of the data and not a figure.
    """
    found = _ratio(months)
    return _implausible(found) if found.value is not None and found.value < 1 else found


def pue_enefg(facility_kwh: Decimal, upgrade_kwh: Decimal, it_kwh: Decimal) -> Decimal | None:
    """
    Return the PUE of the German Energy Efficiency Act, section 11 (2), which leaves out the
    electricity that lifts the waste heat to a usable temperature.
    """
    return divide(facility_kwh - upgrade_kwh, it_kwh)


def erf(months: Iterable[Joint]) -> Ratio:
    """
    Return reused heat over facility energy; over 1 it is a fault of the data and not a figure.
    """
    found = _ratio(months)
    return _implausible(found) if found.value is not None and found.value > 1 else found


def weighted_mean(values: Sequence[Decimal], weights: Sequence[Decimal]) -> Decimal | None:
    """
    Return the mean of ratios over several sites, weighted by what they were divided by, as the
    portfolio figures of Regulation (EU) 2024/1364 are; None without weight.
    """
    total = sum((v * w for v, w in zip(values, weights, strict=True)), Decimal(0))
    return divide(total, sum(weights, Decimal(0)))


def ere(months: Iterable[Joint]) -> Ratio:
    """
    Return facility energy less reused heat over IT energy (The Green Grid); the numerator of each
    month has the heat taken off already. More heat than energy is a fault of the data.
    """
    found = _ratio(months)
    return _implausible(found) if found.value is not None and found.value < 0 else found


def ref(months: Iterable[Joint]) -> Ratio:
    """
    Return renewable energy owned and cancelled over facility energy (ISO/IEC 30134-3, Regulation
    (EU) 2024/1364 Annex III (d)): at most 1, since more attributes than energy cover no more.
    """
    found = _ratio(months)
    return replace(found, value=min(found.value, Decimal(1))) if found.value else found


def cer(months: Iterable[Joint]) -> Ratio:
    """
    Return heat removed over the electricity of cooling (ISO/IEC 30134-7), electric cooling only.
    """
    return _ratio(months)


def emissions_per_kwh(months: Iterable[Joint]) -> Ratio:
    """
    Return kg of CO2 per kWh of IT energy with its coverage (CUE, ISO/IEC 30134-8); the numerator
    of each month is in kg.
    """
    return _ratio(months)


def cue(kilograms: Decimal, it_kwh: Decimal) -> Decimal | None:
    """
    Return kg of CO2 per kWh of IT energy (ISO/IEC 30134-8); None without IT energy.
    """
    return divide(kilograms, it_kwh)


def wue(water_m3: Decimal, it_kwh: Decimal) -> Decimal | None:
    """
    Return litres of water per kWh of IT energy (ISO/IEC 30134-9); None without IT energy.
    """
    return divide(water_m3 * LITRES_PER_M3, it_kwh)


def it_utilisation(shares_busy: Sequence[Decimal]) -> Decimal | None:
    """
    Return the mean processor utilisation of servers, 0 to 1 (ITEUsv, ISO/IEC 30134-5).
    """
    return divide(sum(shares_busy, Decimal(0)), Decimal(len(shares_busy)))


def it_efficiency(performance: Sequence[Decimal], watts: Sequence[Decimal]) -> Decimal | None:
    """
    Return the servers' peak performance per watt of peak power (ITEEsv, ISO/IEC 30134-4).
    """
    return divide(sum(performance, Decimal(0)), sum(watts, Decimal(0)))


def _ratio(months: Iterable[Joint]) -> Ratio:
    months = list(months)
    above = sum((month.numerator_kwh for month in months), Decimal(0))
    below = sum((month.denominator_kwh for month in months), Decimal(0))
    share = coverage(
        sum(month.measured_s for month in months), sum(month.expected_s for month in months)
    )
    counted = sum(month.measured_s > 0 for month in months)
    value, reason = divide(above, below), None
    if not months:
        value, reason = None, Reason.NOT_STARTED
    elif share < PUBLISHED_FROM:
        value, reason = None, Reason.LOW_COVERAGE
    elif value is None:
        reason = Reason.ZERO_DENOMINATOR
    return Ratio(value, above, below, share, counted, reason, tuple(months))


def _implausible(found: Ratio) -> Ratio:
    return replace(found, value=None, reason=Reason.IMPLAUSIBLE)
