"""
Metering points, channels and readings for tests.
"""

import datetime as dt
import io
from collections.abc import Iterable
from decimal import Decimal

from sites.models import Site
from telemetry import operations
from telemetry.models import Channel, IngestBatch, Installation, Meter, MeteringPoint
from tests import factories

FOREVER = (dt.datetime(2015, 1, 1, tzinfo=dt.UTC), None)
LATER = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)


def make_heat_channel(
    *, site: Site | None = None, code: str = "heat", unit: str = "kWh"
) -> Channel:
    """
    Make a hand-off with a meter of seven digits and the channel of its register.
    """
    site = site or factories.make_site()
    point = MeteringPoint.objects.create(
        site=site,
        boundary=MeteringPoint.Boundary.HEAT_HANDOFF,
        name=code,
        code=code,
        delivery_point=factories.make_delivery_point(site=site),
    )
    meter = Meter.objects.create(
        operator=site.operator, serial=f"{site.pk}-{code}", make="test", unit=unit,
        register_modulus=Decimal(10_000_000), max_power_kw=Decimal(400),
    )  # fmt: skip
    Installation.objects.create(point=point, meter=meter, valid=FOREVER)
    return Channel.objects.create(
        site=site, point=point, quantity=Channel.Quantity.ENERGY, kind=Channel.Kind.REGISTER,
        key=f"{code}.energy",
    )  # fmt: skip


def csv_of(rows: Iterable[tuple[str, str, str]]) -> bytes:
    lines = ["channel,at,value", *(",".join(row) for row in rows)]
    return "\n".join(lines).encode()


def ingest_csv(
    *, site: Site, body: bytes, received_at: dt.datetime = LATER
) -> operations.IngestResult:
    return operations.ingest(
        site_id=site.pk, stream=io.BytesIO(body), format="csv",
        source=IngestBatch.Source.FILE, received_at=received_at,
    )  # fmt: skip
