"""
What a bill was computed from.
"""

from __future__ import annotations

import datetime as dt
import difflib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from django.db import connection
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange

from sites.domain import Period
from telemetry.models import Channel, Installation, Rollup
from telemetry.queries.rollups import ReadingMissing, energy_over


@dataclass(frozen=True, slots=True)
class MeteredEnergy:
    """
    The energy of a metering point over a period and what it was computed from. Registers are
    in the meter's native unit.
    """

    point_id: int
    channel_id: int
    channel_key: str
    serials: str
    opening: Decimal
    closing: Decimal
    energy_kwh: Decimal
    reading_count: int
    readings_sha256: bytes
    # The first four bytes of the SHA-256 of each reading's line, in order of time.
    fingerprints: bytes
    rollup_version: int
    # How much of the metered energy was estimated.
    estimated_kwh: Decimal = Decimal(0)
    # What was taken off for the pipe, in words, where the source was metered.
    loss: str = ""
    # When the first verification of its meters ends; None where none is recorded.
    first_due: dt.date | None = None
    # What else must be known of the meter, in words.
    warning: str = ""


def register_of(*, point_id: int) -> Channel:
    """
    Return the register of a point with its point and site.
    """
    return Channel.objects.select_related("point__site", "point__delivery_point").get(
        point_id=point_id, quantity=Channel.Quantity.ENERGY
    )


def metered_energy(*, channel: Channel, period: Period) -> MeteredEnergy:
    """
    Return the energy of a register with its evidence.

    The digest is SHA-256 over one line a reading, "<channel key>|<instant>|<value>\\n", in order
    of time: the instant in UTC as 2026-01-31T20:00:00.000000Z, the value in plain decimals
    without trailing zeros. The readings are those of the period and the nearest on either side.

    :raises ReadingMissing: if an hour of the period is not covered
    """
    hours = _hours(channel_id=channel.pk, period=period)
    meters = list(
        Installation.objects.filter(point_id=channel.point_id)
        .filter(valid__overlap=DateTimeTZRange(period.start, period.end))
        .order_by("valid")
        .values_list("meter__serial", "meter__calibration_due")
    )
    with connection.cursor() as cursor:
        cursor.execute(
            _DIGEST.replace("{instants}", ""),
            {
                "channel": channel.pk,
                "key": channel.key,
                "start": period.start,
                "end": period.end,
            },
        )
        count, digest, fingerprints = cursor.fetchone()
    return MeteredEnergy(
        point_id=channel.point_id,
        channel_id=channel.pk,
        channel_key=channel.key,
        serials=", ".join(serial for serial, _ in meters)[:60],
        first_due=min((due for _, due in meters if due is not None), default=None),
        opening=hours.opening,
        closing=hours.closing,
        energy_kwh=hours.energy_kwh,
        reading_count=count,
        readings_sha256=bytes(digest),
        fingerprints=bytes(fingerprints),
        rollup_version=hours.version,
        estimated_kwh=hours.estimated_kwh,
    )


@dataclass(frozen=True, slots=True)
class ReadingsDigest:
    """
    How many readings a channel has over a period with the nearest on either side, and their
    SHA-256 as `metered_energy` makes it.
    """

    readings: int
    sha256: bytes


def readings_digest(*, channel_id: int, key: str, period: Period) -> ReadingsDigest:
    """
    Return the digest of a channel's readings, whatever they measure.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _DIGEST.replace("{instants}", ""),
            {"channel": channel_id, "key": key, "start": period.start, "end": period.end},
        )
        count, digest, _ = cursor.fetchone()
    return ReadingsDigest(count, bytes(digest))


class _Hours(NamedTuple):
    whole: int
    energy_kwh: Decimal
    opening: Decimal
    closing: Decimal
    version: int
    estimated_kwh: Decimal


def _hours(*, channel_id: int, period: Period) -> _Hours:
    """
    Return what the hours of a period add up to.

    :raises ReadingMissing: if an hour of the period is not covered
    """
    with connection.cursor() as cursor:
        cursor.execute(_HOURS, {"channel": channel_id, "start": period.start, "end": period.end})
        hours = _Hours(*cursor.fetchone())
    if hours.whole * 3600 != (period.end - period.start).total_seconds():
        # Goes through them one by one and raises with the first that is missing.
        energy_over(channel_id=channel_id, period=period)
        raise ReadingMissing(period.start)
    if hours.opening is None or hours.closing is None:
        raise ReadingMissing(period.start)
    return hours


_HOURS = """
SELECT count(*) FILTER (WHERE coverage >= 1 AND energy_kwh IS NOT NULL), sum(energy_kwh),
  (array_agg(opening ORDER BY start_at))[1], (array_agg(closing ORDER BY start_at DESC))[1],
  max(version), sum(estimated_kwh)
FROM telemetry_rollup
WHERE channel_id = %(channel)s AND grain = 'hour'
  AND start_at >= %(start)s AND start_at < %(end)s
"""

# Four bytes of each reading's own digest stand beside the digest of all, so that a difference can
# be traced to its reading.
_DIGEST = """
WITH lines AS (
  SELECT at, convert_to(%(key)s || '|'
    || to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '|'
    || trim_scale(value)::text || E'\\n', 'UTF8') AS line
  FROM telemetry_reading
  WHERE channel_id = %(channel)s
    AND at >= (SELECT coalesce((SELECT p.at FROM telemetry_reading p
      WHERE p.channel_id = %(channel)s AND p.at <= %(start)s ORDER BY p.at DESC LIMIT 1),
      %(start)s))
    AND at <= (SELECT coalesce((SELECT n.at FROM telemetry_reading n
      WHERE n.channel_id = %(channel)s AND n.at >= %(end)s ORDER BY n.at LIMIT 1), %(end)s))
)
SELECT count(*), sha256(coalesce(string_agg(line, '' ORDER BY at), '')),
  coalesce(string_agg(substr(sha256(line), 1, 4), '' ORDER BY at), ''){instants}
FROM lines
"""


def point_of_channel(*, channel_id: int) -> int:
    """
    Return the metering point of a channel, for evidence.
    """
    return Channel.objects.values_list("point_id", flat=True).get(pk=channel_id)


def hourly_energy(*, point_id: int, period: Period) -> list[tuple[dt.datetime, Decimal]]:
    """
    Return start and kWh of each hour of a period at a point.

    :raises ReadingMissing: if an hour of the period is not covered
    """
    channel_id = _register(point_id)
    energy_over(channel_id=channel_id, period=period)
    hours = (
        Rollup.objects.filter(channel_id=channel_id, grain=Rollup.Grain.HOUR)
        .filter(start_at__gte=period.start, start_at__lt=period.end)
        .order_by("start_at")
    )
    return [
        (start, kwh)
        for start, kwh in hours.values_list("start_at", "energy_kwh")
        if kwh is not None
    ]


def service_energy(*, site_id: int, period: Period) -> dict[int, Decimal]:
    """
    Return the kWh of each hosting service of a site that has a metered feed.

    :raises ReadingMissing: if an hour of the period is not covered at one of them
    """
    found: defaultdict[int, Decimal] = defaultdict(Decimal)
    feeds = Channel.objects.filter(
        site_id=site_id, quantity=Channel.Quantity.ENERGY, point__hosting_service__isnull=False
    )
    for service_id, channel_id in feeds.values_list("point__hosting_service_id", "pk"):
        found[service_id] += _hours(channel_id=channel_id, period=period).energy_kwh
    return dict(found)


def _register(point_id: int) -> int:
    return Channel.objects.values_list("pk", flat=True).get(
        point_id=point_id, quantity=Channel.Quantity.ENERGY
    )


def changed_readings(
    *, channel_id: int, period: Period, fingerprints: bytes
) -> Iterator[tuple[dt.datetime, str]]:
    """
    Yield the instant of each reading of a period that is not as it was when the fingerprints
    were taken, with "changed" or "added"; for one that was taken away, "missing" and the instant
    of the reading after it, or the period's end.
    """
    channel = Channel.objects.get(pk=channel_id)
    with connection.cursor() as cursor:
        cursor.execute(
            _DIGEST.replace("{instants}", ", coalesce(array_agg(at ORDER BY at), '{}')"),
            {"channel": channel.pk, "key": channel.key, "start": period.start, "end": period.end},
        )
        _, _, found, instants = cursor.fetchone()
    was, now = _fours(fingerprints), _fours(bytes(found))
    matcher = difflib.SequenceMatcher(None, was, now, autojunk=False)
    for kind, i1, i2, j1, j2 in matcher.get_opcodes():
        if kind == "equal":
            continue
        for n, at in enumerate(instants[j1:j2]):
            yield at, "changed" if n < i2 - i1 else "added"
        if i2 - i1 > j2 - j1:
            yield (instants[j2] if j2 < len(instants) else period.end), "missing"


def _fours(fingerprints: bytes) -> list[bytes]:
    return [fingerprints[n : n + 4] for n in range(0, len(fingerprints), 4)]


def canonical_readings(*, channel_id: int, period: Period) -> str:
    """
    Return the lines that the digest of a period's readings is taken over.
    """
    channel = Channel.objects.get(pk=channel_id)
    with connection.cursor() as cursor:
        cursor.execute(
            _DIGEST.replace("{instants}", ", coalesce(string_agg(line, '' ORDER BY at), '')"),
            {"channel": channel.pk, "key": channel.key, "start": period.start, "end": period.end},
        )
        return bytes(cursor.fetchone()[3]).decode()
