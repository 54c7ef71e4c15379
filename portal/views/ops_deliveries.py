"""
A delivery point for its operator: which of its heat counts, how well heat was there, and what is
agreed.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext

from portal import heat_words
from portal.drawings import first_of_month
from portal.forms.supply import SupplyForm
from portal.views.base import PortalRequest, for_action, for_kind
from portal.views.found import delivery_point
from portal.views.heat_supply import MONTHS, counted_csv
from portal.views.lists import Column, csv_answer
from sites.access import Action, Kind
from sites.domain import Period, local_days, local_month
from telemetry import operations, queries

_EARLIEST = dt.date(2000, 1, 1)


def asked_month(request: PortalRequest, today: dt.date) -> dt.date:
    """
    Return the month of the address, else the running one. What is not a month or still to come
    counts as not asked.
    """
    this = today.replace(day=1)
    try:
        asked = dt.date.fromisoformat(f"{request.GET.get('month', '')}-01")
    except ValueError:
        return this
    return asked if _EARLIEST <= asked <= this else this


@for_kind(Kind.OPERATOR)
def delivery(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    One delivery point: a month of its heat by day, its last months, and its terms.
    """
    place = delivery_point(request, pk)
    zone = place.site.timezone
    today = timezone.now().astimezone(ZoneInfo(zone)).date()
    month = asked_month(request, today)
    period = local_month(month.year, month.month, zone)
    if request.GET.get("format") == "csv":
        return _csv(request, place, period, today)
    counted = queries.counted_heat(
        viewer=request.viewer, delivery_point_id=pk, period=period, grain="day"
    )
    first = first_of_month(today, back=MONTHS - 1)
    year = queries.counted_heat(
        viewer=request.viewer, delivery_point_id=pk, grain="month",
        period=Period(local_days(first, month.replace(day=2), zone).start, period.end)
        if month < first else local_days(first, today + dt.timedelta(days=1), zone),
    )  # fmt: skip
    kept = queries.heat_kept(
        viewer=request.viewer, delivery_point_ids=[pk], first=min(first, month),
        end=today + dt.timedelta(days=1),
    ).get(pk, [])  # fmt: skip
    terms = list(queries.supply_terms(viewer=request.viewer, delivery_point_id=pk))
    held = next((t for t in terms if t.superseded_at is None and today in t.valid), None)
    days = _days(month, today)
    context = {
        "place": place,
        "zone": zone,
        "month": month,
        "running": month == today.replace(day=1),
        "earlier": first_of_month(month, back=1),
        "later": first_of_month(month, back=-1) if month < today.replace(day=1) else None,
        "counted": [(row, heat_words.not_counted_in_words([row])) for row in counted],
        "chart": heat_words.counted_drawing(counted, days, width=1240) if counted else None,
        "total": sum((row.metered_kwh for row in counted), start=0),
        "counts": sum((row.counted_kwh for row in counted), start=0),
        "unjudged": sum((row.unjudged_kwh for row in counted), start=0),
        "reasons": heat_words.not_counted_in_words(counted),
        "months": _months(year, kept),
        "kept": next((row for row in kept if row.month == month), None),
        "terms": terms,
        "held": held,
        "words": heat_words.in_words(held) if held else None,
        "points": queries.points(viewer=request.viewer, site_id=place.site_id).filter(
            delivery_point=pk
        ),
        "may_manage": request.viewer.can(Action.MANAGE_METERING),
    }
    return render(request, "ops/delivery.html", context)


def _days(month: dt.date, today: dt.date) -> list[dt.date]:
    end = min(first_of_month(month, back=-1), today + dt.timedelta(days=1))
    return [month + dt.timedelta(days=n) for n in range((end - month).days)]


def _months(year: Sequence[Any], kept: Sequence[Any]) -> list[tuple[dt.date, Any, Any]]:
    """
    Return the months of which heat or its availability is known, the newest first.
    """
    heat = {row.start: row for row in year}
    there = {row.month: row for row in kept}
    known = sorted({*heat, *there}, reverse=True)[:MONTHS]
    return [(month, heat.get(month), there.get(month)) for month in known]


def _csv(request: PortalRequest, place: Any, period: Period, today: dt.date) -> HttpResponseBase:
    """
    The entries of a month, or with `of=versions` those that were superseded too, with `of=days`
    its days, or with `of=months` all months.
    """
    of = request.GET.get("of", "")
    name = f"{place.site.slug}-{place.slug}"
    if of == "months":
        kept = queries.heat_kept(
            viewer=request.viewer, delivery_point_ids=[place.pk], first=_EARLIEST,
            end=today + dt.timedelta(days=1),
        )  # fmt: skip
        return csv_answer(kept.get(place.pk, []), _kept_columns(), filename=f"{name}-on-time.csv")
    month = f"{period.end - dt.timedelta(days=1):%Y-%m}"
    if of == "days":
        return counted_csv(request.viewer, place, period, f"{name}-{month}-days.csv")
    entries = queries.heat_entries(viewer=request.viewer, delivery_point_id=place.pk, period=period)
    if of != "versions":
        entries = entries.filter(superseded_at__isnull=True)
    return csv_answer(entries, _entry_columns(place), filename=f"{name}-{month}-ledger.csv")


def _entry_columns(place: Any) -> Sequence[Column[Any]]:
    there = ZoneInfo(place.site.timezone)
    return [
        Column("start_utc", value=lambda e: e.start_at.isoformat()),
        Column("start_local", value=lambda e: e.start_at.astimezone(there).isoformat()),
        Column("metered_kwh", value=lambda e: e.metered_kwh),
        Column("counted_kwh", value=lambda e: e.counted_kwh),
        Column("not_counted_kwh", value=lambda e: e.not_counted_kwh),
        Column("reason", value=lambda e: e.reason),
        Column("estimated_kwh", value=lambda e: e.estimated_kwh),
        Column("supply_c", value=lambda e: e.supply_c),
        Column("return_c", value=lambda e: e.return_c),
        Column("mode", value=lambda e: e.mode),
        Column("version", value=lambda e: e.version),
        Column("computed_at", value=lambda e: e.computed_at.isoformat()),
        Column("superseded_at", value=lambda e: e.superseded_at and e.superseded_at.isoformat()),
    ]


def _kept_columns() -> Sequence[Column[queries.HeatKeptMonth]]:
    def of(name: str) -> Any:
        return lambda row: getattr(row, name)

    names = (
        "window_s", "planned_s", "partner_s", "return_s", "outdoor_s", "base_s", "bad_s",
        "unknown_s", "cool_s", "hot_s", "short_s", "outage_s", "share", "promised_percent",
        "shortfall_kwh",
    )  # fmt: skip
    return [
        Column("month", value=lambda r: f"{r.month:%Y-%m}"),
        *(Column(name, value=of(name)) for name in names),
    ]


@for_action(Action.MANAGE_METERING)
def new_terms(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    Agree on supply terms of a delivery point from a day on.
    """
    place = delivery_point(request, pk)
    today = timezone.now().astimezone(ZoneInfo(place.site.timezone)).date()
    held = queries.supply_terms_on(viewer=request.viewer, delivery_point_id=pk, day=today)
    points = (
        queries.points(viewer=request.viewer, site_id=place.site_id)
        .filter(delivery_point=pk)
        .order_by("boundary", "pk")
    )
    data = request.POST if request.method == "POST" else None
    form = SupplyForm(data, points=points, held=held, place=place)
    if form.is_valid():
        operations.agree_supply(
            delivery_point_id=pk, at=timezone.now(), by_id=request.viewer.user_id, **form.agreed()
        )
        messages.success(
            request, gettext("The terms are agreed. What has passed is judged within minutes.")
        )
        return redirect("ops-delivery", pk=pk)
    context = {
        "form": form,
        "title": gettext("Terms of supply"),
        "button": gettext("Agree"),
        "crumbs": [
            (reverse("ops-fleet"), gettext("Sites")),
            (reverse("ops-site", args=[place.site.slug]), place.site.name),
            (reverse("ops-delivery", args=[pk]), place.name),
        ],
        "hint": gettext("Times are those of the site, %s.") % place.site.timezone,
    }
    return render(request, "ops/supply_terms.html", context, status=422 if form.errors else 200)
