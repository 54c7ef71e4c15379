"""
The outdoor temperature measured at a site.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo

from django.db.models import Q

from sites.access import Viewer
from sites.domain import local_days
from sites.models import DeliveryPoint
from telemetry.models import Channel, Rollup

# Of a day's time, what must have been measured for its mean to stand for it (CalTRACK 2.0).
_LEAST_COVERAGE = "0.5"


def outdoor_channel(*, viewer: Viewer, delivery_point: DeliveryPoint) -> Channel | None:
    """
    Return what measures the outdoor temperature of a delivery point: a channel of its own, else
    one of the site; None where there is none the viewer may see.
    """
    channels = Channel.objects.visible_to(viewer).filter(
        Q(point__delivery_point=delivery_point) | Q(point__delivery_point__isnull=True),
        site_id=delivery_point.site_id, quantity=Channel.Quantity.OUTDOOR,
    )  # fmt: skip
    return channels.order_by("point__delivery_point", "key").select_related("site").first()


def daily_means(*, channel: Channel, first: dt.date, last: dt.date) -> dict[dt.date, float]:
    """
    Return the mean of each local day from `first` to `last`, both included, of which at least half
    was measured, in the unit the channel sends.
    """
    zone = zoneinfo.ZoneInfo(channel.site.timezone)
    period = local_days(first, last + dt.timedelta(days=1), channel.site.timezone)
    rows = Rollup.objects.filter(
        channel=channel, grain=Rollup.Grain.DAY, start_at__gte=period.start,
        start_at__lt=period.end, coverage__gte=_LEAST_COVERAGE, mean__isnull=False,
    ).order_by("start_at")  # fmt: skip
    return {
        at.astimezone(zone).date(): round(float(mean), 3)
        for at, mean in rows.values_list("start_at", "mean")
        if mean is not None
    }
