"""
Reads of metering points, meters and gateways.
"""

from __future__ import annotations

import datetime as dt

from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.db.models import Max, OuterRef, Q, QuerySet, Subquery
from django.utils import timezone

from sites.access import Viewer
from telemetry.models import Channel, Installation, MeteringPoint, Rollup


def points(
    *, viewer: Viewer, site_id: int | None = None, search: str = ""
) -> QuerySet[MeteringPoint]:
    """
    Return the metering points the viewer may see, in the order of the energy flow, each with
    the serial, make and calibration date of the meter there now.

    :param search: part of the point's name, its code or its site's name
    """
    now = timezone.now()
    there = Installation.objects.filter(
        point=OuterRef("pk"), valid__overlap=DateTimeTZRange(now, now, "[]")
    )
    rows = (
        MeteringPoint.objects.visible_to(viewer)
        .select_related("site", "delivery_point", "hosting_service")
        .annotate(
            serial=Subquery(there.values("meter__serial")[:1]),
            make=Subquery(there.values("meter__make")[:1]),
            calibration_due=Subquery(there.values("meter__calibration_due")[:1]),
        )
        .order_by("boundary", "name")
    )
    if search:
        rows = rows.filter(
            Q(name__icontains=search) | Q(code__icontains=search) | Q(site__name__icontains=search)
        )
    return rows if site_id is None else rows.filter(site_id=site_id)


def channels(
    *, viewer: Viewer, point_id: int | None = None, site_id: int | None = None
) -> QuerySet[Channel]:
    """
    Return the channels the viewer may see, each with the last rolled-up hour that has readings
    (`last_hour`).
    """
    hours = Rollup.objects.filter(channel=OuterRef("pk"), grain=Rollup.Grain.HOUR, samples__gt=0)
    rows = (
        Channel.objects.visible_to(viewer)
        .select_related("point__site")
        .annotate(last_hour=Subquery(hours.order_by("-start_at").values("start_at")[:1]))
        .order_by("point_id", "quantity")
    )
    if site_id is not None:
        rows = rows.filter(site_id=site_id)
    return rows if point_id is None else rows.filter(point_id=point_id)


def channels_by_name(
    *,
    viewer: Viewer,
    site: str | None = None,
    point: str | None = None,
    quantity: str | None = None,
    key: str | None = None,
) -> QuerySet[Channel]:
    """
    Return the channels the viewer may see, by site and key, all or those with the slug of a
    site, the code of a point, a quantity, a key.
    """
    wanted = {"site__slug": site, "point__code": point, "quantity": quantity, "key": key}
    given = {name: text for name, text in wanted.items() if text is not None}
    return channels(viewer=viewer).filter(**given).order_by("site__slug", "key", "pk")


def newest_hours(*, viewer: Viewer, site_id: int) -> dict[int, dt.datetime]:
    """
    Return for each point of a site the newest hour with readings on any of its channels;
    points without any are absent.
    """
    hours = Rollup.objects.visible_to(viewer).filter(
        channel__site_id=site_id, grain=Rollup.Grain.HOUR, samples__gt=0
    )
    newest = hours.values_list("channel__point_id").annotate(newest=Max("start_at"))
    return dict(newest)


def installations(*, viewer: Viewer, point_id: int) -> QuerySet[Installation]:
    """
    Return the meters that were at a point, the present one first.
    """
    return (
        Installation.objects.visible_to(viewer)
        .filter(point_id=point_id)
        .select_related("meter")
        .order_by("-valid")
    )
