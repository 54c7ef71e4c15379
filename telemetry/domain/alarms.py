"""
When a figure raises an alarm and when the alarm is over: levels with hysteresis and delay.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import NamedTuple

HOUR_S = Decimal(3600)


@dataclass(frozen=True, slots=True)
class Levels:
    """
    Beyond `set_level` for `delay` an alarm is raised, within `clear_level` it is over. `rising`:
    beyond is at or above, else at or below. `of_rate`: the figure is the size of the change an
    hour since the reading before.
    """

    set_level: Decimal
    clear_level: Decimal
    delay: dt.timedelta = dt.timedelta()
    rising: bool = True
    of_rate: bool = False

    def beyond(self, figure: Decimal) -> bool:
        return figure >= self.set_level if self.rising else figure <= self.set_level

    def within(self, figure: Decimal) -> bool:
        # A clear level equal to the set level must not hold and be over at once.
        if self.beyond(figure):
            return False
        return figure <= self.clear_level if self.rising else figure >= self.clear_level


class Sample(NamedTuple):
    """
    A reading; `asked` is False where nobody asks for the quantity, so that it cannot be wrong.
    """

    at: dt.datetime
    value: Decimal
    asked: bool = True


@dataclass(frozen=True, slots=True)
class Watch:
    """
    What is remembered between two looks.
    """

    looked_until: dt.datetime
    last_value: Decimal | None = None
    beyond_since: dt.datetime | None = None
    raised: bool = False


@dataclass(frozen=True, slots=True)
class Occurrence:
    """
    The figure was beyond from `since` on, with `figure` when the delay had passed. `over_at`: when
    it came back; `raised_before`: in an earlier look.
    """

    since: dt.datetime
    figure: Decimal | None = None
    over_at: dt.datetime | None = None
    raised_before: bool = False


def look(watch: Watch, levels: Levels, samples: Iterable[Sample]) -> tuple[Watch, list[Occurrence]]:
    """
    Look at the samples after those seen before, in order of time, and return what to remember and
    what began or ended. Looking in pieces finds what one look finds. Time passes by readings
    alone: where none come in, nothing is raised here.
    """
    found: list[Occurrence] = []
    for sample in samples:
        figure = _figure(watch, levels, sample)
        seen = replace(watch, looked_until=sample.at, last_value=sample.value)
        if figure is None:
            watch = seen
            continue
        beyond = sample.asked and levels.beyond(figure)
        if watch.raised:
            if not sample.asked or levels.within(figure):
                found.append(_over(found, watch, sample.at))
                seen = replace(seen, beyond_since=None, raised=False)
        elif beyond:
            since = watch.beyond_since or sample.at
            raised = sample.at - since >= levels.delay
            if raised:
                found.append(Occurrence(since, figure))
            seen = replace(seen, beyond_since=since, raised=raised)
        else:
            seen = replace(seen, beyond_since=None)
        watch = seen
    return watch, found


def _figure(watch: Watch, levels: Levels, sample: Sample) -> Decimal | None:
    if not levels.of_rate:
        return sample.value
    seconds = Decimal((sample.at - watch.looked_until).total_seconds())
    if watch.last_value is None or seconds <= 0:
        return None
    return abs(sample.value - watch.last_value) / seconds * HOUR_S


def _over(found: list[Occurrence], watch: Watch, at: dt.datetime) -> Occurrence:
    since = watch.beyond_since or watch.looked_until
    if found and found[-1].since == since and found[-1].over_at is None:
        return replace(found.pop(), over_at=at)
    return Occurrence(since, over_at=at, raised_before=True)
