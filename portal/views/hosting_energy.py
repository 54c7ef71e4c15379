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

from portal.drawings import first_of_month
from portal.templatetags.portal import month, number
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
from telemetry.domain.kpi import Reason


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
    claims = _claims(figures.get(service.site_id), footprint)
    if request.GET.get("format") == "csv":
        return csv_answer(
            claims, claim_columns(first, last), filename=f"statement-{service.slug}.csv"
        )
    context = {
        "services": services,
        "service": service,
        "claims": claims,
        "footprint": footprint,
        "feeds": list(
            metering.channels(viewer=request.viewer, site_id=service.site_id).filter(
                point__hosting_service=service.pk
            )
        ),
        "first": first,
        "last": last,
        "year": request.GET.get("year", ""),
        "years": range(newest.year, service.site.started_on.year - 1, -1),
        "notes": data_notes([service]),
        "all_months": footprint is not None and all(m.kg is not None for m in footprint.months),
        "complete": first == first_of_month(last, back=11),
    }
    return render(request, "hosting/energy.html", context)


def _claims(figures: Any, footprint: Any) -> list[Claim]:
    claims = []
    if footprint is not None:
        claims += [_electricity(footprint), _emissions(footprint)]
    if figures is not None:
        claims += [pue_claim(figures.pue), erf_claim(figures.erf, own_footprint=True)]
    return claims


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
