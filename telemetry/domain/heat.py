"""
Heat carried by water, from volume and temperatures: IAPWS-IF97 region 1 at the 16 bar of EN 1434.

Everything takes single figures or whole numpy arrays alike. Temperatures are °C, energies kWh,
volumes m³; k is kWh/(m³·K).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Figures = npt.ArrayLike
Array = npt.NDArray[np.float64]

# The pressure at which EN 1434 defines the heat coefficient.
EN_1434_MPA = 1.6
GAS_CONSTANT = 0.461526  # kJ/(kg·K), of water

# IAPWS-IF97 (2007 release), table 2: exponents I and J and factor n of region 1.
_TERMS = np.array(
    [
        (0, -2, 0.14632971213167), (0, -1, -0.84548187169114), (0, 0, -3.7563603672040),
        (0, 1, 3.3855169168385), (0, 2, -0.95791963387872), (0, 3, 0.15772038513228),
        (0, 4, -0.016616417199501), (0, 5, 0.00081214629983568), (1, -9, 0.00028319080123804),
        (1, -7, -0.00060706301565874), (1, -1, -0.018990068218419), (1, 0, -0.032529748770505),
        (1, 1, -0.021841717175414), (1, 3, -0.000052838357969930),
        (2, -3, -0.00047184321073267), (2, 0, -0.00030001780793026),
        (2, 1, 0.000047661393906987), (2, 3, -0.0000044141845330846),
        (2, 17, -7.2694996297594e-16), (3, -4, -0.000031679644845054),
        (3, 0, -0.0000028270797985312), (3, 6, -8.5205128120103e-10),
        (4, -5, -0.0000022425281908000), (4, -2, -6.5171222895601e-7),
        (4, 10, -1.4341729937924e-13), (5, -8, -4.0516996860117e-7),
        (8, -11, -1.2734301741641e-9), (8, -6, -1.7424871230634e-10),
        (21, -29, -6.8762131295531e-19), (23, -31, 1.4478307828521e-20),
        (29, -38, 2.6335781662795e-23), (30, -39, -1.1947622640071e-23),
        (31, -40, 1.8228094581404e-24), (32, -41, -9.3537087292458e-26),
    ]
)  # fmt: skip
_I, _J, _N = _TERMS.T


class FlowSensor(enum.StrEnum):
    """
    In which pipe the flow sensor sits; its water's density is the one that counts.
    """

    INLET = "inlet"
    OUTLET = "outlet"


class NotWater(Exception):
    """
    The circuit holds something else than water, for which the coefficient of water is wrong.
    """


class Water(NamedTuple):
    """
    Enthalpy kJ/kg, specific volume m³/kg and isobaric heat capacity kJ/(kg·K).
    """

    h: Array
    v: Array
    cp: Array


def water(celsius: Figures, mpa: float = EN_1434_MPA) -> Water:
    """
    Return the properties of liquid water (IF97 region 1: up to 350 °C and 100 MPa).
    """
    kelvin = np.asarray(celsius, dtype=float) + 273.15
    pi, tau = mpa / 16.53, 1386.0 / kelvin
    a, b = 7.1 - pi, tau[..., np.newaxis] - 1.222
    # Terms with I = 0 or J = 0 fall out by their factor; a and b are never zero in the region.
    gamma_pi = np.sum(-_N * _I * a ** (_I - 1) * b**_J, axis=-1)
    gamma_tau = np.sum(_N * _J * a**_I * b ** (_J - 1), axis=-1)
    gamma_tau_tau = np.sum(_N * _J * (_J - 1) * a**_I * b ** (_J - 2), axis=-1)
    return Water(
        h=GAS_CONSTANT * kelvin * tau * gamma_tau,
        v=GAS_CONSTANT * kelvin * pi * gamma_pi / (mpa * 1000),
        cp=-GAS_CONSTANT * tau**2 * gamma_tau_tau,
    )


def coefficient(
    t_in: Figures, t_out: Figures, sensor: FlowSensor, *, fluid: str = "water"
) -> Array:
    """
    Return k in kWh/(m³·K); 0 where both temperatures are equal, since no heat passes there.

    :raises NotWater: for any fluid but water
    """
    if fluid != "water":
        raise NotWater(fluid)
    inlet, outlet = np.asarray(t_in, dtype=float), np.asarray(t_out, dtype=float)
    warm, cold = water(inlet), water(outlet)
    at_sensor = warm.v if sensor == FlowSensor.INLET else cold.v
    return _per_kelvin((warm.h - cold.h) / at_sensor, inlet - outlet)


def _per_kelvin(kj_per_m3: Array, difference: Array) -> Array:
    equal = difference == 0
    return np.where(equal, 0.0, kj_per_m3 / np.where(equal, 1.0, difference) / 3600)


def energy(
    volume: Figures, t_in: Figures, t_out: Figures, sensor: FlowSensor, *, fluid: str = "water"
) -> Array:
    """
    Return the heat in kWh of each volume that was cooled from `t_in` to `t_out`. Where it was
    warmed instead there is none: a heat register does not count then (cold has its own).

    :raises NotWater: for any fluid but water
    """
    difference = np.asarray(t_in, dtype=float) - np.asarray(t_out, dtype=float)
    k = coefficient(t_in, t_out, sensor, fluid=fluid)
    kwh: Array = np.asarray(volume, dtype=float) * k * np.maximum(difference, 0.0)
    return kwh


def power(
    flow: Figures, t_in: Figures, t_out: Figures, sensor: FlowSensor, *, fluid: str = "water"
) -> Array:
    """
    Return the heat power in kW of a flow in m³/h.

    :raises NotWater: for any fluid but water
    """
    return energy(flow, t_in, t_out, sensor, fluid=fluid)


def polynomial_coefficient(
    t_in: float, t_out: float, sensor: FlowSensor, h: list[float], rho: list[float]
) -> float:
    """
    Return k from polynomials of enthalpy and density in t/100, lowest power first: what small
    meters compute with. To check such a meter; our own figures come from `coefficient`.
    """
    enthalpies = np.polynomial.polynomial.polyval(np.array([t_in, t_out]) / 100, h)
    at_sensor = t_in if sensor == FlowSensor.INLET else t_out
    density = np.polynomial.polynomial.polyval(at_sensor / 100, rho)
    return float(_per_kelvin((enthalpies[0] - enthalpies[1]) * density, np.asarray(t_in - t_out)))


def mean_temperature(energy_volume: Any, volume: Any) -> Any:
    """
    Return the volume-weighted mean temperature, °C, of a register of m³·°C (E8, E9) and the
    volume over the same time: ΔE8 / ΔV. None where nothing flowed.
    """
    return None if volume == 0 else energy_volume / volume


class Verdict(enum.StrEnum):
    """
    What the comparison of a register with volume and temperatures says.
    """

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    TOO_FEW = "too_few"


# A register may differ from what volume and temperatures give by these shares.
WARN_FROM, FAIL_FROM = 0.03, 0.05
# Steps of the register that tell nothing.
RESOLUTIONS = 2.0
ENOUGH_SAMPLES = 0.9


@dataclass(frozen=True, slots=True)
class CrossCheck:
    """
    kWh of the register beside kWh from volume and temperatures; `deviation` is a share, None
    where nothing was computed. `covered` is the share of the time with all the samples.
    """

    register_kwh: float
    computed_kwh: float
    deviation: float | None
    covered: float
    verdict: Verdict


def cross_check(
    register_kwh: float, computed_kwh: float, *, covered: float, resolution_kwh: float,
    warn_from: float = WARN_FROM, fail_from: float = FAIL_FROM, resolutions: float = RESOLUTIONS,
) -> CrossCheck:  # fmt: skip
    """
    Judge a register by Σ k·V·ΔΘ over the same time. Too few samples give no verdict, and what
    some steps of the register explain is no failure.
    """
    deviation = (register_kwh - computed_kwh) / computed_kwh if computed_kwh else None
    apart = abs(register_kwh - computed_kwh)
    if covered < ENOUGH_SAMPLES:
        verdict = Verdict.TOO_FEW
    elif deviation is None:
        verdict = Verdict.OK if apart <= resolutions * resolution_kwh else Verdict.FAIL
    elif abs(deviation) > fail_from and apart > resolutions * resolution_kwh:
        verdict = Verdict.FAIL
    else:
        verdict = Verdict.WARN if abs(deviation) > warn_from else Verdict.OK
    return CrossCheck(register_kwh, computed_kwh, deviation, covered, verdict)


# Heat handed over is what the servers took in, within the error of two meters.
BALANCE_MARGIN = 1.02


def balances(heat_kwh: float, it_kwh: float, upgrade_kwh: float) -> bool:
    """
    Say whether the heat handed over can have come from the servers and the heat pump. If not, a
    coefficient, a unit or a multiplier is wrong.
    """
    return heat_kwh <= BALANCE_MARGIN * it_kwh + upgrade_kwh
