"""
Runs golden cases: a JSON list of {id, formula, inputs, expected, tolerance, source}.

    python tests/golden.py FILE.json

One line a case, then `N passed, M failed`; exit code 1 if any failed. A case whose formula is not
known here counts as failed and is named.
"""

from __future__ import annotations

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
from telemetry.domain import units

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
    parts = money.split(
        Decimal(given["total_units"]) * money.CENT, [Decimal(w) for w in given["weights"]]
    )
    return {"units": [int(part / money.CENT) for part in parts]}


def _correction(given: Inputs) -> dict[str, float]:
    delta = Decimal(str(given["E_new"])) - Decimal(str(given["E_old"]))
    return {
        "delta_kWh": float(delta),
        "amount": float(money.to_cents(delta * Decimal(str(given["P_orig"])))),
    }


# By the start of the id; the longest that fits is taken.
FORMULAS: dict[str, Callable[[Inputs], Any]] = {
    "heat.units": _units,
    "alloc.largest_remainder": _shares,
    "vee.correction": _correction,
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
