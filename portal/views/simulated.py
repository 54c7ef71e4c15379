"""
Months as they were billed and as they are simulated, for pages.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

from django.utils.translation import gettext

from billing import operations, queries
from billing.domain import simulation
from portal import charts
from portal.templatetags.portal import number
from portal.views.base import PortalRequest


@dataclass(frozen=True, slots=True)
class MonthRow:
    """
    A month: what was billed, what it would have cost, and why that is not known.
    """

    month: dt.date
    energy_kwh: Decimal | None
    billed: Decimal | None
    simulated: Decimal | None
    why: str
    lines: Sequence[Any] = ()

    @property
    def difference(self) -> Decimal | None:
        if self.billed is None or self.simulated is None:
            return None
        return self.simulated - self.billed


@dataclass(frozen=True, slots=True)
class Result:
    """
    Twelve months side by side. Sums and drawing are of the months that have both figures.
    """

    rows: list[MonthRow]
    billed: Decimal
    simulated: Decimal
    compared: int
    all_simulated: Decimal
    known: int
    chart: charts.Chart | None

    @property
    def difference(self) -> Decimal:
        return self.simulated - self.billed


def result_of(
    request: PortalRequest, contract: Any, months: Sequence[simulation.Month], end: str
) -> Result:
    """
    Put rated months beside what was billed for them.
    """
    billed = queries.billed_by_month(viewer=request.viewer, contract_id=contract.pk)
    rows = [
        MonthRow(
            month=m.month, energy_kwh=m.energy_kwh, simulated=m.net, why=m.why, lines=m.lines,
            billed=sum(billed[m.month].values(), Decimal(0)) if m.month in billed else None,
        )
        for m in months
    ]  # fmt: skip
    both = [m for m in months if m.net is not None and m.month in billed]
    was = _added(billed[m.month] for m in both)
    now = _added(m.by_charge() for m in both)
    known = [row.simulated for row in rows if row.simulated is not None]
    return Result(
        rows=rows, billed=sum(was.values(), Decimal(0)), simulated=sum(now.values(), Decimal(0)),
        compared=len(both), all_simulated=sum(known, Decimal(0)), known=len(known),
        chart=_drawing(was, now, contract.currency, end) if both else None,
    )  # fmt: skip


def _added(parts: Any) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for part in parts:
        for kind, net in part.items():
            found[kind] = found.get(kind, Decimal(0)) + net
    return found


def _drawing(
    was: dict[str, Decimal], now: dict[str, Decimal], currency: str, end: str
) -> charts.Chart | None:
    steps = [
        charts.Step(operations.charge_name(kind), change)
        for kind, change in simulation.steps(was, now)
    ]
    if not steps:
        return None
    start = charts.Step(gettext("Billed, %s") % currency, sum(was.values(), Decimal(0)))
    return charts.waterfall(
        start=start, steps=steps, end=end, number=partial(number, decimals=2), width=1240,
    )  # fmt: skip
