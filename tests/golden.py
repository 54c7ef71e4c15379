"""
Runs golden cases: a JSON list of {id, formula, inputs, expected, tolerance, source}.

    python tests/golden.py FILE.json

One line a case, then `N passed, M failed`; exit code 1 if any failed. A case whose formula is not
known here counts as failed and is named.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    # Run by its path, Python looks for packages beside this file and not at the root.
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from billing.domain import money
from telemetry.domain import (
    accuracy,
    calibration,
    carbon,
    estimates,
    heat,
    kpi,
    losses,
    registers,
    shares,
    units,
    vee_usage,
)
from telemetry.domain.quality import Share
from tests import golden_billing, golden_carbon, golden_sla

Inputs = dict[str, Any]


def _units(given: Inputs) -> dict[str, float]:
    return {
        "kWh_from_GJ": float(units.to_kwh(Decimal(str(given["GJ"])), "GJ")),
        "kWh_from_Gcal": float(units.to_kwh(Decimal(str(given["Gcal"])), "Gcal")),
        "kWh_from_pulses": float(
            units.to_kwh(Decimal(given["pulses"]), "kWh", Decimal(str(given["kWh_per_pulse"])))
        ),
    }


def _shares(given: Inputs) -> dict[str, list[int]]:
    weights = [_decimal(weight) for weight in given["weights"]]
    return {"units": shares.share_units(int(given["total_units"]), weights)}


def _correction(given: Inputs) -> dict[str, float]:
    delta = Decimal(str(given["E_new"])) - Decimal(str(given["E_old"]))
    return {
        "delta_kWh": float(delta),
        "amount": float(money.to_cents(delta * Decimal(str(given["P_orig"])))),
    }


def _decimal(figure: float | str) -> Decimal:
    return Decimal(str(figure))


def _instant(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def _register(given: Inputs) -> dict[str, Any]:
    case, delta = registers.step(
        _decimal(given["r1_kWh"]),
        _decimal(given["r2_kWh"]),
        modulus=_decimal(given["modulus_kWh"]),
        max_power_kw=_decimal(given["P_max_kW"]),
        hours=_decimal(given["dt_h"]),
        margin=_decimal(given["margin"]),
    )
    return {"case": case.value, "delta_kWh": float(delta)}


def _replacement(given: Inputs) -> dict[str, float]:
    found = registers.exchange(
        old=(_decimal(given["old_start"]), _decimal(given["old_final"])),
        new=(_decimal(given["new_install"]), _decimal(given["new_end"])),
        gap_hours=_decimal(given["gap_h"]),
        mean_kw_before=_decimal(given["prev_mean_kW"]),
    )
    return {
        "measured_kWh": float(found.measured_kwh),
        "estimated_kWh": float(found.estimated_kwh),
        "total_kWh": float(found.total_kwh),
    }


def _pair(given: Inputs) -> tuple[tuple[dt.datetime, Decimal], tuple[dt.datetime, Decimal]]:
    return (
        (_instant(given["t1"]), _decimal(given["R1"])),
        (_instant(given["t2"]), _decimal(given["R2"])),
    )


def _interpolate(given: Inputs) -> dict[str, list[float]]:
    first, second = _pair(given)
    # The times of day are of the first reading's date.
    wanted = [
        dt.datetime.combine(first[0].date(), dt.time.fromisoformat(at), tzinfo=first[0].tzinfo)
        for at in given["at"]
    ]
    return {"R": [float(registers.register_at(at, first, second)) for at in wanted]}


def _gap_split(given: Inputs) -> dict[str, dict[str, float]]:
    return {"hours": {f"{at:%H}": float(kwh) for at, kwh in registers.hourly(*_pair(given))}}


def _late(given: Inputs) -> dict[str, Any]:
    start, end = registers.dirty_hours(_instant(given["prev"]), _instant(given["next"]))
    return {
        "dirty_from": f"{start:%Y-%m-%dT%H:%MZ}",
        "dirty_to": f"{end:%Y-%m-%dT%H:%MZ}",
        "hours": (end - start) // registers.HOUR,
    }


def _mean_temperature(given: Inputs) -> dict[str, float | None]:
    volumes, temperatures = ([_decimal(figure) for figure in given[key]] for key in ("V", "t"))
    weighted = registers.volume_weighted(volumes, temperatures)
    plain = registers.volume_weighted([Decimal(1)] * len(temperatures), temperatures)
    return {"t": _float(weighted), "arith_wrong": _float(plain)}


def _float(figure: Decimal | None) -> float | None:
    return None if figure is None else float(figure)


def _year(numerator: Decimal, denominator: Decimal) -> list[kpi.Joint]:
    return [kpi.Joint(numerator, denominator, measured_s=3600, expected_s=3600)]


def _pue(given: Inputs) -> dict[str, float | None]:
    facility, it = _decimal(given["E_DC_kWh"]), _decimal(given["E_IT_kWh"])
    found = {"PUE": _float(kpi.pue(_year(facility, it)).value)}
    if "E_upgrade_kWh" in given:
        found["PUE_EnEfG"] = _float(kpi.pue_enefg(facility, _decimal(given["E_upgrade_kWh"]), it))
    return found


def _erf(given: Inputs) -> dict[str, float | None]:
    facility, it, reused = (_decimal(given[key]) for key in ("E_DC_kWh", "E_IT_kWh", "E_REUSE_kWh"))
    return {
        "ERF": _float(kpi.erf(_year(reused, facility)).value),
        "ERE": _float(kpi.divide(facility - reused, it)),
    }


def _coverage(given: Inputs) -> dict[str, Any]:
    hours = list(zip(given["dc"], given["it"], strict=True))
    both = [(_decimal(dc), _decimal(it)) for dc, it in hours if dc is not None and it is not None]
    joint = kpi.Joint(
        sum((dc for dc, _ in both), Decimal(0)),
        sum((it for _, it in both), Decimal(0)),
        measured_s=len(both) * 3600,
        expected_s=len(hours) * 3600,
    )
    found = kpi.pue([joint])
    apart = [sum(_decimal(v) for v in given[key] if v is not None) for key in ("dc", "it")]
    return {
        "PUE": _float(kpi.divide(joint.numerator_kwh, joint.denominator_kwh)),
        "wrong": _float(kpi.divide(Decimal(apart[0]), Decimal(apart[1]))),
        "coverage": float(found.coverage),
        "publish": found.value is not None,
    }


def _portfolio(given: Inputs) -> dict[str, float | None]:
    values, weights = ([_decimal(v) for v in given[key]] for key in ("PUE", "E_DC"))
    return {"PUE": _float(kpi.weighted_mean(values, weights))}


def _fuel_factors(given: Inputs) -> dict[str, float]:
    return {
        fuel: float(carbon.kg_per_kwh_of(_decimal(value))) for fuel, value in given["t_TJ"].items()
    }


def _scope2(given: Inputs) -> dict[str, float]:
    purchased = _decimal(given["E_kWh"]) - _decimal(given["onsite_kWh"])
    covered = [(_decimal(given["GO_kWh"]), _decimal(given["GO_EF"]))]
    residual = _decimal(given["EF_residual_ILLUSTRATIVE"])
    return {
        "LB_kg": float(carbon.location_based(purchased, _decimal(given["EF_grid"]))),
        "MB_kg": float(carbon.market_based(purchased, covered, residual)),
    }


def _tenants(given: Inputs) -> dict[str, dict[str, float]]:
    # What the operator uses itself ("ops") is spread over the tenants.
    used = {name: _decimal(kwh) for name, kwh in given["IT_kWh"].items() if name != "ops"}
    parts = carbon.parts_of_tenants(used, _decimal(given["E_DC_kWh"]), _decimal(given["EF"]))
    return {
        "E": {name: float(part.facility_kwh) for name, part in parts.items()},
        "kg": {name: float(part.kg) for name, part in parts.items()},
    }


def _coefficient(given: Inputs) -> dict[str, float]:
    k = heat.coefficient(given["t_in_C"], given["t_out_C"], heat.FlowSensor(given["flow_sensor"]))
    return {"k": float(k)}


def _true_energy(given: Inputs) -> dict[str, float]:
    kwh = heat.energy(
        given["volume_m3"], given["t_in_C"], given["t_out_C"],
        heat.FlowSensor(given["flow_sensor"]),
    )  # fmt: skip
    return {"energy_Wh": float(kwh) * 1000, "energy_Wh_if97": float(kwh) * 1000}


def _polynomial(given: Inputs) -> dict[str, float]:
    k = heat.polynomial_coefficient(
        given["t_in_C"], given["t_out_C"], heat.FlowSensor(given["flow_sensor"]),
        given["h_coeff"], given["rho_coeff"],
    )  # fmt: skip
    return {"k": k}


def _water(given: Inputs) -> dict[str, float]:
    found = heat.water(given["t_C"], given["p_MPa"])
    return {
        "rho_kg_m3": 1 / float(found.v),
        "cp_kJ_kgK": float(found.cp),
        "h_kJ_kg": float(found.h),
    }


def _region_1(given: Inputs) -> dict[str, float]:
    found = heat.water(given["T_K"] - 273.15, given["p_MPa"])
    return {"v_m3_kg": float(found.v), "h_kJ_kg": float(found.h)}


def _power(given: Inputs) -> dict[str, float]:
    sensor = heat.FlowSensor(given["flow_sensor"])
    kw = heat.power(given["q_m3_h"], given["t_in_C"], given["t_out_C"], sensor)
    return {"P_kW": float(kw)}


def _permissible_error(given: Inputs) -> dict[str, Any]:
    found = accuracy.permissible_error(
        accuracy_class=given["cls"], dt_min=given["dTmin_K"], dt=given["dT_K"],
        qp=given["qp_m3_h"], q=given["q_m3_h"], qi=given.get("qi_m3_h"),
    )  # fmt: skip
    return {
        "Ef": found.flow,
        "Et": found.temperatures,
        "Ec": found.calculator,
        "E": found.total,
        "in_service_2x": found.in_service,
        "flag": found.flag.value,
    }


def _crosscheck(given: Inputs) -> dict[str, float | None]:
    volumes, t_in, t_out = (
        [row[name] for row in given["rows"]] for name in ("V_m3", "t_in", "t_out")
    )
    computed = heat.energy(volumes, t_in, t_out, heat.FlowSensor(given["flow_sensor"]))
    found = heat.cross_check(
        given["E_reg_kWh"], float(computed.sum()), covered=1, resolution_kwh=0.1
    )
    return {"E_calc_kWh": found.computed_kwh, "dev": found.deviation}


def _insulation(given: Inputs) -> dict[str, float]:
    u = losses.insulation_u(
        conductivity=given["lam_W_mK"], inner_m=given["Di_m"], outer_m=given["Do_m"]
    )
    return {"U_W_mK": u}


def _losses(given: Inputs) -> dict[str, float]:
    source, method = _decimal(given["E_src_kWh"]), losses.LossMethod
    constant = losses.delivered(
        source, method.CONST_KW, loss_kw=_decimal(given["P_loss_kW"]),
        warm_hours=_decimal(given["hours"]),
    )  # fmt: skip
    return {
        "const": float(constant),
        "pct": float(losses.delivered(source, method.PERCENT, loss_share=_decimal(given["pct"]))),
        "sink": float(losses.delivered(_decimal(given["E_sink_kWh"]), method.SINK_METER)),
    }


def _calibration(given: Inputs) -> dict[str, str]:
    # The case's country, Germany, lets terms run to the end of the year.
    due = calibration.due_date(
        dt.date.fromisoformat(given["verified_on"]), years=given["years"],
        end_of_year=given["country"] == "DE",
    )  # fmt: skip
    return {"due": due.isoformat()}


def _spike(given: Inputs) -> dict[str, Any]:
    found = vee_usage.spike(
        [_decimal(x) for x in given["intervals"]], over=_decimal(given["threshold"])
    )
    return {"ratio": _float(found.ratio), "fail": found.fails}


def _high_low(given: Inputs) -> dict[str, Any]:
    found = vee_usage.high_low(
        _decimal(given["usage_kWh"]),
        _decimal(given["days"]),
        reference=_decimal(given["ref_kWh"]),
        reference_days=_decimal(given["ref_days"]),
    )
    return {"ratio": _float(found.ratio), "fail": found.fails}


def _profile_scale(given: Inputs) -> dict[str, list[float]]:
    profile = [_decimal(part) for part in given["profile"]]
    return {"e": [float(e) for e in estimates.profile_scaled(_decimal(given["dE_kWh"]), profile)]}


def _average_de(given: Inputs) -> dict[str, float]:
    found = estimates.average_of_neighbours(
        previous=(_decimal(given["prev_kWh"]), given["prev_days"]),
        following=(_decimal(given["next_kWh"]), given["next_days"]),
        days=given["days"],
    )
    return {"E_est": float(found)}


def _estimated_share(given: Inputs) -> dict[str, Any]:
    estimated = _decimal(given["E_est"])
    found = Share(estimated, _decimal(given["E_actual"]) + estimated)
    return {
        "f_E": float(found.share),
        "f_t": given["h_est"] / given["h_total"],
        "decision": found.tolerance().value,
    }


def _correction_window(given: Inputs) -> dict[str, str]:
    detected, began, previous = (
        dt.date.fromisoformat(given[key])
        for key in ("detected", "error_start", "prev_period_start")
    )
    return {
        name: estimates.correction_from(
            detected=detected, error_start=start, previous_period_start=previous
        ).isoformat()
        for name, start in (("determinable", began), ("not_determinable", None))
    }


# By the start of the id; the longest that fits is taken.
FORMULAS: dict[str, Callable[[Inputs], Any]] = {
    "heat.units": _units,
    "heat.register": _register,
    "heat.replacement": _replacement,
    "heat.k": _coefficient,
    "heat.k.kamstrup": _true_energy,
    "heat.k.poly": _polynomial,
    "heat.water": _water,
    "heat.if97": _region_1,
    "heat.power": _power,
    "heat.mpe": _permissible_error,
    "heat.crosscheck": _crosscheck,
    "heat.pipe": _insulation,
    "heat.losspolicy": _losses,
    "heat.calibration": _calibration,
    "alloc.largest_remainder": _shares,
    "vee.correction": _correction,
    "vee.interpolate": _interpolate,
    "vee.spike": _spike,
    "vee.highlow": _high_low,
    "vee.profile_scale": _profile_scale,
    "vee.av_de": _average_de,
    "vee.estfraction": _estimated_share,
    "vee.window_de": _correction_window,
    "rollup.gap_split": _gap_split,
    "rollup.late": _late,
    "rollup.volweighted_temp": _mean_temperature,
    "kpi.pue": _pue,
    "kpi.erf": _erf,
    "kpi.coverage": _coverage,
    "kpi.portfolio": _portfolio,
    "co2.ef.ncv": _fuel_factors,
    "co2.scope2": _scope2,
    "co2.tenants": _tenants,
    **golden_billing.FORMULAS,
    **golden_carbon.FORMULAS,
    **golden_sla.FORMULAS,
}


def formula_of(case_id: str) -> Callable[[Inputs], Any] | None:
    """
    Return the function for a case, None for an unknown id.
    """
    fitting = [key for key in FORMULAS if case_id == key or case_id.startswith(f"{key}.")]
    return FORMULAS[max(fitting, key=len)] if fitting else None


def agrees(got: Any, expected: Any, tolerance: dict[str, float]) -> bool:
    """
    Compare nested figures within an absolute or relative tolerance; everything else exactly.
    """
    if isinstance(expected, dict):
        return isinstance(got, dict) and all(
            key in got and agrees(got[key], value, tolerance) for key, value in expected.items()
        )
    if isinstance(expected, list):
        return (
            isinstance(got, list)
            and len(got) == len(expected)
            and all(agrees(g, e, tolerance) for g, e in zip(got, expected, strict=True))
        )
    plain = isinstance(expected, bool) or not isinstance(expected, int | float)
    if plain or isinstance(got, bool) or not isinstance(got, int | float):
        return bool(got == expected and type(got) is type(expected))
    return math.isclose(
        got, expected, abs_tol=tolerance.get("abs", 0.0), rel_tol=tolerance.get("rel", 0.0)
    )


def judge(case: dict[str, Any]) -> str | None:
    """
    Return what is wrong with a case, None where it passes.
    """
    formula = formula_of(case["id"])
    if formula is None:
        return "unknown id"
    try:
        got = formula(case["inputs"])
    except Exception as problem:
        return f"{type(problem).__name__}: {problem}"
    if agrees(got, case["expected"], case.get("tolerance") or {}):
        return None
    return f"got {got}, expected {case['expected']}"


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print("usage: python tests/golden.py FILE.json", file=sys.stderr)
        return 2
    cases = json.loads(Path(arguments[0]).read_text())
    failed = 0
    for case in cases:
        wrong = judge(case)
        failed += wrong is not None
        print(f"ok   {case['id']}" if wrong is None else f"FAIL {case['id']}: {wrong}")
    print(f"{len(cases) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
