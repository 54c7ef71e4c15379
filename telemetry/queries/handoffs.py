"""
The hand-off of heat to a building, as its customer and the operator see it.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import OuterRef, Subquery

from sites.access import Viewer
from telemetry.domain.handoff import HeatState, heat_state
from telemetry.models import Channel, MeteringPoint, Reading, Rollup
from telemetry.queries.series import SILENT_AFTER, LastValue


@dataclass(frozen=True, slots=True)
class HandOff:
    """
    Where heat reaches a building, and what is known of it now. Channels are keys; None: not
    measured. `supply` and `back` are the latest temperatures however old, `last_at` the latest
    reading of any of the channels; `hour_kwh` is the heat of the last full hour. `at_source`: it
    is metered where heat leaves the data centre, before what is lost on the way.
    """

    point_id: int
    name: str
    state: HeatState
    energy_channel: int | None
    supply_channel: int | None
    return_channel: int | None
    supply: LastValue | None
    back: LastValue | None
    last_at: dt.datetime | None
    hour_kwh: Decimal | None
    at_source: bool = False


def hand_offs(
    *, viewer: Viewer, delivery_point_ids: Iterable[int], now: dt.datetime
) -> dict[int, HandOff]:
    """
    Return the hand-off of each of the delivery points the viewer may see, by delivery point, in
    three queries; where one has several metering points, the first on the customer's side, else
    the first at the source.
    """
    visible = MeteringPoint.objects.visible_to(viewer).select_related("delivery_point")
    points: dict[int, tuple[MeteringPoint, Decimal]] = {}
    asked = visible.filter(delivery_point__in=list(delivery_point_ids))
    # "heat_handoff" comes before "heat_source".
    for point in asked.order_by("boundary", "pk"):
        if point.delivery_point is not None:
            required_c = point.delivery_point.required_supply_c
            points.setdefault(point.delivery_point.pk, (point, required_c))
    channels = _channels(viewer, [point.pk for point, _ in points.values()], now)
    energy = {c.pk for of_point in channels.values() for q, c in of_point.items() if q == "energy"}
    hours = _last_full_hours(energy, now)
    return {
        key: _hand_off(point, required_c, channels.get(point.pk, {}), hours, now)
        for key, (point, required_c) in points.items()
    }


def _channels(viewer: Viewer, point_ids: list[int], now: dt.datetime) -> dict[int, dict[str, Any]]:
    newest = Reading.objects.filter(channel=OuterRef("pk"), at__lte=now).order_by("-at")
    rows = (
        Channel.objects.visible_to(viewer)
        .filter(point__in=point_ids, quantity__in=["energy", "supply", "return"])
        .annotate(
            last_at=Subquery(newest.values("at")[:1]),
            last_value=Subquery(newest.values("value")[:1]),
        )
    )
    found: defaultdict[int, dict[str, Any]] = defaultdict(dict)
    for channel in rows:
        found[channel.point_id][channel.quantity] = channel
    return found


def _last_full_hours(channel_ids: set[int], now: dt.datetime) -> dict[int, Decimal]:
    hours = Rollup.objects.filter(
        channel__in=channel_ids, grain=Rollup.Grain.HOUR, coverage=1,
        start_at__gte=now - SILENT_AFTER, end_at__lte=now,
    )  # fmt: skip
    rows = hours.order_by("start_at").values_list("channel_id", "energy_kwh")
    return {channel_id: kwh for channel_id, kwh in rows if kwh is not None}


def _hand_off(
    point: MeteringPoint,
    required_c: Decimal,
    channels: dict[str, Any],
    hours: dict[int, Decimal],
    now: dt.datetime,
) -> HandOff:
    def last(quantity: str) -> LastValue | None:
        channel = channels.get(quantity)
        if channel is None or channel.last_at is None:
            return None
        return LastValue(channel.last_at, channel.last_value, channel.unit)

    def key(quantity: str) -> int | None:
        return channels[quantity].pk if quantity in channels else None

    supply = last("supply")
    seen = [c.last_at for c in channels.values() if c.last_at is not None]
    energy = key("energy")
    hour = hours.get(energy) if energy is not None else None
    fresh = supply is not None and now - supply.at <= SILENT_AFTER
    return HandOff(
        point_id=point.pk,
        name=point.name,
        state=heat_state(
            supply_c=supply.value if supply is not None and fresh else None,
            required_c=required_c,
            hour_kwh=hour,
            started=bool(seen),
        ),
        energy_channel=energy,
        supply_channel=key("supply"),
        return_channel=key("return"),
        supply=supply,
        back=last("return"),
        last_at=max(seen, default=None),
        hour_kwh=hour,
        at_source=point.boundary == MeteringPoint.Boundary.HEAT_SOURCE,
    )
