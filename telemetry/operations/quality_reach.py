"""
How far a change of readings reaches: which of them have to be looked at together for a rule to say
what it would have said had all of them come in time, and which other channels it sways.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, cast

from django.db import connection
from django.db.backends.utils import CursorWrapper

from telemetry.domain import vee
from telemetry.models import Channel
from telemetry.queries.dials import power_channel, register_channel
from telemetry.queries.rule_settings import thresholds_of

Span = tuple[dt.datetime, dt.datetime]
Named = tuple[str, dt.datetime, dt.datetime]

# A fall may come back within two days, and what step is usual is told by a day on either side.
REACH = dt.timedelta(days=2)
# The rules that look that far beyond the stretch they tell of.
_FAR = frozenset({"gap", "reset", "rise", "dip"})

# Something was found before that a change of a range may undo, or something may be found now for
# which the range is the surroundings: hours that a long step was spread over. For any statement
# with `channel`, `lower`, `upper`, and the names of the rules in `rules`.
SWAYED = f"""(EXISTS (SELECT FROM telemetry_finding f WHERE f.channel_id = %(channel)s
    AND f.state <> 'gone' AND f.rule = ANY(%(rules)s)
    AND f.span && CASE WHEN f.rule IN ({", ".join(f"'{rule}'" for rule in sorted(_FAR))})
      THEN tstzrange(%(lower)s - interval '{REACH.days} days',
        %(upper)s + interval '{REACH.days} days')
      ELSE tstzrange(%(lower)s, %(upper)s) END)
  OR EXISTS (SELECT FROM telemetry_rollup r
    WHERE r.channel_id = %(channel)s AND r.grain = 'hour' AND r.quality = 'scaled'
      AND r.start_at > %(lower)s - interval '{REACH.days} days'
      AND r.start_at < %(upper)s + interval '{REACH.days} days'
      AND (r.start_at < %(lower)s OR r.start_at >= %(upper)s)))"""  # noqa: S608 - the parts are constants of this module


def swayed(area: Span, dirty: Span, found: Iterable[Named]) -> Span:
    """
    Return an area widened to whatever reaches into it, and to what reaches into that: whether a
    figure counts decides how the next one is judged. `found` are stretches by rule.
    """
    near = dirty[0] - REACH, dirty[1] + REACH
    spans = list(found)
    lower, upper = area
    while True:
        reaching = [
            (start, end) for rule, start, end in spans
            if (start < upper and end > lower)
            or (rule in _FAR and start < near[1] and end > near[0])
        ]  # fmt: skip
        wider = min([lower, *(s for s, _ in reaching)]), max([upper, *(e for _, e in reaching)])
        if wider == (lower, upper):
            return wider
        lower, upper = wider


def window(channel: Channel, area: Span) -> Span:
    """
    Return the stretch of readings by which an area is judged. A register is followed over zeros,
    and over the time it stood still, to where it counted before and after, unless it stands there
    to this day: without a step nothing has caught up.
    """
    lower, upper = area[0] - REACH, area[1] + REACH
    if channel.kind != Channel.Kind.REGISTER:
        return lower, upper
    with connection.cursor() as cursor:
        readings = _Readings(cursor, channel.pk)
        upper = _stands_until(readings, lower, upper)
        return _stood_since(readings, lower, upper), upper


def _stands_until(readings: _Readings, lower: dt.datetime, upper: dt.datetime) -> dt.datetime:
    edge = readings.after(upper)
    if edge is not None and edge[1] == 0:
        edge = readings.after(upper, _ZERO) if readings.any_in(lower, upper, _ZERO) else None
        upper = upper if edge is None else edge[0] + vee.TICK
    if edge is None:
        return upper
    inside = readings.before(upper, _ZERO)
    if inside is not None and inside[1] == edge[1]:
        edge = readings.after(upper, _ZERO, edge[1])
        upper = upper if edge is None else edge[0] + vee.TICK
    return upper


def _stood_since(readings: _Readings, lower: dt.datetime, upper: dt.datetime) -> dt.datetime:
    edge = readings.before(lower)
    if edge is not None and edge[1] == 0:
        edge = readings.before(lower, _ZERO) if readings.any_in(lower, upper, _ZERO) else None
        lower = lower if edge is None else edge[0]
    if edge is None or not readings.any_in(lower, upper, _ZERO, edge[1]):
        return lower
    edge = readings.before(lower, _ZERO, edge[1]) or readings.after(_BEGINNING)
    return lower if edge is None else min(lower, edge[0])


_ZERO = Decimal(0)
_BEGINNING = dt.datetime.min.replace(tzinfo=dt.UTC)


class _Readings:
    """
    Single readings of a channel, found by going past some values. Of an archived month the ends
    are there, which is enough: too long a stretch says the same.
    """

    def __init__(self, cursor: CursorWrapper, channel_id: int) -> None:
        self._cursor = cursor
        self._channel = channel_id

    def before(self, at: dt.datetime, *past: Decimal) -> vee.Reading | None:
        return self._one(
            "at <= %s AND value <> ALL(%s::numeric[]) ORDER BY at DESC", at, list(past)
        )

    def after(self, at: dt.datetime, *past: Decimal) -> vee.Reading | None:
        return self._one("at >= %s AND value <> ALL(%s::numeric[]) ORDER BY at", at, list(past))

    def any_in(self, lower: dt.datetime, upper: dt.datetime, *past: Decimal) -> bool:
        return (
            self._one(
                "at > %s AND at < %s AND value <> ALL(%s::numeric[])", lower, upper, list(past)
            )
            is not None
        )

    def _one(self, which: str, *values: Any) -> vee.Reading | None:
        self._cursor.execute(
            f"SELECT at, value FROM telemetry_reading WHERE channel_id = %s AND {which} LIMIT 1",  # noqa: S608 - the part is one of those above
            [self._channel, *values],
        )
        return cast(vee.Reading | None, self._cursor.fetchone())


# --- Other channels of the point -------------------------------------------------------------


def mark_beside(
    *, channel: Channel, dirty: Iterable[Span], looked: Iterable[Span], marked_at: dt.datetime,
    at: dt.datetime,
) -> None:  # fmt: skip
    """
    Let the rules look again at what is judged by this channel: at its point the register that
    stood still while power flowed, where the power came after it was rolled up; and what reads
    zero together with the register, where the register was looked at.
    """
    if channel.quantity == Channel.Quantity.POWER:
        register = register_channel(channel)
        if register is not None and power_channel(register) == channel:
            for lower, upper in dirty:
                with connection.cursor() as cursor:
                    cursor.execute(
                        _MARK_REGISTER,
                        {"power": channel.pk, "register": register.pk, "lower": lower,
                         "upper": upper, "marked_at": marked_at, "at": at},
                    )  # fmt: skip
    elif channel.kind == Channel.Kind.REGISTER and channel.quantity == Channel.Quantity.ENERGY:
        for lower, upper in looked:
            _mark_zeros(channel, lower, upper, at)


# Power that came together with the register was there when it was looked at.
_MARK_REGISTER = """
INSERT INTO telemetry_dirtyrange (channel_id, span, marked_at)
SELECT %(register)s, tstzrange(%(lower)s, %(upper)s), %(at)s
WHERE %(marked_at)s >= (
    SELECT min(computed_at) FROM telemetry_rollup WHERE channel_id = %(register)s
      AND grain = 'hour' AND start_at < %(upper)s AND start_at > %(lower)s - interval '1 hour')
  AND EXISTS (SELECT FROM telemetry_reading WHERE channel_id = %(power)s AND at >= %(lower)s
    AND at < %(upper)s AND value <> 0)
  AND EXISTS (
    SELECT FROM (
      SELECT value, lag(value) OVER (ORDER BY at) AS before FROM telemetry_reading
      WHERE channel_id = %(register)s AND at >= %(lower)s - interval '2 hours'
        AND at < %(upper)s + interval '2 hours'
    ) steps WHERE value = before AND value <> 0)
"""


def counted_since(register: Channel) -> dt.datetime | None:
    """
    Return when a register first counted; its zeros before that say nothing about the line.
    """
    return register.readings.exclude(value=0).order_by("at").values_list("at", flat=True).first()


def _mark_zeros(register: Channel, lower: dt.datetime, upper: dt.datetime, at: dt.datetime) -> None:
    zeros = register.readings.filter(value=0, at__gte=lower, at__lt=upper)
    if not zeros.exists() or (since := counted_since(register)) is None:
        return
    beside = Channel.objects.filter(
        point_id=register.point_id, kind__in=[Channel.Kind.GAUGE, Channel.Kind.INTERVAL]
    ).exclude(quantity__in=[Channel.Quantity.HEARTBEAT, Channel.Quantity.MONTH_END])
    for channel in beside.select_related("site"):
        if thresholds_of(channel=channel, when=lower)["lost"] is None:
            continue
        with connection.cursor() as cursor:
            cursor.execute(
                _MARK_ZEROS,
                {"channel": channel.pk, "register": register.pk, "lower": max(lower, since),
                 "upper": upper, "at": at},
            )  # fmt: skip


# What a finding tells of already, whatever became of it, was looked at.
_MARK_ZEROS = """
INSERT INTO telemetry_dirtyrange (channel_id, span, marked_at)
SELECT %(channel)s, tstzrange(min(r.at), max(r.at), '[]'), %(at)s
FROM telemetry_reading z JOIN telemetry_reading r ON r.channel_id = %(channel)s AND r.at = z.at
WHERE z.channel_id = %(register)s AND z.at >= %(lower)s AND z.at < %(upper)s AND z.value = 0
  AND r.at >= %(lower)s AND r.at < %(upper)s AND r.value = 0
  AND NOT EXISTS (SELECT FROM telemetry_finding f WHERE f.channel_id = %(channel)s
    AND f.rule = 'lost' AND f.state <> 'gone' AND f.span @> r.at)
HAVING count(*) > 0
"""
