"""
Hosted services with their feeds and contracts for tests, measured up to this moment, since pages
read the clock.
"""

import datetime as dt
import zoneinfo
from decimal import Decimal

from django.utils import timezone

from billing.models import Contract, Terms
from sites.domain import Period, local_days
from sites.models import HostingService, Site, Stakeholder
from telemetry.models import Channel, MeteringPoint
from tests import factories
from tests.factories_telemetry import load, make_channel, send

Boundary = MeteringPoint.Boundary


def last_month(site: Site) -> Period:
    """
    Return the newest month that is over at the site.
    """
    today = timezone.now().astimezone(zoneinfo.ZoneInfo(site.timezone)).date()
    end = today.replace(day=1)
    return local_days((end - dt.timedelta(days=1)).replace(day=1), end, site.timezone)


def make_metered_site(*, operator: Stakeholder | None = None, **kilowatts: float) -> Site:
    """
    Make a site that has been in service since the beginning of last month, measured throughout
    it at even powers by boundary.
    """
    site = factories.make_site(operator=operator)
    period = last_month(site)
    site.started_on = period.start.astimezone(zoneinfo.ZoneInfo(site.timezone)).date()
    site.save()
    for boundary, kw in kilowatts.items():
        load(make_channel(site=site, boundary=Boundary(boundary)), period, kw)
    return site


def make_feed(site: Site, kw: float, *, tenant: Stakeholder | None = None) -> HostingService:
    """
    Make a service whose feed was measured throughout last month at an even power.
    """
    service = factories.make_hosting_service(site=site, tenant=tenant)
    feed = make_channel(site=site, boundary=Boundary.TENANT_FEED, service=service)
    load(feed, last_month(site), kw)
    return service


def make_heartbeats(
    site: Site, *, service: HostingService | None = None, days: int, down_h: int, silent_h: int
) -> None:
    """
    Make a site or service that was heard every hour since some days ago, began with hours down,
    and was silent for hours on the second day.
    """
    boundary = Boundary.FACILITY if service is None else Boundary.TENANT_FEED
    beat = make_channel(
        site=site, boundary=boundary, service=service, quantity=Channel.Quantity.HEARTBEAT
    )
    now = timezone.now()
    midnight = now.astimezone(zoneinfo.ZoneInfo(site.timezone)).replace(
        hour=0, minute=0, second=0, microsecond=0
    )
    begin = midnight.astimezone(dt.UTC) - dt.timedelta(days=days)
    hour = dt.timedelta(hours=1)
    send(
        beat,
        [
            (begin + n * hour, 0 if n < down_h else 1)
            for n in range(int((now - begin) / hour))
            if not 24 <= n < 24 + silent_h
        ],
    )


def make_hosting_contract(service: HostingService, *, reference: str = "H-1") -> Contract:
    """
    Make a hosting contract from 2025 on at a fixed fee per kW.
    """
    contract = Contract.objects.create(
        operator=service.site.operator, customer=service.tenant, site=service.site,
        hosting_service=service, reference=reference, currency="EUR",
        valid=(dt.date(2025, 1, 1), None),
    )  # fmt: skip
    Terms.objects.create(
        contract=contract, valid=(dt.date(2025, 1, 1), None), version=1, model="fixed",
        contracted_kw=10, price_per_kw=Decimal("90.00"), vat_rate=19,
    )  # fmt: skip
    return contract
