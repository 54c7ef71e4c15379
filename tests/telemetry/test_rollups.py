"""
Registers into local hours, days and months: clock changes, gaps, rollover, exchange, real data.
"""

import csv
import datetime as dt
import gzip
import zoneinfo
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from sites.domain import Period, local_month
from telemetry import operations, queries
from telemetry.models import Channel, DirtyRange, Installation, Meter, Rollup
from tests import factories
from tests.factories_telemetry import LATER, csv_of, ingest_csv, make_heat_channel

pytestmark = pytest.mark.django_db

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


def _load(channel: Channel, readings: Sequence[tuple[dt.datetime, Decimal | float]]) -> None:
    rows = [(channel.key, at.isoformat(), str(value)) for at, value in readings]
    result = ingest_csv(site=channel.site, body=csv_of(rows))
    assert result.accepted == len(rows)
    operations.roll_up_channel(channel_id=channel.pk, at=LATER)
    assert not DirtyRange.objects.filter(channel=channel).exists()


def _hours(channel: Channel) -> dict[str, Decimal | None]:
    rows = Rollup.objects.filter(channel=channel, grain="hour").order_by("start_at")
    return {f"{row.start_at:%d %H:%M}": row.energy_kwh for row in rows}


def _utc(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("zone", "month", "hours"),
    [
        ("Europe/Berlin", 3, 743),
        ("Europe/Berlin", 10, 745),
        ("Australia/Adelaide", 10, 743),
        ("Australia/Adelaide", 4, 721),
    ],
)
def test_a_month_of_one_kilowatt_has_as_many_kwh_as_hours(zone: str, month: int, hours: int):
    channel = make_heat_channel(site=factories.make_site(timezone=zone))
    period = local_month(2025, month, zone)
    start = period.start - dt.timedelta(minutes=20)
    count = hours * 2 + 3
    _load(channel, [(start + n * dt.timedelta(minutes=30), 100 + n / 2) for n in range(count)])

    assert queries.energy_over(channel_id=channel.pk, period=period) == hours
    row = Rollup.objects.get(channel=channel, grain="month", start_at=period.start)
    assert row.energy_kwh == hours
    assert row.coverage == 1
    assert row.quality == "actual"
    days = Rollup.objects.filter(
        channel=channel, grain="day", start_at__gte=period.start, start_at__lt=period.end
    )
    assert sum(day.energy_kwh or 0 for day in days) == hours
    lengths = {(day.end_at - day.start_at).total_seconds() / 3600 for day in days}
    assert lengths == {24.0, 24.0 + hours - 24 * len(days)}


def test_energy_over_a_gap_is_split_by_time_and_marked():
    channel = make_heat_channel()
    _load(channel, [(_utc("2026-01-10T10:20"), 0), (_utc("2026-01-10T13:20"), 54)])

    assert _hours(channel) == {"10 10:00": 12, "10 11:00": 18, "10 12:00": 18, "10 13:00": 6}
    rows = Rollup.objects.filter(channel=channel, grain="hour").order_by("start_at")
    assert [row.quality for row in rows] == ["missing", "scaled", "scaled", "missing"]
    with pytest.raises(queries.ReadingMissing, match="2026-01-10 10:00"):
        queries.energy_over(
            channel_id=channel.pk,
            period=Period(_utc("2026-01-10T10:00"), _utc("2026-01-10T12:00")),
        )
    with pytest.raises(queries.ReadingMissing):
        queries.energy_over(
            channel_id=channel.pk,
            period=Period(_utc("2026-02-01T00:00"), _utc("2026-02-01T01:00")),
        )


def test_a_register_that_rolls_over_goes_on_and_one_that_is_reset_is_unknown():
    channel = make_heat_channel()
    _load(
        channel,
        [
            (_utc("2026-01-10T10:00"), 9_999_950),
            (_utc("2026-01-10T11:00"), 120),
            (_utc("2026-01-10T12:00"), 200),
            (_utc("2026-01-10T13:00"), 35),
            (_utc("2026-01-10T14:00"), 45),
        ],
    )

    assert _hours(channel) == {
        "10 10:00": 170,
        "10 11:00": 80,
        "10 12:00": None,
        "10 13:00": 10,
    }
    day = Rollup.objects.get(channel=channel, grain="day")
    assert day.energy_kwh == 260
    assert day.quality == "missing"


def test_lost_communication_reads_zero_and_counts_nothing():
    channel = make_heat_channel()
    values = [500, 501, 0, 0, 504, 505]
    _load(channel, [(_utc(f"2026-01-10T1{n}:00"), value) for n, value in enumerate(values)])

    assert list(_hours(channel).values()) == [1, 1, 1, 1, 1]


def test_a_new_meter_that_stands_at_zero_is_measured_zero():
    channel = make_heat_channel()
    times = [_utc(f"2026-01-10T1{n}:00") for n in range(6)]
    _load(channel, [(at, 0) for at in times[:3]])
    _load(channel, [(at, 0) for at in times[3:5]])
    _load(channel, [(times[5], 2)])

    assert list(_hours(channel).values()) == [0, 0, 0, 0, 2]


def test_a_meter_exchange_counts_both_meters_and_never_their_difference():
    channel = make_heat_channel()
    change = _utc("2026-01-10T11:30")
    Installation.objects.filter(point=channel.point).update(
        valid=(_utc("2025-01-01T00:00"), change), last_register=Decimal("1015.5")
    )
    new = Meter.objects.create(
        operator=channel.site.operator, serial="new", make="test", unit="MWh",
        digits=6, max_power_kw=400,
    )  # fmt: skip
    Installation.objects.create(
        point=channel.point, meter=new, valid=(change, None), first_register=Decimal("0.002")
    )
    _load(
        channel,
        [
            (_utc("2026-01-10T10:00"), 1000),
            (_utc("2026-01-10T11:00"), 1010),
            (_utc("2026-01-10T12:00"), Decimal("0.007")),
            (_utc("2026-01-10T13:00"), Decimal("0.017")),
        ],
    )

    assert list(_hours(channel).values()) == [10, Decimal("10.5"), 10]


def test_late_data_rolls_up_to_what_timely_data_would_have_given():
    start = _utc("2026-01-10T00:10")
    readings = [(start + n * dt.timedelta(minutes=37), 100 + n * n / 8) for n in range(60)]
    timely = make_heat_channel(code="timely")
    _load(timely, readings)
    late = make_heat_channel(code="late")
    _load(late, readings[::3])
    _load(late, [r for n, r in enumerate(readings) if n % 3])

    assert _hours(late) == _hours(timely)
    days = [
        list(
            Rollup.objects.filter(channel=channel).exclude(grain="hour").order_by(
                "grain", "start_at"
            ).values_list("start_at", "energy_kwh", "coverage", "quality")
        )
        for channel in (late, timely)
    ]  # fmt: skip
    assert days[0] == days[1]


@pytest.mark.skipif(not DATA.exists(), reason="the folder ../shared/data is absent")
def test_a_real_substation_gives_the_reference_months():
    folder = DATA / "b_heat_series" / "xai4heat"
    channel = make_heat_channel(site=factories.make_site(timezone="Europe/Belgrade"), unit="MWh")
    Meter.objects.update(max_power_kw=4000)
    zone = zoneinfo.ZoneInfo("Europe/Belgrade")
    readings: dict[dt.datetime, str] = {}
    with gzip.open(folder / "xai4heat_scada_L12.csv.gz", "rt") as lines:
        for row in csv.DictReader(lines):
            local = dt.datetime.fromisoformat(row["datetime"]).replace(tzinfo=zone)
            if row["e"] and local.year >= 2023:
                readings[local.astimezone(dt.UTC)] = row["e"]
    _load(channel, [(at, Decimal(value)) for at, value in readings.items()])

    with (folder / "REFERENCE_monthly_L12.csv").open() as lines:
        reference = {row["month"]: row for row in csv.DictReader(lines)}
    for month in ("2023-02-01", "2023-11-01", "2023-12-01", "2024-01-01", "2024-03-01"):
        first = dt.date.fromisoformat(month)
        period = local_month(first.year, first.month, "Europe/Belgrade")
        energy = queries.energy_over(channel_id=channel.pk, period=period)
        assert energy == Decimal(reference[month]["consumption_mwh"]) * 1000, month
