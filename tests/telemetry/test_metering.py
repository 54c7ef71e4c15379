import datetime as dt
from decimal import Decimal

import pytest

from sites.domain import Period
from sites.models import AuditEntry
from telemetry import operations, queries
from telemetry.models import Channel, Installation, MeterRegister, Rollup
from tests.factories_telemetry import LATER, csv_of, ingest_csv, make_heat_channel

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_exchange_after_the_fact_is_counted_across_and_leaves_a_trail():
    channel = make_heat_channel()
    start = dt.datetime(2026, 1, 10, 0, tzinfo=dt.UTC)
    hours = [start + dt.timedelta(hours=n) for n in range(5)]
    dials = ["500", "510", "520", "3", "13"]
    rows = [(channel.key, at.isoformat(), dial) for at, dial in zip(hours, dials, strict=True)]
    ingest_csv(site=channel.site, body=csv_of(rows))
    operations.roll_up_channel(channel_id=channel.pk, at=LATER)

    operations.exchange_meter(
        point_id=channel.point_id, when=start + dt.timedelta(hours=2, minutes=30),
        last_register=Decimal(524), first_register=Decimal(0), at=LATER, by_id=None,
        serial="new", make="test", max_power_kw=Decimal(400),
    )  # fmt: skip
    operations.roll_up_channel(channel_id=channel.pk, at=LATER)

    energy = queries.energy_over(channel_id=channel.pk, period=Period(hours[0], hours[4]))
    assert energy == Decimal(524 - 500 + 13)
    assert AuditEntry.objects.get(action="meter exchanged").before["last_register"] == "524"


def test_a_meters_further_registers_count_in_their_own_unit_and_roll_over_by_themselves():
    heat = make_heat_channel()
    meter = Installation.objects.get(point=heat.point).meter
    MeterRegister.objects.create(
        meter=meter, quantity="volume", unit="l", digits=5, max_an_hour=Decimal(5)
    )
    volume = Channel.objects.create(
        site=heat.site, point=heat.point, quantity="volume", kind="register", key="heat.volume"
    )
    undescribed = Channel.objects.create(
        site=heat.site, point=heat.point, quantity="e8", kind="register", key="heat.e8"
    )
    start = dt.datetime(2026, 1, 10, 0, tzinfo=dt.UTC)
    rows = [
        (channel.key, (start + dt.timedelta(hours=n)).isoformat(), dial)
        for channel in (volume, undescribed)
        for n, dial in enumerate(["98500", "99750", "1000"])
    ]
    ingest_csv(site=heat.site, body=csv_of(rows))
    for channel in (volume, undescribed):
        operations.roll_up_channel(channel_id=channel.pk, at=LATER)

    hours = Rollup.objects.filter(channel=volume, grain="hour", coverage=1).order_by("start_at")
    assert [hour.energy_kwh for hour in hours] == [Decimal("1.25"), Decimal("1.25")]
    # What the dial of E8 looks like is not known, so its figures mean nothing.
    assert not Rollup.objects.filter(channel=undescribed).exists()
