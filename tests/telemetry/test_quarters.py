"""
Quarters of an hour: they add up to their parents at every grain, keep peaks and weigh temperatures.
"""

import datetime as dt
import io
from bisect import bisect
from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sites.access import STRANGER, Kind, Role, Viewer
from sites.domain import Period
from telemetry import operations, queries
from telemetry.domain import registers
from telemetry.models import Channel, DirtyRange, Meter, MeteringPoint, MeterRegister, Rollup
from tests import factories
from tests.factories_telemetry import (
    LATER,
    add_channel,
    csv_of,
    ingest_csv,
    make_channel,
    make_heat_channel,
    send,
)

pytestmark = pytest.mark.django_db

# Nights with a repeated or left-out hour, in zones an hour, half an hour and a quarter off UTC.
NIGHTS = {
    "Europe/Berlin": dt.datetime(2026, 10, 24, 20, tzinfo=dt.UTC),
    "Australia/Adelaide": dt.datetime(2026, 4, 4, 10, tzinfo=dt.UTC),
    "Europe/London": dt.datetime(2026, 3, 28, 21, tzinfo=dt.UTC),
    "Asia/Kathmandu": dt.datetime(2026, 1, 31, 16, tzinfo=dt.UTC),
}
FIGURES = ("energy_kwh", "estimated_kwh", "samples")

_step = st.tuples(
    st.one_of(st.integers(1, 40), st.sampled_from([15, 60, 61, 200])),
    st.one_of(st.integers(0, 9), st.sampled_from([-40, 0, 0, 5000, -10_000])),
)
_steps = st.lists(_step, min_size=2, max_size=50)
_many = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def _at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def _rows(channel: Channel, *grains: str) -> list[dict[str, Any]]:
    rows = Rollup.objects.filter(channel=channel).order_by("grain", "start_at").values()
    return [
        {k: v for k, v in row.items() if k not in {"version", "computed_at", "channel_id"}}
        for row in rows
        if not grains or row["grain"] in grains
    ]


def _dials(steps: list[tuple[int, int]], start: dt.datetime) -> list[tuple[dt.datetime, int]]:
    at, dial, found = start, 5000, []
    for minutes, change in steps:
        found.append((at, dial % 10_000))
        at += dt.timedelta(minutes=minutes)
        dial = max(dial + change, 0)
    return found


def _assert_children_add_up(channel: Channel) -> None:
    """
    Every stored bucket is the sum of its stored children; every hour that of its quarters.
    """
    rows = _rows(channel)
    for parent, child in (("hour", "quarter"), ("day", "hour"), ("month", "day")):
        inside: defaultdict[dt.datetime, list[dict[str, Any]]] = defaultdict(list)
        parents = [row for row in rows if row["grain"] == parent]
        starts = [row["start_at"] for row in parents]
        for row in (row for row in rows if row["grain"] == child):
            own = parents[bisect(starts, row["start_at"]) - 1]
            assert own["start_at"] <= row["start_at"] < row["end_at"] <= own["end_at"]
            inside[own["start_at"]].append(row)
        for row in parents:
            parts = inside[row["start_at"]]
            if not parts:
                assert parent == "hour"
                continue
            known = [p["energy_kwh"] for p in parts if p["energy_kwh"] is not None]
            assert row["energy_kwh"] == (sum(known) if known else None), row
            assert row["estimated_kwh"] == sum(p["estimated_kwh"] for p in parts), row
            peaks = [p["peak_kw"] for p in parts if p["peak_kw"] is not None]
            assert row["peak_kw"] == (max(peaks) if peaks else None), row
            seconds = sum(
                p["coverage"] * int((p["end_at"] - p["start_at"]).total_seconds()) for p in parts
            )
            length = int((row["end_at"] - row["start_at"]).total_seconds())
            assert abs(row["coverage"] - seconds / length) < Decimal("0.000002"), row
    # What is read back as quarters, kept or not, is the hours again.
    hours = [row for row in rows if row["grain"] == "hour"]
    if hours:
        period = Period(hours[0]["start_at"], hours[-1]["end_at"])
        quarters = queries.quarter_hours(channel_id=channel.pk, period=period)
        assert len(quarters) == (period.end - period.start) // dt.timedelta(minutes=15)
        whole: defaultdict[dt.datetime, Decimal] = defaultdict(Decimal)
        starts = [row["start_at"] for row in hours]
        for quarter in quarters:
            whole[starts[bisect(starts, quarter.start_at) - 1]] += quarter.energy_kwh or 0
        assert whole == {row["start_at"]: row["energy_kwh"] or 0 for row in hours}


@_many
@given(steps=_steps, zone=st.sampled_from(sorted(NIGHTS)), unit=st.sampled_from(["kWh", "Gcal"]))
def test_children_of_a_register_add_up_to_their_parents(steps, zone, unit):
    channel = make_heat_channel(site=factories.make_site(timezone=zone), unit=unit)
    Meter.objects.filter(installations__point=channel.point).update(digits=4)
    send(channel, _dials(steps, NIGHTS[zone]))

    _assert_children_add_up(channel)


@_many
@given(
    steps=st.lists(st.tuples(st.integers(1, 50), st.integers(0, 90)), min_size=1, max_size=40),
    interval=st.sampled_from([60, 600, 900, 1800, 3600]), zone=st.sampled_from(sorted(NIGHTS)),
)  # fmt: skip
def test_children_of_interval_means_add_up_to_their_parents(steps, interval, zone):
    channel = make_channel(
        site=factories.make_site(timezone=zone), boundary=MeteringPoint.Boundary.IT,
        interval_s=interval,
    )  # fmt: skip
    at, readings = NIGHTS[zone], []
    for minutes, value in steps:
        readings.append((at, round(value / 7, 6)))
        at += dt.timedelta(minutes=minutes)
    send(channel, readings)

    _assert_children_add_up(channel)


def _in_two_parts(
    rows: list[tuple[dt.datetime, int]], late: list[int], load: Callable[[Channel, Any], None],
    zone: str,
) -> tuple[Channel, Channel]:  # fmt: skip
    site = factories.make_site(timezone=zone)
    timely, tardy = (make_heat_channel(site=site, code=code) for code in ("timely", "late"))
    Meter.objects.filter(installations__point__site=site).update(digits=4)
    load(timely, rows)
    load(tardy, [row for n, row in enumerate(rows) if n not in late])
    load(tardy, [row for n, row in enumerate(rows) if n in late])
    return timely, tardy


@_many
@given(
    steps=_steps, zone=st.sampled_from(sorted(NIGHTS)),
    late=st.lists(st.integers(0, 49), min_size=1, max_size=12),
    lost=st.lists(st.integers(0, 49), max_size=6),
)  # fmt: skip
# With what came late, every reading of the range that counted is set aside.
@example(
    steps=[(2, 0), (2, 0), (12, -40), (18, 0), (1, 0), (19, 0), (11, 0), (2, 0), (21, 0), (1, 0),
        (20, 0), (12, 0), (2, 4)],
    zone="Australia/Adelaide", late=[2, 43, 0, 37, 25, 13, 43, 29, 35, 35], lost=[37, 0, 3, 21, 35],
)  # fmt: skip
# What came late makes a figure beyond a zero right that was set aside without it.
@example(
    steps=[(61, 5), (23, 0), (61, -10_000), (7, 0), (200, 7), (34, 3), (61, 0), (15, 1),
        (15, 5000), (15, 1)],
    zone="Asia/Kathmandu", late=[0], lost=[1],
)  # fmt: skip
def test_late_readings_give_the_rollups_of_timely_ones_at_every_grain(steps, zone, late, lost):
    rows = _dials(steps, NIGHTS[zone])
    rows = [(at, 0 if n in lost else dial) for n, (at, dial) in enumerate(rows)]

    def load(channel: Channel, readings: Any) -> None:
        if readings:
            send(channel, readings)

    timely, tardy = _in_two_parts(rows, late, load, zone)

    assert _rows(tardy) == _rows(timely)


def test_a_late_reading_dirties_from_the_hour_of_the_one_before_to_that_of_the_one_after():
    channel = make_heat_channel()
    start = _at("2026-01-09T20:10")
    known = [(start + n * dt.timedelta(hours=1), 1000 + n * 7) for n in range(4)]
    known += [(_at("2026-01-10T00:10"), 1030), (_at("2026-01-10T03:40"), 1050)]
    known += [(_at("2026-01-10T03:40") + n * dt.timedelta(hours=1), 1050 + n) for n in range(1, 5)]
    send(channel, known)
    # Stored figures nobody computed show what is looked at again.
    Rollup.objects.filter(channel=channel, grain="hour").update(samples=77, version=9)

    late = csv_of([(channel.key, "2026-01-10T02:05Z", "1041")])
    ingest_csv(site=channel.site, body=late)
    spans = DirtyRange.objects.filter(channel=channel).values_list("span", flat=True)
    [(lower, upper)] = [(span.lower, span.upper) for span in spans]
    operations.roll_up_channel(channel_id=channel.pk, at=LATER)

    assert (lower, upper) == (_at("2026-01-10T00:00"), _at("2026-01-10T04:00"))
    again = Rollup.objects.filter(channel=channel, grain="hour").exclude(samples=77)
    first, last = registers.dirty_hours(_at("2026-01-10T00:10"), _at("2026-01-10T03:40"))
    assert [row.start_at for row in again.order_by("start_at")] == [
        first + n * dt.timedelta(hours=1) for n in range((last - first) // dt.timedelta(hours=1))
    ]


def test_the_peak_is_the_greatest_mean_of_a_quarter_and_not_of_an_hour():
    channel = make_heat_channel()
    start = _at("2026-01-10T10:00")
    # 10 kW but for one quarter of 55 kW; minutes within it reach 90 kW and are no peak.
    dial, rows = Decimal(1000), []
    for minute in range(24 * 60 + 1):
        rows.append((start + dt.timedelta(minutes=minute), dial))
        in_quarter = 135 <= minute < 150
        kw = (90 if minute % 2 else 15) if in_quarter else 10
        dial += Decimal(kw) / 60
    send(channel, [(at, round(float(value), 6)) for at, value in rows])
    quarter = Rollup.objects.get(channel=channel, grain="quarter", start_at=_at("2026-01-10T12:15"))

    assert quarter.peak_kw is not None
    assert quarter.energy_kwh == quarter.peak_kw / 4
    assert quarter.peak_kw == 55
    for grain in ("hour", "day", "month"):
        row = Rollup.objects.filter(channel=channel, grain=grain).latest("peak_kw")
        assert (row.peak_kw, row.peak_at) == (quarter.peak_kw, quarter.start_at)


def test_hours_that_ran_evenly_keep_no_quarters_and_give_fourths():
    channel = make_heat_channel()
    start = _at("2026-01-10T00:00")
    send(channel, [(start + n * dt.timedelta(hours=1), 1000 + n * 3) for n in range(5)])

    assert not Rollup.objects.filter(channel=channel, grain="quarter").exists()
    quarters = queries.quarter_hours(
        channel_id=channel.pk, period=Period(start, start + dt.timedelta(hours=5))
    )
    assert [q.energy_kwh for q in quarters[:16]] == [Decimal("0.75")] * 16
    assert {(q.quality, q.kept, q.coverage) for q in quarters[:16]} == {
        ("scaled", False, Decimal(1))
    }
    assert [(q.energy_kwh, q.quality) for q in quarters[16:]] == [(None, "missing")] * 4
    hour = Rollup.objects.filter(channel=channel, grain="hour").first()
    assert hour is not None
    assert (hour.quality, hour.peak_kw, hour.peak_at) == ("actual", Decimal(3), start)


def test_a_reset_leaves_its_quarter_unknown_and_not_its_hour_empty():
    channel = make_heat_channel()
    start = _at("2026-01-10T10:00")
    dials = [100, 101, 102, 3, 4, 5, 6, 7, 8]
    send(channel, [(start + n * dt.timedelta(minutes=15), dial) for n, dial in enumerate(dials)])
    quarters = queries.quarter_hours(
        channel_id=channel.pk, period=Period(start, start + dt.timedelta(hours=1))
    )
    hour = Rollup.objects.get(channel=channel, grain="hour", start_at=start)

    assert [q.energy_kwh for q in quarters] == [1, 1, None, 1]
    assert [q.quality for q in quarters] == ["actual", "actual", "missing", "actual"]
    assert (hour.energy_kwh, hour.coverage, hour.quality) == (
        Decimal(3),
        Decimal("0.75"),
        "missing",
    )
    with pytest.raises(queries.ReadingMissing):
        queries.energy_over(
            channel_id=channel.pk, period=Period(start, start + dt.timedelta(hours=1))
        )


def test_gauges_keep_quarters_where_they_are_read_four_times_an_hour():
    point = make_heat_channel().point
    supply = add_channel(point=point, quantity=Channel.Quantity.SUPPLY)
    start = _at("2026-01-10T10:00")
    often = [(start + n * dt.timedelta(minutes=10), 60 + n) for n in range(6)]
    seldom = [(start + dt.timedelta(hours=1, minutes=30 * n), 70 + n) for n in range(2)]
    send(supply, [*often, *seldom])
    quarters = queries.quarter_hours(
        channel_id=supply.pk, period=Period(start, start + dt.timedelta(hours=2))
    )

    assert [q.mean for q in quarters] == [
        Decimal("60.5"), 62, Decimal("63.5"), 65, *[Decimal("70.5")] * 4,
    ]  # fmt: skip
    assert [q.kept for q in quarters] == [True] * 4 + [False] * 4


def test_mean_temperatures_are_weighed_by_what_flowed():
    # The golden case: 1.2 m³ at 60 °C and 0.3 m³ at 50 °C, nothing at 20 °C.
    heat = make_heat_channel()
    MeterRegister.objects.create(
        meter=Meter.objects.get(installations__point=heat.point), quantity="volume", unit="m3",
        digits=8, resolution=Decimal("0.001"), max_an_hour=20,
    )  # fmt: skip
    volume = Channel.objects.create(
        site=heat.site, point=heat.point, quantity="volume", kind="register", key="heat.volume"
    )
    supply, back = (
        add_channel(point=heat.point, quantity=quantity)
        for quantity in (Channel.Quantity.SUPPLY, Channel.Quantity.RETURN)
    )
    start = _at("2026-01-10T10:00")
    hour = dt.timedelta(hours=1)
    send(volume, [(start + n * hour, v) for n, v in enumerate([10, 11.2, 11.5, 11.5])])
    send(supply, [(start + n * hour, t) for n, t in enumerate([60, 50, 20])])
    send(back, [(start + n * hour, t) for n, t in enumerate([40, 30, 20])])
    operator = Viewer(1, heat.site.operator_id, Kind.OPERATOR, Role.VIEWER)
    period = Period(start, start + 3 * hour)

    weighed, [day] = queries.flow_temperatures(
        viewer=operator, point_id=heat.point_id, grain="day",
        period=period,
    )  # fmt: skip
    _, hours = queries.flow_temperatures(
        viewer=operator, point_id=heat.point_id, grain="hour",
        period=period,
    )  # fmt: skip

    assert weighed == queries.WeighedBy.VOLUME
    assert (day.supply_c, day.return_c, day.coverage) == (
        Decimal(58),
        Decimal(38),
        Decimal("0.125"),
    )
    assert [row.supply_c for row in hours] == [60, 50, None]
    assert queries.flow_temperatures(
        viewer=STRANGER, point_id=heat.point_id, grain="day", period=period
    ) == (None, [])


def test_a_meter_that_counts_volume_times_temperature_tells_the_means_itself():
    # Kamstrup's example: 23,750 m³·°C over 250 m³ are 95 °C.
    heat = make_heat_channel()
    meter = Meter.objects.get(installations__point=heat.point)
    start = _at("2026-01-01T00:00")
    for quantity, unit, dials in (
        ("volume", "m3", (534, 784)), ("e8", "m3C", (48_000, 71_750)), ("e9", "m3C", (100, 10_100)),
    ):  # fmt: skip
        MeterRegister.objects.create(
            meter=meter, quantity=quantity, unit=unit, digits=8, max_an_hour=5000
        )
        channel = Channel.objects.create(
            site=heat.site, point=heat.point, quantity=quantity, kind="register",
            key=f"heat.{quantity}",
        )  # fmt: skip
        send(channel, [(start, dials[0]), (start + dt.timedelta(days=10), dials[1])])

    weighed, [month] = queries.flow_temperatures(
        viewer=Viewer(1, heat.site.operator_id, Kind.OPERATOR, Role.VIEWER),
        point_id=heat.point_id, grain="month",
        period=Period(start, start + dt.timedelta(days=12)),
    )  # fmt: skip

    assert weighed == queries.WeighedBy.METER
    assert (month.supply_c, month.return_c) == (Decimal(95), Decimal(40))
    assert month.coverage == round(Decimal(10) / 31, 6)


def _rebuilt(*options: str) -> str:
    out = io.StringIO()
    call_command("rebuild_rollups", *options, stdout=out)
    return out.getvalue()


@pytest.fixture
def two_channels() -> tuple[Channel, Channel]:
    site = factories.make_site()
    heat = make_heat_channel(site=site)
    it = make_channel(site=site, boundary=MeteringPoint.Boundary.IT, interval_s=900)
    start = _at("2026-01-30T22:07")
    # With a fall, lost communication and a gap, so that values are set aside and estimated too.
    dials = [*range(500, 560), 20, 0, 0, *range(560, 600)]
    send(heat, [(start + n * dt.timedelta(minutes=13), dial) for n, dial in enumerate(dials)])
    send(it, [(start + n * dt.timedelta(minutes=15), n % 9) for n in range(80) if n % 11])
    return heat, it


@pytest.mark.django_db(transaction=True)
def test_rebuilding_from_raw_gives_identical_rows(two_channels):
    before = [list(Rollup.objects.filter(channel=c).order_by("pk").values()) for c in two_channels]

    out = _rebuilt()

    after = [list(Rollup.objects.filter(channel=c).order_by("pk").values()) for c in two_channels]
    assert after == before
    assert "2 of 2" in out
    # From nothing it gives the same but for the versions.
    figures = [_rows(c) for c in two_channels]
    Rollup.objects.all().delete()
    _rebuilt()
    assert [_rows(c) for c in two_channels] == figures


@pytest.mark.django_db(transaction=True)
def test_a_rebuild_mends_what_was_tampered_with_and_a_check_names_it(two_channels):
    heat, _ = two_channels
    figures = _rows(heat)
    assert "Everything stored" in _rebuilt("--check")
    hours = Rollup.objects.filter(channel=heat, grain="hour")
    first, last = hours.earliest("start_at").start_at, hours.latest("start_at").start_at
    hours.filter(start_at=last).delete()
    hours.filter(start_at=first).update(energy_kwh=Decimal(4711))
    Rollup.objects.filter(pk=(heat.pk, "hour", first)).update()
    left_over = dict(hours.filter(start_at=first).values()[0])
    left_over["start_at"], left_over["end_at"] = _at("2027-01-01T00:00"), _at("2027-01-01T01:00")
    Rollup.objects.create(**left_over)

    with pytest.raises(CommandError, match="3 buckets"):
        _rebuilt("--check", "--site", heat.site.slug, "--channel", heat.key)
    assert hours.filter(energy_kwh=4711).exists()
    _rebuilt("--site", heat.site.slug, "--channel", heat.key)

    assert _rows(heat) == figures
    assert "Everything stored" in _rebuilt("--check")


@pytest.mark.django_db(transaction=True)
def test_a_rebuild_that_was_broken_off_is_resumed(two_channels):
    heat, it = two_channels
    Rollup.objects.all().update(energy_kwh=1)
    operations.mark_for_rebuild(channel_ids=[heat.pk, it.pk], at=LATER)
    operations.roll_up_channel(channel_id=heat.pk, at=LATER)
    assert queries.channels_waiting() == {it.pk}

    out = _rebuilt("--resume")

    assert "1 of 1" in out
    assert it.key in out
    assert not queries.channels_waiting()
    assert "Everything stored" in _rebuilt("--check")


def test_the_database_adds_nothing_to_the_quarters_a_plan_needs():
    # The function is one statement that the planner opens: no scan of a function remains.
    with connection.cursor() as cursor:
        cursor.execute(
            "EXPLAIN SELECT * FROM telemetry_quarters(ARRAY[1], '2026-01-01', '2026-02-01')"
        )
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "Function Scan on telemetry_quarters" not in plan
