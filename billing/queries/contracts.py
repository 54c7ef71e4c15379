"""
Contracts and what their terms say.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.db.backends.postgresql.psycopg_any import DateRange
from django.db.models import DateField, Exists, F, Func, Max, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from billing.domain import agreement, indexation, words
from billing.models import Baseline, Contract, InvoiceLine, Terms
from billing.queries.pricing import index_values
from sites.access import Viewer
from telemetry import queries as metering
from telemetry.models import LossPolicy


def price_models() -> list[tuple[str, str]]:
    """
    Return the price models with their names.
    """
    return [(str(value), str(label)) for value, label in Terms.Model.choices]


def contracts(
    *, viewer: Viewer, today: dt.date, search: str = "", model: str = "", status: str = ""
) -> QuerySet[Contract]:
    """
    Return the contracts the viewer may see with `model`, the price model of today or of their
    newest terms.
    """
    newest = Terms.objects.filter(contract=OuterRef("pk"))
    holding = newest.filter(valid__contains=today).order_by("-version").values("model")[:1]
    last = newest.order_by("-version").values("model")[:1]
    rows = (
        Contract.objects.visible_to(viewer)
        .select_related("customer", "site", "delivery_point", "hosting_service")
        .annotate(holding=Subquery(holding), last=Subquery(last))
        .annotate(model=_first("holding", "last"))
        .order_by("reference", "pk")
    )
    if search:
        rows = rows.filter(
            Q(reference__icontains=search)
            | Q(customer__name__icontains=search)
            | Q(site__name__icontains=search)
        )
    if status:
        rows = rows.filter(status=status)
    return rows.filter(model=model) if model else rows


def _first(*names: str) -> Coalesce:
    return Coalesce(*(F(name) for name in names))


# Why no VAT is charged (EN 16931, categories of VAT); the others have a rate.
_VAT = {"AE": "reverse charge", "E": "exempt", "Z": "at the zero rate"}


@dataclass(frozen=True, slots=True)
class TermsInWords:
    """
    A version of terms: its local days, the last one included or None, its sentences, and those
    of its service-level schedule. `state`: "coming", "held" or "over" on a day. Terms that were
    billed stay.
    """

    pk: int
    version: int
    model: str
    first_day: dt.date
    last_day: dt.date | None
    vat: str
    sentences: list[str]
    schedule: list[str]
    billed: bool
    state: str


def terms_in_words(*, viewer: Viewer, contract: Contract, today: dt.date) -> list[TermsInWords]:
    """
    Return the versions of a contract's terms that the viewer may see, newest first.
    """
    rows: Any = (
        Terms.objects.visible_to(viewer)
        .filter(contract=contract)
        .select_related("metering_point", "baseline")
        .annotate(billed=Exists(InvoiceLine.objects.filter(terms=OuterRef("pk"))))
        .order_by("-version")
    )
    found = []
    for terms in rows:
        agreed = agreement.read(terms.model, terms.details)
        found.append(
            TermsInWords(
                pk=terms.pk,
                version=terms.version,
                model=terms.get_model_display(),
                first_day=terms.valid.lower,
                last_day=terms.valid.upper and terms.valid.upper - dt.timedelta(days=1),
                vat=_VAT.get(terms.vat_category, f"{terms.vat_rate.normalize():f}%"),
                sentences=_sentences(terms, agreed, contract.currency),
                schedule=words.schedule(agreed),
                billed=terms.billed,
                state=_state(terms, today),
            )
        )
    return found


def _state(terms: Terms, today: dt.date) -> str:
    if today < terms.valid.lower:
        return "coming"
    return "held" if terms.valid.upper is None or today < terms.valid.upper else "over"


def terms(*, viewer: Viewer, contract_id: int) -> QuerySet[Terms]:
    """
    Return the versions of a contract's terms that the viewer may see, newest first.
    """
    return (
        Terms.objects.visible_to(viewer)
        .filter(contract_id=contract_id)
        .select_related("metering_point", "baseline", "contract")
        .order_by("-version")
    )


def billed_up_to(*, contract: Contract) -> dt.date | None:
    """
    Return the day after the last that was billed or drafted, None if nothing was.
    """
    found: dt.date | None = (
        contract.periods.filter(status__in=["drafted", "invoiced"])
        .annotate(end=Func("local_days", function="upper", output_field=DateField()))
        .aggregate(last=Max("end"))["last"]
    )
    return found


def first_open_day(*, contract: Contract) -> dt.date:
    """
    Return the first day of a contract on which new terms can begin: the one after what was billed
    or after the beginning of its newest terms, else its own first.
    """
    billed = billed_up_to(contract=contract)
    newest = contract.terms.order_by("-version").first()
    after = newest.valid.lower + dt.timedelta(days=1) if newest is not None else None
    return max(day for day in (contract.valid.lower, billed, after) if day is not None)


def draft_terms(*, contract: Contract, first_day: dt.date, **fields: Any) -> Terms:
    """
    Return terms that are not stored, to be read and tried.
    """
    return Terms(contract=contract, valid=DateRange(first_day, None), version=0, **fields)


def metering_points(*, viewer: Viewer, contract: Contract) -> list[tuple[int, str]]:
    """
    Return the metering points a contract may be billed from, with what is agreed about losses on
    the way; all of the site for a contract that pays its host.
    """
    rows = metering.points(viewer=viewer, site_id=contract.site_id).order_by("name", "pk")
    if contract.delivery_point_id is not None:
        own = rows.filter(Q(delivery_point_id=contract.delivery_point_id) | Q(boundary="facility"))
        policies = metering.loss_policies(
            viewer=viewer, delivery_point_id=contract.delivery_point_id
        )
        losses = next((loss_in_words(policy) for policy in policies), "no losses agreed")
    else:
        own = rows.filter(hosting_service_id=contract.hosting_service_id)
        losses = ""
    return [
        (point.pk, f"{point.name} ({losses})" if point.boundary == "heat_source" else point.name)
        for point in own
    ]


def loss_in_words(policy: LossPolicy) -> str:
    """
    Return what is agreed about losses in a few words.
    """
    if policy.method == LossPolicy.Method.PERCENT:
        return f"less {words.figure(policy.loss_percent)}% for losses"
    if policy.method == LossPolicy.Method.CONST_KW:
        return (
            f"less {words.figure(policy.loss_kw)} kW while the pipe is warmer than"
            f" {words.figure(policy.warm_from_c)} °C"
        )
    return "counted by the customer’s own meter"


@dataclass(frozen=True, slots=True)
class Draft:
    """
    Terms as somebody types them: in words, what their price clauses give for the first month, and
    what of that is lacking.
    """

    sentences: list[str]
    schedule: list[str]
    clauses: list[str]
    lacking: list[str]


def draft_in_words(*, viewer: Viewer, contract: Contract, terms: Terms, month: dt.date) -> Draft:
    """
    Return unsaved terms of a contract as they would read, with the arithmetic of their clauses
    for a month.

    :raises agreement.BadTerms: if the particulars are not understood
    """
    agreed = agreement.read(terms.model, terms.details)
    values = index_values(
        operator_id=contract.operator_id, wanted=agreement.months_needed(agreed, month)
    )
    clauses, lacking = [], []
    for item in agreed.index:
        try:
            means = {
                part.series: indexation.mean(
                    part.series, values.get(part.series, {}), item.reference.of(month)
                )
                for part in item.clause.parts
            }
            clauses.append(indexation.price(item.clause, means).formula)
        except indexation.IndexMissing as missing:
            lacking.append(f"The price index {missing} is not entered.")
    return Draft(
        sentences=_sentences(terms, agreed, contract.currency),
        schedule=words.schedule(agreed),
        clauses=clauses,
        lacking=lacking,
    )


def _sentences(terms: Terms, agreed: agreement.Agreed, currency: str) -> list[str]:
    point = terms.metering_point
    told = words.sentences(
        model=terms.model, agreed=agreed, currency=currency, contracted_kw=terms.contracted_kw,
        price_per_kw=terms.price_per_kw, price_per_kwh=terms.price_per_kwh,
        point=point.name if point else "",
    )  # fmt: skip
    if terms.baseline is not None:
        told.append(_baseline(terms.baseline))
    return told


def _baseline(model: Baseline) -> str:
    agreed = (
        f"agreed on {model.agreed_on:%d %B %Y} and frozen" if model.agreed_on else "not agreed yet"
    )
    return (
        f"The baseline “{model.name}”, {agreed}: {words.figure(model.base_kwh)} kWh a day and"
        f" {words.figure(model.slope_kwh)} kWh per degree day below"
        f" {words.figure(model.base_temperature)} °C, from a boiler of"
        f" {words.figure(model.boiler_efficiency * 100)}% efficiency."
    )


def short_terms(*, contract: Contract, terms: Terms) -> str:
    """
    Return the main sentences of terms, stored or not, in one line.
    """
    agreed = agreement.read(terms.model, terms.details)
    return " ".join(_sentences(terms, agreed, contract.currency)[:3])


def supply_in_words(*, viewer: Viewer, contract: Contract, day: dt.date) -> list[str]:
    """
    Return what is agreed about the heat of a contract's delivery point on a day, as far as the
    viewer may see it; nothing for hosting.
    """
    if contract.delivery_point_id is None:
        return []
    held = metering.supply_terms_on(
        viewer=viewer, delivery_point_id=contract.delivery_point_id, day=day
    )
    if held is None:
        return []
    windows = [(w.weekday, w.begins, w.ends) for w in held.windows.all()]
    return words.supply(
        least_c=held.supply_min_c, most_c=held.supply_max_c, return_c=held.return_max_c,
        kw=held.contracted_kw, outdoor_c=held.outdoor_min_c, promised=held.promised_percent,
        windows=windows,
    )  # fmt: skip
