"""
Availability of what is hosted, service by service, with what is left out and what it is a share of.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext

from portal.drawings import first_of_month
from portal.forms.availability import SpanForm
from portal.templatetags.portal import month as month_in_words
from portal.views.base import PortalRequest, for_kind
from portal.views.found import hosting_service
from portal.views.lists import Column, csv_answer, listing
from portal.views.uptime import credit_share, day_columns, span_of, strip_of
from sites import queries as places
from sites.access import Action, Kind
from telemetry import queries
from telemetry.domain import availability
from telemetry.domain.service_levels import UNKNOWN_TOLERATED

DAYS = 90
_MONTHS_BACK = 12


@dataclass(frozen=True, slots=True)
class ServiceRow:
    """
    One service with its availability; `heard` says whether it has a heartbeat of its own.
    """

    service: Any
    uptime: availability.Uptime
    heard: bool

    @property
    def counted(self) -> Decimal | None:
        """
        The figure that credits are counted with.
        """
        return credit_share(self.uptime)


@dataclass(frozen=True, slots=True)
class _Span:
    first: dt.date
    end: dt.date
    words: str


def _span(asked: str, today: dt.date) -> _Span:
    if asked:
        first = dt.date.fromisoformat(f"{asked}-01")
        return _Span(first, first_of_month(first, back=-1), month_in_words(first))
    return _Span(
        today - dt.timedelta(days=DAYS - 1), today + dt.timedelta(days=1),
        gettext("the last 90 days"),
    )  # fmt: skip


def _months(today: dt.date) -> list[tuple[str, str]]:
    months = [first_of_month(today, back=n) for n in range(_MONTHS_BACK + 1)]
    return [(f"{m:%Y-%m}", month_in_words(m)) for m in months]


def _columns() -> Sequence[Column[ServiceRow]]:
    return [
        Column("service", gettext("Service"), ("service",), lambda r: r.service.name),
        Column("site", gettext("Site"), ("site",), lambda r: r.service.site.name),
        Column("tenant", gettext("Tenant"), ("tenant",), lambda r: r.service.tenant.name),
        Column("known", gettext("Known"), ("known",), lambda r: r.uptime.share, numeric=True),
        Column("pessimistic", gettext("If unknown was down"), ("pessimistic",),
               lambda r: r.uptime.pessimistic, numeric=True),
        Column("optimistic", gettext("If unknown was up"), (),
               lambda r: r.uptime.optimistic, numeric=True),
        Column("for_credits", "", (), lambda r: r.counted),
        Column("down_s", gettext("Lost, min"), ("down",), lambda r: r.uptime.down_s, numeric=True),
        Column("unknown_s", gettext("Not known, min"), ("unknown",), lambda r: r.uptime.unknown_s,
               numeric=True),
        Column("planned_s", gettext("Planned, min"), (), lambda r: r.uptime.planned_s,
               numeric=True),
        Column("base_s", gettext("Of, min"), (), lambda r: r.uptime.base_s, numeric=True),
        Column("before_start_s", "", (), lambda r: r.uptime.before_start_s),
    ]  # fmt: skip


_SORTS: dict[str, Any] = {
    "service": lambda row: row.service.name.lower(),
    "site": lambda row: (row.service.site.name.lower(), row.service.name.lower()),
    "tenant": lambda row: row.service.tenant.name.lower(),
    "known": lambda row: row.uptime.share,
    "pessimistic": lambda row: row.uptime.pessimistic,
    "down": lambda row: row.uptime.down_s,
    "unknown": lambda row: row.uptime.unknown_s,
}


@for_kind(Kind.OPERATOR)
def services(request: PortalRequest) -> HttpResponseBase:
    """
    What is hosted, the worst first, with its availability over a stretch of time.
    """
    now = timezone.now()
    today = timezone.localdate(now)
    form = SpanForm(request.GET, months=_months(today))
    span = _span(form.chosen(), today)
    hosted = places.hosting_services(viewer=request.viewer)
    uptimes = queries.service_availability(
        viewer=request.viewer, service_ids=[s.pk for s in hosted], first=span.first, end=span.end,
        now=now,
    )  # fmt: skip
    rows = _sorted(
        [ServiceRow(s, uptimes.get(s.pk, availability.Uptime()), s.pk in uptimes) for s in hosted],
        request.GET.get("sort", ""),
    )
    columns = _columns()
    if request.GET.get("format") == "csv":
        return csv_answer(rows, columns, filename="availability.csv")
    context = {
        "form": form, "span": span, "listing": listing(request, rows, columns),
        "tolerated": UNKNOWN_TOLERATED,
        "lasting": queries.incidents(viewer=request.viewer, state="open")[:5],
        "coming": queries.maintenance(viewer=request.viewer, coming_after=now)[:5],
        "may_manage": request.viewer.can(Action.MANAGE_SITES),
    }  # fmt: skip
    template = "ops/_availability_rows.html" if request.htmx else "ops/availability.html"
    return render(request, template, context)


def _sorted(rows: list[ServiceRow], sort: str) -> list[ServiceRow]:
    key = _SORTS.get(sort.removeprefix("-"), _SORTS["pessimistic"])
    known = [row for row in rows if row.heard and key(row) is not None]
    return sorted(known, key=key, reverse=sort.startswith("-")) + [
        row for row in rows if row not in known
    ]


@for_kind(Kind.OPERATOR)
def service(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    One service: its 90 days with what lies behind each, its three figures and what they rest on.
    """
    shown = hosting_service(request, pk)
    now, zone = timezone.now(), shown.site.timezone
    days = queries.uptime_days(
        viewer=request.viewer, site_id=shown.site_id, service_id=pk, now=now, days=DAYS
    )
    period = span_of(days, zone)
    strip = strip_of(
        request, days, zone=zone, now=now,
        incidents=queries.incidents(
            viewer=request.viewer, site=shown.site_id, service_id=pk, period=period
        ),
        work=queries.maintenance(
            viewer=request.viewer, site=shown.site_id, service_id=pk, period=period,
            called_off=False,
        ),
    )  # fmt: skip
    if request.GET.get("format") == "csv":
        return csv_answer(days, day_columns(), filename=f"availability-{shown.slug}.csv")
    context = {
        "service": shown, "strip": strip, "uptime": strip.uptime, "now": now,
        "counted": credit_share(strip.uptime), "tolerated": UNKNOWN_TOLERATED,
        "policy": queries.maintenance_policy(viewer=request.viewer, site_id=shown.site_id),
        "months": _by_month(request, pk, now, zone),
        "probes": queries.probes(viewer=request.viewer, site=shown.site_id),
    }  # fmt: skip
    return render(request, "ops/availability_service.html", context)


def _by_month(
    request: PortalRequest, service_id: int, now: dt.datetime, zone: str
) -> list[tuple[dt.date, availability.Uptime]]:
    running = first_of_month(now.astimezone(ZoneInfo(zone)).date())
    found: list[tuple[dt.date, availability.Uptime]] = []
    for back in range(3):
        month = first_of_month(running, back=back)
        uptimes = queries.service_availability(
            viewer=request.viewer, service_ids=[service_id], first=month,
            end=first_of_month(month, back=-1), now=now,
        )  # fmt: skip
        if service_id in uptimes:
            found.append((month, uptimes[service_id]))
    return found
