"""
Stating what heat costs the operator itself.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from django.db import transaction
from django.db.backends.postgresql.psycopg_any import DateRange

from billing.models import HeatCost
from sites.models import Site
from sites.operations import record


class NotAfterTheLast(Exception):
    """
    Costs are stated for a time before the last ones began.
    """


@transaction.atomic(durable=True)
def state_heat_cost(
    *, site_id: int, from_month: dt.date, price_per_kwh: Decimal, fixed_per_month: Decimal,
    at: dt.datetime, by_id: int | None,
) -> HeatCost:  # fmt: skip
    """
    State what heat of a site costs from a month on; what held before ends there.

    :raises NotAfterTheLast: if costs that begin in that month or later are stated already
    """
    site = Site.objects.select_for_update().get(pk=site_id)
    last = HeatCost.objects.filter(site=site).order_by("-valid").first()
    if last is not None and last.valid.lower is not None:
        if last.valid.lower >= from_month:
            raise NotAfterTheLast(f"Costs from {last.valid.lower:%B %Y} on are stated already.")
        last.valid = DateRange(last.valid.lower, from_month)
        last.save(update_fields=["valid"])
    row = HeatCost.objects.create(
        site=site, valid=DateRange(from_month, None), price_per_kwh=price_per_kwh,
        fixed_per_month=fixed_per_month,
    )  # fmt: skip
    record(
        at=at, by_id=by_id, operator_id=site.operator_id, action="cost of heat stated",
        subject=site.name,
        after={"from": str(from_month), "price_per_kwh": str(price_per_kwh),
               "fixed_per_month": str(fixed_per_month)},
    )  # fmt: skip
    return row
