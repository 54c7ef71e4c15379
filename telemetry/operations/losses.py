"""
What is agreed about heat lost on its way to a customer.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db import transaction
from django.db.backends.postgresql.psycopg_any import DateRange

from sites.models import DeliveryPoint
from sites.operations import record
from telemetry.models import LossPolicy


@transaction.atomic(durable=True)
def agree_losses(
    *, delivery_point_id: int, first_day: dt.date, at: dt.datetime, by_id: int | None, **fields: Any
) -> LossPolicy:
    """
    Let a loss policy hold at a delivery point from a local day on; the one that held until now
    ends the day before. `fields` are those of `LossPolicy`.

    :raises IntegrityError: if one begins on that day or later, or the figures do not fit
    """
    place = DeliveryPoint.objects.select_for_update(of=("self",)).select_related("site").get(
        pk=delivery_point_id
    )  # fmt: skip
    for old in LossPolicy.objects.filter(
        delivery_point=place, valid__contains=first_day, valid__startswith__lt=first_day
    ):
        old.valid = DateRange(old.valid.lower, first_day)
        old.save(update_fields=["valid"])
    policy = LossPolicy.objects.create(
        delivery_point=place, valid=DateRange(first_day, None), **fields
    )
    record(
        at=at, by_id=by_id, operator_id=place.site.operator_id, action="losses agreed",
        subject=f"{place.site.slug}/{place.slug}",
        after={name: str(value) for name, value in {"first_day": first_day, **fields}.items()},
    )  # fmt: skip
    return policy
