"""
Golden cases of price clauses and of shared savings.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from billing.domain import baseline, indexation

Inputs = dict[str, Any]


def decimal(figure: float | str) -> Decimal:
    """
    Return a figure of a JSON file as it was written.
    """
    return Decimal(str(figure))


def _indexed(given: Inputs) -> dict[str, float]:
    parts = zip(given["b"], given["I0"], strict=True)
    clause = indexation.Clause(
        base_price=decimal(given["P0"]), fixed=decimal(given["a"]),
        parts=tuple(
            indexation.Part(str(n), decimal(weight), decimal(base))
            for n, (weight, base) in enumerate(parts)
        ),
    )  # fmt: skip
    found = indexation.price(clause, {str(n): decimal(i) for n, i in enumerate(given["I"])})
    return {"factor": float(found.factor), "P": float(found.price)}


def _capped(given: Inputs) -> dict[str, Any]:
    clause = indexation.Clause(
        base_price=decimal(given["P_raw"]), fixed=Decimal(1), parts=(),
        step_up=decimal(given["c"]), step_down=decimal(given["d"]),
        floor=decimal(given["floor"]), ceiling=decimal(given["ceil"]),
    )  # fmt: skip
    found = indexation.price(clause, {}, before=decimal(given["P_prev"]))
    return {"P": float(found.price), "binding": found.binding.value}


def _rebased(given: Inputs) -> dict[str, float]:
    linked = indexation.rebased(
        decimal(given["I_new"]),
        overlap_old=decimal(given["overlap_old"]),
        overlap_new=decimal(given["overlap_new"]),
    )
    return {"I": float(linked)}


def _fitted(given: Inputs) -> dict[str, float]:
    found = baseline.fit(given["days"], given["HDD"], given["use_kWh"])
    return {
        "mu": found.base_kwh, "beta": found.slope_kwh, "CVRMSE": found.cv_rmse,
        "NMBE": found.nmbe, "R2": found.r2, "R2_adj": found.r2_adjusted,
    }  # fmt: skip


def _saved(given: Inputs) -> dict[str, float | None]:
    model = baseline.Fit(
        base_kwh=given["mu"], slope_kwh=given["beta"], cv_rmse=given["CVRMSE"], nmbe=0.0,
        r2=1.0, r2_adjusted=1.0, periods=given["n"],
    )  # fmt: skip
    found = baseline.verified_savings(
        model, days=given["days"], degree_days=given["HDD_r"], use_kwh=given["actual_kWh"],
        t_value=given["t90_10"],
    )  # fmt: skip
    return {
        "adjusted_kWh": found.adjusted_kwh, "savings_kWh": found.savings_kwh,
        "fraction": found.fraction, "FSU": found.uncertainty,
    }  # fmt: skip


def _degree_days(given: Inputs) -> dict[str, float]:
    means = given["Tmean"]
    return {
        "HDD": baseline.degree_days(means, base=given["Tb"]),
        "HDD_base18": baseline.degree_days(means, base=18),
        "HDD_eurostat18_15": baseline.degree_days(means, base=18, heating_limit=15),
    }


def _boiler(given: Inputs) -> dict[str, float]:
    factor = baseline.gross_factor(decimal(given["EF_ncv"]), net_to_gross=decimal(given["ncv_gcv"]))
    boiler = baseline.Boiler(
        efficiency=decimal(given["eta_gcv"]), fuel_price=decimal(given["p_fuel_gcv"]),
        carbon_kg_per_kwh=factor, carbon_price=decimal(given["co2_eur_t"]),
    )  # fmt: skip
    cost = baseline.cost_per_kwh(boiler, maintenance_per_kwh=decimal(given["OM_eur_kWh"]))
    return {
        "EF_gcv": float(factor),
        "co2_eur_kWh_fuel": float(factor * boiler.carbon_price / 1000),
        "c_heat": float(cost),
    }


def _shared(given: Inputs) -> dict[str, float]:
    avoided, payment = baseline.shared(
        heat_kwh=decimal(given["Q_kWh"]), cost_per_kwh=decimal(given["c_heat"]),
        spent=decimal(given["partner_cost"]), share=decimal(given["share"]),
    )  # fmt: skip
    return {"avoided_eur": float(avoided), "payment_eur": float(payment)}


FORMULAS = {
    "price.index": _indexed,
    "price.cap": _capped,
    "price.rebase": _rebased,
    "base.wls": _fitted,
    "base.savings": _saved,
    "base.hdd": _degree_days,
    "base.boiler": _boiler,
    "base.shared": _shared,
}
