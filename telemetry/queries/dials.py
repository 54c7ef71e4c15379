"""
What the registers of a channel can count, what stands beside it at its point, and its readings.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange

from telemetry.archive import bring_back
from telemetry.domain import vee
from telemetry.domain.units import BASE_UNITS, REGISTER_BASE
from telemetry.models import Channel, Installation

KW_PER_UNIT = {"kW": Decimal(1), "W": Decimal("0.001")}

_ROWS = """
SELECT at, value FROM telemetry_reading
WHERE channel_id = %(channel)s
  AND at >= coalesce((SELECT at FROM telemetry_reading WHERE channel_id = %(channel)s
    AND at <= %(lower)s ORDER BY at DESC LIMIT 1), %(lower)s)
  AND at <= coalesce((SELECT at FROM telemetry_reading WHERE channel_id = %(channel)s
    AND at >= %(upper)s ORDER BY at LIMIT 1), %(upper)s)
ORDER BY at
"""


def rows_around(channel_id: int, lower: dt.datetime, upper: dt.datetime) -> list[vee.Reading]:
    """
    Return the readings of a stretch, and the nearest on either side.
    """
    bring_back([channel_id], lower, upper)
    with connection.cursor() as cursor:
        cursor.execute(_ROWS, {"channel": channel_id, "lower": lower, "upper": upper})
        return [(at, value) for at, value in cursor.fetchall()]


def dials(
    channel: Channel, lower: dt.datetime, upper: dt.datetime
) -> list[tuple[Installation, vee.Dial]]:
    """
    Return the meters installed at the point of a register over a time, and what they can count.
    """
    base = BASE_UNITS[REGISTER_BASE[channel.quantity]]
    found = []
    there = Installation.objects.filter(
        point_id=channel.point_id, valid__overlap=DateTimeTZRange(lower, upper, "[]")
    )
    for installation in there.select_related("meter").prefetch_related("meter__registers"):
        meter: Any = installation.meter
        is_main = channel.quantity == (
            "volume" if meter.kind in ("water", "gas") else "energy"
        )  # fmt: skip
        register = meter if is_main else next(
            (r for r in meter.registers.all() if r.quantity == channel.quantity), None
        )  # fmt: skip
        if register is None:
            continue
        size = base[register.unit]
        unit = Decimal(size.numerator) / Decimal(size.denominator) * register.multiplier
        most = meter.max_power_kw if is_main else register.max_an_hour
        found.append((installation, vee.Dial(register.register_modulus, most / unit, unit)))
    return found


def rated(channel: Channel, when: dt.datetime) -> Decimal | None:
    """
    Return the most the point can draw or deliver, in the unit of its power channel; None where
    no meter says so or the channel is not power.
    """
    if channel.quantity != Channel.Quantity.POWER:
        return None
    there = Installation.objects.filter(
        point_id=channel.point_id, valid__overlap=DateTimeTZRange(when, when, "[]")
    )
    most = there.values_list("meter__max_power_kw", flat=True).first()
    return None if most is None else most / KW_PER_UNIT[channel.unit]


def power_channel(channel: Channel) -> Channel | None:
    """
    Return the power beside a register of energy, None where there is none.
    """
    if channel.quantity != Channel.Quantity.ENERGY:
        return None
    return Channel.objects.filter(
        point_id=channel.point_id, quantity=Channel.Quantity.POWER, unit__in=KW_PER_UNIT
    ).first()


def register_channel(channel: Channel) -> Channel | None:
    """
    Return the register of energy at a channel's point, None where there is none.
    """
    return Channel.objects.filter(
        point_id=channel.point_id, quantity=Channel.Quantity.ENERGY, kind=Channel.Kind.REGISTER
    ).first()
