"""
What the heat ledger and the availability of heat rest on, for the operation that keeps them.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db import connection
from django.db.backends.postgresql.psycopg_any import DateRange, DateTimeTZRange
from django.db.models import F, Max, Min, Q

from sites.domain import Period, local_days
from sites.models import DeliveryPoint
from telemetry.archive import bring_back
from telemetry.domain import heat_day, service_levels, spans, supply
from telemetry.domain.spans import Span, Step
from telemetry.models import (
    Channel,
    HeatDay,
    HeatDirty,
    Incident,
    Installation,
    MaintenancePolicy,
    MaintenanceWindow,
    MeteringPoint,
    Part,
    SupplyTerms,
)
from telemetry.queries.outages import FAR, planned_time, work_beside
from telemetry.queries.series import SILENT_AFTER

# A mode or a call holds until the next one is sent, at most for a day.
STATE_HOLDS = dt.timedelta(days=1)
_QUARTER = dt.timedelta(minutes=supply.QUARTER_MIN)
_QUANTITIES = ("energy", "power", "supply", "return", "call", "available", "outdoor", "mode")
# These are of the whole site where the hand-off has none of its own.
_OF_SITE = ("outdoor", "mode")
_BOUNDARIES = (MeteringPoint.Boundary.HEAT_HANDOFF, MeteringPoint.Boundary.HEAT_SOURCE)


@dataclass(frozen=True, slots=True)
class Piece:
    """
    Local days [first, end) of a delivery point under one version of its terms, or under none.
    """

    first: dt.date
    end: dt.date
    terms: SupplyTerms | None


def pieces(*, place: DeliveryPoint, first: dt.date, end: dt.date) -> Iterator[Piece]:
    """
    Cut local days where the supply terms of a delivery point change.
    """
    held = SupplyTerms.objects.filter(
        delivery_point=place, superseded_at__isnull=True, valid__overlap=DateRange(first, end)
    ).prefetch_related("windows", "closures")
    reached = first
    for terms in held.order_by("valid"):
        starts, ends = max(first, terms.valid.lower or first), min(end, terms.valid.upper or end)
        if starts > reached:
            yield Piece(reached, starts, None)
        yield Piece(starts, ends, terms)
        reached = ends
    if reached < end:
        yield Piece(reached, end, None)


def delivery_times(*, terms: SupplyTerms, first: dt.date, end: dt.date, zone: str) -> list[Span]:
    """
    Return the time on local days in which terms let heat be delivered.
    """
    return supply.windows(
        first=first, end=end, timezone=zone,
        bands=[supply.Band(w.weekday, w.begins, w.ends) for w in terms.windows.all()],
        closures=[supply.Closure(c.first, c.last) for c in terms.closures.all()],
    )  # fmt: skip


def heat_channels(*, place: DeliveryPoint, terms: SupplyTerms | None) -> dict[str, Channel]:
    """
    Return by quantity the channels that tell of a delivery point's heat: those of the contract's
    metering point first, then the customer's side, the source, and the site's own.
    """
    rows = Channel.objects.filter(quantity__in=_QUANTITIES).filter(
        Q(point__delivery_point=place, point__boundary__in=_BOUNDARIES)
        | Q(
            site=place.site_id, quantity__in=_OF_SITE, point__delivery_point__isnull=True,
            point__hosting_service__isnull=True,
        )
    )  # fmt: skip
    own = terms.metering_point_id if terms is not None else None

    def rank(channel: Channel) -> tuple[bool, bool, str, int]:
        at = channel.point
        return channel.point_id != own, at.delivery_point_id is None, at.boundary, channel.pk

    found: dict[str, Channel] = {}
    for channel in sorted(rows.select_related("point"), key=rank):
        found.setdefault(channel.quantity, channel)
    # The heat is what the contract's own meter counts, and no other's.
    for quantity in ("energy", "power"):
        if own is not None and quantity in found and found[quantity].point_id != own:
            del found[quantity]
    return found


def energy_channel(channels: dict[str, Channel]) -> Channel | None:
    """
    Return the channel whose energy is the heat: a register, or mean power where there is none.
    """
    register, power = channels.get("energy"), channels.get("power")
    if register is not None and register.kind == Channel.Kind.REGISTER:
        return register
    return power if power is not None and power.kind == Channel.Kind.INTERVAL else None


def past_verification(*, point_id: int, period: Period, zone: str) -> list[Span]:
    """
    Return the time in which the meter at a point was past its verification.
    """
    installed = Installation.objects.filter(
        point_id=point_id, valid__overlap=DateTimeTZRange(period.start, period.end),
        meter__calibration_due__isnull=False,
    )  # fmt: skip
    found = []
    for valid, due in installed.values_list("valid", "meter__calibration_due"):
        if due is None:
            continue
        over = dt.datetime.combine(
            due + dt.timedelta(days=1), dt.time(), zoneinfo.ZoneInfo(zone)
        ).astimezone(dt.UTC)
        found.append((max(valid.lower or over, over), valid.upper or FAR))
    return spans.common(found, [(period.start, period.end)])


def events(*, place: DeliveryPoint, period: Period) -> heat_day.Events:
    """
    Return planned work, times in which the customer's side was closed, and outages of the heat
    of a delivery point.
    """
    heat = Q(delivery_point=place) | Q(site=place.site_id, part__in=[Part.HEAT, Part.ALL],
                                       delivery_point__isnull=True)  # fmt: skip
    work = MaintenanceWindow.objects.filter(
        heat, work_beside(period.start, period.end), cancelled_at__isnull=True,
        part__in=[Part.HEAT, Part.ALL],
    )  # fmt: skip
    policy = MaintenancePolicy.objects.filter(site=place.site_id).first()
    planned = planned_time(
        [service_levels.Work(w.span.lower, w.span.upper, w.announced_at) for w in work],
        policy or MaintenancePolicy(site_id=place.site_id), place.site.timezone,
    )  # fmt: skip
    incidents = Incident.objects.filter(
        heat, part__in=[Part.HEAT, Part.ALL], withdrawn_at__isnull=True,
        started_at__lt=period.end,
    ).filter(Q(ended_at__isnull=True) | Q(ended_at__gt=period.start))  # fmt: skip
    partner: list[Span] = []
    outages: list[Span] = []
    for cause, start, end in incidents.values_list("cause", "started_at", "ended_at"):
        theirs = cause == Incident.Cause.PARTNER
        (partner if theirs else outages).append((start, end or FAR))
    return heat_day.Events(planned, partner, outages)


def measured(
    *, channels: dict[str, Channel], terms: SupplyTerms, period: Period
) -> heat_day.Measured:
    """
    Return what was measured over a period: the effective readings, and where a call is measured
    the mean power of each quarter-hour.
    """
    kinds = {
        "supply": SILENT_AFTER, "return": SILENT_AFTER, "outdoor": SILENT_AFTER,
        "available": SILENT_AFTER, "call": STATE_HOLDS,
    }  # fmt: skip
    wanted = {name: channels[name] for name in kinds if name in channels}
    rows = _effective([channel.pk for channel in wanted.values()], period)

    def told(name: str) -> list[Step] | None:
        if name not in wanted:
            return None
        scale = _in_kw(wanted[name], terms.contracted_kw)
        read = [(at, value * scale) for at, value in rows[wanted[name].pk]]
        return spans.steps(read, hold=kinds[name], end=period.end)

    return heat_day.Measured(
        supply_c=told("supply"), return_c=told("return"), outdoor_c=told("outdoor"),
        available_kw=told("available"), called_kw=told("call"),
        delivered_kw=_delivered(energy_channel(channels), period) if terms.call_metered else (),
    )  # fmt: skip


def _in_kw(channel: Channel, contracted_kw: Decimal) -> Decimal:
    if channel.quantity not in ("call", "available"):
        return Decimal(1)
    # Without a unit it is yes or no, and yes is all that was contracted.
    return {"kW": Decimal(1), "W": Decimal("0.001"), "%": contracted_kw / 100}.get(
        channel.unit, contracted_kw
    )


def _effective(
    channel_ids: Sequence[int], period: Period
) -> defaultdict[int, list[tuple[dt.datetime, Decimal]]]:
    found: defaultdict[int, list[tuple[dt.datetime, Decimal]]] = defaultdict(list)
    if channel_ids:
        bring_back(channel_ids, period.start - STATE_HOLDS, period.end)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT channel_id, at, value FROM telemetry_effective"
                " WHERE channel_id = ANY(%s) AND at >= %s AND at < %s ORDER BY channel_id, at",
                [list(channel_ids), period.start - STATE_HOLDS, period.end],
            )
            for channel_id, at, value in cursor.fetchall():
                found[channel_id].append((at, value))
    return found


def _delivered(channel: Channel | None, period: Period) -> list[Step]:
    if channel is None:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT start_at, energy_kwh FROM telemetry_quarters(%s, %s, %s) ORDER BY start_at",
            [[channel.pk], period.start, period.end],
        )
        return [(start, start + _QUARTER, kwh and kwh * 4) for start, kwh in cursor.fetchall()]


def heat_to_settle(*, now: dt.datetime, marked_before: dt.datetime, limit: int) -> list[int]:
    """
    Return the delivery points whose ledger or availability waits, those that wait longest first:
    marked before an instant, or under terms and not looked at for a day.
    """
    marked = (
        HeatDirty.objects.values("delivery_point_id")
        .annotate(since=Min("marked_at"))
        .filter(since__lte=marked_before)
        .order_by("since")
    )
    found = list(marked.values_list("delivery_point_id", flat=True)[:limit])
    behind = (
        HeatDay.objects.values("delivery_point_id")
        .annotate(reached=Max("until_at"))
        .filter(reached__lt=now - STATE_HOLDS)
        .order_by("reached")
    )
    ended = set(
        SupplyTerms.objects.filter(superseded_at__isnull=True)
        .values("delivery_point_id")
        .annotate(last=Max(F("valid__endswith")))
        .filter(last__isnull=False, last__lt=now.date() - dt.timedelta(days=3))
        .values_list("delivery_point_id", flat=True)
    )
    waiting = behind.values_list("delivery_point_id", flat=True)[:limit]
    found += [key for key in waiting if key not in found and key not in ended]
    return found[:limit]


def days_of(first: dt.date, end: dt.date, zone: str) -> Iterable[tuple[dt.date, Period]]:
    """
    Return each of some local days with its stretch of time.
    """
    for n in range((end - first).days):
        day = first + dt.timedelta(days=n)
        yield day, local_days(day, day + dt.timedelta(days=1), zone)
