"""
What was billed by site, price model and month; what heat leaves; and when money is due.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.backends.postgresql.psycopg_any import DateRange
from django.db.models import BooleanField, Case, ExpressionWrapper, F, Q, QuerySet, Sum, When
from django.db.models.functions import TruncMonth

from billing.domain.margin import HeatMonth, Margin, margin
from billing.models import HeatCost, Invoice, InvoiceLine, Terms
from billing.queries.settlement import open_documents
from sites.access import Viewer
from sites.models import Site
from telemetry.models import MeteringPoint
from telemetry.queries import monthly_energy
from telemetry.queries.jointly import months_between

# Money held for a customer is no revenue.
_HELD = ("deposit", "deposit_back")
_WEEK = dt.timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Revenue:
    """
    What was billed, net, for one month of a site by one price model, for heat or for hosting;
    what a host is paid is negative. Corrections count for the month they correct.
    """

    site_id: int
    site: str
    slug: str
    model: str
    is_heat: bool
    month: dt.date
    currency: str
    net: Decimal


def _lines(viewer: Viewer, first: dt.date, last: dt.date) -> QuerySet[Any]:
    issued = Invoice.objects.visible_to(viewer).filter(status=Invoice.Status.ISSUED)
    return (
        InvoiceLine.objects.filter(invoice__in=issued)
        .exclude(charge__in=_HELD)
        .annotate(month=TruncMonth(F("invoice__period__local_days__startswith")))
        .filter(month__gte=first, month__lte=last)
        .order_by()
    )


def revenue(*, viewer: Viewer, first_month: dt.date, last_month: dt.date) -> list[Revenue]:
    """
    Return what the viewer's issued documents bill for the months from first to last, by site,
    price model, heat or hosting, month and currency.
    """
    signed = Case(
        When(invoice__document_type=Invoice.Type.SELF_BILLED, then=-F("net")), default=F("net")
    )
    rows = (
        _lines(viewer, first_month, last_month)
        .annotate(
            is_heat=ExpressionWrapper(
                Q(invoice__contract__delivery_point__isnull=False)
                & ~Q(terms__model=Terms.Model.HOST),
                output_field=BooleanField(),
            )
        )
        .values_list(
            "invoice__contract__site_id", "invoice__contract__site__name",
            "invoice__contract__site__slug", "terms__model", "is_heat", "month",
            "invoice__currency",
        )
        .annotate(total=Sum(signed))
    )  # fmt: skip
    return sorted((Revenue(*row) for row in rows), key=lambda r: (r.site, r.model, r.month))


def _shared(viewer: Viewer, first: dt.date, last: dt.date) -> dict[tuple[int, dt.date], Decimal]:
    rows = (
        _lines(viewer, first, last)
        .filter(charge="heat_share")
        .values_list("invoice__contract__site_id", "month")
        .annotate(total=Sum("net"))
    )
    return {(site_id, month): -total for site_id, month, total in rows}


def _uplift(
    viewer: Viewer, site_ids: Iterable[int], first: dt.date, last: dt.date
) -> dict[tuple[int, dt.date], Decimal | None]:
    """
    Return the kWh of heat pumps and pumps by site and month, None where a month is not whole.
    """
    points = dict(
        MeteringPoint.objects.visible_to(viewer)
        .filter(boundary=MeteringPoint.Boundary.UPLIFT, site_id__in=list(site_ids))
        .values_list("pk", "site_id")
    )
    sums: defaultdict[tuple[int, dt.date], Decimal | None] = defaultdict(lambda: Decimal(0))
    found = monthly_energy(viewer=viewer, point_ids=points, first_month=first, last_month=last)
    for point_id, site_id in points.items():
        of_point = {m.month: m for m in found.get(point_id, [])}
        for month in months_between(first, last):
            there, before = of_point.get(month), sums[site_id, month]
            known = there.kwh if there is not None and there.coverage == 1 else None
            sums[site_id, month] = None if known is None or before is None else before + known
    return sums


@dataclass(frozen=True, slots=True)
class SiteMargin:
    """
    What the heat of one site left over some months, in the site's currency.
    """

    site: Site
    margin: Margin


def heat_margins(*, viewer: Viewer, first_month: dt.date, last_month: dt.date) -> list[SiteMargin]:
    """
    Return for each site that billed heat in those months what is left after its own cost. Months
    without billed heat do not count.
    """
    billed: defaultdict[tuple[int, dt.date], Decimal] = defaultdict(Decimal)
    for row in revenue(viewer=viewer, first_month=first_month, last_month=last_month):
        if row.is_heat:
            billed[row.site_id, row.month] += row.net
    site_ids = {site_id for site_id, _ in billed}
    shared = _shared(viewer, first_month, last_month)
    uplift = _uplift(viewer, site_ids, first_month, last_month)
    costs = list(
        HeatCost.objects.visible_to(viewer).filter(
            site_id__in=site_ids, valid__overlap=DateRange(first_month, last_month, "[]")
        )
    )
    months: defaultdict[int, list[HeatMonth]] = defaultdict(list)
    for (site_id, month), net in sorted(billed.items()):
        cost = next((c for c in costs if c.site_id == site_id and _holds(c, month)), None)
        months[site_id].append(
            HeatMonth(
                revenue=net,
                shared=shared.get((site_id, month), Decimal(0)),
                uplift_kwh=uplift.get((site_id, month), Decimal(0)),
                price_per_kwh=cost.price_per_kwh if cost else None,
                fixed=cost.fixed_per_month if cost else None,
            )
        )
    sites = Site.objects.visible_to(viewer).filter(pk__in=site_ids).order_by("name")
    return [SiteMargin(site, margin(months[site.pk])) for site in sites]


def _holds(cost: HeatCost, month: dt.date) -> bool:
    first, end = cost.valid.lower, cost.valid.upper
    return first is not None and first <= month and (end is None or month < end)


def heat_costs(*, viewer: Viewer, site_id: int) -> QuerySet[HeatCost]:
    """
    Return what delivering heat from a site costs, newest first.
    """
    return HeatCost.objects.visible_to(viewer).filter(site_id=site_id).order_by("-valid")


@dataclass(frozen=True, slots=True)
class DueWeek:
    """
    What falls due from a Monday on for a week; `first` is None for what is overdue already.
    """

    first: dt.date | None
    amount: Decimal
    documents: int


def cash_due(*, viewer: Viewer, today: dt.date, weeks: int = 8) -> dict[str, list[DueWeek]]:
    """
    Return by currency what is overdue and what falls due in this and the coming weeks, open and
    undisputed; what is later is added to the last week's row with its own first day. Credits not
    used yet are left out.
    """
    monday = today - dt.timedelta(days=today.weekday())
    starts: list[dt.date | None] = [None, *(monday + n * _WEEK for n in range(weeks + 1))]
    sums: defaultdict[str, dict[dt.date | None, list[Decimal]]] = defaultdict(
        lambda: {start: [] for start in starts}
    )
    rows = open_documents(viewer=viewer).filter(due_amount__gt=Decimal(0))
    for currency, due_on, amount in rows.values_list("currency", "due_on", "due_amount"):
        sums[currency][_week_of(due_on, today, monday, weeks)].append(amount)
    return {
        currency: [
            DueWeek(start, sum(amounts, Decimal(0)), len(amounts))
            for start, amounts in by_week.items()
        ]
        for currency, by_week in sorted(sums.items())
    }


def _week_of(due_on: dt.date | None, today: dt.date, monday: dt.date, weeks: int) -> dt.date | None:
    if due_on is None or due_on < today:
        return None
    return monday + min((due_on - monday).days // 7, weeks) * _WEEK
