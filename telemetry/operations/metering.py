"""
Metering points, meters and channels.
"""

import datetime as dt
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.db.models import Avg, Max, Min

from sites.operations import record
from telemetry.models import (
    Channel,
    DirtyRange,
    Installation,
    Meter,
    MeteringPoint,
    MeterRegister,
    Reading,
    Rollup,
)
from telemetry.operations.calibration import due_by_rule


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
    made = _new_meter(point, meter)
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
    at: dt.datetime, by_id: int | None, back_at: dt.datetime | None = None, **meter: Any,
) -> Installation:  # fmt: skip
    """
    Replace the meter of a point. Registers are what the dials showed, each in its own meter's
    unit. Where the new one began to count only at `back_at`, the mean power of the day before
    stands in for the time between, as an estimate. What was rolled up around the exchange is
    computed again.

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
    begins = when if back_at is None else back_at
    new = Installation.objects.create(
        point=old.point, meter=_new_meter(old.point, meter), valid=DateTimeTZRange(begins, None),
        first_register=first_register,
        gap_kw=_mean_kw_before(old.point_id, when) if begins > when else None,
    )  # fmt: skip
    hour = dt.timedelta(hours=1)
    DirtyRange.objects.bulk_create(
        DirtyRange(channel=channel, span=DateTimeTZRange(when - hour, begins + hour), marked_at=at)
        for channel in Channel.objects.filter(point_id=point_id, kind=Channel.Kind.REGISTER)
    )
    record(
        at=at, by_id=by_id, operator_id=site.operator_id, action="meter exchanged",
        subject=f"{site.slug}/{old.point.code}",
        before={"serial": old.meter.serial, "last_register": str(last_register)},
        after=_told({"when": when, "back_at": begins, "first_register": first_register, **meter}),
    )  # fmt: skip
    return new


@transaction.atomic(durable=True)
def add_register(
    *, meter_id: int, quantity: str, at: dt.datetime, by_id: int | None, **fields: Any
) -> MeterRegister:
    """
    Describe a further register of a meter; `fields` are those of `MeterRegister`. What its
    channel has sent so far is rolled up again.

    :raises IntegrityError: if it is described already, or in a unit it cannot have
    """
    meter = Meter.objects.select_for_update().get(pk=meter_id)
    register = MeterRegister.objects.create(meter=meter, quantity=quantity, **fields)
    DirtyRange.objects.bulk_create(
        DirtyRange(channel=channel, span=span, marked_at=at)
        for installation in meter.installations.all()
        for channel in Channel.objects.filter(
            point=installation.point_id, quantity=quantity, kind=Channel.Kind.REGISTER
        )
        if (span := _sent_span(channel)) is not None
    )
    record(
        at=at, by_id=by_id, operator_id=meter.operator_id, action="meter register described",
        subject=f"{meter.serial} {quantity}", after=_told(fields),
    )  # fmt: skip
    return register


def _sent_span(channel: Channel) -> DateTimeTZRange | None:
    ends = Reading.objects.filter(channel=channel).aggregate(first=Min("at"), last=Max("at"))
    if ends["first"] is None:
        return None
    return DateTimeTZRange(ends["first"], ends["last"], "[]")


def _new_meter(point: MeteringPoint, fields: dict[str, Any]) -> Meter:
    """
    Make a meter; where it was verified, until when that holds follows from the site's country
    unless it is stated.
    """
    made = Meter(operator_id=point.site.operator_id, **fields)
    if made.calibration_due is None and made.verified_on is not None:
        made.calibration_due = due_by_rule(
            country=point.site.country, kind=made.kind, verified_on=made.verified_on
        )
    made.save()
    return made


# A day holds one of each hour, so that night and noon weigh as they do.
_DAY_BEFORE = dt.timedelta(hours=24)


def _mean_kw_before(point_id: int, when: dt.datetime) -> Decimal | None:
    """
    Return the mean power of the measured hours of the day before, None where none was measured.
    """
    hours = Rollup.objects.filter(
        channel__point_id=point_id, channel__quantity=Channel.Quantity.ENERGY,
        channel__kind=Channel.Kind.REGISTER, grain=Rollup.Grain.HOUR, coverage=1,
        energy_kwh__isnull=False, start_at__gte=when - _DAY_BEFORE, end_at__lte=when,
    )  # fmt: skip
    mean = hours.aggregate(mean=Avg("energy_kwh"))["mean"]
    return None if mean is None else round(mean, 6)
