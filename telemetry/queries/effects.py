"""
What other values would change in quantities, before they count.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from telemetry.domain.effects import Stay, counted
from telemetry.domain.vee import TICK, hours
from telemetry.models import Channel
from telemetry.queries.dials import KW_PER_UNIT, dials
from telemetry.queries.estimation import Wanted, effective

Series = Mapping[dt.datetime, Decimal]


@dataclass(frozen=True, slots=True)
class Effect:
    """
    kWh from `start` until before `end` as they count now and as they would; None: not known.
    """

    start: dt.datetime
    end: dt.datetime
    before: Decimal | None
    after: Decimal | None

    @property
    def change(self) -> Decimal | None:
        if self.before is None and self.after is None:
            return None
        return (self.after or Decimal(0)) - (self.before or Decimal(0))


def effect_of(*, channel: Channel, wanted: Wanted, edges: Sequence[dt.datetime]) -> list[Effect]:
    """
    Return for each stretch between edges what a channel counts now and what it would with other
    values; nothing for channels that count no energy.
    """
    if not wanted or len(edges) < 2:
        return []
    first, last = min(w[0] for w in wanted), max(w[0] for w in wanted)
    now = dict(effective(channel.pk, min(first, edges[0]), max(last, edges[-1])))
    then = dict(now)
    for at, value, _ in wanted:
        then.pop(at, None)
        if value is not None:
            then[at] = value
    both = [_energy(channel, series, edges) for series in (now, then)]
    spans = itertools.pairwise(edges)
    return [
        Effect(start, end, before, after)
        for (start, end), before, after in zip(spans, *both, strict=True)
        if (before, after) != (None, None)
    ]


def _energy(channel: Channel, series: Series, edges: Sequence[dt.datetime]) -> list[Decimal | None]:
    rows = sorted(series.items())
    if channel.kind == Channel.Kind.REGISTER:
        there = dials(channel, edges[0], edges[-1] + TICK)
        stays = [Stay(stay.valid.lower, stay.valid.upper, dial) for stay, dial in there]
        return counted(rows, stays, edges)
    if channel.kind != Channel.Kind.INTERVAL or channel.unit not in KW_PER_UNIT:
        return [None] * (len(edges) - 1)
    step = hours(dt.timedelta(seconds=channel.interval_s or 0)) * KW_PER_UNIT[channel.unit]
    return [
        sum((value * step for at, value in rows if start <= at < end), Decimal(0))
        for start, end in itertools.pairwise(edges)
    ]
