"""
What bills take from the ledger of heat, and the entries they rested on as they were then.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from django.db import connection
from django.db.models import Count, Max, Sum

from sites.domain import Period, local_days
from sites.models import DeliveryPoint
from telemetry.models import HeatDay, HeatDirty
from telemetry.queries.heat_ledger import SECONDS


@dataclass(frozen=True, slots=True)
class VersionRun:
    """
    Entries of a ledger that follow each other in [start, end) and are of one version.
    """

    start: dt.datetime
    end: dt.datetime
    version: int


@dataclass(frozen=True, slots=True)
class Qualified:
    """
    What a ledger says of a bill's period: kWh that do not count by reason, kWh of each hour that
    do, and the entries it rests on, by version, with the SHA-256 over them.
    """

    metered_kwh: Decimal
    not_counted: dict[str, Decimal]
    hours: list[tuple[dt.datetime, Decimal]]
    entries: int
    versions: list[VersionRun]
    sha256: str


class LedgerBehind(Exception):
    """
    The ledger of a delivery point does not say yet what counts in a period.
    """


def qualified_heat(*, delivery_point_id: int, channel_id: int, period: Period) -> Qualified:
    """
    Return what counts of the heat of a period at a metering point, for its bill. The digest is
    that of `ledger_lines`.

    :raises LedgerBehind: if the ledger waits for something, or is of another meter
    """
    waiting = HeatDirty.objects.filter(delivery_point=delivery_point_id)
    if waiting.filter(span__overlap=(period.start, period.end)).exists():
        raise LedgerBehind
    not_counted: defaultdict[str, Decimal] = defaultdict(Decimal)
    hours: list[tuple[dt.datetime, Decimal]] = []
    total, count = Decimal(0), 0
    parameters: dict[str, Any] = {
        "place": delivery_point_id, "channel": channel_id, "start": period.start,
        "end": period.end,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_HOURS, parameters)
        for hour, reason, metered, counted, entries in cursor.fetchall():
            total += metered
            count += entries
            if metered != counted:
                not_counted[reason] += metered - counted
            if hours and hours[-1][0] == hour:
                hours[-1] = (hour, hours[-1][1] + counted)
            else:
                hours.append((hour, counted))
        cursor.execute(_VERSIONS, parameters)
        versions = [VersionRun(*row) for row in cursor.fetchall()]
    if not count:
        raise LedgerBehind
    lines = ledger_lines(delivery_point_id=delivery_point_id, versions=versions)
    return Qualified(
        total, dict(not_counted), hours, count, versions,
        hashlib.sha256(lines.encode()).hexdigest(),
    )  # fmt: skip


def ledger_lines(*, delivery_point_id: int, versions: Sequence[VersionRun]) -> str:
    """
    Return the entries of some versions, superseded since or not, one a line in order of time:
    "<instant>|<metered>|<counted>|<reason>\\n", instants and figures as in the evidence of
    readings.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _LINES,
            [
                [run.start for run in versions],
                [run.end for run in versions],
                [run.version for run in versions],
                delivery_point_id,
            ],
        )
        (lines,) = cursor.fetchone()
    return str(lines)


_HOURS = """
SELECT date_bin('1 hour', start_at, %(start)s), reason, sum(metered_kwh), sum(counted_kwh),
  count(*)
FROM telemetry_heatentry
WHERE delivery_point_id = %(place)s AND channel_id = %(channel)s AND superseded_at IS NULL
  AND start_at >= %(start)s AND start_at < %(end)s
GROUP BY 1, 2 ORDER BY 1
"""
# Entries of one version that follow each other share the time less their number.
_VERSIONS = """
SELECT min(start_at), max(start_at) + interval '15 minutes', version
FROM (
  SELECT start_at, version, start_at - interval '15 minutes'
    * row_number() OVER (PARTITION BY version ORDER BY start_at) AS run
  FROM telemetry_heatentry
  WHERE delivery_point_id = %(place)s AND channel_id = %(channel)s AND superseded_at IS NULL
    AND start_at >= %(start)s AND start_at < %(end)s
) entries
GROUP BY version, run ORDER BY 1
"""
_LINES = """
SELECT coalesce(string_agg(
    to_char(e.start_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '|'
    || trim_scale(e.metered_kwh)::text || '|' || trim_scale(e.counted_kwh)::text || '|'
    || e.reason || E'\\n', '' ORDER BY e.start_at), '')
FROM unnest(%s::timestamptz[], %s::timestamptz[], %s::int[]) AS r(start_at, end_at, version)
JOIN telemetry_heatentry e ON e.delivery_point_id = %s AND e.start_at >= r.start_at
  AND e.start_at < r.end_at AND e.version = r.version
"""


def heat_minutes(*, delivery_point_id: int, first: dt.date, end: dt.date) -> dict[str, int]:
    """
    Return the minutes of the delivery windows of some local days less what is excluded: `up` as
    agreed, `down` not so, and `unknown`. For bills.

    :raises LedgerBehind: if a day is not judged to its end, or has no terms
    """
    place = DeliveryPoint.objects.select_related("site").get(pk=delivery_point_id)
    period = local_days(first, end, place.site.timezone)
    waiting = HeatDirty.objects.filter(
        delivery_point=place, span__overlap=(period.start, period.end)
    )
    days = HeatDay.objects.filter(delivery_point=place, day__gte=first, day__lt=end)
    sums = days.aggregate(
        reached=Max("until_at"), count=Count("day"),
        **{f"sum_{name}": Sum(name) for name in SECONDS},
    )  # fmt: skip
    whole = sums["count"] == (end - first).days and sums["reached"] >= period.end
    if not whole or waiting.exists():
        raise LedgerBehind
    excluded = sum(sums[f"sum_{name}"] for name in ("planned_s", "partner_s", "return_s",
                                                    "outdoor_s"))  # fmt: skip
    base, down, unknown = (
        int((Decimal(seconds) / 60).to_integral_value(ROUND_HALF_UP))
        for seconds in (sums["sum_window_s"] - excluded, sums["sum_bad_s"], sums["sum_unknown_s"])
    )
    return {"up": max(0, base - down - unknown), "down": down, "unknown": unknown}
