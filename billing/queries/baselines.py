"""
Baselines of shared savings, and what they were fitted to.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from django.db.models import QuerySet

from billing.domain import balance_point
from billing.domain import baseline as saving
from billing.models import Baseline
from sites.access import Viewer


def baselines(*, viewer: Viewer, contract_id: int | None = None) -> QuerySet[Baseline]:
    """
    Return the baselines the viewer may see, newest first.
    """
    rows = Baseline.objects.visible_to(viewer).select_related("contract__customer")
    if contract_id is not None:
        rows = rows.filter(contract_id=contract_id)
    return rows.order_by("-pk")


def fit_of(*, baseline: Baseline) -> saving.Fit | None:
    """
    Return how well a baseline fits its bills; None for one that was stated.
    """
    kept = baseline.fitted_on
    names = [field.name for field in fields(saving.Fit)]
    return saving.Fit(**{name: kept[name] for name in names}) if "r2" in kept else None


@dataclass(frozen=True, slots=True)
class FittedPeriod:
    """
    A bill a baseline was fitted to, and what the baseline says of its days.
    """

    days: float
    degree_days: float
    use_kwh: float
    fitted_kwh: float
    # The local days it is of, both included, where they are known.
    first: dt.date | None = None
    last: dt.date | None = None


def periods_of(*, baseline: Baseline) -> list[FittedPeriod]:
    """
    Return the bills a baseline was fitted to.
    """
    kept = baseline.fitted_on
    base, slope = float(baseline.base_kwh), float(baseline.slope_kwh)
    rows = zip(*(kept.get(name, ()) for name in ("days", "degree_days", "use_kwh")), strict=True)
    bounds = [tuple(map(dt.date.fromisoformat, days)) for days in kept.get("bills", ())]
    return [
        FittedPeriod(d, h, use, base * d + slope * h, *(bounds[n] if bounds else ()))
        for n, (d, h, use) in enumerate(rows)
    ]


def candidates_of(*, baseline: Baseline) -> list[balance_point.Candidate]:
    """
    Return the base temperatures that were tried; empty where the bills stated their degree days.
    """
    return [_candidate(one) for one in baseline.fitted_on.get("tried", ())]


def _candidate(kept: Mapping[str, Any]) -> balance_point.Candidate:
    found = kept["fit"]
    return balance_point.Candidate(
        base_temperature=kept["base_temperature"], degree_days=tuple(kept["degree_days"]),
        fit=None if found is None else saving.Fit(**found), refused=kept["refused"],
    )  # fmt: skip


def daily_means_of(*, baseline: Baseline) -> list[tuple[dt.date, float]]:
    """
    Return the daily mean temperatures a baseline was fitted to, degrees C.
    """
    kept = baseline.fitted_on.get("daily_means", {})
    return [(dt.date.fromisoformat(day), mean) for day, mean in sorted(kept.items())]
