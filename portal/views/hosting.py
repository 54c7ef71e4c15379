"""
The tenant's pages about its servers: overview and uptime.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.http import Http404, HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext

from billing import queries as billing
from portal import charts
from portal.drawings import first_of_month
from portal.templatetags.portal import month, number
from portal.views.base import PortalRequest, for_kind
from portal.views.lists import Column, csv_answer
from portal.views.uptime import credit_share, day_columns, span_of, strip_of
from sites import queries as places
from sites.access import Kind, Viewer
from telemetry import queries as metering
from telemetry.domain import availability
from telemetry.domain.availability import Uptime
from telemetry.domain.service_levels import UNKNOWN_TOLERATED

_WORST_FIRST = ("missing", "suspect", "estimated", "edited", "scaled", "actual")


DAYS = 90


def chosen(request: PortalRequest, services: Sequence[Any]) -> Any:
    """
    Return the service the reader asked for, else the first.

    :raises Http404: for a service that is not there or somebody else's
    """
    asked = request.GET.get("service")
    if asked is None and services:
        return services[0]
    for service in services:
        if str(service.pk) == asked:
            return service
    raise Http404


def today_at(service: Any, now: dt.datetime) -> dt.date:
    """
    Return the date at the service's site.
    """
    return now.astimezone(ZoneInfo(service.site.timezone)).date()


@dataclass(frozen=True, slots=True)
class ServiceRow:
    """
    One service of the overview with its uptime over the last 90 days and its last full month.
    """

    service: Any
    uptime: Uptime
    kwh: Decimal | None
    coverage: Decimal


@dataclass(frozen=True, slots=True)
class MonthSum:
    """
    The electricity of all services together in one month; coverage and quality are those
    of the one that was measured worst.
    """

    month: dt.date
    kwh: Decimal | None
    coverage: Decimal
    quality: str

    @property
    def whole(self) -> bool:
        return self.coverage >= 1


def _summed(months: Iterable[Any], month: dt.date) -> MonthSum:
    same = [m for m in months if m.month == month]
    known = [m.kwh for m in same if m.kwh is not None]
    return MonthSum(
        month=month,
        kwh=sum(known, Decimal(0)) if known else None,
        coverage=min((m.coverage for m in same), default=Decimal(0)),
        quality=next((q for q in _WORST_FIRST if any(m.quality == q for m in same)), "missing"),
    )


def _feeds(viewer: Viewer) -> dict[int, int]:
    """
    Return the service of each metering point that feeds one.
    """
    points = metering.points(viewer=viewer)
    return {p.pk: p.hosting_service_id for p in points if p.hosting_service_id is not None}


@for_kind(Kind.TENANT)
def overview(request: PortalRequest) -> HttpResponseBase:
    """
    How the tenant's servers are doing: uptime, electricity by month, the newest invoice.
    """
    now = timezone.now()
    services = places.hosting_services(viewer=request.viewer)
    if not services:
        return render(request, "hosting/none.html")
    today = today_at(services[0], now)
    uptimes = metering.service_availability(
        viewer=request.viewer,
        service_ids=[service.pk for service in services],
        first=today - dt.timedelta(days=DAYS - 1),
        end=today + dt.timedelta(days=1),
        now=now,
    )
    feeds = _feeds(request.viewer)
    newest = first_of_month(today, back=1)
    energies = metering.monthly_energy(
        viewer=request.viewer, point_ids=list(feeds), first_month=first_of_month(newest, back=23),
        last_month=first_of_month(today),
    )  # fmt: skip
    every = [m for months in energies.values() for m in months]
    started = first_of_month(min(service.site.started_on for service in services))
    last_twelve = [first_of_month(newest, back=n) for n in range(11, -1, -1)]
    # Months before the start are not missing. The newest stays, so that there is a last one.
    months = [_summed(every, m) for m in last_twelve if m >= min(started, newest)]
    if request.GET.get("format") == "csv":
        return csv_answer(months, _month_columns(), filename="electricity.csv")
    total = availability.total(uptimes.values())
    rows = [
        _service_row(service, uptimes.get(service.pk, Uptime()), energies, feeds, newest)
        for service in services
    ]
    context = {
        "services": rows,
        "notes": data_notes(services),
        "uptime": total,
        "so_far": _summed(every, first_of_month(today)),
        "last": months[-1],
        "months": months,
        "chart": _month_chart(months, every),
        "sentence": _sentence(months),
        "compared": any(_summed(every, first_of_month(m.month, back=12)).kwh for m in months),
        "invoice": billing.with_balance(billing.invoices(viewer=request.viewer)).first(),
        "days": DAYS,
        "zone": services[0].site.timezone,
        "now": now,
    }
    return render(request, "hosting/overview.html", context)


def _service_row(
    service: Any, uptime: Uptime, energies: Any, feeds: dict[int, int], month: dt.date
) -> ServiceRow:
    own = [m for point, ms in energies.items() if feeds[point] == service.pk for m in ms]
    found = _summed(own, month)
    return ServiceRow(service, uptime, found.kwh, found.coverage)


def data_notes(services: Iterable[Any]) -> dict[str, str]:
    """
    Return what readers must know about the data of each site that has such a note.
    """
    return {s.site.name: s.site.data_note for s in services if s.site.data_note}


def _month_chart(months: Sequence[MonthSum], every: Sequence[Any]) -> charts.Chart:
    bars = [
        charts.Bar(
            month(m.month, "short"),
            m.kwh,
            before=_summed(every, first_of_month(m.month, back=12)).kwh,
            title=month(m.month),
        )
        for m in months
    ]
    return charts.month_bars(bars, unit="kWh", number=number, tone="it")


def _sentence(months: Sequence[MonthSum]) -> str:
    """
    Say what the chart shows, with its numbers.
    """
    known = [(m.kwh, m.month) for m in months if m.kwh is not None]
    if not known:
        return gettext("No electricity was measured in the last twelve full months.")
    total = sum((kwh for kwh, _ in known), Decimal(0))
    # The least of all would be a month that was measured in part.
    whole = [(m.kwh, m.month) for m in months if m.kwh is not None and m.whole] or known
    (most, peak), (least, trough) = max(whole), min(whole)
    words = gettext(
        "%(total)s kWh from %(first)s to %(last)s. Most in %(peak)s (%(most)s), least in"
        " %(trough)s (%(least)s)."
    ) % {
        "total": number(total),
        "first": month(known[0][1]),
        "last": month(known[-1][1]),
        "peak": month(peak),
        "most": number(most),
        "trough": month(trough),
        "least": number(least),
    }
    partial_months = [month(m.month) for m in months if m.kwh is not None and not m.whole]
    if partial_months:
        words += " " + gettext("Not measured throughout: %s.") % ", ".join(partial_months)
    return words


def _month_columns() -> Sequence[Column[Any]]:
    return [
        Column("month", value=lambda m: f"{m.month:%Y-%m}"),
        Column("electricity_kwh", value=lambda m: m.kwh),
        Column("coverage", value=lambda m: m.coverage),
        Column("quality", value=lambda m: m.quality),
    ]


@for_kind(Kind.TENANT)
def uptime(request: PortalRequest) -> HttpResponseBase:
    """
    When a service was up over the last 90 days, minute by minute where it was heard.
    """
    now = timezone.now()
    services = places.hosting_services(viewer=request.viewer)
    if not services:
        return render(request, "hosting/none.html")
    service = chosen(request, services)
    days = metering.uptime_days(
        viewer=request.viewer, site_id=service.site_id, service_id=service.pk, now=now, days=DAYS
    )
    if request.GET.get("format") == "csv":
        return csv_answer(days, day_columns(), filename=f"uptime-{service.slug}.csv")
    period = span_of(days, service.site.timezone)
    strip = strip_of(
        request, days, zone=service.site.timezone, now=now,
        incidents=metering.incidents(
            viewer=request.viewer, site=service.site_id, service_id=service.pk, period=period
        ),
        work=metering.maintenance(
            viewer=request.viewer, site=service.site_id, service_id=service.pk, period=period,
            called_off=False,
        ),
    )  # fmt: skip
    context = {
        "services": services,
        "service": service,
        "days": days,
        "uptime": strip.uptime,
        "strip": strip,
        "counted": credit_share(strip.uptime),
        "tolerated": UNKNOWN_TOLERATED,
        "policy": metering.maintenance_policy(viewer=request.viewer, site_id=service.site_id),
        "coming": metering.maintenance(
            viewer=request.viewer, site=service.site_id, service_id=service.pk, coming_after=now
        ),
        "notes": data_notes([service]),
        "now": now,
    }
    return render(request, "hosting/uptime.html", context)
