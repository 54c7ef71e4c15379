"""
The inputs of a simulation: what the last closed months were metered at, under any terms, and what
was billed for them.
"""

from __future__ import annotations

import copy
import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal

from django.db.models import Sum

from billing.domain.simulation import Input, kind_of
from billing.models import Contract, Invoice, InvoiceLine, Terms
from billing.queries.inputs import Incomplete, metered_all, next_month
from billing.queries.pricing import priced
from sites.access import Viewer
from sites.domain import Period, local_month
from telemetry import queries as metering
from telemetry.models import MeteringPoint


def closed_months(*, today: dt.date, count: int = 12) -> list[dt.date]:
    """
    Return the first days of the last months that are over, oldest first.
    """
    months = []
    month = today.replace(day=1)
    for _ in range(count):
        month = (month - dt.timedelta(days=1)).replace(day=1)
        months.append(month)
    return months[::-1]


def simulated_inputs(
    *, contract: Contract, terms: Sequence[Terms], months: Sequence[dt.date]
) -> list[list[Input]]:
    """
    Return for each of several terms, stored or not, what months would be rated from had they held
    in all of them. What a point counted is read once for all. A baseline that nobody agreed to yet
    counts as agreed.
    """
    periods = {m: local_month(m.year, m.month, contract.site.timezone) for m in months}
    asked = {(one.metering_point_id, month): one for one in terms for month in months
             if one.metering_point_id is not None}  # fmt: skip
    found = metered_all(wanted=[(one, periods[month]) for (_, month), one in asked.items()])
    energies = dict(zip(asked, found, strict=True))
    return [
        [
            _input(
                contract,
                _agreed(one),
                month,
                periods[month],
                energies.get((one.metering_point_id or 0, month)),
            )
            for month in months
        ]
        for one in terms
    ]


def _agreed(terms: Terms) -> Terms:
    if terms.baseline is None or terms.baseline.agreed_on is not None:
        return terms
    tried = copy.copy(terms)
    tried.baseline = copy.copy(terms.baseline)
    tried.baseline.agreed_on = terms.valid.lower
    return tried


def _input(
    contract: Contract, terms: Terms, month: dt.date, instants: Period,
    energy: metering.MeteredEnergy | Incomplete | None,
) -> Input:  # fmt: skip
    try:
        if isinstance(energy, Incomplete):
            raise energy
        stored = priced(
            contract=contract, terms=terms, instants=instants, first=month,
            end=next_month(month), energy=energy, simulated=True,
        )  # fmt: skip
    except Incomplete as gap:
        return Input(month, None, why=str(gap))
    gross = None if energy is None else energy.energy_kwh
    point = terms.metering_point
    if energy is not None and point is not None and point.boundary == "heat_source":
        gross = metering.energy_over(channel_id=energy.channel_id, period=instants)
    return Input(month, stored, metered_kwh=gross)


def billed_by_month(*, viewer: Viewer, contract_id: int) -> dict[dt.date, dict[str, Decimal]]:
    """
    Return the net that stands on issued documents of a contract by month and kind of charge,
    corrections included, deposits left out.
    """
    rows = (
        InvoiceLine.objects.filter(
            invoice__in=Invoice.objects.visible_to(viewer).filter(
                contract_id=contract_id, status=Invoice.Status.ISSUED
            )
        )
        .exclude(charge__in=["deposit", "deposit_back"])
        .values_list("invoice__period__local_days", "charge")
        .annotate(total=Sum("net"))
    )
    found: defaultdict[dt.date, defaultdict[str, Decimal]] = defaultdict(
        lambda: defaultdict(Decimal)
    )
    for days, charge, total in rows:
        found[days.lower.replace(day=1)][kind_of(charge)] += total
    return {month: dict(charges) for month, charges in found.items()}


def yearly_energy(
    *, contract: Contract, point_id: int | None, months: Sequence[dt.date]
) -> Decimal | None:
    """
    Return the kWh a point counted over months, as far as they are known; None if none is.
    """
    if point_id is None:
        return None
    point = MeteringPoint.objects.get(pk=point_id)
    asked = [
        (
            Terms(contract=contract, metering_point=point),
            local_month(m.year, m.month, contract.site.timezone),
        )
        for m in months
    ]
    found = metered_all(wanted=asked)
    known = [e.energy_kwh for e in found if e is not None and not isinstance(e, Incomplete)]
    return sum(known, Decimal(0)) if known else None
