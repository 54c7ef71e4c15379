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


def _exchanged_with_gap() -> tuple[Channel, dt.datetime]:
    """
    Let 10 kWh an hour pass for a day, then stand without a meter from 00:30 to 02:00.
    """
    channel = make_heat_channel()
    midnight = dt.datetime(2026, 1, 11, 0, tzinfo=dt.UTC)
    hour = dt.timedelta(hours=1)
    before = [(midnight - (24 - n) * hour, 1000 + 10 * n) for n in range(25)]
    after = [(midnight + n * hour, 8 * (n - 2)) for n in range(3, 6)]
    rows = [(channel.key, at.isoformat(), str(dial)) for at, dial in before + after]
    ingest_csv(site=channel.site, body=csv_of(rows))
    operations.roll_up_channel(channel_id=channel.pk, at=LATER)
    operations.exchange_meter(
        point_id=channel.point_id, when=midnight + hour / 2, back_at=midnight + 2 * hour,
        last_register=Decimal(1245), first_register=Decimal(0), at=LATER, by_id=None,
        serial="new", make="test", max_power_kw=Decimal(400),
    )  # fmt: skip
    operations.roll_up_channel(channel_id=channel.pk, at=LATER)
    return channel, midnight


def test_a_time_without_a_meter_is_estimated_by_the_day_before_and_says_so():
    channel, midnight = _exchanged_with_gap()

    hours = Rollup.objects.filter(channel=channel, grain="hour", start_at__gte=midnight)
    told = [
        (hour.energy_kwh, hour.estimated_kwh, hour.quality, hour.coverage)
        for hour in hours.order_by("start_at")[:3]
    ]
    assert told == [
        (Decimal(10), Decimal(5), "estimated", Decimal(1)),
        (Decimal(10), Decimal(10), "estimated", Decimal(1)),
        (Decimal(8), Decimal(0), "actual", Decimal(1)),
    ]
    found = queries.metered_energy(
        channel=queries.register_of(point_id=channel.point_id),
        period=Period(midnight, midnight + dt.timedelta(hours=3)),
    )
    assert (found.energy_kwh, found.estimated_kwh) == (Decimal(28), Decimal(15))
    assert found.opening == 1240
    day = Rollup.objects.get(channel=channel, grain="day", end_at__gt=midnight)
    assert day.estimated_kwh == 15


def test_nothing_is_estimated_where_nothing_was_measured_before():
    channel = make_heat_channel()
    when = dt.datetime(2026, 1, 11, 0, tzinfo=dt.UTC)

    new = operations.exchange_meter(
        point_id=channel.point_id, when=when, back_at=when + dt.timedelta(hours=1),
        last_register=Decimal(1), first_register=Decimal(0), at=LATER, by_id=None,
        serial="new", make="test", max_power_kw=Decimal(400),
    )  # fmt: skip

    assert new.gap_kw is None
