"""
Availability as contracts put it: planned work, the figure that counts, credits by tier, and what
a promise allows.

Time is whole seconds or minutes, so that the edge of a tier is hit exactly.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from telemetry.domain import spans, supply
from telemetry.domain.availability import Uptime
from telemetry.domain.spans import Span

_HUNDRED = Decimal(100)
# Above this share of unknown time credits are counted as if it had all been down.
UNKNOWN_TOLERATED = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Work:
    """
    Announced work: when, and when it was announced.
    """

    start: dt.datetime
    end: dt.datetime
    announced_at: dt.datetime


@dataclass(frozen=True, slots=True)
class WorkTerms:
    """
    What is agreed about work: how long ahead it is announced, how much of a local month and of a
    local year it may take (None: no limit of its own), and the hours of the week in which it is
    done, none for any.
    """

    notice: dt.timedelta
    allowance: dt.timedelta
    yearly: dt.timedelta | None = None
    hours: Sequence[supply.Band] = ()


def planned(work: Iterable[Work], *, terms: WorkTerms, timezone: str) -> list[Span]:
    """
    Return the time that counts as planned: of work announced long enough ahead and done in the
    agreed hours, in each local month the first of it up to the allowance, and of that in each
    local year the first up to the year's. The rest counts like any other time.
    """
    zone = zoneinfo.ZoneInfo(timezone)
    in_time = spans.merged(
        (w.start, w.end) for w in work if w.announced_at <= w.start - terms.notice
    )  # fmt: skip
    if in_time and terms.hours:
        first = in_time[0][0].astimezone(zone).date()
        end = in_time[-1][1].astimezone(zone).date() + dt.timedelta(days=1)
        in_time = spans.common(
            in_time,
            supply.windows(first=first, end=end, bands=terms.hours, closures=(), timezone=timezone),
        )
    found = _first_of_each(in_time, terms.allowance, zone, yearly=False)
    if terms.yearly is not None:
        found = _first_of_each(found, terms.yearly, zone, yearly=True)
    return spans.merged(found)


def _first_of_each(
    stretches: Iterable[Span], allowance: dt.timedelta, zone: zoneinfo.ZoneInfo, *, yearly: bool
) -> list[Span]:
    """
    Return the first of the time in each local month, or year, up to an allowance.
    """
    left: dict[tuple[int, int], dt.timedelta] = {}
    found = []
    for (year, month), start, end in _by_month(stretches, zone):
        key = (year, 0 if yearly else month)
        rest = left.setdefault(key, allowance)
        until = min(end, start + rest)
        left[key] = rest - (until - start)
        if until > start:
            found.append((start, until))
    return found


def _by_month(
    stretches: Iterable[Span], zone: zoneinfo.ZoneInfo
) -> Iterable[tuple[tuple[int, int], dt.datetime, dt.datetime]]:
    for begin, end in stretches:
        start = begin
        while start < end:
            local = start.astimezone(zone)
            following = dt.date(local.year + local.month // 12, local.month % 12 + 1, 1)
            edge = dt.datetime.combine(following, dt.time(), tzinfo=zone).astimezone(dt.UTC)
            yield (local.year, local.month), start, min(edge, end)
            start = edge


def minutes_of(uptime: Uptime) -> dict[str, int]:
    """
    Return the time in service less planned work in whole minutes: `up`, `down` and `unknown`,
    which add up to all of it.
    """
    base, down, unknown = (
        int((Decimal(s) / 60).to_integral_value(ROUND_HALF_UP))
        for s in (uptime.base_s, uptime.down_s, uptime.unknown_s)
    )
    return {"up": max(0, base - down - unknown), "down": down, "unknown": unknown}


def counts_for_credits(*, up: int, down: int, unknown: int) -> tuple[int, int]:
    """
    Return up and counted time for credits: of the known time while little is unknown, else of
    all of it.
    """
    base = up + down + unknown
    if unknown <= UNKNOWN_TOLERATED * base:
        return up, up + down
    return up, base


@dataclass(frozen=True, slots=True)
class Tier:
    """
    From `at_least` per cent of availability on, this share of the fee, in per cent, goes back.
    """

    at_least: Decimal
    credit: Decimal


# The form large providers use; the last tier is everything below.
USUAL_TIERS = (
    Tier(Decimal("99.99"), Decimal(0)),
    Tier(Decimal("99.0"), Decimal(10)),
    Tier(Decimal("95.0"), Decimal(30)),
    Tier(Decimal(0), Decimal(100)),
)


def credit_percent(tiers: Sequence[Tier], *, up: int, counted: int) -> Decimal:
    """
    Return the share of a fee, in per cent, that goes back; nothing counted: none.
    """
    if not counted:
        return Decimal(0)
    for tier in sorted(tiers, key=lambda t: t.at_least, reverse=True):
        # Whole numbers on both sides: a quotient could fall on the wrong side of the edge.
        if up * _HUNDRED >= tier.at_least * counted:
            return tier.credit
    return Decimal(0)


def credit(
    fee: Decimal, tiers: Sequence[Tier], *, up: int, counted: int, cap: Decimal = _HUNDRED
) -> Decimal:
    """
    Return the credit on a month's fee, to the cent, at most `cap` per cent of it.
    """
    share = min(credit_percent(tiers, up=up, counted=counted), cap)
    return (fee * share / _HUNDRED).quantize(Decimal("0.01"), ROUND_HALF_UP)


def capped(credits: Iterable[Decimal], *, fee: Decimal, cap: Decimal = _HUNDRED) -> Decimal:
    """
    Return all credits of a month together, at most `cap` per cent of the fee.
    """
    most = (fee * cap / _HUNDRED).quantize(Decimal("0.01"), ROUND_HALF_UP)
    return min(sum(credits, Decimal(0)), most)


def allowed(promise: Decimal, total: Decimal) -> Decimal:
    """
    Return how much of a stretch may be down under a promise in per cent.
    """
    return total * (_HUNDRED - promise) / _HUNDRED


def in_series(shares: Iterable[Decimal]) -> Decimal:
    """
    Return the availability of parts that are all needed.
    """
    product = Decimal(1)
    for share in shares:
        product *= share
    return product


def in_parallel(shares: Iterable[Decimal]) -> Decimal:
    """
    Return the availability of parts of which any one will do.
    """
    return 1 - in_series(1 - share for share in shares)
