"""
Series for zoomable charts, reduced to what a screen can show: never more points than asked for,
the lowest and highest of each kept, gaps left as gaps.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from django.db import connection

from sites.access import Viewer
from sites.domain import Period
from telemetry.archive import ArchiveUnreadable, bring_back
from telemetry.domain.units import REGISTER_BASE
from telemetry.models import Channel, Rollup
from telemetry.queries.dials import KW_PER_UNIT, dials

# Widths of a bucket in seconds that fall on round times of the clock.
_HOUR, _DAY = 3600, 86_400
_WIDTHS = (
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, _DAY,
    2 * _DAY, 7 * _DAY, 28 * _DAY, 91 * _DAY, 364 * _DAY,
)  # fmt: skip
# A register's steps between readings are drawn over at most this; its dial is too coarse to tell
# the power of a minute, and over longer the quarters tell as much.
_MOST_STEPS = dt.timedelta(days=2)
# Longer stretches are made of days, so that ten years take no longer than one.
_FROM_DAYS = dt.timedelta(days=1100)
# A gauge that is silent this long has a gap.
_SILENT_S = 3600.0


@dataclass(slots=True)
class Line:
    """
    One channel over a time. `at` are Unix seconds, `value` the mean of each bucket that begins
    there (or the reading itself where `width_s` is 0), `low` and `high` the extremes within it;
    all in `unit`, None where nothing is known. `stretches` are times of lesser quality: from,
    to, quality, the worst of each bucket.
    """

    unit: str
    width_s: int
    at: list[float] = field(default_factory=list)
    value: list[float | None] = field(default_factory=list)
    low: list[float | None] = field(default_factory=list)
    high: list[float | None] = field(default_factory=list)
    stretches: list[tuple[float, float, str]] = field(default_factory=list)


def chart_unit(channel: Channel) -> str:
    """
    Return the unit a channel is drawn in: registers as what they count in an hour.
    """
    if channel.kind == Channel.Kind.REGISTER:
        base = REGISTER_BASE[channel.quantity]
        return {"kWh": "kW", "m3": "m³/h"}.get(base, f"{base}/h".replace("m3", "m³"))
    if channel.kind == Channel.Kind.HEARTBEAT:
        return "%"
    return "kW" if channel.quantity == Channel.Quantity.POWER else channel.unit


def chart_factor(channel: Channel) -> float:
    """
    Return what a mean is multiplied by to be in the unit of the chart.
    """
    if channel.kind == Channel.Kind.HEARTBEAT:
        return 100
    return float(KW_PER_UNIT[channel.unit]) if channel.quantity == Channel.Quantity.POWER else 1


def chart_line(
    *, viewer: Viewer, channel_id: int, period: Period, points: int = 1000
) -> Line | None:
    """
    Return a channel over a period in at most about `points` buckets; None where the viewer may
    not see it. What was estimated or edited stands in its place, and is named in the stretches.
    """
    channel = (
        Channel.objects.visible_to(viewer).select_related("site").filter(pk=channel_id).first()
    )
    if channel is None:
        return None
    lasts = period.end - period.start
    width = next((w for w in _WIDTHS if w * points >= lasts.total_seconds()), _WIDTHS[-1])
    is_register = channel.kind == Channel.Kind.REGISTER
    if width >= _HOUR:
        return _from_rollups(channel, period, width)
    least = _least_width(channel, period)
    if width >= 900 or (is_register and lasts > _MOST_STEPS):
        return _from_rollups(channel, period, max(width, least))
    try:
        bring_back([channel.pk], period.start, period.end)
    except ArchiveUnreadable:
        # The rollups tell what there was; that a file is damaged is told elsewhere.
        return _from_rollups(channel, period, least)
    line = _steps(channel, period, width) if is_register else _values(channel, period, width)
    _shade(line, _bucket_rows(channel, period, least))
    return line


def _least_width(channel: Channel, period: Period) -> int:
    """
    Return 900, or 3600 where a channel is read about hourly and quarters would say no more.
    """
    with connection.cursor() as cursor:
        cursor.execute(_SAMPLES, _span(channel, period))
        samples, hours = cursor.fetchone()
    return 900 if samples > 1.5 * hours else _HOUR


def _span(channel: Channel, period: Period) -> dict[str, Any]:
    return {"channel": channel.pk, "lower": period.start, "upper": period.end}


_SAMPLES = """
SELECT coalesce(sum(samples), 0), count(*) FROM telemetry_rollup
WHERE channel_id = %(channel)s AND grain = 'hour'
  AND start_at > %(lower)s::timestamptz - interval '1 hour' AND start_at < %(upper)s
"""


# --- From rollups ----------------------------------------------------------------------------


def _from_rollups(channel: Channel, period: Period, width: int) -> Line:
    line = Line(chart_unit(channel), width)
    rows = _bucket_rows(channel, period, width)
    following = None
    for start, end, value, low, high, _ in rows:
        # A bucket without a row is a gap: one None breaks the line.
        if following is not None and start > following:
            _add(line, following, None, None, None)
        _add(line, start, value, low, high)
        following = end
    if following is not None:
        # A step lasts until the end of its bucket.
        _add(line, following, None, None, None)
    _shade(line, rows)
    return line


def _add(line: Line, at: float, value: float | None, low: float | None, high: float | None) -> None:
    line.at.append(at)
    line.value.append(value)
    line.low.append(low)
    line.high.append(high)


def _bucket_rows(channel: Channel, period: Period, width: int) -> list[Any]:
    parameters = {
        **_span(channel, period),
        "zone": channel.site.timezone,
        "seconds": f"{width} seconds",
        "days": max(width // _DAY, 1),
        "worst_first": Rollup.Quality.values,
        "factor": chart_factor(channel),
    }
    source = _QUARTERS if width < 3600 else _ROWS
    if width >= 3600:
        by_day = width >= _DAY and period.end - period.start > _FROM_DAYS
        parameters["grain"] = "day" if by_day else "hour"
    figures = _COUNTED if channel.kind == Channel.Kind.REGISTER else _MEASURED
    bucket = _BY_DAYS if width >= _DAY else _BY_CLOCK
    with connection.cursor() as cursor:
        cursor.execute(
            _BUCKETS.format(source=source, bucket=bucket, rank=_RANK, **figures), parameters
        )
        rows: list[Any] = cursor.fetchall()
    return rows


_QUARTERS = """
SELECT start_at, start_at + interval '15 minutes' AS end_at, energy_kwh, mean, minimum, maximum,
  energy_kwh * 4 AS peak_kw, coverage, quality
FROM telemetry_quarters(ARRAY[%(channel)s::bigint], %(lower)s, %(upper)s)
"""
_ROWS = """
SELECT start_at, end_at, energy_kwh, mean, minimum, maximum, peak_kw, coverage, quality
FROM telemetry_rollup
WHERE channel_id = %(channel)s AND grain = %(grain)s
  AND end_at > %(lower)s AND start_at < %(upper)s
"""
# Means of longer buckets are weighed by the time that is known, as sums divided by sums.
_COUNTED = {
    "value": "(sum(energy) / nullif(sum(known) FILTER (WHERE energy IS NOT NULL), 0) * 3600)",
    "low": "min(energy / nullif(known, 0) * 3600)",
    "high": "greatest(max(peak), max(energy / nullif(known, 0) * 3600))",
}
_MEASURED = {
    "value": "(sum(mean * known) / nullif(sum(known) FILTER (WHERE mean IS NOT NULL), 0)"
    " * %(factor)s)",
    "low": "min(lowest) * %(factor)s",
    "high": "max(highest) * %(factor)s",
}
_BY_CLOCK = """date_bin(%(seconds)s::interval, start_at,
    '2000-01-03'::timestamp AT TIME ZONE %(zone)s)"""
_BY_DAYS = """date_bin(make_interval(days => %(days)s), start_at AT TIME ZONE %(zone)s,
    '2000-01-03'::timestamp)"""
# Each figure becomes a float once and not in every sum that it enters, hence MATERIALIZED.
_BUCKETS = """
WITH rows AS MATERIALIZED (
  SELECT start_at, end_at, {bucket} AS bucket, energy_kwh::float8 AS energy, mean::float8 AS mean,
    minimum::float8 AS lowest, maximum::float8 AS highest, peak_kw::float8 AS peak,
    coverage::float8 * date_part('epoch', end_at - start_at) AS known, {rank} AS rank
  FROM ({source}) source
)
SELECT date_part('epoch', min(start_at)), date_part('epoch', max(end_at)),
  {value}, {low}, {high}, (%(worst_first)s::text[])[min(rank)]
FROM rows GROUP BY bucket ORDER BY 1
"""
# The commonest first.
_RANK = "CASE quality {} END".format(
    " ".join(
        f"WHEN '{name}' THEN {n}" for n, name in reversed([*enumerate(Rollup.Quality.values, 1)])
    )
)


def _shade(line: Line, rows: Iterable[Any]) -> None:
    """
    Join neighbouring buckets of one quality to stretches; what was simply measured needs none.
    Between two buckets nothing was measured.
    """
    told = [(row[0], row[1], row[-1]) for row in rows]
    between = [
        (one[1], two[0], Rollup.Quality.MISSING.value)
        for one, two in pairwise(told)
        if one[1] < two[0]
    ]
    for start, end, quality in sorted(told + between):
        if quality == Rollup.Quality.ACTUAL.value:
            continue
        last = line.stretches[-1] if line.stretches else None
        if last is not None and last[1] == start and last[2] == quality:
            line.stretches[-1] = (last[0], end, quality)
        else:
            line.stretches.append((start, end, quality))


# --- From readings ---------------------------------------------------------------------------


# The nearest on either side come too, so that a line enters and leaves the picture.
_AROUND = """
  AND at >= coalesce((SELECT at FROM telemetry_effective WHERE channel_id = %(channel)s
    AND at <= %(lower)s ORDER BY at DESC LIMIT 1), %(lower)s)
  AND at <= coalesce((SELECT at FROM telemetry_effective WHERE channel_id = %(channel)s
    AND at >= %(upper)s ORDER BY at LIMIT 1), %(upper)s)
"""
_VALUES = f"""
SELECT extract(epoch FROM at)::float8, value::float8 * %(factor)s
FROM telemetry_effective WHERE channel_id = %(channel)s {_AROUND} ORDER BY at
"""  # noqa: S608 - the parts are constants of this module
# Of a register the last reading of each bucket, so that no step is lost.
_DIALS = f"""
SELECT DISTINCT ON (date_bin(%(seconds)s::interval, at, 'epoch'))
  at, extract(epoch FROM at)::float8, value
FROM telemetry_effective WHERE channel_id = %(channel)s {_AROUND}
ORDER BY date_bin(%(seconds)s::interval, at, 'epoch'), at DESC
"""  # noqa: S608 - the parts are constants of this module


def _values(channel: Channel, period: Period, width: int) -> Line:
    with connection.cursor() as cursor:
        cursor.execute(_VALUES, {**_span(channel, period), "factor": chart_factor(channel)})
        rows = cursor.fetchall()
    lasts = period.end - period.start
    line = Line(chart_unit(channel), 0)
    reduced = [(at, value, value, value) for at, value in rows]
    if len(rows) * width > 4 * lasts.total_seconds():
        line.width_s = width
        reduced = _reduced(rows, width)
    silent = _silent_after(channel, [row[0] for row in reduced])
    before = None
    for at, value, low, high in reduced:
        if before is not None and at - before > silent:
            _add(line, before + min(silent, channel.interval_s or silent), None, None, None)
        _add(line, at, value, low, high)
        before = at
    if before is not None and channel.interval_s:
        _add(line, before + channel.interval_s, None, None, None)
    return line


def _reduced(
    rows: list[tuple[float, float]], width: int
) -> list[tuple[float, float, float, float]]:
    """
    Return mean, lowest and highest of each bucket of readings.
    """
    found: list[tuple[float, float, float, float]] = []
    bucket, values = None, list[float]()
    for at, value in rows:
        start = at // width * width
        if start != bucket:
            if bucket is not None:
                found.append((bucket, sum(values) / len(values), min(values), max(values)))
            bucket, values = start, []
        values.append(value)
    if bucket is not None:
        found.append((bucket, sum(values) / len(values), min(values), max(values)))
    return found


def _silent_after(channel: Channel, ats: list[float]) -> float:
    """
    Return the seconds after which a channel without a further reading has a gap.
    """
    if channel.interval_s:
        return 1.5 * channel.interval_s
    steps = sorted(b - a for a, b in pairwise(ats))
    usual = steps[len(steps) // 2] if steps else 0.0
    return max(_SILENT_S, 1.5 * usual)


def _steps(channel: Channel, period: Period, width: int) -> Line:
    """
    Return what a register counted an hour between each two readings; None across a fall, and
    where a meter came or went.
    """
    with connection.cursor() as cursor:
        cursor.execute(_DIALS, {**_span(channel, period), "seconds": f"{width} seconds"})
        rows = cursor.fetchall()
    line = Line(chart_unit(channel), 0)
    if not rows:
        return line
    meters = [(i.valid, i.pk, dial) for i, dial in dials(channel, rows[0][0], rows[-1][0])]

    def meter_at(at: dt.datetime) -> Any:
        return next((
            (pk, dial) for valid, pk, dial in meters
            if (valid.lower is None or at >= valid.lower)
            and (valid.upper is None or at < valid.upper)
        ), (None, None))  # fmt: skip

    for (then, start, before), (now, end, after) in pairwise(rows):
        (old, dial), (new, _) = meter_at(then), meter_at(now)
        rate = None
        if old is not None and old == new and after >= before:
            rate = float((after - before) * dial.kwh) / (end - start) * 3600
        _add(line, start, rate, rate, rate)
    _add(line, rows[-1][1], None, None, None)
    return line


# --- What a period comes to ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Totals:
    """
    A channel over a period of whole local days. `total` is what a register counted, in kWh, m³
    or m³·°C, and `estimated` how much of it was; `peak` its greatest mean of a quarter of an
    hour and `peak_at` when. Mean, lowest and highest are in the unit of the chart. `known_s` is
    how many seconds are covered.
    """

    total: float | None
    estimated: float
    peak: float | None
    peak_at: dt.datetime | None
    mean: float | None
    lowest: float | None
    highest: float | None
    known_s: float


def channel_totals(*, viewer: Viewer, channel_id: int, period: Period) -> Totals | None:
    """
    Return what a period of whole local days comes to; None where the viewer may not see it.
    """
    channel = Channel.objects.visible_to(viewer).filter(pk=channel_id).first()
    if channel is None:
        return None
    with connection.cursor() as cursor:
        cursor.execute(_TOTALS, {**_span(channel, period), "factor": chart_factor(channel)})
        return Totals(*cursor.fetchone())


_TOTALS = """
SELECT sum(energy_kwh)::float8, coalesce(sum(estimated_kwh), 0)::float8, max(peak_kw)::float8,
  (array_agg(peak_at ORDER BY peak_kw DESC, start_at) FILTER (WHERE peak_kw IS NOT NULL))[1],
  (sum(mean * known) / nullif(sum(known) FILTER (WHERE mean IS NOT NULL), 0))::float8
    * %(factor)s,
  min(minimum)::float8 * %(factor)s, max(maximum)::float8 * %(factor)s,
  coalesce(sum(known), 0)::float8
FROM (
  SELECT *, coverage * extract(epoch FROM end_at - start_at) AS known FROM telemetry_rollup
  WHERE channel_id = %(channel)s AND grain = 'day' AND start_at >= %(lower)s
    AND start_at < %(upper)s
) days
"""
