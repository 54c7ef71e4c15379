"""
Quarters of an hour of channels, and mean temperatures weighed by what flowed.
"""

from __future__ import annotations

import datetime as dt
import enum
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import connection

from sites.access import Viewer
from sites.domain import Period
from telemetry.models import Channel, Rollup

QUARTER = dt.timedelta(minutes=15)
_MISSING = Rollup.Quality.MISSING.value


@dataclass(frozen=True, slots=True)
class QuarterHour:
    """
    A channel over fifteen minutes. `energy_kwh` is what is known of it (m³ of volume, m³·°C of
    E8 and E9), None where nothing is; only a `coverage` of 1 makes it the whole. Mean, minimum
    and maximum are in the unit the channel sends. `kept`: something was read inside its hour;
    else it is a fourth of the hour.
    """

    start_at: dt.datetime
    energy_kwh: Decimal | None = None
    estimated_kwh: Decimal = Decimal(0)
    mean: Decimal | None = None
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    coverage: Decimal = Decimal(0)
    quality: str = _MISSING
    kept: bool = False


def quarter_hours(*, channel_id: int, period: Period) -> list[QuarterHour]:
    """
    Return every quarter of an hour of a period that begins on one, gaps included. Quarters add
    up to the hours of the rollup to the last digit.
    """
    found = quarter_hours_known(channel_ids=[channel_id], period=period).get(channel_id, {})
    count = -((period.start - period.end) // QUARTER)
    every = [period.start + n * QUARTER for n in range(count)]
    return [found.get(at) or QuarterHour(at) for at in every]


def quarter_hours_known(
    *, channel_ids: list[int], period: Period
) -> dict[int, dict[dt.datetime, QuarterHour]]:
    """
    Return the quarters that begin in a period by channel and start, without those of which
    nothing is known.
    """
    found: dict[int, dict[dt.datetime, QuarterHour]] = {pk: {} for pk in channel_ids}
    with connection.cursor() as cursor:
        cursor.execute(_QUARTERS, [channel_ids, period.start, period.end])
        for channel_id, *figures in cursor.fetchall():
            quarter = QuarterHour(*figures)
            found[channel_id][quarter.start_at] = quarter
    return found


_QUARTERS = "SELECT * FROM telemetry_quarters(%s, %s, %s)"


class WeighedBy(enum.StrEnum):
    """
    What a mean temperature is weighed by, the best first.
    """

    METER = "meter"
    VOLUME = "volume"
    FLOW = "flow"
    ENERGY = "energy"


@dataclass(frozen=True, slots=True)
class FlowTemperature:
    """
    Mean supply and return temperature of what flowed in a bucket, °C; None where nothing did or
    it is not known. `coverage` is the share of the bucket in which all that is needed was known.
    """

    start_at: dt.datetime
    end_at: dt.datetime
    supply_c: Decimal | None
    return_c: Decimal | None
    coverage: Decimal


def flow_temperatures(
    *, viewer: Viewer, point_id: int, grain: str, period: Period
) -> tuple[WeighedBy | None, list[FlowTemperature]]:
    """
    Return the mean temperatures of a point over every quarter, hour, local day or local month
    that begins in the period ("whole": over all of it), oldest first, and what they are weighed
    by: t = ΣV·t / ΣV over quarters of an hour (domain reference, section 3), or ΔE8 / ΔV where
    the meter counts E8 and E9 itself. None and nothing where the viewer may not see what is needed.
    """
    channels = {
        channel.quantity: channel
        for channel in Channel.objects.visible_to(viewer)
        .filter(point_id=point_id)
        .select_related("site")
    }
    weighed = _weighed_by(set(channels))
    if weighed is None:
        return None, []
    weight = channels["volume" if weighed is WeighedBy.METER else weighed.value]
    warm, cold = ("e8", "e9") if weighed is WeighedBy.METER else ("supply", "return")
    parameters: dict[str, Any] = {
        "channels": [channels[name].pk for name in (weight.quantity, warm, cold)],
        "weight": weight.pk, "warm": channels[warm].pk, "cold": channels[cold].pk,
        "counted": weighed is WeighedBy.METER, "is_rate": weighed is WeighedBy.FLOW,
        "lower": period.start, "upper": period.end, "zone": weight.site.timezone,
        "grain": "minute" if grain == Rollup.Grain.QUARTER else grain,
        "width": "1 " + grain if grain in {"hour", "day", "month"} else "15 minutes",
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_FLOW_TEMPERATURES, parameters)
        return weighed, [FlowTemperature(*row) for row in cursor.fetchall()]


def _weighed_by(sent: set[str]) -> WeighedBy | None:
    if {"volume", "e8", "e9"} <= sent:
        return WeighedBy.METER
    if not {"supply", "return"} <= sent:
        return None
    return next((w for w in WeighedBy if w is not WeighedBy.METER and w.value in sent), None)


# The interval of a whole local day or month is added to the wall clock, that of an hour to UTC:
# the second of two hours of one name is an hour of its own.
_FLOW_TEMPERATURES = """
WITH quarters AS (
  SELECT * FROM telemetry_quarters(%(channels)s, %(lower)s, %(upper)s)
), together AS (
  SELECT w.start_at, CASE WHEN %(is_rate)s THEN w.mean * w.coverage / 4 ELSE w.energy_kwh END AS w,
    CASE WHEN %(counted)s THEN warm.energy_kwh ELSE warm.mean END AS warm,
    CASE WHEN %(counted)s THEN cold.energy_kwh ELSE cold.mean END AS cold
  FROM quarters w
  JOIN quarters warm ON warm.start_at = w.start_at AND warm.channel_id = %(warm)s
  JOIN quarters cold ON cold.start_at = w.start_at AND cold.channel_id = %(cold)s
  WHERE w.channel_id = %(weight)s
), named AS (
  SELECT *, CASE WHEN %(grain)s = 'whole' THEN %(lower)s
    WHEN %(grain)s IN ('day', 'month')
    THEN date_trunc(%(grain)s, start_at AT TIME ZONE %(zone)s) AT TIME ZONE %(zone)s
    ELSE date_bin(%(width)s::interval, start_at,
      '2000-01-01'::timestamp AT TIME ZONE %(zone)s) END AS bucket
  FROM together WHERE w IS NOT NULL AND warm IS NOT NULL AND cold IS NOT NULL
), weighed AS (
  SELECT bucket, CASE WHEN %(grain)s = 'whole' THEN %(upper)s
      WHEN %(grain)s IN ('day', 'month')
      THEN ((bucket AT TIME ZONE %(zone)s) + %(width)s::interval) AT TIME ZONE %(zone)s
      ELSE bucket + %(width)s::interval END AS until,
    sum(CASE WHEN %(counted)s THEN warm ELSE w * warm END) AS warm,
    sum(CASE WHEN %(counted)s THEN cold ELSE w * cold END) AS cold,
    nullif(sum(w), 0) AS total, count(*) * 900 AS seconds
  FROM named GROUP BY bucket
)
SELECT bucket, until, round(warm / total, 6), round(cold / total, 6),
  round(seconds / extract(epoch FROM until - bucket), 6)
FROM weighed ORDER BY bucket
"""
