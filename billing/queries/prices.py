"""
Indices and monthly figures, for people.
"""

from __future__ import annotations

import datetime as dt
from decimal import ROUND_HALF_UP, Decimal

from django.db.models import Count, Max, OuterRef, Q, QuerySet, Subquery

from billing.domain import indexation
from billing.models import Contract, IndexBasis, IndexValue, MonthlyFigure, PriceIndex
from sites.access import Viewer


def indices(*, viewer: Viewer, search: str = "") -> QuerySet[PriceIndex]:
    """
    Return the viewer's indices with `newest_month`, `newest_value` and `months`, how many they
    hold.
    """
    newest = IndexValue.objects.filter(index=OuterRef("pk")).order_by("-month", "-revision")
    rows = PriceIndex.objects.visible_to(viewer).annotate(
        newest_month=Max("values__month"),
        newest_value=Subquery(newest.values("value")[:1]),
        newest_provisional=Subquery(newest.values("provisional")[:1]),
        months=Count("values__month", distinct=True),
    )
    if search:
        rows = rows.filter(Q(name__icontains=search) | Q(code__icontains=search))
    return rows.order_by("name", "pk")


def newest_index_values(*, index_id: int) -> dict[dt.date, IndexValue]:
    """
    Return the newest revision of each month of an index, newest months first.
    """
    rows = (
        IndexValue.objects.filter(index_id=index_id)
        .select_related("basis")
        .order_by("-month", "-revision")
        .distinct("month")
    )
    return {row.month: row for row in rows}


def index_vintages(*, viewer: Viewer, index_id: int) -> QuerySet[IndexValue]:
    """
    Return all values that were ever entered for an index, newest months and revisions first.
    """
    return (
        IndexValue.objects.visible_to(viewer)
        .filter(index_id=index_id)
        .select_related("basis", "by")
        .order_by("-month", "-revision")
    )


def index_bases(*, viewer: Viewer, index_id: int) -> list[IndexBasis]:
    """
    Return the newer bases a series was linked to, newest first.
    """
    rows = IndexBasis.objects.visible_to(viewer).filter(index_id=index_id)
    return list(rows.order_by("-overlap_month", "-pk"))


def figures(*, viewer: Viewer, contract_id: int) -> QuerySet[MonthlyFigure]:
    """
    Return all figures that were ever entered for a contract, newest months and revisions first.
    """
    return (
        MonthlyFigure.objects.visible_to(viewer)
        .filter(contract_id=contract_id)
        .select_related("by")
        .order_by("-month", "kind", "-revision")
    )


def figure_kinds() -> list[tuple[str, str]]:
    """
    Return the kinds of monthly figures with their names.
    """
    return [(str(value), str(label)) for value, label in MonthlyFigure.Kind.choices]


def on_own_base(*, index_id: int, basis_id: int | None, value: Decimal) -> Decimal:
    """
    Return a published value on the own base of its series, six decimals.
    """
    if basis_id is None:
        return value
    basis = IndexBasis.objects.get(pk=basis_id, index_id=index_id)
    linked = indexation.rebased(value, overlap_old=basis.overlap_old, overlap_new=basis.overlap_new)
    return linked.quantize(Decimal("0.000001"), rounding=ROUND_HALF_UP)


def figures_needed(*, contract: Contract, today: dt.date) -> list[tuple[str, dt.date]]:
    """
    Return the figures that bills of months that are over wait for, oldest first, with the names
    of their kinds; at most those of the last year.
    """
    kinds = MonthlyFigure.Kind
    savings = list(contract.terms.filter(model="savings"))
    held = set(MonthlyFigure.objects.filter(contract=contract).values_list("kind", "month"))
    billed = set(contract.periods.filter(status="invoiced").values_list("local_days", flat=True))
    done = {days.lower.replace(day=1) for days in billed}
    found = []
    month = today.replace(day=1)
    for _ in range(12):
        month = (month - dt.timedelta(days=1)).replace(day=1)
        runs = any(
            terms.valid.lower <= month and (terms.valid.upper is None or month < terms.valid.upper)
            for terms in savings
        )
        if not runs or month in done:
            continue
        found += [
            (str(kind.label), month)
            for kind in (kinds.DEGREE_DAYS, kinds.FUEL_KWH)
            if (kind.value, month) not in held
        ]
    return found[::-1]
