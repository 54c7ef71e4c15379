"""
Energy attributes of the demo. They are made up, and their names say so: no registry holds them.
"""

from __future__ import annotations

import datetime as dt
import math
import zoneinfo
from decimal import Decimal

from sites.domain import local_month
from sites.models import DeliveryPoint, HostingService, Site
from telemetry import operations
from telemetry.models import AttributeLot

_KWH = Decimal(60_000)
_ROOF_KW = 3.2


def buy(*, newest: dt.date, now: dt.datetime) -> None:
    """
    Buy certificates for the sites in Great Britain, put a roof array on one of them for one
    tenant, and say what the heat of each building replaced; once.
    """
    if AttributeLot.objects.exists():
        return
    months = _back(newest, 6)
    for site in Site.objects.filter(country="GB").order_by("slug"):
        services = list(HostingService.objects.filter(site=site).order_by("slug"))
        if services:
            _certificates(site, months, now)
            _roof(services[0], months[-2], now)
    for point in DeliveryPoint.objects.order_by("pk"):
        operations.set_counterfactual(
            delivery_point_id=point.pk, first_day=point.site.started_on, at=now, by_id=None,
            fuel="natural gas", fuel_kg_per_kwh=Decimal("0.20196"), basis="ncv",
            efficiency=Decimal("0.90"), auxiliary_share=Decimal("0.017"),
            uncertainties=[Decimal("0.03625"), Decimal("0.02"), Decimal("0.05")],
            source="Factor: Regulation (EU) 2018/2066, Annex VI. Boiler and pumping: assumed",
        )  # fmt: skip


def _back(newest: dt.date, count: int) -> list[dt.date]:
    months = [newest]
    while len(months) < count:
        months.append((months[-1] - dt.timedelta(days=1)).replace(day=1))
    return months[::-1]


def _certificates(site: Site, months: list[dt.date], now: dt.datetime) -> None:
    lot = operations.add_lot(
        operator_id=site.operator_id, first_day=months[0], end_day=_after(months[-1]), at=now,
        by_id=None, kind="rego", technology="wind", country=site.country,
        plant="Made-up wind farm of the demo", registry="demo", registry_id=f"DEMO {site.slug}",
        kwh=_KWH,
    )  # fmt: skip
    operations.cancel_lot(
        lot_id=lot.pk, cancelled_on=_after(months[-1]), proof_reference="made up for the demo",
        at=now, by_id=None,
    )  # fmt: skip
    for month in months:
        operations.allocate(
            lot_id=lot.pk, site_id=site.pk, service_id=None, month=month, kwh=Decimal(2400),
            at=now, by_id=None,
        )  # fmt: skip


def _after(month: dt.date) -> dt.date:
    return (month + dt.timedelta(days=32)).replace(day=1)


def _roof(service: HostingService, month: dt.date, now: dt.datetime) -> None:
    """
    Give a service the sun of a month: a plain bell between seven and nineteen, local time.
    """
    site = service.site
    zone = zoneinfo.ZoneInfo(site.timezone)
    period = local_month(month.year, month.month, site.timezone)
    hours: dict[dt.datetime, Decimal] = {}
    at = period.start
    while at < period.end:
        local = at.astimezone(zone)
        # Every third day is overcast.
        height = math.sin(math.pi * (local.hour - 6) / 13) if 7 <= local.hour <= 18 else 0
        kwh = _ROOF_KW * height * (0.25 if local.day % 3 == 0 else 1)
        hours[at] = Decimal(str(round(kwh, 3)))
        at += dt.timedelta(hours=1)
    lot = operations.add_lot(
        operator_id=site.operator_id, first_day=month, end_day=_after(month), at=now, by_id=None,
        kind="onsite", technology="solar", country=site.country,
        plant="Made-up roof array of the demo", registry_id=f"DEMO roof {site.slug}",
        kwh=sum(hours.values(), Decimal(1)),
    )  # fmt: skip
    operations.allocate(
        lot_id=lot.pk, site_id=site.pk, service_id=service.pk, month=month, hours=hours, at=now,
        by_id=None,
    )  # fmt: skip
