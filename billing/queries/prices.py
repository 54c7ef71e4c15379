"""
Indices, baselines and monthly figures, for people.
"""

from __future__ import annotations

import datetime as dt

from django.db.models import Count, Max, OuterRef, Q, QuerySet, Subquery

from billing.models import Baseline, IndexBasis, IndexValue, MonthlyFigure, PriceIndex
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


def baselines(*, viewer: Viewer, contract_id: int | None = None) -> QuerySet[Baseline]:
    """
    Return the baselines the viewer may see, newest first.
    """
    rows = Baseline.objects.visible_to(viewer).select_related("contract__customer")
    if contract_id is not None:
        rows = rows.filter(contract_id=contract_id)
    return rows.order_by("-pk")


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
