"""
Golden cases of service levels of heat.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from telemetry.domain import heat_sla, spans
from tests.golden_billing import Inputs, decimal


def _heat_compliance(given: Inputs) -> dict[str, Any]:
    opens, closes = (dt.time.fromisoformat(text) for text in given["window"].split("-"))
    first = dt.date(2026, 4, 1)
    windows = [
        (
            dt.datetime.combine(first + dt.timedelta(days=n), opens, tzinfo=dt.UTC),
            dt.datetime.combine(first + dt.timedelta(days=n), closes, tzinfo=dt.UTC),
        )
        for n in range(given["days"])
    ]
    reached = 0

    def stretch(minutes: int, back: int = 0) -> list[spans.Span]:
        # The next so many minutes of the windows, beginning so many before the last ones ended.
        nonlocal reached
        begin, reached = reached - back, reached - back + minutes
        found, passed = [], 0
        for opened, closed in windows:
            length = (closed - opened) // dt.timedelta(minutes=1)
            lo, hi = max(begin - passed, 0), min(reached - passed, length)
            if lo < hi:
                minute = dt.timedelta(minutes=1)
                found.append((opened + lo * minute, opened + hi * minute))
            passed += length
        return found

    excluded = [*stretch(given["excl_maint_min"]), *stretch(given["excl_partner_min"])]
    bad = stretch(given["temp_bad_min"])
    bad += stretch(given["power_bad_min"], back=given["overlap_min"])
    found = heat_sla.compliance(windows=windows, excluded=excluded, bad=bad)
    return {
        "window_min": found.window_s // 60,
        "base_min": found.base_s // 60,
        "bad_min": found.bad_s // 60,
        "compliance": None if found.share is None else float(found.share),
    }


def _heat_shortfall(given: Inputs) -> dict[str, float]:
    step = dt.timedelta(hours=given["dt_h"])
    start = dt.datetime(2026, 4, 1, tzinfo=dt.UTC)

    def figures(name: str) -> list[spans.Step]:
        return [
            (start + n * step, start + (n + 1) * step, decimal(kw))
            for n, kw in enumerate(given[name])
        ]

    called = figures("call_kW")
    kwh = heat_sla.shortfall_kwh(
        contracted=decimal(given["P_contract_kW"]), called=called,
        delivered=figures("delivered_kW"), within=[(start, called[-1][1])],
    )  # fmt: skip
    return {"shortfall_kWh": float(kwh)}


FORMULAS = {"sla.heat": _heat_compliance, "sla.heat.shortfall": _heat_shortfall}
