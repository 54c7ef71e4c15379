"""
What is agreed about the heat of a delivery point.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.db.backends.postgresql.psycopg_any import DateRange, DateTimeTZRange

from sites.domain import local_days
from sites.models import DeliveryPoint
from sites.operations import record
from telemetry.domain.supply import Band, Closure, write_bands, write_closures
from telemetry.models import HeatDirty, SupplyClosure, SupplyTerms, SupplyWindow


@transaction.atomic(durable=True)
def agree_supply(
    *, delivery_point_id: int, first_day: dt.date, at: dt.datetime, by_id: int | None,
    bands: Iterable[Band] = (), closures: Iterable[Closure] = (), **fields: Any,
) -> SupplyTerms:  # fmt: skip
    """
    Let supply terms hold at a delivery point from a local day on. Those that held until then end
    the day before; those from that day or later are superseded and stay readable. `fields` are
    those of `SupplyTerms`. What has passed since is judged again.

    :raises IntegrityError: if the figures do not fit together
    """
    place = DeliveryPoint.objects.select_for_update(of=("self",)).select_related("site").get(
        pk=delivery_point_id
    )  # fmt: skip
    held = SupplyTerms.objects.filter(delivery_point=place, superseded_at__isnull=True)
    held.filter(valid__startswith__gte=first_day).update(superseded_at=at)
    for old in held.filter(valid__contains=first_day):
        old.valid = DateRange(old.valid.lower, first_day)
        old.save(update_fields=["valid"])
    terms = SupplyTerms.objects.create(
        delivery_point=place, valid=DateRange(first_day, None), **fields
    )
    bands, closures = sorted(bands), sorted(closures)
    SupplyWindow.objects.bulk_create(
        SupplyWindow(terms=terms, weekday=b.weekday, begins=b.begins, ends=b.ends) for b in bands
    )
    SupplyClosure.objects.bulk_create(
        SupplyClosure(terms=terms, first=c.first, last=c.last) for c in closures
    )
    begins = local_days(first_day, first_day + dt.timedelta(days=1), place.site.timezone).start
    if begins < at:
        HeatDirty.objects.create(
            delivery_point=place, span=DateTimeTZRange(begins, at), marked_at=at
        )
    told = {name: str(value) for name, value in {"first_day": first_day, **fields}.items()}
    told |= {
        "windows": "; ".join(write_bands(bands)), "closed": "; ".join(write_closures(closures))
    }  # fmt: skip
    record(
        at=at, by_id=by_id, operator_id=place.site.operator_id, action="supply terms agreed",
        subject=f"{place.site.slug}/{place.slug}", after=told,
    )  # fmt: skip
    return terms
