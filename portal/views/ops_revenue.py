"""
Revenue by site, price model and month; what heat leaves; and when money comes in.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from functools import partial
from typing import Any

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext

from billing import operations, queries
from portal import charts
from portal.drawings import first_of_month
from portal.forms.revenue import HeatCost
from portal.templatetags import portal as words
from portal.views.base import PortalRequest, for_action, for_kind
from portal.views.lists import Column, csv_answer
from sites import queries as places
from sites.access import Action, Kind


def _months(request: PortalRequest) -> tuple[dt.date, dt.date, str]:
    newest = first_of_month(timezone.localdate())
    asked = request.GET.get("year", "")
    if asked.isdecimal() and 2000 <= int(asked) <= newest.year:
        return dt.date(int(asked), 1, 1), min(newest, dt.date(int(asked), 12, 1)), asked
    return first_of_month(newest, back=12), first_of_month(newest, back=1), ""


def _columns() -> Sequence[Column[Any]]:
    return [
        Column("site", value=lambda r: r.site),
        Column("price_model", value=lambda r: r.model),
        Column("for", value=lambda r: "heat" if r.is_heat else "hosting"),
        Column("month", value=lambda r: f"{r.month:%Y-%m}"),
        Column("currency", value=lambda r: r.currency),
        Column("net", value=lambda r: r.net),
    ]


@for_kind(Kind.OPERATOR)
def revenue(request: PortalRequest) -> HttpResponseBase:
    """
    What was billed over twelve months, by site and price model; what heat leaves; what is due.
    """
    first, last, year = _months(request)
    rows = queries.revenue(viewer=request.viewer, first_month=first, last_month=last)
    if request.GET.get("format") == "csv":
        return csv_answer(rows, _columns(), filename=f"revenue-{first:%Y-%m}-{last:%Y-%m}.csv")
    names = dict(queries.price_models())
    due = queries.cash_due(viewer=request.viewer, today=timezone.localdate())
    currencies = sorted({row.currency for row in rows})
    context = {
        "first": first, "last": last, "year": year,
        "years": range(timezone.localdate().year, timezone.localdate().year - 4, -1),
        "currencies": [
            (currency, _drawing(of_it, first, last), _table(of_it, names))
            for currency in currencies
            if (of_it := [row for row in rows if row.currency == currency])
        ],
        "margins": queries.heat_margins(
            viewer=request.viewer, first_month=first, last_month=last
        ),
        "due": due,
        "due_rows": _due_rows(due),
        "may_bill": request.viewer.can(Action.BILL),
    }  # fmt: skip
    return render(request, "ops/revenue.html", context)


def _due_rows(due: dict[str, list[Any]]) -> list[tuple[tuple[str, Any], ...]]:
    """
    Return a row a week with its figure in each currency; weeks after the last due day are left
    out.
    """
    rows = list(zip(*([(c, week) for week in weeks] for c, weeks in due.items()), strict=True))
    while rows and not any(week.documents for _, week in rows[-1]):
        rows.pop()
    return rows


def _table(rows: list[Any], names: dict[str, str]) -> dict[str, Any]:
    """
    Return sites by price model with their sums.
    """
    models = sorted({row.model for row in rows}, key=list(names).index)
    sums: defaultdict[tuple[str, str], defaultdict[str, Decimal]] = defaultdict(
        lambda: defaultdict(Decimal)
    )
    together: defaultdict[str, Decimal] = defaultdict(Decimal)
    for row in rows:
        sums[row.site, row.slug][row.model] += row.net
        together[row.model] += row.net
    return {
        "models": [names[model] for model in models],
        "sites": [
            (site, slug, [of_site.get(model) for model in models], sum(of_site.values()))
            for (site, slug), of_site in sorted(sums.items())
        ],
        "together": [together[model] for model in models],
        "total": sum(together.values()),
    }


def _drawing(rows: list[Any], first: dt.date, last: dt.date) -> charts.Chart:
    """
    Draw what was billed a month, all price models together; a month nothing was billed for has
    no bar.
    """
    sums: defaultdict[dt.date, Decimal] = defaultdict(Decimal)
    for row in rows:
        sums[row.month] += row.net
    bars = []
    month = first
    while month <= last:
        bars.append(
            charts.Bar(
                label=words.month(month, "short"), value=sums.get(month),
                title=words.month(month),
            )
        )  # fmt: skip
        month = first_of_month(month, back=-1)
    return charts.month_bars(
        bars, unit=rows[0].currency, number=partial(words.number, decimals=0), tone="elec",
        no_data=gettext("nothing billed"), width=1200,
    )  # fmt: skip


@for_action(Action.BILL)
def heat_cost(request: PortalRequest, slug: str) -> HttpResponseBase:
    """
    A form for what heat of a site costs the operator itself.
    """
    site = get_object_or_404(places.sites(viewer=request.viewer), slug=slug)
    form = HeatCost(request.POST or None, today=timezone.localdate())
    if request.method == "POST" and form.is_valid():
        try:
            operations.state_heat_cost(
                site_id=site.pk, at=timezone.now(), by_id=request.viewer.user_id,
                **form.cleaned_data,
            )  # fmt: skip
            messages.success(request, gettext("The cost is stated."))
            return redirect("ops-revenue")
        except operations.NotAfterTheLast as problem:
            form.add_error("from_month", str(problem))
    present = queries.heat_costs(viewer=request.viewer, site_id=site.pk).first()
    hint = gettext("Nothing is stated yet.")
    if present is not None:
        hint = gettext("In force: %(price)s per kWh and %(fixed)s a month since %(month)s.") % {
            "price": words.price(present.price_per_kwh, site.currency),
            "fixed": words.money(present.fixed_per_month, site.currency),
            "month": words.month(present.valid.lower),
        }
    context = {
        "form": form, "title": gettext("Cost of heat at %s") % site.name,
        "button": gettext("State"), "crumbs": [(reverse("ops-revenue"), gettext("Revenue"))],
        "hint": hint,
    }  # fmt: skip
    return render(request, "ops/form.html", context)
