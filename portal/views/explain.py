"""
One line of a document explained: the sentence, the arithmetic, the days behind it, the readings.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext

from billing import queries
from portal.views.base import PortalRequest, for_members
from portal.views.heat_charts import days_chart
from portal.views.lists import Column, csv_answer, listing
from sites.domain import Period
from telemetry import queries as telemetry

# What the inputs are called, and their unit behind.
_INPUTS = {
    "days": ("Days of the month it holds for", ""),
    "days_in_month": ("Days of the month", ""),
    "contracted_kw": ("Contracted power", "kW"),
    "energy_kwh": ("Energy as metered", "kWh"),
    "taken_kwh": ("Charged before in the year", "kWh"),
    "attributes_kwh": ("Covered by attributes", "kWh"),
    "matched_kwh": ("Matched in the hour", "kWh"),
    "counted": ("Time that counts", "s"),
    "up": ("Time available", "s"),
}


@for_members
def line(request: PortalRequest, pk: int) -> HttpResponseBase:
    """
    How a line came about, down to the readings; CSV of the readings.
    """
    shown = get_object_or_404(queries.lines_of(viewer=request.viewer), pk=pk)
    zone = ZoneInfo(shown.invoice.period.timezone)
    evidence = list(shown.evidence.order_by("instants"))
    channel_id = evidence[0].channel_id if evidence else None
    span = Period(shown.service.lower, shown.service.upper)
    # The reading at the end closes the line, so it is shown too.
    after = span.end + dt.timedelta(microseconds=1)
    readings = telemetry.readings_between(
        viewer=request.viewer, channel_id=channel_id or 0, start=span.start, end=after
    )
    columns: Sequence[Column[Any]] = [
        Column("at", gettext("Time"), (), lambda r: r.at.isoformat()),
        Column("value", _register(shown), (), lambda r: r.value, numeric=True),
    ]
    if request.GET.get("format") == "csv":
        name = f"{shown.invoice.number}-{shown.position}-readings.csv"
        return csv_answer(readings, columns, filename=name)
    days = (
        telemetry.energy_series(
            viewer=request.viewer, channel_id=channel_id, grain="day", period=span
        )
        if channel_id is not None
        else []
    )
    context = {
        "line": shown,
        "invoice": shown.invoice,
        "zone": shown.invoice.period.timezone,
        "evidence": evidence,
        "inputs": _inputs(shown),
        "indices": _indices(shown),
        "days": days,
        "chart": days_chart(days, zone) if days else None,
        "listing": listing(request, readings, columns) if channel_id is not None else None,
    }
    if request.GET.get("part") == "drawer":
        return render(request, "account/_line_drawer.html", context)
    template = "account/_line_readings.html" if request.htmx else "account/line.html"
    return render(request, template, context)


def _register(line: Any) -> str:
    unit = line.explanation.get("register")
    return gettext("Register, %s") % unit if unit else gettext("Register")


def _stored(line: Any) -> dict[str, Any]:
    """
    Return the inputs of the stretch that a line belongs to.
    """
    start = line.service.lower.isoformat()
    return next(
        (given for given in line.invoice.inputs if given.get("instants", [""])[0] == start), {}
    )


def _inputs(line: Any) -> list[tuple[str, Decimal, str]]:
    given = _stored(line)
    return [
        (gettext(label), Decimal(str(given[name])), unit)
        for name, (label, unit) in _INPUTS.items()
        if name in given
    ]


def _indices(line: Any) -> list[tuple[str, Decimal]]:
    price = {"standing": "price_per_kw"}.get(line.charge, "price_per_kwh")
    values = _stored(line).get("indices", {}).get(price, {})
    return sorted((series, Decimal(str(value))) for series, value in values.items())
