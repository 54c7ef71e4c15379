"""
Dirty ranges into quantities per quarter of an hour, local hour, day and month.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django.db import connection, transaction

from telemetry.archive import bring_back_each
from telemetry.domain.availability import LATE
from telemetry.domain.units import BASE_UNITS, REGISTER_BASE
from telemetry.models import Channel
from telemetry.operations import heat, month_ends, quality, quality_days
from telemetry.operations import rollup_registers as registers
from telemetry.operations import rollup_sql as sql
from telemetry.operations import rollup_values as values
from telemetry.operations.calm import Quarters, calm_quarters
from telemetry.operations.quality_reach import REACH, Span

# kW or W to kW: interval means are sent in one of these.
KW_PER_UNIT = {"kW": 1.0, "W": 0.001}


@transaction.atomic(durable=True)
def roll_up_channel(*, channel_id: int, at: dt.datetime) -> int:
    """
    Bring the rollups of one channel up to its readings; return how many dirty ranges it had.
    Two workers never work on one channel at a time: the second finds nothing to do.
    """
    return roll_up(channel_id, at)


def roll_up(channel_id: int, at: dt.datetime) -> int:
    """
    Do so within a transaction that is open.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", [_LOCK, channel_id])
        if not cursor.fetchone()[0]:
            return 0
        # Ranges marked after this look stay for the next time.
        cursor.execute(sql.TAKE_DIRTY, {"channel": channel_id})
        taken = cursor.fetchall()
        if not taken:
            return 0
        spans = [(lower, upper) for lower, upper, _ in taken]
        channel = Channel.objects.select_related("site").get(pk=channel_id)
        _bring_back(channel, spans)
        changed, calm = spans, _calm(channel, spans)
        if len(calm) < len(spans):
            # What the rules change may reach anywhere.
            calm = {}
            changed = quality.check_ranges(
                channel=channel, spans=spans, marked_at=taken[0][2], at=at
            )
        if changed != spans:
            _bring_back(channel, changed)
        for lower, upper in changed:
            if channel.quantity == Channel.Quantity.MONTH_END:
                month_ends.take_in(channel=channel, lower=lower, upper=upper, at=at)
            _roll_up_span(channel, lower, upper, calm.get((lower, upper)), at)
        quality_days.mark_due_days(channel=channel, spans=changed, at=at)
    return len(spans)


_LOCK = 0x57A6


def _bring_back(channel: Channel, spans: Sequence[Span]) -> None:
    """
    Bring back what the archive has around spans, also of what the channel is checked against.
    """
    beside = Channel.objects.filter(point_id=channel.point_id).values_list("pk", flat=True)
    around = REACH
    bring_back_each(
        [(pk, lower - around, upper + around) for pk in beside for lower, upper in spans]
    )


def _calm(channel: Channel, spans: Sequence[Span]) -> dict[Span, Quarters]:
    """
    Return the quarters of the ranges of a register up to the first that is not calm.
    """
    found: dict[Span, Quarters] = {}
    if channel.kind != Channel.Kind.REGISTER or channel.quantity == Channel.Quantity.MONTH_END:
        return found
    for lower, upper in spans:
        quarters = calm_quarters(
            channel=channel, lower=lower, upper=upper, rules=quality.READING_RULES
        )
        if quarters is None:
            break
        found[lower, upper] = quarters
    return found


def _roll_up_span(
    channel: Channel, lower: dt.datetime, upper: dt.datetime, calm: Quarters | None, at: dt.datetime
) -> None:
    parameters: dict[str, Any] = {
        "channel": channel.pk, "point": channel.point_id, "zone": channel.site.timezone,
        "lower": lower, "upper": upper, "at": at, "kw": None,
    }  # fmt: skip
    if channel.quantity == Channel.Quantity.POWER:
        parameters["kw"] = KW_PER_UNIT[channel.unit]
    with connection.cursor() as cursor:
        if calm is None:
            cursor.execute(sql.CORRECTED, [channel.pk])
            corrected = cursor.fetchone()[0]
            read = sql.effective if corrected else str
        if channel.kind == Channel.Kind.REGISTER:
            if calm is None:
                _widen(parameters, corrected=corrected)
            sizes = BASE_UNITS[REGISTER_BASE[channel.quantity]]
            parameters["quantity"] = channel.quantity
            parameters["units"] = list(sizes)
            parameters["numerators"] = [size.numerator for size in sizes.values()]
            parameters["denominators"] = [size.denominator for size in sizes.values()]
            if calm is None:
                cursor.execute(read(registers.HOURS), parameters)
            else:
                cursor.execute(registers.CALM_HOURS, parameters | calm)
        elif channel.interval_s is None:
            cursor.execute(read(values.GAUGE_HOURS), parameters)
        else:
            # The last reading may speak for part of an hour that has none of its own.
            parameters["upper"] = upper + LATE * dt.timedelta(seconds=channel.interval_s)
            parameters["interval"] = channel.interval_s
            parameters["quarters"] = channel.kind != Channel.Kind.HEARTBEAT
            cursor.execute(read(values.MEAN_HOURS), parameters)
        parameters["by_time"] = channel.interval_s is not None
        for grain, part in (("day", "hour"), ("month", "day")):
            cursor.execute(sql.COARSER, {**parameters, "grain": grain, "part": part})
    heat.mark_heat(
        channel=channel, lower=parameters["lower"], upper=parameters["upper"], at=at
    )  # fmt: skip


def _widen(parameters: dict[str, Any], *, corrected: bool) -> None:
    """
    Let the range of a register reach to neighbours that count. Planning that costs more than a
    short look at whether there is anything to reach over.
    """
    with connection.cursor() as cursor:
        if not corrected:
            cursor.execute(registers.ENDS_COUNT, parameters)
            if cursor.fetchone()[0]:
                return
        cursor.execute(registers.WIDEN, parameters)
        parameters["lower"], parameters["upper"] = cursor.fetchone()
