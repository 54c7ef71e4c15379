"""
Contracts and what their terms say.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.db.models import F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from billing.domain import agreement, words
from billing.models import Contract, Terms
from sites.access import Viewer


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


@dataclass(frozen=True, slots=True)
class TermsInWords:
    """
    A version of terms: its local days, the last one included or None, and its sentences.
    """

    version: int
    model: str
    first_day: dt.date
    last_day: dt.date | None
    vat: str
    sentences: list[str]


def terms_in_words(*, viewer: Viewer, contract: Contract) -> list[TermsInWords]:
    """
    Return the versions of a contract's terms that the viewer may see, newest first.
    """
    rows = (
        Terms.objects.visible_to(viewer)
        .filter(contract=contract)
        .select_related("metering_point")
        .order_by("-version")
    )
    return [
        TermsInWords(
            version=terms.version,
            model=terms.get_model_display(),
            first_day=terms.valid.lower,
            last_day=terms.valid.upper and terms.valid.upper - dt.timedelta(days=1),
            vat=f"{terms.vat_category} {terms.vat_rate.normalize():f} %",
            sentences=words.sentences(
                model=terms.model,
                agreed=agreement.read(terms.model, terms.details),
                currency=contract.currency,
                contracted_kw=terms.contracted_kw,
                price_per_kw=terms.price_per_kw,
                price_per_kwh=terms.price_per_kwh,
                point=terms.metering_point.name if terms.metering_point else "",
            ),
        )
        for terms in rows
    ]
