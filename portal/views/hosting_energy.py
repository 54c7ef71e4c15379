"""
The tenant's energy and heat statement: a few figures, each with its limits.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from django.http import Http404, HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from portal import charts
from portal.drawings import by_hour_of_day, first_of_month, hours_drawing
from portal.templatetags.portal import month, number, percent
from portal.views.base import PortalRequest, for_kind
from portal.views.claims import (
    Claim,
    claim_columns,
    erf_claim,
    pue_claim,
    reason_in_words,
)
from portal.views.hosting import chosen, data_notes, today_at
from portal.views.lists import csv_answer
from sites import queries as places
from sites.access import Kind
from telemetry import queries as metering
from telemetry.domain.carbon import Rest
from telemetry.domain.kpi import Reason
from telemetry.domain.statement import METHOD


def _span(request: PortalRequest, newest: dt.date) -> tuple[dt.date, dt.date]:
    """
    Return the first and last month the reader asked for: a year, else the last twelve.
    """
    asked = request.GET.get("year", "")
    if not asked:
        return first_of_month(newest, back=11), newest
    if not asked.isdecimal() or not 2000 <= int(asked) <= newest.year:
        raise Http404
    return dt.date(int(asked), 1, 1), min(newest, dt.date(int(asked), 12, 1))


@for_kind(Kind.TENANT)
def energy(request: PortalRequest) -> HttpResponseBase:
    """
    The statement of one service over a year or the last twelve full months.
    """
    services = places.hosting_services(viewer=request.viewer)
    if not services:
        return render(request, "hosting/none.html")
    service = chosen(request, services)
    newest = first_of_month(today_at(service, timezone.now()), back=1)
    first, last = _span(request, newest)
    span: dict[str, Any] = {"first_month": first, "last_month": last}
    figures = metering.site_figures(viewer=request.viewer, site_ids=[service.site_id], **span)
    footprints = metering.tenant_footprint(viewer=request.viewer, service_ids=[service.pk], **span)
    footprint = next(iter(footprints), None)
    bought = metering.purchases(footprints=footprints, sites=[service.site], **span)
    purchase = bought.get(service.pk)
    claims = _claims(figures.get(service.site_id), footprint, purchase)
    if request.GET.get("format") == "csv":
        return csv_answer(
            claims, claim_columns(first, last), filename=f"statement-{service.slug}.csv"
        )
    earlier = metering.tenant_footprint(
        viewer=request.viewer, service_ids=[service.pk], first_month=first_of_month(first, back=12),
        last_month=first_of_month(last, back=12),
    )  # fmt: skip
    hours = metering.service_hours(viewer=request.viewer, service_id=service.pk, last_month=last)
    average = metering.Rules([service.site]).of(service.site, "benchmark.pue", on=last)
    context = {
        "services": services,
        "service": service,
        "claims": claims,
        "boxes": _boxes(claims),
        "footprint": footprint,
        "feeds": list(
            metering.channels(viewer=request.viewer, site_id=service.site_id).filter(
                point__hosting_service=service.pk
            )
        ),
        "purchase": purchase,
        "trend": footprint and _trend(footprint, next(iter(earlier), None)),
        "hours": hours_drawing(hours) if hours else None,
        "hours_month": hours[0].at.date() if hours else None,
        "by_hour": by_hour_of_day(hours),
        "compared": footprint and _compared(footprint, next(iter(earlier), None), average),
        "average": average[-1].rule if average else None,
        "checks": metering.outside_checks(viewer=request.viewer, site_id=service.site_id),
        "gas": _gas(footprint.factors) if footprint else "",
        "first": first,
        "last": last,
        "year": request.GET.get("year", ""),
        "years": range(newest.year, service.site.started_on.year - 1, -1),
        "notes": data_notes([service]),
        "all_months": footprint is not None and all(m.kg is not None for m in footprint.months),
        "complete": first == first_of_month(last, back=11),
    }
    return render(request, "hosting/energy.html", context)


def _claims(figures: Any, footprint: Any, purchase: Any) -> list[Claim]:
    claims = []
    if footprint is not None:
        claims += [_electricity(footprint), _emissions(footprint), _market(footprint, purchase)]
    if figures is not None:
        claims.append(pue_claim(figures.pue))
    if footprint is not None:
        claims += [_bought(footprint, purchase), _hour_by_hour(footprint, purchase)]
    if figures is not None:
        claims.append(erf_claim(figures.erf, own_footprint=True))
    return claims


def _boxes(claims: Sequence[Claim]) -> list[tuple[str, str, list[Claim]]]:
    """
    Return the claims in three boxes, each with its title and limit: they are never added up.
    """
    by_key = {claim.key: claim for claim in claims}

    def of(*keys: str) -> list[Claim]:
        return [by_key[key] for key in keys if key in by_key]

    return [
        (
            gettext("Electricity and emissions"),
            gettext("The two methods answer different questions, so both are shown."),
            of("it_energy", "emissions_location_based", "emissions_market_based", "pue"),
        ),
        (
            gettext("How the electricity was bought"),
            gettext("A balance over months is not electricity of the same hour."),
            of("renewable_share", "hourly_match"),
        ),
        (
            gettext("Heat of the site"),
            gettext("For information: it reduces no footprint of yours."),
            of("erf"),
        ),
    ]


def _measured_months(footprint: Any) -> int:
    return sum(1 for m in footprint.months if m.it_kwh is not None)


def _electricity(footprint: Any) -> Claim:
    # A missing factor takes away the emissions, not the electricity.
    reason = None if footprint.reason is Reason.NO_FACTOR else footprint.reason
    return Claim(
        key="it_energy",
        title=gettext("Electricity of your servers"),
        value=footprint.it_kwh,
        unit="kWh",
        text=number(footprint.it_kwh),
        shown_unit="kWh",
        scope=gettext(
            "Counted by the meter of your feed. With your share of cooling and losses it is %s kWh."
        )
        % number(footprint.facility_kwh),
        source=gettext("Differences of your meter’s register, cut at local midnights"),
        coverage=footprint.coverage,
        months=_measured_months(footprint),
        formula=_sum_of_months(footprint.months),
        reason=reason_in_words(reason, footprint.coverage),
    )


def _sum_of_months(months: Sequence[Any]) -> str:
    known = [m for m in months if m.it_kwh is not None]
    parts = [f"{month(m.month, 'short')} {number(m.it_kwh)}" for m in known]
    return gettext("By month, kWh: %s.") % ", ".join(parts)


def _gas(factors: Iterable[Any]) -> SafeString:
    """
    Name what the factors count: carbon dioxide alone, or with other gases as its equivalent.
    """
    equivalent = any("CO2e" in factor.basis for factor in factors)
    return format_html("CO<sub>2</sub>{}", "e" if equivalent else "")


def _emissions(footprint: Any) -> Claim:
    return Claim(
        key="emissions_location_based",
        title=gettext("Your emissions"),
        value=footprint.kg,
        unit="kg",
        text=number(footprint.kg),
        shown_unit=format_html("kg {}, {}", _gas(footprint.factors), gettext("location-based")),
        scope=gettext(
            "Your share of everything the site used, by the electricity of your servers, times the"
            " factor of the country’s grid. Reused heat is not deducted."
        ),
        source="; ".join(dict.fromkeys(_source_in_words(f) for f in footprint.factors)),
        coverage=footprint.coverage,
        months=sum(1 for m in footprint.months if m.kg is not None),
        formula=_emission_formula(footprint),
        reason=reason_in_words(footprint.reason, footprint.coverage),
    )


def _source_in_words(factor: Any) -> str:
    return gettext("GHG Protocol, scope 2; factors: %(source)s, %(licence)s") % {
        "source": factor.source,
        "licence": factor.licence,
    }


def _emission_formula(footprint: Any) -> str:
    """
    Multiply out each factor with the electricity it was used for.
    """
    parts = []
    for factor in footprint.factors:
        used = [m for m in footprint.months if m.factor is not None and m.factor.id == factor.id]
        kwh = sum((m.facility_kwh for m in used if m.facility_kwh is not None), Decimal(0))
        kg = sum((m.kg for m in used if m.kg is not None), Decimal(0))
        parts.append(
            gettext("%(region)s %(year)s: %(kwh)s kWh × %(factor)s kg per kWh = %(kg)s kg")
            % {
                "region": factor.region,
                "year": factor.data_year,
                "kwh": number(kwh),
                "factor": number(factor.kg_per_kwh, 3),
                "kg": number(kg),
            }
        )
    return "; ".join(parts)


def _market(footprint: Any, purchase: Any) -> Claim:
    kg = None if purchase is None or footprint.reason is not None else purchase.kg
    rest = purchase.rest if purchase is not None and purchase.residual is not None else None
    words = {
        Rest.SUPPLIER: gettext("What no certificate covers has the supplier’s mix."),
        Rest.RESIDUAL: gettext("What no certificate covers has the residual mix."),
        Rest.GRID: gettext(
            "What no certificate covers has the mean of the grid: no residual mix is held."
        ),
    }
    return Claim(
        key="emissions_market_based",
        title=gettext("By how it was bought"),
        value=kg,
        unit="kg",
        text=number(kg),
        shown_unit=format_html("kg {}, {}", _gas(footprint.factors), gettext("market-based")),
        scope=words[rest] if rest else gettext("All of it is covered by certificates."),
        source=gettext("GHG Protocol, scope 2; method %s") % METHOD,
        coverage=footprint.coverage,
        months=_measured_months(footprint),
        reason="" if kg is not None else reason_in_words(
            footprint.reason or Reason.NO_FACTOR, footprint.coverage
        ),
    )  # fmt: skip


def _bought(footprint: Any, purchase: Any) -> Claim:
    share = purchase.share if purchase is not None and purchase.covered_kwh else None
    reason = footprint.reason if footprint.reason is not Reason.NO_FACTOR else None
    return Claim(
        key="renewable_share",
        title=gettext("Over the whole time"),
        value=share,
        unit="1",
        text=percent(share),
        shown_unit=gettext("bought or made as renewable"),
        scope=gettext("Certificates and contracts of these months, and what the site made itself."),
        source=", ".join(purchase.lots) if purchase is not None else "",
        coverage=footprint.coverage,
        months=_measured_months(footprint),
        reason="" if share is not None else reason_in_words(
            reason or Reason.NO_ATTRIBUTES, footprint.coverage
        ),
    )  # fmt: skip


def _hour_by_hour(footprint: Any, purchase: Any) -> Claim:
    matched = purchase.matched if purchase is not None and purchase.matched.clean_kwh else None
    share = matched.hourly if matched is not None else None
    free = matched.carbon_free if matched is not None else None
    scope = gettext("Only what was produced in the same hour counts.")
    if free is not None:
        scope += " " + gettext(
            "With the grid’s own carbon-free share for the rest it is %s (CFE)."
        ) % percent(free)  # fmt: skip
    return Claim(
        key="hourly_match",
        title=gettext("Hour by hour"),
        value=share,
        unit="1",
        text=percent(share),
        shown_unit=gettext("of your servers’ use, in the same hour"),
        scope=scope,
        source=gettext("Attributes allocated to the hour; method %s") % METHOD,
        coverage=footprint.coverage,
        months=_measured_months(footprint),
        reason=(
            "" if share is not None else gettext("Not published: nothing is recorded by the hour.")
        ),
    )  # fmt: skip


def _trend(footprint: Any, earlier: Any) -> charts.Chart:
    """
    Draw the servers' electricity by month, the same month a year before behind it.
    """
    before = {m.month: m.it_kwh for m in earlier.months} if earlier is not None else {}
    bars = [
        charts.Bar(
            label=month(m.month, "short"),
            value=m.it_kwh,
            before=before.get(first_of_month(m.month, back=12)),
            title=month(m.month),
        )
        for m in footprint.months
    ]
    return charts.month_bars(
        bars, unit="kWh", number=number, tone="it", no_data=gettext("no data")
    )  # fmt: skip


def _compared(footprint: Any, earlier: Any, average: Sequence[Any]) -> list[tuple[str, Any, str]]:
    """
    Return what stands beside the emissions, like for like: name, kg, and in words what is alike.
    """
    if footprint.kg is None:
        return []
    rows: list[tuple[str, Any, str]] = [
        (gettext("Your servers here"), footprint.kg, gettext("location-based, as above"))
    ]
    if average:
        pue = average[-1].rule.value
        known = [m for m in footprint.months if m.it_kwh is not None and m.factor is not None]
        kg = sum((m.it_kwh * pue * m.factor.kg_per_kwh for m in known), Decimal(0))
        rows.append(
            (
                gettext("The same servers at the mean of data centres"),
                kg,
                gettext("same months, same grid, PUE %s instead of this site’s") % number(pue, 2),
            )
        )
    if earlier is not None and earlier.kg is not None:
        rows.append(
            (
                gettext("The same months a year before"),
                earlier.kg,
                gettext("with the servers and the grid of that time"),
            )
        )
    return rows
