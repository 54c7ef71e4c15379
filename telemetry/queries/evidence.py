"""
What a bill was computed from.
"""

from __future__ import annotations

import datetime as dt
import difflib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from django.db import connection
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.db.models import Q

from sites.domain import Period
from telemetry.archive import bring_back_each
from telemetry.domain.quality import Share
from telemetry.models import Channel, Installation, MeteringPoint, Rollup
from telemetry.queries.quality import arrays_of, energy_at_edges, share_of
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
    point_name: str
    serials: str
    opening: Decimal
    closing: Decimal
    energy_kwh: Decimal
    reading_count: int
    readings_sha256: bytes
    # The first four bytes of the SHA-256 of each reading's line, in order of time.
    fingerprints: bytes
    rollup_version: int
    # How much of the metered energy was estimated, and with the doubts at the edges.
    estimated_kwh: Decimal
    share: Share
    # The unit the registers are in; empty where its meters have not the same.
    unit: str = ""
    # What was taken off for the pipe, in words, where the source was metered.
    loss: str = ""
    # When the first verification of its meters ends; None where none is recorded.
    first_due: dt.date | None = None
    # What else must be known of the meter, in words.
    warning: str = ""


def registers_of(*, point_ids: Iterable[int]) -> dict[int, Channel]:
    """
    Return the register of each point, with its point and site.
    """
    found = Channel.objects.select_related("point__site", "point__delivery_point").filter(
        point_id__in=list(point_ids), quantity=Channel.Quantity.ENERGY
    )
    return {channel.point_id: channel for channel in found}


def registers_at_place_of(*, point_id: int) -> list[Channel]:
    """
    Return the registers of a point and of the others at its delivery point or hosting service.
    """
    point = MeteringPoint.objects.get(pk=point_id)
    place = Q(point=point)
    if point.delivery_point_id is not None:
        place |= Q(point__delivery_point=point.delivery_point_id)
    if point.hosting_service_id is not None:
        place |= Q(point__hosting_service=point.hosting_service_id)
    found = Channel.objects.filter(place, quantity=Channel.Quantity.ENERGY)
    return list(found.select_related("point__site", "point__delivery_point").order_by("pk"))


def register_of(*, point_id: int) -> Channel:
    """
    Return the register of a point with its point and site.
    """
    return registers_of(point_ids=[point_id])[point_id]


def metered_energy(*, channel: Channel, period: Period) -> MeteredEnergy:
    """
    Return the energy of a register with its evidence.

    The digest is SHA-256 over one line a reading, "<channel key>|<instant>|<value>\\n", in order
    of time: the instant in UTC as 2026-01-31T20:00:00.000000Z, the value in plain decimals
    without trailing zeros. The readings are those of the period and the nearest on either side.

    :raises ReadingMissing: if an hour of the period is not covered
    """
    (found,) = metered_energies(wanted=[(channel, period)])
    if isinstance(found, ReadingMissing):
        raise found
    return found


def metered_energies(
    *, wanted: Sequence[tuple[Channel, Period]]
) -> list[MeteredEnergy | ReadingMissing]:
    """
    Do as `metered_energy` for many at once, in their order; what cannot be metered comes as the
    error instead.
    """
    hours = _hours(asked=[(channel.pk, period) for channel, period in wanted])
    meters = _meters(wanted)
    whole = [
        (channel, period)
        for (channel, period), known in zip(wanted, hours, strict=True)
        if not isinstance(known, ReadingMissing)
    ]
    digests = _digests([(channel.pk, channel.key, period) for channel, period in whole])
    edges = iter(energy_at_edges(wanted=[(channel.pk, period) for channel, period in whole]))
    found: list[MeteredEnergy | ReadingMissing] = []
    for (channel, period), known in zip(wanted, hours, strict=True):
        if isinstance(known, ReadingMissing):
            found.append(known)
            continue
        there = [meter for meter in meters[channel.point_id] if meter.overlaps(period)]
        digest = next(digests)
        found.append(
            MeteredEnergy(
                point_id=channel.point_id,
                channel_id=channel.pk,
                channel_key=channel.key,
                point_name=channel.point.name,
                serials=", ".join(meter.serial for meter in there)[:60],
                unit=_unit_of(there),
                first_due=min((m.due for m in there if m.due is not None), default=None),
                opening=known.opening,
                closing=known.closing,
                energy_kwh=known.energy_kwh,
                reading_count=digest.readings,
                readings_sha256=digest.sha256,
                fingerprints=digest.fingerprints,
                rollup_version=known.version,
                estimated_kwh=known.estimated_kwh,
                share=share_of(known.estimated_kwh, known.energy_kwh, next(edges)),
            )
        )
    return found


class _Placed(NamedTuple):
    serial: str
    unit: str
    due: dt.date | None
    start: dt.datetime
    end: dt.datetime | None

    def overlaps(self, period: Period) -> bool:
        return self.start < period.end and (self.end is None or self.end > period.start)


def _unit_of(placed: Sequence[_Placed]) -> str:
    units = {meter.unit for meter in placed}
    return units.pop() if len(units) == 1 else ""


def _meters(wanted: Sequence[tuple[Channel, Period]]) -> defaultdict[int, list[_Placed]]:
    """
    Return the meters of each point over all the periods, in order of time.
    """
    found: defaultdict[int, list[_Placed]] = defaultdict(list)
    if not wanted:
        return found
    span = DateTimeTZRange(
        min(period.start for _, period in wanted), max(period.end for _, period in wanted)
    )
    rows = Installation.objects.filter(
        point_id__in={channel.point_id for channel, _ in wanted}, valid__overlap=span
    ).order_by("valid")
    for point_id, serial, unit, due, valid in rows.values_list(
        "point_id", "meter__serial", "meter__unit", "meter__calibration_due", "valid"
    ):
        found[point_id].append(_Placed(serial, unit, due, valid.lower, valid.upper))
    return found


@dataclass(frozen=True, slots=True)
class ReadingsDigest:
    """
    How many readings a channel has over a period with the nearest on either side, their SHA-256
    as `metered_energy` makes it, and the first four bytes of each reading's own.
    """

    readings: int
    sha256: bytes
    fingerprints: bytes


def readings_digest(*, channel_id: int, key: str, period: Period) -> ReadingsDigest:
    """
    Return the digest of a channel's readings, whatever they measure.
    """
    return next(_digests([(channel_id, key, period)]))


class _Hours(NamedTuple):
    whole: int
    energy_kwh: Decimal
    opening: Decimal
    closing: Decimal
    version: int
    estimated_kwh: Decimal


def _hours(*, asked: Sequence[tuple[int, Period]]) -> list[_Hours | ReadingMissing]:
    """
    Return what the hours of each channel and period add up to, or the first that is not covered.
    """
    with connection.cursor() as cursor:
        cursor.execute(_HOURS, arrays_of(asked))
        rows = cursor.fetchall()
    found: list[_Hours | ReadingMissing] = []
    for (channel_id, period), row in zip(asked, rows, strict=True):
        whole, _, opening, closing, *_ = row
        if whole * 3600 != (period.end - period.start).total_seconds():
            found.append(_first_missing(channel_id, period))
        elif opening is None or closing is None:
            found.append(ReadingMissing(period.start))
        else:
            found.append(_Hours(*row))
    return found


def _first_missing(channel_id: int, period: Period) -> ReadingMissing:
    try:
        # Goes through them one by one and raises with the first that is missing.
        energy_over(channel_id=channel_id, period=period)
    except ReadingMissing as missing:
        return missing
    return ReadingMissing(period.start)


# The registers at the edges are looked up rather than sorted out of all hours: where one of those
# two hours is missing, the count says so.
_HOURS = """
SELECT h.whole, h.kwh, f.opening, l.closing, h.version, h.estimated
FROM unnest(%(channels)s::bigint[], %(starts)s::timestamptz[], %(ends)s::timestamptz[])
  WITH ORDINALITY a(channel, starts, ends, n)
CROSS JOIN LATERAL (
  SELECT count(*) FILTER (WHERE coverage >= 1 AND energy_kwh IS NOT NULL) AS whole,
    sum(energy_kwh) AS kwh, max(version) AS version, sum(estimated_kwh) AS estimated
  FROM telemetry_rollup r
  WHERE r.channel_id = a.channel AND r.grain = 'hour'
    AND r.start_at >= a.starts AND r.start_at < a.ends
) h
LEFT JOIN telemetry_rollup f
  ON f.channel_id = a.channel AND f.grain = 'hour' AND f.start_at = a.starts
LEFT JOIN telemetry_rollup l
  ON l.channel_id = a.channel AND l.grain = 'hour' AND l.start_at = a.ends - interval '1 hour'
ORDER BY a.n
"""


def _digests(asked: Sequence[tuple[int, str, Period]]) -> Iterator[ReadingsDigest]:
    for count, digest, fingerprints in _digest_rows(asked):
        yield ReadingsDigest(count, bytes(digest), bytes(fingerprints))


def _digest_rows(asked: Sequence[tuple[int, str, Period]], more: str = "") -> list[tuple[Any, ...]]:
    given = arrays_of((channel_id, period) for channel_id, _, period in asked)
    bring_back_each([(channel_id, period.start, period.end) for channel_id, _, period in asked])
    with connection.cursor() as cursor:
        cursor.execute(
            _DIGESTS.replace("{more}", more), {**given, "keys": [key for _, key, _ in asked]}
        )
        return list(cursor.fetchall())


# Four bytes of each reading's own digest stand beside the digest of all, so that a difference can
# be traced to its reading. Without OFFSET the edges would be sought again for each reading.
_DIGESTS = """
SELECT d.*
FROM unnest(%(channels)s::bigint[], %(keys)s::text[], %(starts)s::timestamptz[],
  %(ends)s::timestamptz[]) WITH ORDINALITY a(channel, key, starts, ends, n)
CROSS JOIN LATERAL (
  SELECT coalesce((SELECT p.at FROM telemetry_reading p
      WHERE p.channel_id = a.channel AND p.at <= a.starts ORDER BY p.at DESC LIMIT 1),
      a.starts) AS first,
    coalesce((SELECT n.at FROM telemetry_reading n
      WHERE n.channel_id = a.channel AND n.at >= a.ends ORDER BY n.at LIMIT 1), a.ends) AS last
  OFFSET 0
) edges
CROSS JOIN LATERAL (
  SELECT count(*), sha256(coalesce(string_agg(line, '' ORDER BY at), '')),
    coalesce(string_agg(substr(sha256(line), 1, 4), '' ORDER BY at), ''){more}
  FROM (
    SELECT at, convert_to(a.key || '|'
      || to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '|'
      || trim_scale(value)::text || E'\\n', 'UTF8') AS line
    FROM telemetry_reading r
    WHERE r.channel_id = a.channel AND r.at >= edges.first AND r.at <= edges.last
    ORDER BY at
  ) lines
) d
ORDER BY a.n
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
    services = list(feeds.values_list("point__hosting_service_id", "pk"))
    asked = [(channel_id, period) for _, channel_id in services]
    for (service_id, _), hours in zip(services, _hours(asked=asked), strict=True):
        if isinstance(hours, ReadingMissing):
            raise hours
        found[service_id] += hours.energy_kwh
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
    ((_, _, found, instants),) = _digest_rows(
        [(channel.pk, channel.key, period)], ", coalesce(array_agg(at ORDER BY at), '{}')"
    )
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
    ((_, _, _, lines),) = _digest_rows(
        [(channel.pk, channel.key, period)], ", coalesce(string_agg(line, '' ORDER BY at), '')"
    )
    return bytes(lines).decode()
