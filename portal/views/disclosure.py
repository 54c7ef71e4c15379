"""
Public figures for machines: carbon.txt and JSON. Only of sites whose operator opted in; names of
customers only with their consent.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from portal.views.public import for_everybody, shown_figures
from sites import queries as places
from telemetry.domain.carbon_txt import Disclosure, written


@for_everybody
@require_safe
def carbon_txt(request: HttpRequest) -> HttpResponse:
    """
    Where the evidence of this portal's operators is; 404 where none shows any.
    """
    today = timezone.localdate()
    disclosures: list[Disclosure] = []
    for operator in places.public_operators():
        disclosures.append(_disclosure(operator, None, today))
        disclosures += [
            _disclosure(operator, site, today)
            for site in places.public_sites(operator_slug=operator.slug)
        ]
    if not disclosures:
        raise Http404
    # Figures are added when a month is over.
    text = written(disclosures=disclosures, updated=today.replace(day=1))
    return HttpResponse(text, content_type="text/plain; charset=utf-8")


def _disclosure(operator: Any, site: Any | None, today: dt.date) -> Disclosure:
    # The pages show rolling months, so each month they are worth looking at anew.
    following = (today.replace(day=1) + dt.timedelta(days=62)).replace(day=1)
    base = settings.BASE_URL.rstrip("/")
    if site is None:
        return Disclosure(
            doc_type="sustainability-page",
            url=base + reverse("public-operator", args=[operator.slug]),
            title=f"{operator.name}: measured figures of its sites",
            valid_until=following,
        )
    return Disclosure(
        doc_type="web-page",
        url=base + reverse("public-site", args=[operator.slug, site.slug]),
        title=f"{site.name}: energy, recovered heat and uptime",
        valid_until=following,
    )


@for_everybody
@require_safe
def operator_feed(request: HttpRequest, operator: str) -> HttpResponse:
    """
    The figures of all public sites of an operator as JSON.
    """
    sites = list(places.public_sites(operator_slug=operator))
    if not sites:
        raise Http404
    told = {
        "operator": sites[0].operator.name,
        "page": settings.BASE_URL + reverse("public-operator", args=[operator]),
        "sites": [_feed(site) for site in sites],
    }
    return JsonResponse(told, json_dumps_params={"ensure_ascii": False, "indent": 1})


@for_everybody
@require_safe
def site_feed(request: HttpRequest, operator: str, site: str) -> HttpResponse:
    """
    The figures of one public site as JSON.
    """
    place = get_object_or_404(places.public_sites(operator_slug=operator), slug=site)
    return JsonResponse(_feed(place), json_dumps_params={"ensure_ascii": False, "indent": 1})


def _feed(site: Any) -> dict[str, Any]:
    shown = shown_figures(site, timezone.now())
    return {
        "site": site.name,
        "town": site.town,
        "country": site.country,
        "page": settings.BASE_URL + reverse("public-site", args=[site.operator.slug, site.slug]),
        "in_service_since": site.started_on,
        "first_month": f"{shown.first:%Y-%m}",
        "last_month": f"{shown.last:%Y-%m}",
        "time_zone": site.timezone,
        "early_days": shown.early_days,
        "data_note": site.data_note,
        "figures": [
            {
                "key": claim.key,
                "value": claim.stated,
                "unit": claim.unit,
                "coverage": claim.stated_coverage,
                "months": claim.months,
                "interim": claim.interim,
                "scope": claim.scope,
                "source": claim.source,
                "worked_out": claim.formula or None,
                "not_stated": claim.reason or None,
            }
            for claim in shown.claims
        ],
        "uptime_90_days": None if shown.uptime.share is None else f"{shown.uptime.share:.6f}",
        "heat_by_month_kwh": {
            f"{m.month:%Y-%m}": None if m.kwh is None else f"{m.kwh:.1f}" for m in shown.months
        },
        "heat_goes_to": [{"kind": kind, "buildings": n} for kind, n in shown.uses],
        "named_with_consent": [{"name": s.name, "kind": s.kind} for s in shown.named],
        "checked_by": [
            {
                "who": c.checker,
                "what": c.scope,
                "first_month": f"{c.first_month:%Y-%m}",
                "last_month": f"{c.last_month:%Y-%m}",
                "on": c.checked_on,
            }
            for c in shown.checks
        ],
    }
