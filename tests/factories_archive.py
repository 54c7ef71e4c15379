"""
Months in the archive for tests.
"""

import datetime as dt
from decimal import Decimal

from django.db import connection

from sites.models import Site
from telemetry import operations, queries
from telemetry.models import (
    ArchivedChannel,
    ArchivedMonth,
    Channel,
    Finding,
    Meter,
    MeterRegister,
)
from tests.factories_telemetry import (
    LATER,
    add_channel,
    csv_of,
    ingest_csv,
    make_channel,
    make_heat_channel,
)

JANUARY = dt.date(2026, 1, 1)
START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
END = dt.datetime(2026, 2, 1, tzinfo=dt.UTC)
SINCE = START - dt.timedelta(days=4)
UNTIL = END + dt.timedelta(days=4)
STEP = dt.timedelta(minutes=30)

DONE = LATER + 2 * operations.GRACE


def archive_month(site: Site, month: dt.date) -> ArchivedMonth:
    """
    Bring a month to the archive by all steps, and out of the database.
    """
    archive = verified_month(site, month)
    operations.release_month(month=month, at=DONE)
    archive.refresh_from_db()
    return archive


def verified_month(site: Site, month: dt.date) -> ArchivedMonth:
    archive = operations.seal_month(site_id=site.pk, month=month, at=LATER, by_id=None)
    operations.write_month(archive_id=archive.pk, at=LATER)
    operations.verify_month(archive_id=archive.pk, at=LATER)
    archive.refresh_from_db()
    return archive


def rows_in_database(month: dt.date) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM telemetry_reading WHERE at >= %s AND at < %s",
            queries.utc_month(month),
        )
        count: int = cursor.fetchone()[0]
    return count


def channels_back() -> int:
    """
    Say how many channels of archived months were brought back by who needed them.
    """
    return ArchivedChannel.objects.filter(recalled_at__isnull=False).count()


def every_half_hour() -> list[dt.datetime]:
    return [SINCE + n * STEP for n in range(int((UNTIL - SINCE) / STEP))]


def make_metered_site() -> dict[str, Channel]:
    """
    Make a hand-off with energy, power and temperatures and a heartbeat, read every half hour
    over January 2026 and four days around it, with a gap and a stretch of lost communication.
    """
    energy = make_heat_channel()
    Meter.objects.update(
        flow_sensor="outlet", qp_m3h=Decimal(6), accuracy_class=2, dt_min_k=Decimal(3)
    )
    channels = {"energy": energy}
    for quantity in ("power", "supply", "return", "volume", "mode"):
        channels[quantity] = add_channel(point=energy.point, quantity=Channel.Quantity(quantity))
    channels["volume"].kind = Channel.Kind.REGISTER
    channels["volume"].save()
    MeterRegister.objects.create(
        meter=Meter.objects.get(), quantity="volume", unit="l", max_an_hour=Decimal(900)
    )
    beat = make_channel(
        site=energy.site,
        boundary=energy.point.Boundary.TENANT_FEED,
        quantity=Channel.Quantity.HEARTBEAT,
        interval_s=1800,
    )
    channels["heartbeat"] = beat
    rows = []
    for n, at in enumerate(every_half_hour()):
        if (
            dt.datetime(2026, 1, 10, tzinfo=dt.UTC)
            < at
            < dt.datetime(2026, 1, 10, 5, tzinfo=dt.UTC)
        ):
            continue
        lost = (
            dt.datetime(2026, 1, 20, tzinfo=dt.UTC)
            < at
            < dt.datetime(2026, 1, 20, 2, tzinfo=dt.UTC)
        )
        figures = {
            "energy": "0" if lost else f"{1000 + n * 10 + n % 3 / 8:.3f}",
            "power": "0" if lost else f"{20 + n % 7 / 10:.1f}",
            "supply": f"{60 + n % 11 / 10:.1f}",
            "return": f"{40 + n % 5 / 10:.1f}",
            "volume": f"{500 + n * 0.43:.2f}",
            "mode": str(n % 97 // 60),
            "heartbeat": "0" if at.day == 15 and at.hour < 3 else "1",
        }
        rows += [(channels[q].key, at.isoformat(), value) for q, value in figures.items()]
    ingest_csv(site=energy.site, body=csv_of(rows))
    roll_up_all()
    Finding.objects.update(state=Finding.State.DISMISSED, decided_at=LATER)
    return channels


def roll_up_all() -> None:
    while waiting := queries.channels_to_roll_up(limit=50):
        for channel_id in waiting:
            operations.roll_up_channel(channel_id=channel_id, at=LATER)
