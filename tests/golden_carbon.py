"""
Golden cases of data-centre ratios, matching hours, avoided emissions and claims.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from telemetry.domain import attributes, avoided, kpi, matching_hours

Inputs = dict[str, Any]


def _decimal(figure: float | str) -> Decimal:
    return Decimal(str(figure))


def _float(figure: Decimal | None) -> float | None:
    return None if figure is None else float(figure)


def _hour(above: Decimal, below: Decimal) -> list[kpi.Joint]:
    return [kpi.Joint(above, below, measured_s=3600, expected_s=3600)]


def _ref(given: Inputs) -> dict[str, float | None]:
    bought = sum((_decimal(given[key]) for key in ("E_GOO", "E_PPA", "E_OS")), Decimal(0))
    return {"REF": _float(kpi.ref(_hour(bought, _decimal(given["E_DC_kWh"]))).value)}


def _wue(given: Inputs) -> dict[str, float | None]:
    return {"WUE": _float(kpi.wue(_decimal(given["W_IN_m3"]), _decimal(given["E_IT_kWh"])))}


def _cer(given: Inputs) -> dict[str, float | None]:
    removed, cooling = _decimal(given["Q_removed_kWh"]), _decimal(given["E_cooling_kWh"])
    return {"CER": _float(kpi.cer(_hour(removed, cooling)).value)}


def _servers(given: Inputs) -> dict[str, float | None]:
    busy, performance, watts = (
        [_decimal(v) for v in given[key]] for key in ("util", "SMPE", "SMPO_W")
    )
    return {
        "ITEUsv": _float(kpi.it_utilisation(busy)),
        "ITEEsv": _float(kpi.it_efficiency(performance, watts)),
    }


def _cfe(given: Inputs) -> dict[str, float | None]:
    found = matching_hours.match(
        matching_hours.Hour(_decimal(load), _decimal(clean), _decimal(share))
        for load, clean, share in zip(given["L"], given["C"], given["grid_cfe"], strict=True)
    )
    return {
        "cfe": _float(found.carbon_free),
        "hourly_match": _float(found.hourly),
        "annual_match": _float(found.annual),
    }


def _boiler(given: Inputs) -> avoided.Boiler:
    return avoided.Boiler(
        fuel_kg_per_kwh=_decimal(given["EF_fuel"]),
        fuel_basis=avoided.Basis.NCV,
        efficiency=_decimal(given["eta_ncv"]),
        efficiency_basis=avoided.Basis.NCV,
        uncertainties=[_decimal(u) for u in given.get("u", [])],
    )


def _avoided(given: Inputs) -> dict[str, float]:
    auxiliary = given["E_aux_kWh"] if "E_aux_kWh" in given else given["E_pump_kWh"]
    found = avoided.avoided(
        _decimal(given["Q_kWh"]), _boiler(given), auxiliary_kwh=_decimal(auxiliary),
        electricity_kg_per_kwh=_decimal(given["EF_el"]),
    )  # fmt: skip
    return {
        "gross_kg": float(found.gross_kg),
        "net_kg": float(found.net_kg),
        "u": float(found.uncertainty),
        "claim_kg": float(found.claim_kg),
    }


def _with_heat_pump(given: Inputs) -> dict[str, float]:
    lifted = avoided.uplift(_decimal(given["Q_src_kWh"]), _decimal(given["COP"]))
    found = avoided.avoided(
        lifted.delivered_kwh, _boiler(given),
        auxiliary_kwh=lifted.electricity_kwh + _decimal(given["E_pump_kWh"]),
        electricity_kg_per_kwh=_decimal(given["EF_el"]),
    )  # fmt: skip
    return {
        "Q_del": float(lifted.delivered_kwh),
        "E_hp": float(lifted.electricity_kwh),
        "net_kg": float(found.net_kg),
    }


def _claims(given: Inputs) -> dict[str, Any]:
    held = [_decimal(share) for share in given["existing"]]
    return {
        "accepted": attributes.may_claim(_decimal(given["new"]), held),
        "remaining": float(attributes.remaining(held)),
    }


FORMULAS: dict[str, Callable[[Inputs], Any]] = {
    "kpi.ref": _ref,
    "kpi.wue": _wue,
    "kpi.cer": _cer,
    "kpi.iteu": _servers,
    "co2.cfe": _cfe,
    "co2.avoided": _avoided,
    "co2.avoided.hp": _with_heat_pump,
    "co2.negative": _avoided,
    "co2.claims": _claims,
}
