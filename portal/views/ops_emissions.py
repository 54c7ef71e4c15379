"""
The operator's emissions: both methods side by side, how electricity was bought, what heat avoided,
each in a box of its own; and the years that were reported of them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy

from portal.drawings import first_of_month
from portal.forms.emissions import Restatement
from portal.views.base import PortalRequest, for_kind
from portal.views.claims import avoided_claim, reason_in_words
from portal.views.lists import Column, csv_answer
from sites import queries as places
from sites.access import Action, Kind
from telemetry import operations, queries

_YEARS = 4


def span_of(request: PortalRequest) -> tuple[dt.date, dt.date]:
    """
    Return the first and last month the reader asked for: a year, else the last twelve that are
    over.
    """
    newest = first_of_month(timezone.localdate(), back=1)
    asked = request.GET.get("year", "")
    if not asked:
        return first_of_month(newest, back=11), newest
    if not asked.isdecimal() or not 2000 <= int(asked) <= newest.year:
        raise Http404
    return dt.date(int(asked), 1, 1), min(newest, dt.date(int(asked), 12, 1))


def years_to_choose() -> Sequence[int]:
    """
    Return the years a reader can choose, newest first.
    """
    newest = first_of_month(timezone.localdate(), back=1).year
    return range(newest, newest - _YEARS, -1)


@for_kind(Kind.OPERATOR)
def emissions(request: PortalRequest) -> HttpResponseBase:
    """
    Emissions of all sites by both methods, with the share that was bought as renewable and what
    was matched hour by hour.
    """
    first, last = span_of(request)
    found = queries.site_emissions(viewer=request.viewer, first_month=first, last_month=last)
    if request.GET.get("format") == "csv":
        return csv_answer(
            found, _columns(first, last), filename=f"emissions-{first:%Y-%m}-{last:%Y-%m}.csv"
        )
    context = {
        "first": first,
        "last": last,
        "year": request.GET.get("year", ""),
        "years": years_to_choose(),
        "closable": _closable(request),
        "rows": [(e, reason_in_words(e.footprint.reason, e.footprint.coverage)) for e in found],
        "location_kg": _total([e.footprint.kg for e in found]),
        "market_kg": _total([e.market_kg for e in found]),
        "counted": sum(e.footprint.kg is not None for e in found),
    }
    return render(request, "ops/emissions.html", context)


def _closable(request: PortalRequest) -> list[tuple[int, queries.Reported | None]]:
    """
    Return the years that are over, each with what was reported of it.
    """
    held = {r.year: r for r in queries.reported_years(viewer=request.viewer)}
    over = [y for y in years_to_choose() if y < timezone.localdate().year]
    return [(y, held.get(y)) for y in sorted({*over, *held}, reverse=True)]


def _total(figures: Sequence[Decimal | None]) -> Decimal | None:
    known = [kg for kg in figures if kg is not None]
    return sum(known, Decimal(0)) if known else None


def _columns(first: dt.date, last: dt.date) -> Sequence[Column[Any]]:
    return [
        Column("site", value=lambda e: e.site.slug),
        Column("first_month", value=lambda e: f"{first:%Y-%m}"),
        Column("last_month", value=lambda e: f"{last:%Y-%m}"),
        Column("electricity_kwh", value=lambda e: e.footprint.facility_kwh),
        Column("own_production_kwh", value=lambda e: e.footprint.own_kwh),
        Column("location_based_kg", value=lambda e: e.footprint.kg),
        Column("market_based_kg", value=lambda e: e.market_kg),
        Column("covered_by_attributes_kwh", value=lambda e: e.covered_kwh),
        Column("covered_share", value=lambda e: e.share),
        Column("matched_hourly", value=lambda e: e.matched.hourly),
        Column("carbon_free", value=lambda e: e.matched.carbon_free),
        Column("coverage", value=lambda e: f"{e.footprint.coverage:.4f}"),
        Column("reason", value=lambda e: e.footprint.reason),
        Column(
            "factors",
            value=lambda e: "; ".join(dict.fromkeys(f.source for f in e.footprint.factors)),
        ),
    ]


@for_kind(Kind.OPERATOR)
def site(request: PortalRequest, slug: str) -> HttpResponseBase:
    """
    One site: its footprint with each tenant's part, its purchase, its heat.
    """
    first, last = span_of(request)
    site_ids = queries.live_site_ids(viewer=request.viewer, slug=slug)
    found = queries.site_emissions(
        viewer=request.viewer, first_month=first, last_month=last, site_ids=site_ids
    )
    if not found:
        raise Http404
    (shown,) = found
    if request.GET.get("format") == "csv":
        return csv_answer(shown.parts, _part_columns(first, last), filename=f"tenants-{slug}.csv")
    heat = queries.displaced(
        viewer=request.viewer, site_id=shown.site.pk, first_month=first, last_month=last
    )
    context = {
        "shown": shown,
        "first": first,
        "last": last,
        "year": request.GET.get("year", ""),
        "years": years_to_choose(),
        "reason": reason_in_words(shown.footprint.reason, shown.footprint.coverage),
        "heat": heat,
        "avoided": avoided_claim(heat, months=len(shown.footprint.months)),
        "gas": any(f.gas == "co2e" for f in shown.footprint.factors),
    }
    return render(request, "ops/emissions_site.html", context)


def _part_columns(first: dt.date, last: dt.date) -> Sequence[Column[Any]]:
    return [
        Column("tenant", value=lambda row: row[0].tenant_name),
        Column("service", value=lambda row: row[0].service_name),
        Column("first_month", value=lambda row: f"{first:%Y-%m}"),
        Column("last_month", value=lambda row: f"{last:%Y-%m}"),
        Column("servers_kwh", value=lambda row: row[0].it_kwh),
        Column("with_share_of_site_kwh", value=lambda row: row[0].facility_kwh),
        Column("location_based_kg", value=lambda row: row[0].kg),
        Column("market_based_kg", value=lambda row: row[1] and row[1].kg),
        Column("covered_share", value=lambda row: row[1] and row[1].share),
        Column("matched_hourly", value=lambda row: row[1] and row[1].matched.hourly),
        Column("coverage", value=lambda row: f"{row[0].coverage:.4f}"),
        Column("reason", value=lambda row: row[0].reason),
    ]


@for_kind(Kind.OPERATOR)
def year(request: PortalRequest, year: int) -> HttpResponseBase:
    """
    One reported year with its restatements, or the way to report it.
    """
    if not 2000 <= year < timezone.localdate().year:
        raise Http404
    form = Restatement(request.POST if "restate" in request.POST else None)
    if request.method == "POST":
        if not request.viewer.can(Action.ISSUE_STATEMENTS):
            raise Http404
        if _acted(request, year, form):
            return redirect("ops-year", year=year)
    held = queries.reported_year(viewer=request.viewer, year=year)
    names = dict(places.sites(viewer=request.viewer).values_list("slug", "name"))
    context = {
        "year": year,
        "held": held,
        "reports": [(row, _told(row.figures, names)) for row in held.rows[::-1]] if held else [],
        "differences": [
            (names.get(d.site, d.site), _FIGURES.get(d.figure, d.figure), d)
            for d in held.differences
        ]
        if held
        else [],
        "form": form,
        "may_write": request.viewer.can(Action.ISSUE_STATEMENTS),
    }
    return render(request, "ops/year.html", context, status=422 if form.errors else 200)


# Units stand with the names: a reader compares kilograms with kilowatt-hours otherwise.
_FIGURES = {
    "facility_kwh": gettext_lazy("Electricity, kWh"),
    "location_based_kg": gettext_lazy("Location-based, kg"),
    "market_based_kg": gettext_lazy("Market-based, kg"),
    "avoided_kg": gettext_lazy("Avoided, kg"),
}


def _told(
    figures: Mapping[str, Mapping[str, str | None]], names: Mapping[str, str]
) -> list[tuple[str, dict[str, Decimal | None]]]:
    """
    Return the figures of a reported year as numbers, by the name of each site.
    """
    return [
        (
            names.get(slug, slug),
            {key: None if text is None else Decimal(text) for key, text in told.items()},
        )
        for slug, told in figures.items()
    ]


def _acted(request: PortalRequest, year: int, form: Restatement) -> bool:
    operator_id = request.viewer.stakeholder_id
    given: dict[str, Any] = {
        "operator_id": operator_id, "year": year, "at": timezone.now(),
        "by_id": request.viewer.user_id,
    }  # fmt: skip
    try:
        if "restate" in request.POST:
            if not form.is_valid():
                return False
            operations.restate_year(reason=form.cleaned_data["reason"], **given)
            messages.success(request, gettext("The year is restated; both figures are kept."))
        else:
            operations.close_year(**given)
            messages.success(request, gettext("The year is reported and its factors are frozen."))
    except (operations.NotClosed, operations.NotRestated) as problem:
        messages.error(request, str(problem))
    return True
