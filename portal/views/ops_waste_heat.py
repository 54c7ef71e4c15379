"""
A site's entry in the German platform for waste heat: what is asked, what is lacking, and the load
profile.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.http import Http404, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext

from portal import charts
from portal.forms.reports import Declared
from portal.templatetags.portal import month, number
from portal.views.base import PortalRequest, for_kind
from portal.views.lists import Column, csv_answer
from portal.views.ops_reports import declared
from sites import queries as places
from sites.access import Action, Kind
from telemetry import queries
from telemetry.domain.regulatory import HEAT_FIELDS


@for_kind(Kind.OPERATOR)
def waste_heat(request: PortalRequest, slug: str, year: int) -> HttpResponseBase:
    """
    The entry of a year: read, completed, and as CSV; its load profile as another.
    """
    site = places.sites(viewer=request.viewer).filter(slug=slug).first()
    if site is None or not 2000 <= year <= timezone.localdate().year:
        raise Http404
    heat = queries.waste_heat(viewer=request.viewer, site_id=site.pk, year=year)
    if heat is None:
        raise Http404
    asked = request.GET.get("format")
    if asked == "csv":
        name = f"waste-heat-{slug}-{year}.csv"
        return csv_answer(heat.answers, _columns(heat), filename=name)
    if asked == "profile":
        name = f"load-profile-{slug}-{year}.csv"
        return csv_answer(heat.hours, _profile_columns(heat), filename=name)
    form = Declared(
        request.POST or None, fields=HEAT_FIELDS,
        answers={answer.field.symbol: answer.value for answer in heat.answers},
    )  # fmt: skip
    if declared(request, form, site_id=site.pk, year=year):
        return redirect("ops-waste-heat", slug=slug, year=year)
    context = {
        "heat": heat,
        "site": site,
        "form": form,
        "may_write": request.viewer.can(Action.MANAGE_SITES),
        "chart": _chart(heat) if heat.hours else None,
        # Any Monday names the first of them.
        "weekdays": [(dt.date(2024, 1, day), kw) for day, kw in heat.by_weekday_kw],
    }
    return render(request, "ops/waste_heat.html", context, status=422 if form.errors else 200)


def _chart(heat: Any) -> charts.Chart:
    """
    Draw the mean power of each month.
    """
    bars = [
        charts.Bar(label=month(m.month, "short"), value=m.mean_kw, title=month(m.month))
        for m in heat.months
    ]
    return charts.month_bars(bars, unit="kW", number=number, no_data=gettext("no data"))


def _columns(heat: Any) -> list[Column[Any]]:
    return [
        Column("site", value=lambda a: heat.site.slug),
        Column("year", value=lambda a: heat.year),
        Column("number", value=lambda a: a.field.annex),
        Column("code", value=lambda a: a.field.symbol),
        Column("question", value=lambda a: a.field.words),
        Column("answer", value=lambda a: a.value),
        Column("unit", value=lambda a: a.field.unit),
        Column("origin", value=lambda a: a.field.origin.value),
        Column("lacking", value=lambda a: a.gap),
        Column("note", value=lambda a: a.note),
    ]


def _profile_columns(heat: Any) -> list[Column[Any]]:
    return [
        Column("site", value=lambda h: heat.site.slug),
        Column("timezone", value=lambda h: heat.site.timezone),
        Column("month", value=lambda h: f"{heat.year}-{h.month:02}"),
        Column("weekday_1_is_monday", value=lambda h: h.weekday),
        Column("hour_from", value=lambda h: h.hour),
        Column("hours_measured", value=lambda h: h.measured),
        Column("mean_kw", value=lambda h: f"{h.mean_kw:.3f}"),
        Column("highest_kw", value=lambda h: f"{h.max_kw:.3f}"),
    ]
