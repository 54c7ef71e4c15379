"""
Keeps the heat ledger and the availability of heat: from what changed, by whole local days.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from django.db import connection, transaction
from django.db.models import Max

from sites.domain import Period, local_days
from sites.models import DeliveryPoint
from telemetry.archive import bring_back
from telemetry.domain import heat_day, spans
from telemetry.domain.spans import Span
from telemetry.models import Channel, HeatDay
from telemetry.operations import heat_sql as sql
from telemetry.queries import heat_inputs as inputs
from telemetry.queries.jointly import service_start
from telemetry.queries.series import SILENT_AFTER

_LOCK = 0x57A8
# Readings hold on for some time, so what follows them is looked at too.
_AFTER = {
    Channel.Quantity.MODE: inputs.STATE_HOLDS,
    Channel.Quantity.CALL: inputs.STATE_HOLDS,
}
_MOST_DAYS = 31


def mark_heat(*, channel: Channel, lower: dt.datetime, upper: dt.datetime, at: dt.datetime) -> None:
    """
    Note that the heat a channel tells of has to be looked at again over a stretch. Opens no
    transaction: it belongs to the rollup's.
    """
    after = _AFTER.get(Channel.Quantity(channel.quantity), SILENT_AFTER)
    with connection.cursor() as cursor:
        cursor.execute(
            sql.MARK, {"channel": channel.pk, "lower": lower, "upper": upper + after, "at": at}
        )


@transaction.atomic(durable=True)
def settle_heat(*, delivery_point_id: int, at: dt.datetime) -> int:
    """
    Bring the ledger and the availability of a delivery point up to what they rest on; return how
    many local days were looked at. Two workers never work on one: the second finds nothing to do.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", [_LOCK, delivery_point_id])
        if not cursor.fetchone()[0]:
            return 0
        # Ranges marked after this look stay for the next time.
        cursor.execute(sql.TAKE, {"place": delivery_point_id})
        dirty = cursor.fetchall()
    place = DeliveryPoint.objects.select_related("site").get(pk=delivery_point_id)
    reached = HeatDay.objects.filter(delivery_point=place).aggregate(last=Max("until_at"))["last"]
    if reached is not None and reached < at:
        # Silence marks nothing, and yet its days pass.
        dirty.append((reached, at))
    done = 0
    for first, end in _days(place, dirty, at):
        for piece in inputs.pieces(place=place, first=first, end=end):
            _settle(place, piece, at)
        done += (end - first).days
    return done


def _days(
    place: DeliveryPoint, dirty: Iterable[tuple[dt.datetime | None, dt.datetime | None]],
    at: dt.datetime,
) -> list[tuple[dt.date, dt.date]]:  # fmt: skip
    """
    Return the local days that some stretches touch, in runs of a month at most, none before the
    site was in service.
    """
    began, zone = service_start(place.site), zoneinfo.ZoneInfo(place.site.timezone)
    whole: list[Span] = []
    for lower, upper in dirty:
        start, end = max(lower or began, began), min(upper or at, at)
        if start < end:
            days = local_days(
                start.astimezone(zone).date(),
                (end - dt.timedelta(microseconds=1)).astimezone(zone).date() + dt.timedelta(days=1),
                place.site.timezone,
            )
            whole.append((days.start, days.end))
    runs = []
    for start, end in spans.merged(whole):
        first, last = start.astimezone(zone).date(), end.astimezone(zone).date()
        while first < last:
            following = min(first + dt.timedelta(days=_MOST_DAYS), last)
            runs.append((first, following))
            first = following
    return runs


def _settle(place: DeliveryPoint, piece: inputs.Piece, at: dt.datetime) -> None:
    zone = place.site.timezone
    period = local_days(piece.first, piece.end, zone)
    channels = inputs.heat_channels(place=place, terms=piece.terms)
    events = inputs.events(place=place, period=period)
    windows = [(period.start, period.end)]
    if piece.terms is not None:
        windows = inputs.delivery_times(
            terms=piece.terms, first=piece.first, end=piece.end, zone=zone
        )
    _enter(place, piece, period, channels, windows, events, at)
    HeatDay.objects.filter(delivery_point=place, day__gte=piece.first, day__lt=piece.end).delete()
    if piece.terms is not None and period.start < at:
        HeatDay.objects.bulk_create(_judged(place, piece, channels, windows, events, at))


def _enter(
    place: DeliveryPoint, piece: inputs.Piece, period: Period, channels: dict[str, Channel],
    windows: list[Span], events: heat_day.Events, at: dt.datetime,
) -> None:  # fmt: skip
    energy = inputs.energy_channel(channels)
    parameters: dict[str, Any] = {
        "place": place.pk, "start": period.start, "end": period.end, "at": at,
    }  # fmt: skip
    if energy is None:
        with connection.cursor() as cursor:
            cursor.execute(sql.FORGET, parameters)
        return
    terms = piece.terms
    unverified = inputs.past_verification(
        point_id=energy.point_id, period=period, zone=place.site.timezone
    )
    parameters |= {
        "energy": energy.pk, "zone": place.site.timezone,
        "holds": inputs.STATE_HOLDS,
        "windows": _multirange(windows), "partner": _multirange(events.partner),
        "unverified": _multirange(unverified), "terms": terms.pk if terms else None,
        "reasons": list(terms.not_counted) if terms else [],
        "supply_min": terms.supply_min_c if terms else None,
        "return_max": terms.return_max_c if terms else None,
        "estimated": terms.estimated_percent if terms else None,
    }  # fmt: skip
    for name, quantity in (("supply", "supply"), ("back", "return"), ("mode", "mode")):
        parameters[name] = channels[quantity].pk if quantity in channels else None
    if parameters["mode"] is not None:
        bring_back([parameters["mode"]], period.start - inputs.STATE_HOLDS, period.end)
    with connection.cursor() as cursor:
        cursor.execute(sql.LEDGER, parameters)


def _multirange(stretches: Iterable[Span]) -> str:
    ranges = (f"[{start.isoformat()},{end.isoformat()})" for start, end in stretches)
    return "{" + ",".join(ranges) + "}"


def _judged(
    place: DeliveryPoint, piece: inputs.Piece, channels: dict[str, Channel], windows: list[Span],
    events: heat_day.Events, at: dt.datetime,
) -> Iterable[HeatDay]:  # fmt: skip
    terms = piece.terms
    if terms is None:
        return
    agreed = heat_day.Agreed(
        terms.contracted_kw, terms.supply_min_c, terms.supply_max_c, terms.return_max_c,
        terms.outdoor_min_c, terms.call_metered,
    )  # fmt: skip
    whole = local_days(piece.first, piece.end, place.site.timezone)
    measured = inputs.measured(
        channels=channels, terms=terms, period=Period(whole.start, min(whole.end, at))
    )
    for day, period in inputs.days_of(piece.first, piece.end, place.site.timezone):
        if period.start >= at:
            return
        until = min(period.end, at)
        found = heat_day.kept(
            spans.common(windows, [(period.start, until)]), agreed=agreed, events=events,
            measured=measured.within(period.start, until),
        )  # fmt: skip
        yield HeatDay(
            delivery_point=place, day=day, terms=terms, until_at=until, computed_at=at,
            **asdict(found),
        )  # fmt: skip
