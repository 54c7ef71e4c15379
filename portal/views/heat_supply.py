"""
What a heat customer was promised, whether it was kept, and which of their heat counts.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone

from portal import heat_words
from portal.drawings import first_of_month
from portal.views.agreed import agreed
from portal.views.base import PortalRequest, for_kind
from portal.views.heat_buildings import chosen_building
from portal.views.lists import Column, csv_answer
from sites.access import Kind, Viewer
from sites.domain import Period
from telemetry import queries

MONTHS = 13


def kept_months(
    viewer: Viewer, building: Any, today: dt.date, *, back: int = MONTHS - 1
) -> list[queries.HeatKeptMonth]:
    """
    Return how well heat was there in the last months, the running one included, newest first.
    """
    found = queries.heat_kept(
        viewer=viewer, delivery_point_ids=[building.pk], first=first_of_month(today, back=back),
        end=today + dt.timedelta(days=1),
    )  # fmt: skip
    return found.get(building.pk, [])[::-1]


def last_kept(viewer: Viewer, building: Any, today: dt.date) -> queries.HeatKeptMonth | None:
    """
    Return the last full month, else the running one; None where nothing is agreed.
    """
    months = kept_months(viewer, building, today, back=1)
    full = [month for month in months if month.month < today.replace(day=1)]
    return next(iter(full or months), None)


def counted_month(viewer: Viewer, building: Any, period: Period) -> dict[str, Any]:
    """
    Return what of a month's heat counts and why the rest does not, for a page.
    """
    rows = queries.counted_heat(
        viewer=viewer, delivery_point_id=building.pk, period=period, grain="month"
    )
    return {
        "counted": rows[0] if rows else None,
        "reasons": heat_words.not_counted_in_words(rows, yours=True),
    }


def counted_csv(viewer: Viewer, building: Any, period: Period, name: str) -> HttpResponseBase:
    """
    The days of a month: what was metered, what counts, and what does not by reason.
    """
    rows = queries.counted_heat(
        viewer=viewer, delivery_point_id=building.pk, period=period, grain="day"
    )
    return csv_answer(rows, day_columns(), filename=name)


def day_columns() -> Sequence[Column[queries.CountedHeat]]:
    """
    Return the columns of days of counted heat, one for each reason.
    """

    def of_reason(reason: str) -> Any:
        return lambda row: row.not_counted.get(reason, 0)

    return [
        Column("day", value=lambda r: r.start),
        Column("metered_kwh", value=lambda r: r.metered_kwh),
        Column("counted_kwh", value=lambda r: r.counted_kwh),
        Column("not_counted_kwh", value=lambda r: r.not_counted_kwh),
        *(Column(f"{reason}_kwh", value=of_reason(reason)) for reason in heat_words.REASONS),
    ]


@for_kind(Kind.PARTNER)
def agreement(request: PortalRequest) -> HttpResponseBase:
    """
    What is agreed about the heat of a building, and how it was kept month by month.
    """
    buildings, building = chosen_building(request)
    if building is None:
        return render(request, "heat/nothing.html")
    zone = building.site.timezone
    today = timezone.now().astimezone(ZoneInfo(zone)).date()
    terms = [
        held
        for held in queries.supply_terms(viewer=request.viewer, delivery_point_id=building.pk)
        if held.superseded_at is None
    ]
    held = next((t for t in terms if today in t.valid), None)
    months = kept_months(request.viewer, building, today)
    context = {
        "buildings": buildings,
        "building": building,
        "zone": zone,
        "held": held,
        "coming": [t for t in terms if t.valid.lower is not None and t.valid.lower > today],
        "words": heat_words.in_words(held, yours=True) if held else None,
        "contracts": agreed(request.viewer, delivery_point_id=building.pk),
        "months": months,
        "kept": next((m for m in months if m.month < today.replace(day=1)), None),
    }
    return render(request, "heat/agreement.html", context)
