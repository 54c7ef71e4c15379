"""
What a bill was computed from.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from django.db import connection
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.db.models import Max

from sites.domain import Period
from telemetry.models import Channel, Installation, Rollup
from telemetry.queries.rollups import ReadingMissing, energy_over


@dataclass(frozen=True, slots=True)
class MeteredEnergy:
    """
    The energy of a metering point over a period and what it was computed from. Registers are
    in the meter's native unit.
    """

    channel_id: int
    channel_key: str
    serials: str
    opening: Decimal
    closing: Decimal
    energy_kwh: Decimal
    reading_count: int
    readings_sha256: bytes
    rollup_version: int


def metered_energy(*, point_id: int, period: Period) -> MeteredEnergy:
    """
    Return the energy of a point's register with its evidence.

    The digest is SHA-256 over one line a reading, "<channel key>|<instant>|<value>\\n", in order
    of time: the instant in UTC as 2026-01-31T20:00:00.000000Z, the value in plain decimals
    without trailing zeros. The readings are those of the period and the nearest on either side.

    :raises ReadingMissing: if an hour of the period is not covered
    """
    channel = Channel.objects.get(point_id=point_id, quantity=Channel.Quantity.ENERGY)
    energy = energy_over(channel_id=channel.pk, period=period)
    hours = Rollup.objects.filter(
        channel=channel, grain=Rollup.Grain.HOUR, start_at__gte=period.start,
        start_at__lt=period.end,
    )  # fmt: skip
    first, last = hours.order_by("start_at").first(), hours.order_by("-start_at").first()
    if first is None or last is None or first.opening is None or last.closing is None:
        raise ReadingMissing(period.start)
    serials = (
        Installation.objects.filter(point_id=point_id)
        .filter(valid__overlap=DateTimeTZRange(period.start, period.end))
        .order_by("valid")
        .values_list("meter__serial", flat=True)
    )
    with connection.cursor() as cursor:
        cursor.execute(
            _DIGEST,
            {
                "channel": channel.pk,
                "key": channel.key,
                "start": period.start,
                "end": period.end,
            },
        )
        count, digest = cursor.fetchone()
    return MeteredEnergy(
        channel_id=channel.pk,
        channel_key=channel.key,
        serials=", ".join(serials)[:60],
        opening=first.opening,
        closing=last.closing,
        energy_kwh=energy,
        reading_count=count,
        readings_sha256=bytes(digest),
        rollup_version=hours.aggregate(newest=Max("version"))["newest"],
    )


_DIGEST = """
SELECT count(*), sha256(convert_to(coalesce(string_agg(
  %(key)s || '|' || to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '|'
  || trim_scale(value)::text || E'\\n', '' ORDER BY at), ''), 'UTF8'))
FROM telemetry_reading
WHERE channel_id = %(channel)s
  AND at >= (SELECT coalesce((SELECT p.at FROM telemetry_reading p
    WHERE p.channel_id = %(channel)s AND p.at <= %(start)s ORDER BY p.at DESC LIMIT 1), %(start)s))
  AND at <= (SELECT coalesce((SELECT n.at FROM telemetry_reading n
    WHERE n.channel_id = %(channel)s AND n.at >= %(end)s ORDER BY n.at LIMIT 1), %(end)s))
"""


def point_of_channel(*, channel_id: int) -> int:
    """
    Return the metering point of a channel, for evidence.
    """
    return Channel.objects.values_list("point_id", flat=True).get(pk=channel_id)
