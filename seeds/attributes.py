"""
Energy attributes of the demo. They are made up, and their names say so: no registry holds them.
"""

from __future__ import annotations

import datetime as dt
import math
import zoneinfo
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from sites.domain import local_month
from sites.models import HostingService, Site
from telemetry import operations
from telemetry.models import AttributeLot

# By country: kind of certificate, plant, kWh a month that are used at each site.
_BOUGHT = {
    "GB": ("rego", "Made-up wind farm of the demo, Yorkshire", Decimal(2400)),
    "DE": ("go", "Made-up wind farm of the demo, Dithmarschen", Decimal(120_000)),
}
MONTHS = 12
# Of them with electricity bought by the hour.
HOURLY = 6


def buy(*, newest: dt.date, now: dt.datetime) -> None:
    """
    Buy certificates for the sites that are measured whole, put a roof array on the one in Great
    Britain for one tenant and let another in Germany buy sun by the hour; once.
    """
    if AttributeLot.objects.exists():
        return
    months = back(newest, MONTHS)
    for site in Site.objects.filter(metering_points__boundary="cooling").order_by("slug"):
        services = list(HostingService.objects.filter(site=site).order_by("slug"))
        _certificates(site, months, now)
        for month in months[-HOURLY:]:
            if site.country == "GB":
                _sun(services[0], month, now, kw=3.2, kind="onsite", plant="roof array")
            else:
                _sun(services[0], month, now, kw=160, kind="ppa", plant="solar park")
        if site.country != "GB":
            _to_come(site, months[-1], now)


def back(newest: dt.date, count: int) -> list[dt.date]:
    """
    Return so many months up to the newest, in order.
    """
    months = [newest]
    while len(months) < count:
        months.append((months[-1] - dt.timedelta(days=1)).replace(day=1))
    return months[::-1]


def _after(month: dt.date) -> dt.date:
    return (month + dt.timedelta(days=32)).replace(day=1)


def _certificates(site: Site, months: list[dt.date], now: dt.datetime) -> None:
    kind, plant, kwh = _BOUGHT[site.country]
    lot = _lot(site, months, now, kind=kind, plant=plant, kwh=kwh * len(months))
    _cancel(lot, now)
    for month in months:
        operations.allocate(
            lot_id=lot.pk, site_id=site.pk, service_id=None, month=month, kwh=kwh, at=now,
            by_id=None,
        )  # fmt: skip


def _to_come(site: Site, month: dt.date, now: dt.datetime) -> None:
    """
    Hold certificates that are not cancelled, so that nothing of them counts yet.
    """
    kind, plant, kwh = _BOUGHT[site.country]
    _lot(site, [month], now, kind=kind, plant=plant, kwh=kwh, number="next")


def _lot(
    site: Site, months: list[dt.date], now: dt.datetime, *, number: str = "", **fields: Any
) -> AttributeLot:
    lot: dict[str, Any] = {
        "technology": "wind", "country": site.country, "registry": "demo",
        "registry_id": " ".join(part for part in ("DEMO", number, site.slug) if part),
    }  # fmt: skip
    return operations.add_lot(
        operator_id=site.operator_id, first_day=months[0], end_day=_after(months[-1]), at=now,
        by_id=None, **(lot | fields),
    )  # fmt: skip


def _cancel(lot: AttributeLot, now: dt.datetime) -> None:
    operations.cancel_lot(
        lot_id=lot.pk, cancelled_on=lot.produced.upper, proof_reference="made up for the demo",
        at=now, by_id=None,
    )  # fmt: skip


def _sun(
    service: HostingService, month: dt.date, now: dt.datetime, *, kw: float, kind: str, plant: str
) -> None:
    """
    Give a service the sun of a month, hour by hour.
    """
    site = service.site
    hours = _by_hour(site, month, lambda local: kw * _height(local))
    lot = _lot(
        site, [month], now, kind=kind, technology="solar", registry="",
        plant=f"Made-up {plant} of the demo", registry_id=f"DEMO {plant} {month:%Y-%m}",
        kwh=sum(hours.values(), Decimal(1)),
    )  # fmt: skip
    if kind == "ppa":
        _cancel(lot, now)
    operations.allocate(
        lot_id=lot.pk, site_id=site.pk, service_id=service.pk, month=month, hours=hours, at=now,
        by_id=None,
    )  # fmt: skip


def _height(local: dt.datetime) -> float:
    # A plain bell between seven and nineteen; every third day is overcast.
    if not 7 <= local.hour <= 18:
        return 0
    return math.sin(math.pi * (local.hour - 6) / 13) * (0.25 if local.day % 3 == 0 else 1)


def _by_hour(
    site: Site, month: dt.date, kwh: Callable[[dt.datetime], float]
) -> dict[dt.datetime, Decimal]:
    zone = zoneinfo.ZoneInfo(site.timezone)
    period = local_month(month.year, month.month, site.timezone)
    hours: dict[dt.datetime, Decimal] = {}
    at = period.start
    while at < period.end:
        hours[at] = Decimal(str(round(kwh(at.astimezone(zone)), 3)))
        at += dt.timedelta(hours=1)
    return hours
