"""
What a stretch of a billing period is priced from, gathered in the form it is kept in.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import zoneinfo
from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import ROUND_FLOOR, Decimal
from typing import Any

from django.db.models import Q, Sum

from billing.domain import agreement, baseline, credits, indexation
from billing.models import (
    Contract,
    IndexValue,
    Invoice,
    InvoiceLine,
    MonthlyFigure,
    Terms,
)
from billing.queries.attributes import unbilled_attributes
from billing.queries.inputs import Incomplete, next_month
from billing.queries.qualified import heat_minutes, qualified
from sites.access import Kind, Role, Viewer
from sites.domain import Period, local_month
from telemetry import queries as metering
from telemetry.domain.service_levels import counts_for_credits, minutes_of

# The charges that are heat or electricity sold by the kWh, tiers and bands included.
IS_ENERGY = Q(charge="energy") | Q(charge__startswith="energy_")
# The line whose unit price is the price of the terms.
CHARGE_OF_PRICE = {"price_per_kw": "standing", "price_per_kwh": "energy"}
Stored = dict[str, Any]


def priced(
    *, contract: Contract, terms: Terms, instants: Period, first: dt.date, end: dt.date,
    energy: metering.MeteredEnergy | None, simulated: bool = False,
) -> Stored:  # fmt: skip
    """
    Return all that the local days from `first` up to `end` are priced from under their terms, as
    `billing.domain.rating.stretch` reads it, with what was metered. `simulated`: attributes that
    the contract's own bills used up are there again.

    :raises Incomplete: saying what is missing
    """
    month = first.replace(day=1)
    stored: Stored = {
        "terms_id": terms.pk,
        "model": terms.model,
        "details": terms.details,
        "instants": [instants.start.isoformat(), instants.end.isoformat()],
        "days": (end - first).days,
        "days_in_month": (next_month(month) - month).days,
        "vat_category": terms.vat_category,
        "vat_rate": str(terms.vat_rate),
        "is_first": first == contract.valid.lower,
    }
    figures = {
        "contracted_kw": terms.contracted_kw,
        "price_per_kw": terms.price_per_kw,
        "price_per_kwh": terms.price_per_kwh,
        "energy_kwh": energy.energy_kwh if energy else None,
    }
    stored |= {name: str(value) for name, value in figures.items() if value is not None}
    if end == contract.valid.upper:
        stored |= _deposit_held(contract)
    if terms.details or terms.model == Terms.Model.SAVINGS:
        agreed = agreement.read(terms.model, terms.details)
        stored |= _particulars(contract, terms, agreed, instants, first, end)
        if agreed.attribute_price is not None and contract.hosting_service_id is not None:
            own = contract.pk if simulated else None
            stored |= _attributes(
                contract.hosting_service_id, agreed, instants, first, end, but_of=own
            )
        if agreed.qualified_heat:
            stored |= qualified(contract, energy, instants, by_hour=bool(agreed.bands))
    return stored


def _particulars(
    contract: Contract, terms: Terms, agreed: agreement.Agreed, instants: Period,
    first: dt.date, end: dt.date,
) -> Stored:  # fmt: skip
    found: Stored = {}
    if agreed.escalation is not None:
        # Terms that are only tried on days before they begin have not risen yet.
        found["years"] = max(0, first.year - terms.valid.lower.year)
    if agreed.true_up:
        found |= year_of_savings(contract_id=contract.pk, first=first)
        found["ends_year"] = _ends_year(contract, end)
    if agreed.index:
        found |= _indexed(contract, agreed, first)
    if agreed.bands:
        found["hours"] = hours_of(terms, instants, contract.site.timezone)
    if agreed.tiers_per_year or agreed.minimum_kwh is not None:
        found["taken_kwh"] = str(_taken(contract, first))
        found["ends_year"] = _ends_year(contract, end)
    if agreed.service_credit is not None:
        found |= _uptime(contract, first, end)
    if agreed.heat_share is not None:
        found["pool"] = str(_pool(contract, agreed.heat_share, first))
    if terms.model == Terms.Model.SAVINGS:
        found["savings"] = _savings(contract, terms, first, end)
    return found


def _attributes(
    service_id: int, agreed: agreement.Agreed, instants: Period, first: dt.date, end: dt.date, *,
    but_of: int | None,
) -> Stored:  # fmt: skip
    """
    Return what energy attributes cover, kWh: only what is allocated to this very service, so that
    no other bill can hold it too.
    """
    held = metering.held_for_service(service_id=service_id, first=first, end=end)
    left = unbilled_attributes(service_id=service_id, month=first.replace(day=1), but_of=but_of)
    held = min(held, sum((kwh for _, kwh in left), Decimal(0)))
    # Down to whole Wh, so that the parts of a month never bill more than it holds.
    found = {"attributes_kwh": str(held.quantize(Decimal("0.001"), rounding=ROUND_FLOOR))}
    if agreed.matched_premium is not None:
        matched = metering.hourly_match(service_id=service_id, period=instants)
        found["matched_kwh"] = str(matched.matched_kwh)
    return found


def _ends_year(contract: Contract, end: dt.date) -> bool:
    return (end.month, end.day) == (1, 1) or end == contract.valid.upper


def _deposit_held(contract: Contract) -> Stored:
    held: Decimal | None = (
        InvoiceLine.objects.filter(invoice__contract=contract, charge="deposit")
        .filter(invoice__status=Invoice.Status.ISSUED)
        .aggregate(total=Sum("net"))["total"]
    )
    return {"deposit_held": str(held)} if held else {}


def year_of_savings(*, contract_id: int, first: dt.date) -> Stored:
    """
    Return what the statements of a calendar year before the day say together, as it is kept.
    """
    rows = [
        part["savings"]
        for document in Invoice.objects.filter(contract_id=contract_id, corrects__isnull=True)
        .filter(period__local_days__startswith__gte=first.replace(month=1, day=1))
        .filter(period__local_days__startswith__lt=first)
        .exclude(status=Invoice.Status.VOID)
        for part in document.inputs
        if "savings" in part
    ]
    return {
        f"year_{name}": str(sum((Decimal(row[name]) for row in rows), Decimal(0)))
        for name in ("savings", "charged_on")
    }


def _indexed(contract: Contract, agreed: agreement.Agreed, first: dt.date) -> Stored:
    month = first.replace(day=1)
    values = published_values(
        operator_id=contract.operator_id, wanted=agreement.months_needed(agreed, month)
    )
    try:
        return priced_by_indices(contract, agreed, first, values)
    except indexation.IndexMissing as missing:
        raise Incomplete(f"The price index {missing} is not entered.") from None


def priced_by_indices(
    contract: Contract, agreed: agreement.Agreed, first: dt.date,
    values: Mapping[str, Mapping[dt.date, indexation.Published]],
) -> Stored:  # fmt: skip
    """
    Return the means that price clauses take from published values, these values, and the prices
    that held before the day, as they are kept.

    :raises indexation.IndexMissing: naming series and month
    """
    plain = {code: {month: p.value for month, p in rows.items()} for code, rows in values.items()}
    indices: dict[str, dict[str, str]] = {}
    before: dict[str, str] = {}
    month = first.replace(day=1)
    for item in agreed.index:
        months = item.reference.of(month)
        indices[item.price] = {
            part.series: str(indexation.mean(part.series, plain.get(part.series, {}), months))
            for part in item.clause.parts
        }
        if item.clause.counts_from_before:
            held = _price_before(contract, CHARGE_OF_PRICE[item.price], first)
            if held is not None:
                before[item.price] = str(held)
    kept = {
        code: {month.isoformat(): p.stored() for month, p in sorted(rows.items())}
        for code, rows in values.items()
    }
    return {
        "indices": indices,
        "before": before,
        "index_values": kept,
        "index_month": month.isoformat(),
    }


def published_values(
    *, operator_id: int, wanted: Mapping[str, Iterable[dt.date]]
) -> dict[str, dict[dt.date, indexation.Published]]:
    """
    Return the newest revision of each wanted value, by series and month; what is not there is
    left out.
    """
    found: defaultdict[str, dict[dt.date, indexation.Published]] = defaultdict(dict)
    rows = (
        IndexValue.objects.filter(index__operator_id=operator_id, index__code__in=list(wanted))
        .filter(month__in=sorted({month for months in wanted.values() for month in months}))
        .order_by("index__code", "month", "-revision")
        .distinct("index__code", "month")
        .values_list("index__code", "month", "value", "revision", "provisional")
    )
    for code, month, value, revision, provisional in rows:
        found[code][month] = indexation.Published(value.normalize(), revision, provisional)
    return found


def index_values(
    *, operator_id: int, wanted: Mapping[str, Iterable[dt.date]]
) -> defaultdict[str, dict[dt.date, Decimal]]:
    """
    Return the newest value of each wanted month, by series; what is not there is left out.
    """
    found: defaultdict[str, dict[dt.date, Decimal]] = defaultdict(dict)
    for code, rows in published_values(operator_id=operator_id, wanted=wanted).items():
        found[code] = {month: published.value for month, published in rows.items()}
    return found


def _price_before(contract: Contract, charge: str, first: dt.date) -> Decimal | None:
    """
    Return the unit price that stands for the charge in the newest month before that of the day.
    """
    found = (
        InvoiceLine.objects.filter(invoice__contract=contract, charge=charge)
        .filter(invoice__period__local_days__startswith__lt=first.replace(day=1))
        .filter(reverses__isnull=True, reversed_by__isnull=True)
        .exclude(invoice__status=Invoice.Status.VOID)
        .order_by("-service")
        .values_list("unit_price", "terms__details")
        .first()
    )
    return None if found is None else indexation.price_of_line(*found)


def hours_of(terms: Terms, instants: Period, timezone: str) -> list[tuple[str, str]]:
    """
    Return local start and kWh of each hour at the terms' metering point, as they are kept.
    """
    if terms.metering_point_id is None:
        raise Incomplete("Prices by time of day need a metering point.")
    if terms.metering_point is not None and terms.metering_point.boundary == "heat_source":
        # Losses are agreed for a stretch of days, not by the hour.
        raise Incomplete("Prices by time of day need a meter on the customer's side.")
    zone = zoneinfo.ZoneInfo(timezone)
    return [
        (start.astimezone(zone).isoformat(), str(kwh))
        for start, kwh in metering.hourly_energy(point_id=terms.metering_point_id, period=instants)
    ]


def _taken(contract: Contract, first: dt.date) -> Decimal:
    """
    Return the kWh charged in the calendar year before the day, corrections included.
    """
    total: Decimal | None = (
        InvoiceLine.objects.filter(IS_ENERGY, invoice__contract=contract)
        .filter(invoice__period__local_days__startswith__gte=first.replace(month=1, day=1))
        .filter(invoice__period__local_days__startswith__lt=first)
        .exclude(invoice__status=Invoice.Status.VOID)
        .aggregate(total=Sum("quantity"))["total"]
    )
    return total or Decimal(0)


def _acting_for(contract: Contract) -> Viewer:
    # Billing reads for the operator, through the same scope as the operator's people.
    return Viewer(
        user_id=None, stakeholder_id=contract.operator_id, kind=Kind.OPERATOR,
        role=Role.ADMIN,
    )  # fmt: skip


def _uptime(contract: Contract, first: dt.date, end: dt.date) -> Stored:
    """
    Return the minutes the service or the heat was there, of those that count: the known ones, or
    all where too much is unknown. Announced work within its terms counts nowhere.
    """
    service_id = contract.hosting_service_id
    if service_id is None:
        return heat_minutes(contract, first, end)
    found = metering.service_availability(
        viewer=_acting_for(contract), service_ids=[service_id], first=first, end=end,
        now=dt.datetime.combine(end, dt.time(), dt.UTC) + dt.timedelta(days=2),
    ).get(service_id)  # fmt: skip
    if found is None or not found.known_s:
        raise Incomplete("The availability of the service is not known: no heartbeat arrived.")
    up, counted = counts_for_credits(**minutes_of(found))
    return {"up": up, "counted": counted}


def _pool(contract: Contract, share: Decimal, first: dt.date) -> Decimal:
    """
    Return the contract's part of the site's heat revenue of a month, shared by IT energy.
    """
    month = first.replace(day=1)
    waiting = (
        Contract.objects.filter(site=contract.site, delivery_point__isnull=False)
        .filter(valid__overlap=(month, next_month(month)), status__in=["active", "ended"])
        .exclude(
            invoices__in=Invoice.objects.filter(
                status=Invoice.Status.ISSUED, period__local_days__overlap=(month, next_month(month))
            )
        )
        .order_by("reference")
        .first()
    )
    if waiting is not None:
        raise Incomplete(
            f"The heat bill of contract {waiting.reference} for {month:%B %Y} is not issued, so"
            " the tenants' part of the heat revenue is not known."
        )
    revenue: Decimal | None = (
        InvoiceLine.objects.filter(IS_ENERGY, invoice__contract__site=contract.site)
        .filter(invoice__contract__delivery_point__isnull=False)
        .filter(invoice__status=Invoice.Status.ISSUED)
        .exclude(invoice__document_type=Invoice.Type.SELF_BILLED)
        .filter(invoice__period__local_days__overlap=(month, next_month(month)))
        .aggregate(total=Sum("net"))["total"]
    )
    used = _it_energy(contract, month)
    amount = credits.pool(revenue or Decimal(0), share=share)
    return credits.shared_pool(amount, used).get(contract.hosting_service_id or 0, Decimal(0))


def _it_energy(contract: Contract, month: dt.date) -> dict[int, Decimal]:
    period = local_month(month.year, month.month, contract.site.timezone)
    try:
        return metering.service_energy(site_id=contract.site_id, period=period)
    except metering.ReadingMissing as missing:
        raise Incomplete(
            "The IT energy by which heat revenue is shared has no readings for the hour from"
            f" {missing.args[0]:%d %B %Y %H:%M} UTC."
        ) from None


def _savings(contract: Contract, terms: Terms, first: dt.date, end: dt.date) -> dict[str, str]:
    model = terms.baseline
    if model is None or model.agreed_on is None:
        raise Incomplete("The baseline of the shared savings is not agreed by both sides.")
    month = first.replace(day=1)
    figures = monthly_figures(contract_id=contract.pk, month=month)
    kinds = MonthlyFigure.Kind
    for kind in (kinds.FUEL_KWH, kinds.DEGREE_DAYS):
        if kind not in figures:
            raise Incomplete(f"The figure “{kind.label}” of {month:%B %Y} is not entered.")
    used = figures.get(kinds.ELECTRICITY_KWH, Decimal(0))
    if used and kinds.ELECTRICITY_PRICE not in figures:
        label = kinds.ELECTRICITY_PRICE.label
        raise Incomplete(f"The figure “{label}” of {month:%B %Y} is not entered.")
    found = baseline.month_of_savings(
        base_kwh=model.base_kwh, slope_kwh=model.slope_kwh, days=(end - first).days,
        degree_days=figures[kinds.DEGREE_DAYS],
        boiler=baseline.Boiler(
            efficiency=model.boiler_efficiency, fuel_price=model.fuel_price,
            carbon_kg_per_kwh=model.carbon_kg_per_kwh, carbon_price=model.carbon_price,
            maintenance_per_year=model.maintenance_per_year,
        ),
        actual=baseline.Actual(
            figures[kinds.FUEL_KWH], used, figures.get(kinds.ELECTRICITY_PRICE, Decimal(0))
        ),
        carried=_carried(contract, terms, first),
        non_routine_kwh=figures.get(kinds.ADJUSTMENT_KWH, Decimal(0)),
    )  # fmt: skip
    return {name: str(value) for name, value in dataclasses.asdict(found).items()}


def _carried(contract: Contract, terms: Terms, first: dt.date) -> Decimal:
    """
    Return the loss that the month before left over, zero or below. Where a year is settled by
    itself, it leaves nothing to the next.
    """
    if terms.details.get("true_up") and first.month == 1:
        return Decimal(0)
    before = (
        Invoice.objects.filter(contract=contract, corrects__isnull=True)
        .filter(period__local_days__startswith__lt=first)
        .exclude(status=Invoice.Status.VOID)
        .order_by("-period__local_days")
        .first()
    )
    if before is None:
        return Decimal(0)
    last = before.inputs[-1].get("savings", {}) if before.inputs else {}
    return Decimal(last.get("carried", "0"))


def monthly_figures(*, contract_id: int, month: dt.date) -> dict[str, Decimal]:
    """
    Return the newest revision of each figure that was entered for a contract's month, by kind.
    """
    return dict(
        MonthlyFigure.objects.filter(contract_id=contract_id, month=month)
        .order_by("kind", "-revision")
        .distinct("kind")
        .values_list("kind", "value")
    )
