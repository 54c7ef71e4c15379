"""
A channel's readings and buckets as rows to hand out, however many they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection

from sites.domain import Period
from telemetry.archive import bring_back
from telemetry.models import Channel

_AT_ONCE = 20_000


@dataclass(frozen=True, slots=True)
class Told:
    """
    A column of an export; `kind` is time, number, count or text.
    """

    name: str
    kind: str


READINGS = (
    Told("at_utc", "time"),
    Told("value_as_sent", "number"),
    Told("value_counted", "number"),
    Told("quality", "text"),
)
BUCKETS = (
    Told("start_utc", "time"),
    Told("end_utc", "time"),
    Told("energy_kwh", "number"),
    Told("estimated_kwh", "number"),
    Told("peak_kw", "number"),
    Told("mean", "number"),
    Told("minimum", "number"),
    Told("maximum", "number"),
    Told("coverage", "number"),
    Told("quality", "text"),
)


def export_rows(
    *, channel: Channel, grain: str, period: Period
) -> tuple[Sequence[Told], Iterator[list[tuple[Any, ...]]]]:
    """
    Return the columns of a channel's export and its rows in lots, oldest first: the readings
    ("readings") with what counts in their place, or the buckets of a grain. The caller looked the
    channel up for its viewer. Rows that are missing stay away: a gap is no zero.

    :raises ArchiveUnreadable: if readings lie in a file that cannot be had
    """
    if grain == "readings":
        bring_back([channel.pk], period.start, period.end)
    statement = {"readings": _READINGS, "quarter": _QUARTERS}.get(grain, _BUCKETS)
    parameters = {
        "channel": channel.pk, "grain": grain, "lower": period.start, "upper": period.end,
    }  # fmt: skip
    return READINGS if grain == "readings" else BUCKETS, _lots(statement, parameters)


def _lots(statement: str, parameters: dict[str, Any]) -> Iterator[list[tuple[Any, ...]]]:
    # A cursor of the server keeps the rows there until they are wanted.
    with connection.chunked_cursor() as cursor:
        cursor.execute(statement, parameters)
        while rows := cursor.fetchmany(_AT_ONCE):
            yield rows


# What was set aside was sent and does not count; what was estimated counts and was not sent.
_READINGS = """
SELECT coalesce(r.at, v.at), r.value, CASE WHEN v.at IS NULL THEN r.value ELSE v.value END,
  coalesce(v.flag, 'actual')
FROM (SELECT at, value FROM telemetry_reading
  WHERE channel_id = %(channel)s AND at >= %(lower)s AND at < %(upper)s) r
FULL JOIN (SELECT at, value, flag FROM telemetry_veevalue
  WHERE channel_id = %(channel)s AND superseded_at IS NULL AND at >= %(lower)s
    AND at < %(upper)s) v ON v.at = r.at
ORDER BY 1
"""
_QUARTERS = """
SELECT start_at, start_at + interval '15 minutes', energy_kwh, estimated_kwh,
  CASE WHEN coverage = 1 THEN energy_kwh * 4 END, mean, minimum, maximum, coverage, quality
FROM telemetry_quarters(ARRAY[%(channel)s::bigint], %(lower)s, %(upper)s) ORDER BY start_at
"""
_BUCKETS = """
SELECT start_at, end_at, energy_kwh, estimated_kwh, peak_kw, mean, minimum, maximum, coverage,
  quality
FROM telemetry_rollup
WHERE channel_id = %(channel)s AND grain = %(grain)s AND start_at >= %(lower)s
  AND start_at < %(upper)s
ORDER BY start_at
"""
