"""
Uptime from heartbeats. Time nobody heard of is unknown: neither up nor down.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from telemetry.domain import kpi, spans
from telemetry.domain.spans import Span

# Beats are never sent to the second; one this many intervals after the last was not missed.
LATE = 1.5


@dataclass(frozen=True, slots=True)
class Uptime:
    """
    Seconds of a stretch by what is known of them. Seconds before service start and of planned
    work count nowhere.
    """

    up_s: int = 0
    down_s: int = 0
    unknown_s: int = 0
    before_start_s: int = 0
    planned_s: int = 0

    def __add__(self, other: Uptime) -> Uptime:
        return Uptime(
            self.up_s + other.up_s, self.down_s + other.down_s,
            self.unknown_s + other.unknown_s, self.before_start_s + other.before_start_s,
            self.planned_s + other.planned_s,
        )  # fmt: skip

    @property
    def known_s(self) -> int:
        return self.up_s + self.down_s

    @property
    def base_s(self) -> int:
        """
        The time in service less planned work.
        """
        return self.known_s + self.unknown_s

    @property
    def pessimistic(self) -> Decimal | None:
        """
        The share if all unknown time was down.
        """
        return kpi.divide(Decimal(self.up_s), Decimal(self.base_s))

    @property
    def optimistic(self) -> Decimal | None:
        """
        The share if all unknown time was up.
        """
        return kpi.divide(Decimal(self.up_s + self.unknown_s), Decimal(self.base_s))

    @property
    def share(self) -> Decimal | None:
        """
        Up over up and down; None where nothing is known.
        """
        return kpi.divide(Decimal(self.up_s), Decimal(self.known_s))

    @property
    def coverage(self) -> Decimal | None:
        """
        The known share of the time in service; None where there was none.
        """
        return kpi.divide(Decimal(self.known_s), Decimal(self.base_s))

    @property
    def unknown_share(self) -> Decimal | None:
        """
        The share of the time in service that is not known; None where there was none.
        """
        return kpi.divide(Decimal(self.unknown_s), Decimal(self.base_s))

    @property
    def in_service_s(self) -> int:
        """
        The time in service, planned work too.
        """
        return self.base_s + self.planned_s

    @property
    def reason(self) -> kpi.Reason | None:
        """
        Why there is no share; None where there is one.
        """
        if self.share is not None:
            return None
        return kpi.Reason.LOW_COVERAGE if self.unknown_s else kpi.Reason.NOT_STARTED


def total(parts: Iterable[Uptime]) -> Uptime:
    """
    Return the seconds of several stretches together.
    """
    return sum(parts, Uptime())


def told(
    beats: Sequence[tuple[dt.datetime, bool]], *, interval_s: int
) -> tuple[list[Span], list[Span]]:
    """
    Return when heartbeats, in order of time, say up and when down. Each speaks until the next
    one, or for `interval_s` seconds where that one is more than half an interval late.
    """
    interval = dt.timedelta(seconds=interval_s)
    said: dict[bool, list[Span]] = {True: [], False: []}
    for n, (at, is_up) in enumerate(beats):
        until = at + interval
        if n + 1 < len(beats) and beats[n + 1][0] <= at + LATE * interval:
            until = beats[n + 1][0]
        said[is_up].append((at, until))
    return spans.merged(said[True]), spans.merged(said[False])


def uptime_of(
    beats: Sequence[tuple[dt.datetime, bool]],
    *,
    interval_s: int,
    start: dt.datetime,
    end: dt.datetime,
    service_start: dt.datetime,
    planned: Sequence[Span] = (),
    outages: Sequence[Span] = (),
    overrun: Sequence[Span] = (),
) -> Uptime:
    """
    Return the seconds of [start, end): planned work before outages and heartbeats that say down,
    those before heartbeats that say up; the rest is unknown. `overrun` is work that its terms do
    not allow: down, unless a heartbeat says up.
    """
    begin = max(start, service_start)
    if begin >= end:
        return Uptime(before_start_s=round((end - start).total_seconds()))
    says_up, says_down = told(beats, interval_s=interval_s)
    stretch = [(begin, end)]
    work = spans.common(stretch, planned)
    left = spans.without(stretch, work)
    down = spans.common(left, [*says_down, *outages])
    up = spans.common(spans.without(left, down), says_up)
    down = spans.merged([*down, *spans.without(spans.common(left, overrun), up)])
    up_s, down_s, planned_s = spans.seconds(up), spans.seconds(down), spans.seconds(work)
    return Uptime(
        up_s=up_s,
        down_s=down_s,
        unknown_s=max(0, spans.seconds(stretch) - up_s - down_s - planned_s),
        before_start_s=round((begin - start).total_seconds()),
        planned_s=planned_s,
    )


# A heartbeat that stays away this many intervals is missing.
MISSED = 3


def silent_since(
    *, last_ok: dt.datetime, interval_s: int, now: dt.datetime
) -> dt.datetime | None:  # fmt: skip
    """
    Return since when a heartbeat is silent, one interval after its last; None while it is not
    missing yet.
    """
    if now - last_ok <= MISSED * dt.timedelta(seconds=interval_s):
        return None
    return last_ok + dt.timedelta(seconds=interval_s)


@dataclass(frozen=True, slots=True)
class Figures:
    """
    Availability of a stretch less its announced work: of the known time, if all unknown time
    was down, and if it was all up.
    """

    known: Decimal | None
    pessimistic: Decimal | None
    optimistic: Decimal | None


def figures(*, total_s: int, planned_s: int, down_s: int, unknown_s: int) -> Figures:
    """
    Return the figures where `down_s` and `unknown_s` lie outside the planned work.
    """
    base = total_s - planned_s
    up = base - down_s - unknown_s
    return Figures(
        known=kpi.divide(Decimal(up), Decimal(up + down_s)),
        pessimistic=kpi.divide(Decimal(up), Decimal(base)),
        optimistic=kpi.divide(Decimal(up + unknown_s), Decimal(base)),
    )
