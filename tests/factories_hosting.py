"""
Hosted services with their feeds and contracts for tests.
"""

import datetime as dt
from decimal import Decimal

from billing.models import Contract, Terms
from sites.models import HostingService
from telemetry.models import Channel, Installation, Meter, MeteringPoint
from tests import factories
from tests.factories_telemetry import FOREVER


def make_register(
    *, boundary: str, service: HostingService | None = None, code: str = "feed"
) -> Channel:
    """
    Make an electricity meter in kWh at a service's feed, or at its site's facility or IT boundary.
    """
    service = service or factories.make_hosting_service(site=factories.make_site())
    site = service.site
    feed = boundary == MeteringPoint.Boundary.TENANT_FEED
    point = MeteringPoint.objects.create(
        site=site, boundary=boundary, name=code, code=code,
        hosting_service=service if feed else None,
    )  # fmt: skip
    meter = Meter.objects.create(
        operator=site.operator, serial=f"{site.pk}-{code}", make="test", unit="kWh",
        register_modulus=Decimal(10_000_000), max_power_kw=Decimal(400),
    )  # fmt: skip
    Installation.objects.create(point=point, meter=meter, valid=FOREVER)
    return Channel.objects.create(
        site=site, point=point, quantity=Channel.Quantity.ENERGY, kind=Channel.Kind.REGISTER,
        key=f"{code}.energy",
    )  # fmt: skip


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
