"""
Pages for everybody: sites whose operator opted in. They ask nothing about the reader, set no
cookie and may be cached.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from portal.drawings import first_of_month, month_drawing
from portal.templatetags.portal import month, number
from portal.views.claims import (
    Claim,
    avoided_claim,
    claim_columns,
    erf_claim,
    pue_claim,
    reason_in_words,
    renewable_claim,
)
from portal.views.hosting import DAYS
from portal.views.lists import Column, csv_answer
from portal.views.uptime import day_columns, span_of, strip_of
from sites import queries as places
from telemetry import queries as metering
from telemetry.domain import availability, kpi

for_everybody = cache_control(public=True, max_age=300)


@for_everybody
@require_safe
def operator(request: HttpRequest, operator: str) -> HttpResponseBase:
    """
    The public sites of an operator; 404 where there is none.
    """
    sites = list(places.public_sites(operator_slug=operator))
    if not sites:
        raise Http404
    newest = first_of_month(_today(sites[0], timezone.now()), back=1)
    figures = metering.public_site_figures(
        site_ids=[place.pk for place in sites],
        first_month=first_of_month(newest, back=11),
        last_month=newest,
    )
    context = {
        "operator": sites[0].operator,
        "sites": [(site, figures.get(site.pk)) for site in sites],
        "first": first_of_month(newest, back=11),
        "last": newest,
        "checked": metering.public_checks(site_ids=[place.pk for place in sites]),
    }
    return render(request, "public/operator.html", context)


@dataclass(frozen=True, slots=True)
class Shown:
    """
    What everybody sees of a site: figures of the last twelve months that are over, uptime of the
    last ninety days, kinds of buildings, and who agreed to be named.
    """

    first: dt.date
    last: dt.date
    claims: list[Claim]
    months: list[Any]
    days: list[Any]
    uptime: availability.Uptime
    uses: list[tuple[str, int]]
    named: list[Any]
    checks: list[Any]

    @property
    def early_days(self) -> bool:
        """
        Whether there is less than a year to tell of.
        """
        return len(self.months) < 12


def shown_figures(place: Any, now: dt.datetime) -> Shown:
    """
    Return what is shown of a public site.
    """
    last = first_of_month(_today(place, now), back=1)
    first = first_of_month(last, back=11)
    span = {"first_month": first, "last_month": last}
    heat = metering.public_heat(site_id=place.pk, **span)
    # A month that began before the site was in service would not be the site's own.
    months = [m for m in heat if m.month >= place.started_on]
    days = metering.public_uptime_days(site_id=place.pk, now=now, days=DAYS)
    figures = metering.public_site_figures(site_ids=[place.pk], **span)[place.pk]
    return Shown(
        first=first,
        last=last,
        claims=[
            heat_claim(months),
            pue_claim(figures.pue),
            erf_claim(figures.erf, own_footprint=False),
            avoided_claim(metering.public_displaced(site_id=place.pk, **span), months=len(months)),
            renewable_claim(metering.public_renewable(site_id=place.pk, **span)),
        ],
        months=months,
        days=days,
        uptime=availability.total(days),
        uses=places.public_heat_uses(site_id=place.pk),
        named=places.publicly_named(site_id=place.pk),
        checks=metering.public_checks(site_ids=[place.pk]),
    )


@for_everybody
@require_safe
def site(request: HttpRequest, operator: str, site: str) -> HttpResponseBase:
    """
    What one public site does, with its figures and how they are made.
    """
    place = get_object_or_404(places.public_sites(operator_slug=operator), slug=site)
    now = timezone.now()
    shown = shown_figures(place, now)
    asked = request.GET.get("format")
    if asked == "csv":
        columns = claim_columns(shown.first, shown.last)
        return csv_answer(shown.claims, columns, filename=f"{site}-figures.csv")
    if asked == "heat":
        return csv_answer(shown.months, _heat_columns(), filename=f"{site}-heat.csv")
    if asked == "uptime":
        return csv_answer(shown.days, day_columns(), filename=f"{site}-uptime.csv")
    period = span_of(shown.days, place.timezone)
    incidents = metering.public_incidents(site_id=place.pk, period=period) if period else []
    context = {
        "operator": place.operator,
        "site": place,
        "shown": shown,
        "heat": shown.claims[0],
        "claims": shown.claims,
        "months": shown.months,
        "chart": month_drawing(shown.months),
        "sentence": _sentence(shown.months),
        "days": shown.days,
        "uptime": shown.uptime,
        "strip": strip_of(request, shown.days, zone=place.timezone, incidents=incidents, now=now),
        "uses": shown.uses,
        "first": shown.first,
        "last": shown.last,
        "now": now,
    }
    return render(request, "public/site.html", context)


def _today(place: Any, now: dt.datetime) -> dt.date:
    return now.astimezone(ZoneInfo(place.timezone)).date()


def heat_claim(months: Sequence[Any]) -> Claim:
    """
    Return the heat handed over in some months as a claim; each month weighs the same in its
    coverage.
    """
    known = [m.kwh for m in months if m.kwh is not None]
    coverage = sum((m.coverage for m in months), Decimal(0)) / (len(months) or 1)
    reason = None
    if not months:
        reason = kpi.Reason.NOT_STARTED
    elif not known:
        reason = kpi.Reason.NO_METER
    elif coverage < kpi.PUBLISHED_FROM:
        reason = kpi.Reason.LOW_COVERAGE
    total = None if reason else sum(known, Decimal(0))
    return Claim(
        key="heat",
        title=gettext("Heat delivered"),
        value=total,
        unit="kWh",
        text=number(total),
        shown_unit="kWh",
        scope=gettext(
            "Counted where it leaves the site, by heat meters. What the buildings make of it is"
            " not in it."
        ),
        source=gettext("Differences of the heat meters’ registers, cut at local midnights"),
        coverage=coverage,
        months=len(known),
        reason=reason_in_words(reason, coverage),
    )


def _sentence(months: Sequence[Any]) -> str:
    known = [(m.kwh, m.month) for m in months if m.kwh is not None]
    if not known:
        return gettext("No heat was measured in these months.")
    (most, peak), (least, trough) = max(known), min(known)
    return gettext(
        "Heat by month. Most in %(peak)s (%(most)s kWh), least in %(trough)s (%(least)s kWh)."
    ) % {
        "peak": month(peak),
        "most": number(most),
        "trough": month(trough),
        "least": number(least),
    }


def _heat_columns() -> Sequence[Column[Any]]:
    return [
        Column("month", value=lambda m: f"{m.month:%Y-%m}"),
        Column("heat_kwh", value=lambda m: m.kwh),
        Column("coverage", value=lambda m: m.coverage),
        Column("quality", value=lambda m: m.quality),
    ]
