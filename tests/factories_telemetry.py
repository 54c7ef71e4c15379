"""
Metering points, channels and readings for tests.
"""

import datetime as dt
import io
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from sites.domain import Period
from sites.models import HostingService, Site
from telemetry import operations
from telemetry.domain.meter_profiles import Profile, Take
from telemetry.models import (
    Channel,
    IngestBatch,
    Installation,
    Meter,
    MeteringPoint,
    MeterProfile,
    Upload,
)
from tests import factories

FOREVER = (dt.datetime(2015, 1, 1, tzinfo=dt.UTC), None)
LATER = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)
# A radio telegram: energy now and in tariff 1, temperatures, a kept energy with its day, and bytes
# that only the maker can read.
SAMPLE = (
    "34449344123456782304780C06742400008C1006000000000A5A22030A5E91024C0619130000426CDF250F0102030405"
    "060708090A"
)


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
        max_power_kw=Decimal(400),
    )  # fmt: skip
    Installation.objects.create(point=point, meter=meter, valid=FOREVER)
    return Channel.objects.create(
        site=site, point=point, quantity=Channel.Quantity.ENERGY, kind=Channel.Kind.REGISTER,
        key=f"{code}.energy",
    )  # fmt: skip


def make_plain_channel(site: Site, key: str, unit: str) -> Channel:
    """
    Make a gauge of any key on a point of its own, for tests to which the quantity is all one.
    """
    point = MeteringPoint.objects.create(
        site=site, boundary=MeteringPoint.Boundary.FACILITY, name=key, code=key.replace(".", "-")
    )
    return Channel.objects.create(
        site=site, point=point, quantity=Channel.Quantity.POWER, kind=Channel.Kind.GAUGE,
        key=key, unit=unit,
    )  # fmt: skip


def make_upload(
    site: Site, body: bytes = b"time,energy\n2024-01-01,5\n", name: str = "meters.csv"
) -> Upload:
    """
    Keep a file for a site, and a mapping by which it can be read.
    """
    operations.save_mapping(
        operator_id=site.operator_id, code="meters", name="Meters", at=LATER, by_id=None,
        spec={
            "time": {"columns": ["time"], "zone": "UTC"},
            "values": [{"column": "energy", "channel": "heat.energy"}],
        },
    )  # fmt: skip
    return operations.add_upload(
        site_id=site.pk, name=name, pieces=iter([body]), at=LATER, by_id=None
    )


def make_meter_profile(
    site: Site, *takes: Take, at: dt.datetime = LATER, replaces_id: int | None = None, **head: Any
) -> MeterProfile:
    """
    Let a profile of the site's operator be for version 35 of the make QDS, or what `head` says.
    Its telegram has records, and bytes in the maker's own layout.
    """
    usual: dict[str, Any] = {
        "manufacturer": "QDS", "first_version": 35, "last_version": 35, "medium": None,
        "since": None, "until": None, "own": True, "takes": takes or (Take("energy", "energy"),),
    }  # fmt: skip
    return operations.save_meter_profile(
        operator_id=site.operator_id, profile=Profile(**{**usual, **head}), name="Q heat", at=at,
        by_id=None, replaces_id=replaces_id, sample=SAMPLE,
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


def make_channel(
    *,
    site: Site,
    boundary: MeteringPoint.Boundary,
    quantity: Channel.Quantity = Channel.Quantity.POWER,
    interval_s: int | None = 3600,
    service: HostingService | None = None,
) -> Channel:
    """
    Make a point with one channel: mean power or a heartbeat every `interval_s` seconds, a gauge
    where that is None.
    """
    is_heat = boundary == MeteringPoint.Boundary.HEAT_HANDOFF
    if boundary == MeteringPoint.Boundary.TENANT_FEED and service is None:
        service = factories.make_hosting_service(site=site)
    code = f"p{MeteringPoint.objects.count()}"
    point = MeteringPoint.objects.create(
        site=site, boundary=boundary, name=code, code=code, hosting_service=service,
        delivery_point=factories.make_delivery_point(site=site) if is_heat else None,
    )  # fmt: skip
    return add_channel(point=point, quantity=quantity, interval_s=interval_s)


def add_channel(
    *, point: MeteringPoint, quantity: Channel.Quantity, interval_s: int | None = None
) -> Channel:
    kind = Channel.Kind.GAUGE if interval_s is None else Channel.Kind.INTERVAL
    if quantity == Channel.Quantity.HEARTBEAT:
        kind = Channel.Kind.HEARTBEAT
    return Channel.objects.create(
        site=point.site, point=point, quantity=quantity, kind=kind, interval_s=interval_s,
        key=f"{point.code}.{quantity}", unit="kW" if quantity == "power" else "",
    )  # fmt: skip


def load(
    channel: Channel,
    period: Period,
    value: float,
    *,
    gaps: Sequence[tuple[dt.datetime, dt.datetime]] = (),
    step_s: int | None = None,
) -> None:
    """
    Send one value again and again over a period, except in the gaps, and roll it up.
    """
    step = dt.timedelta(seconds=step_s or channel.interval_s or 3600)
    count = int((period.end - period.start) / step)
    times = [period.start + n * step for n in range(count)]
    send(channel, [(at, value) for at in times if not any(a <= at < b for a, b in gaps)])


def send(channel: Channel, readings: Iterable[tuple[dt.datetime, float]]) -> None:
    """
    Take readings in and roll them up.
    """
    rows = [(channel.key, at.isoformat(), str(value)) for at, value in readings]
    result = ingest_csv(site=channel.site, body=csv_of(rows))
    assert result.accepted == len(rows)
    operations.roll_up_channel(channel_id=channel.pk, at=LATER)
