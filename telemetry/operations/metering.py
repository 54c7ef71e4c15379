"""
Metering points, meters and channels.
"""

import datetime as dt
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange

from sites.operations import record
from telemetry.models import Channel, DirtyRange, Installation, Meter, MeteringPoint


def _told(fields: dict[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in fields.items()}


@transaction.atomic(durable=True)
def add_metering_point(
    *, site_id: int, code: str, at: dt.datetime, by_id: int | None, **fields: Any
) -> MeteringPoint:
    """
    Make a metering point of a site; `fields` are those of `MeteringPoint`.
    """
    point = MeteringPoint.objects.create(site_id=site_id, code=code, **fields)
    record(
        at=at, by_id=by_id, operator_id=point.site.operator_id, action="metering point added",
        subject=f"{point.site.slug}/{code}", after=_told(fields),
    )  # fmt: skip
    return point


@transaction.atomic(durable=True)
def add_channel(
    *, point_id: int, quantity: str, kind: str, at: dt.datetime, by_id: int | None,
    unit: str = "", interval_s: int | None = None,
) -> Channel:  # fmt: skip
    """
    Make a channel of a point; gateways address it as "<point code>.<quantity>".
    """
    point = MeteringPoint.objects.select_related("site").get(pk=point_id)
    channel = Channel.objects.create(
        site=point.site, point=point, quantity=quantity, kind=kind, unit=unit,
        interval_s=interval_s, key=f"{point.code}.{quantity}",
    )  # fmt: skip
    record(
        at=at, by_id=by_id, operator_id=point.site.operator_id, action="channel added",
        subject=f"{point.site.slug}/{channel.key}",
        after={"kind": kind, "unit": unit, "interval_s": interval_s},
    )  # fmt: skip
    return channel


@transaction.atomic(durable=True)
def install_meter(
    *, point_id: int, since: dt.datetime, at: dt.datetime, by_id: int | None,
    first_register: Decimal | None = None, **meter: Any,
) -> Installation:  # fmt: skip
    """
    Put a new meter at a point where none is; `meter` are the fields of `Meter`.

    :raises IntegrityError: if there is one at the time
    """
    point = MeteringPoint.objects.select_related("site").get(pk=point_id)
    made = Meter.objects.create(operator_id=point.site.operator_id, **meter)
    installation = Installation.objects.create(
        point=point, meter=made, valid=DateTimeTZRange(since, None), first_register=first_register
    )
    record(
        at=at, by_id=by_id, operator_id=point.site.operator_id, action="meter installed",
        subject=f"{point.site.slug}/{point.code}", after=_told({"since": since, **meter}),
    )  # fmt: skip
    return installation


@transaction.atomic(durable=True)
def exchange_meter(
    *, point_id: int, when: dt.datetime, last_register: Decimal, first_register: Decimal,
    at: dt.datetime, by_id: int | None, **meter: Any,
) -> Installation:  # fmt: skip
    """
    Replace the meter of a point. Registers are what the dials showed, each in its own meter's
    unit. What was rolled up around the exchange is computed again.

    :raises Installation.DoesNotExist: if no meter is there at the time
    """
    old = (
        Installation.objects.select_for_update(of=("self",))
        .select_related("point__site", "meter")
        .get(point_id=point_id, valid__contains=when)
    )
    old.valid = DateTimeTZRange(old.valid.lower, when)
    old.last_register = last_register
    old.save()
    site = old.point.site
    made = Meter.objects.create(operator_id=site.operator_id, **meter)
    new = Installation.objects.create(
        point=old.point, meter=made, valid=DateTimeTZRange(when, None),
        first_register=first_register,
    )  # fmt: skip
    hour = dt.timedelta(hours=1)
    DirtyRange.objects.bulk_create(
        DirtyRange(channel=channel, span=DateTimeTZRange(when - hour, when + hour), marked_at=at)
        for channel in Channel.objects.filter(point_id=point_id, kind=Channel.Kind.REGISTER)
    )
    record(
        at=at, by_id=by_id, operator_id=site.operator_id, action="meter exchanged",
        subject=f"{site.slug}/{old.point.code}",
        before={"serial": old.meter.serial, "last_register": str(last_register)},
        after=_told({"when": when, "first_register": first_register, **meter}),
    )  # fmt: skip
    return new
