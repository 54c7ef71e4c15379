"""
Series for charts: few points from many, spikes kept, gaps left, units that can be drawn together.
"""

import datetime as dt
from decimal import Decimal

import pytest
from django.db import connection

from sites.access import STRANGER, Kind, Role, Viewer
from sites.domain import Period, local_days
from telemetry import operations, queries
from telemetry.models import Channel, Decision, Meter, MeteringPoint, VeeValue
from tests import factories
from tests.factories_telemetry import LATER, add_channel, make_channel, make_heat_channel, send

pytestmark = pytest.mark.django_db

START = dt.datetime(2026, 1, 10, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)
DAY = dt.timedelta(days=1)


def _viewer(channel: Channel) -> Viewer:
    return Viewer(1, channel.site.operator_id, Kind.OPERATOR, Role.VIEWER)


def _line(channel: Channel, lasts: dt.timedelta, points: int = 1000) -> queries.Line:
    line = queries.chart_line(
        viewer=_viewer(channel), channel_id=channel.pk, period=Period(START, START + lasts),
        points=points,
    )  # fmt: skip
    assert line is not None
    assert len(line.at) == len(line.value) == len(line.low) == len(line.high)
    assert line.at == sorted(line.at)
    return line


def _edit(channel: Channel, at: dt.datetime, value: float) -> None:
    proposer, approver = (factories.make_user(stakeholder=channel.site.operator) for _ in range(2))
    decision = Decision.objects.create(
        channel=channel, span=(at, at + MINUTE), source="edit", state="in_force", at=LATER,
        decided_at=LATER, reason="tried", wanted=[[at.isoformat(), str(value)]],
        proposed_by=proposer, approved_by=approver,
    )  # fmt: skip
    VeeValue.objects.create(
        channel=channel, at=at, value=value, flag="edited", method="test", decision=decision,
        recorded_at=LATER,
    )  # fmt: skip


def _spiked(minutes: int) -> Channel:
    channel = add_channel(point=make_heat_channel().point, quantity=Channel.Quantity.SUPPLY)
    temperature = [60.0 + n % 5 / 10 for n in range(minutes)]
    temperature[minutes // 2] = 91.5
    send(channel, [(START + n * MINUTE, value) for n, value in enumerate(temperature)])
    return channel


@pytest.mark.parametrize(
    ("days", "width"), [(3, 300), (4, 600), (20, 1800), (400, 43_200)], ids=str
)
def test_a_spike_of_one_minute_is_seen_from_far_and_near(days, width):
    channel = _spiked(3 * 24 * 60)

    line = _line(channel, days * DAY)

    assert line.width_s == width
    assert len(line.at) <= 1001
    assert max(value for value in line.high if value is not None) == 91.5
    known = [value for value in line.value if value is not None]
    assert 60 < min(known) < max(known) < 70


def test_near_by_the_readings_themselves_are_drawn():
    channel = _spiked(1200)

    line = _line(channel, dt.timedelta(hours=5))

    assert line.width_s == 0
    assert line.unit == "°C" or line.unit == channel.unit
    assert line.value[:301] == [60.0 + n % 5 / 10 for n in range(301)]


@pytest.mark.parametrize("lasts", [dt.timedelta(hours=12), 12 * DAY, 300 * DAY], ids=str)
def test_a_gap_breaks_the_line_at_every_zoom(lasts):
    channel = make_channel(
        site=factories.make_site(), boundary=MeteringPoint.Boundary.IT, interval_s=900
    )
    step = lasts / 40
    away = (START + lasts / 4, START + lasts / 2)
    count = int(lasts / dt.timedelta(minutes=15))
    times = [START + n * dt.timedelta(minutes=15) for n in range(count)]
    send(channel, [(at, 7) for at in times if not away[0] <= at < away[1]])

    line = _line(channel, lasts)

    assert None in line.value
    first_none = line.value.index(None)
    assert abs(line.at[first_none] - away[0].timestamp()) <= step.total_seconds()
    inside = [
        value for at, value in zip(line.at, line.value, strict=True)
        if away[0] + step < dt.datetime.fromtimestamp(at, dt.UTC) < away[1] - step
    ]  # fmt: skip
    assert all(value is None for value in inside)
    missing = [stretch for stretch in line.stretches if stretch[2] == "missing"]
    assert any(
        abs(start - away[0].timestamp()) <= step.total_seconds()
        and abs(end - away[1].timestamp()) <= step.total_seconds()
        for start, end, _ in missing
    )
    assert {value for value in line.value if value is not None} == {7.0}


def test_a_register_is_drawn_as_power_at_every_zoom():
    channel = make_heat_channel(unit="MWh")
    Meter.objects.filter(installations__point=channel.point).update(resolution=Decimal("0.001"))
    # 12 kW, and 60 kW in one quarter of an hour.
    dial, rows = 5.0, []
    for n in range(6 * 24 * 12):
        rows.append((START + n * 5 * MINUTE, round(dial, 6)))
        dial += 0.005 if 288 <= n < 291 else 0.001
    send(channel, rows)

    steps, quarters, hours = (
        _line(channel, lasts) for lasts in (dt.timedelta(hours=30), 5 * DAY, 200 * DAY)
    )

    assert (steps.unit, quarters.unit) == ("kW", "kW")
    assert (steps.width_s, quarters.width_s, hours.width_s) == (0, 900, 21_600)
    for line in (steps, quarters, hours):
        known = [round(value, 6) for value in line.value if value is not None]
        assert known[0] == 12
        assert round(max(value for value in line.high if value is not None), 6) == 60


def test_a_fall_of_a_register_is_a_gap_and_no_negative_power():
    channel = make_heat_channel()
    dials = [100, 101, 102, 3, 4, 5]
    send(channel, [(START + n * 10 * MINUTE, dial) for n, dial in enumerate(dials)])

    line = _line(channel, dt.timedelta(hours=1))

    assert [None if v is None else round(v, 6) for v in line.value] == [6, 6, None, 6, 6, None]


def test_power_in_watts_is_drawn_in_kilowatts_so_that_it_fits_beside_a_register():
    watts = make_channel(site=factories.make_site(), boundary=MeteringPoint.Boundary.IT)
    Channel.objects.filter(pk=watts.pk).update(unit="W")
    watts.refresh_from_db()
    send(watts, [(START + n * dt.timedelta(hours=1), 2500) for n in range(48)])

    assert queries.chart_unit(watts) == "kW"
    for lasts in (DAY, 30 * DAY):
        assert {v for v in _line(watts, lasts).value if v is not None} == {2.5}


def test_what_was_edited_is_named_in_the_stretches():
    channel = make_channel(
        site=factories.make_site(), boundary=MeteringPoint.Boundary.IT, interval_s=900
    )
    send(channel, [(START + n * 15 * MINUTE, 7) for n in range(96)])
    _edit(channel, START + 40 * 15 * MINUTE, 9)
    operations.mark_for_rebuild(channel_ids=[channel.pk], at=LATER)
    operations.roll_up_channel(channel_id=channel.pk, at=LATER)

    line = _line(channel, dt.timedelta(hours=23))

    begins = (START + 40 * 15 * MINUTE).timestamp()
    assert line.stretches == [(begins, begins + 900, "edited")]
    assert line.value[line.at.index(begins)] == 9


def test_a_stranger_sees_nothing():
    channel = _spiked(100)
    period = Period(START, START + DAY)

    assert queries.chart_line(viewer=STRANGER, channel_id=channel.pk, period=period) is None
    assert queries.channel_totals(viewer=STRANGER, channel_id=channel.pk, period=period) is None


def test_totals_are_those_of_the_days():
    channel = make_heat_channel()
    send(channel, [(START + n * dt.timedelta(hours=1), 1000 + n * 3) for n in range(24 * 4)])
    period = local_days(dt.date(2026, 1, 11), dt.date(2026, 1, 13), "Europe/Berlin")

    totals = queries.channel_totals(viewer=_viewer(channel), channel_id=channel.pk, period=period)

    assert totals is not None
    assert (totals.total, totals.peak, totals.estimated) == (144, 3, 0)
    assert totals.known_s == 48 * 3600


def test_an_export_has_what_was_sent_and_what_counts():
    channel = make_channel(
        site=factories.make_site(), boundary=MeteringPoint.Boundary.IT, interval_s=900
    )
    send(channel, [(START + n * 15 * MINUTE, 7 + n) for n in range(4)])
    decision = Decision.objects.create(
        channel=channel, span=(START, START + DAY), source="rule", state="in_force", at=LATER,
        decided_at=LATER,
    )  # fmt: skip
    _edit(channel, START + 30 * MINUTE, 70)
    for n, value, flag in ((1, None, "suspect"), (5, 3, "estimated")):
        VeeValue.objects.create(
            channel=channel, at=START + n * 15 * MINUTE, value=value, flag=flag, method="test",
            decision=decision, recorded_at=LATER,
        )  # fmt: skip

    columns, lots = queries.export_rows(
        channel=channel, grain="readings", period=Period(START, START + DAY)
    )
    rows = [row for lot in lots for row in lot]

    assert [c.name for c in columns] == ["at_utc", "value_as_sent", "value_counted", "quality"]
    assert [row[1:] for row in rows] == [
        (7, 7, "actual"), (8, None, "suspect"), (9, 70, "edited"), (10, 10, "actual"),
        (None, 3, "estimated"),
    ]  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_cursors")
        assert cursor.fetchone()[0] == 0
