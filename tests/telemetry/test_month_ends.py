"""
The register a meter itself kept for a month's end: how it comes in, what it changes, and where it
disagrees with what was read.
"""

import datetime as dt
import io
import zoneinfo
from decimal import Decimal

import pytest
from django.test import Client

from sites.access import STRANGER, Kind, Role, Viewer
from sites.domain import Period, local_month
from telemetry import operations, queries
from telemetry.domain import month_ends
from telemetry.models import Channel, Finding, IngestBatch, Meter, Reading, Rollup, Rule
from tests import factories
from tests.factories_heat import gauge
from tests.factories_telemetry import LATER, make_heat_channel, send

BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
FEBRUARY = local_month(2026, 2, "Europe/Berlin")
EDGE = FEBRUARY.start


def test_a_meters_stamp_is_a_months_edge_or_none():
    def edge(stamp: dt.date) -> dt.datetime | None:
        return month_ends.edge_of(stamp, BERLIN)

    assert edge(dt.date(2026, 1, 31)) == edge(dt.date(2026, 2, 1)) == EDGE
    assert edge(dt.date(2026, 1, 30)) is None
    # A meter's clock states no zone.
    for stamp in ("2026-01-31T23:59:30", "2026-02-01T00:00:45", "2026-02-01T00:00:00"):
        assert edge(dt.datetime.fromisoformat(stamp)) == EDGE
    assert edge(dt.datetime.fromisoformat("2026-02-01T00:02:00")) is None
    assert edge(dt.date(2026, 3, 31)) == dt.datetime(2026, 3, 31, 22, tzinfo=dt.UTC)


def test_a_yearly_set_day_is_the_last_one_before():
    def last(month: int, day: int, before: str) -> dt.datetime | None:
        return month_ends.last_set_day(
            month, day, dt.time(), before=dt.datetime.fromisoformat(before), zone=BERLIN
        )

    assert last(1, 1, "2022-05-19T17:00Z") == dt.datetime(2022, 1, 1)  # noqa: DTZ001
    assert last(7, 1, "2022-05-19T17:00Z") == dt.datetime(2021, 7, 1)  # noqa: DTZ001
    assert last(2, 30, "2022-05-19T17:00Z") is None


def _read(register: Channel) -> Channel:
    """
    Readings an hour and a half apart around the edge, at half past: 100 kWh an hour on average;
    the even course says 1050 at midnight.
    """
    hour = dt.timedelta(hours=1)
    send(
        register,
        [(EDGE + (n - 0.5) * hour, 1000 + n * 100) for n in range(-48, 49)],
    )  # fmt: skip
    return gauge(register, Channel.Quantity.MONTH_END, "")


def _roll_up() -> None:
    while keys := queries.channels_to_roll_up(limit=10):
        for key in keys:
            operations.roll_up_channel(channel_id=key, at=LATER)


def _at_edge(register: Channel) -> Decimal | None:
    return Rollup.objects.get(channel=register, grain="hour", start_at=EDGE).opening


@pytest.mark.django_db
def test_the_stored_register_is_the_one_at_the_edge_and_children_still_add_up():
    register = make_heat_channel()
    kept = _read(register)
    assert _at_edge(register) == 1050

    send(kept, [(EDGE, 1052)])
    _roll_up()

    assert _at_edge(register) == 1052
    before = Rollup.objects.get(channel=register, grain="hour", start_at__lt=EDGE, end_at=EDGE)
    after = Rollup.objects.get(channel=register, grain="hour", start_at=EDGE)
    assert [before.closing, after.opening] == [1052, 1052]
    assert [before.energy_kwh, after.energy_kwh] == [102, 98]
    days = Rollup.objects.filter(channel=register, grain="day")
    hours = Rollup.objects.filter(channel=register, grain="hour")
    assert sum(d.energy_kwh or 0 for d in days) == sum(h.energy_kwh or 0 for h in hours)
    # Two kWh are two steps of this register.
    assert not Finding.objects.filter(rule=Rule.STORED).exists()


@pytest.mark.django_db
def test_a_stored_register_that_does_not_fit_changes_nothing_and_is_found():
    register = make_heat_channel()
    kept = _read(register)
    send(kept, [(EDGE, 1300)])
    _roll_up()

    assert _at_edge(register) == 1050
    finding = Finding.objects.get(rule=Rule.STORED)
    assert finding.channel == register
    assert [finding.measured, finding.limit] == [250, 2]
    assert "1300 kWh" in finding.detail


@pytest.mark.django_db
def test_one_far_from_the_edge_is_compared_and_not_used():
    register = make_heat_channel()
    kept = _read(register)
    send(kept, [(EDGE + dt.timedelta(seconds=61), 1054)])
    _roll_up()

    assert _at_edge(register) == 1050


@pytest.mark.django_db
def test_the_comparison_is_in_kwh_and_its_owners():
    register = make_heat_channel(unit="MWh")
    Meter.objects.update(resolution=Decimal("0.01"))
    hour = dt.timedelta(hours=1)
    send(register, [(EDGE - hour, 5), (EDGE + hour, 5.2)])
    send(gauge(register, Channel.Quantity.MONTH_END, ""), [(EDGE, 5.125)])
    period = Period(EDGE - hour, EDGE + hour)
    operator = Viewer(1, register.site.operator_id, Kind.OPERATOR, Role.ADMIN)

    (end,) = queries.month_ends(viewer=operator, point_id=register.point_id, period=period)
    assert [end.read, end.deviation_kwh, end.resolution_kwh] == [Decimal("5.1"), 25, 10]
    assert end.verdict == "fail"
    assert end.apart_s == 7200
    for viewer in (STRANGER, Viewer(1, factories.make_stakeholder().pk, Kind.OPERATOR, Role.ADMIN)):
        assert not queries.month_ends(viewer=viewer, point_id=register.point_id, period=period)


@pytest.mark.django_db
def test_a_read_outs_set_day_reaches_its_channel():
    register = make_heat_channel(unit="GJ")
    Meter.objects.update(serial="66153690")
    kept = gauge(register, Channel.Quantity.MONTH_END, "")
    text = (
        b"/LUGCUH50\r\n6.8(0328.871*GJ)6.26(03329.67*m3)9.21(66153690)\r\n"
        b"6.8*01(0314.658*GJ)6.36(01-01&00:00)\r\n!"
    )
    operations.ingest(
        site_id=register.site_id, stream=io.BytesIO(text), format="iec62056-21",
        source=IngestBatch.Source.FILE, received_at=dt.datetime(2022, 5, 19, 17, tzinfo=dt.UTC),
    )  # fmt: skip

    rows = list(Reading.objects.filter(channel=kept).values_list("at", "value"))
    assert rows == [(dt.datetime(2021, 12, 31, 23, tzinfo=dt.UTC), Decimal("314.658"))]


@pytest.mark.django_db(transaction=True)
def test_the_checks_page_shows_the_months_ends(client: Client):
    register = make_heat_channel()
    now = dt.datetime.now(dt.UTC)
    edge = local_month(now.year, now.month, "Europe/Berlin").start
    hour = dt.timedelta(hours=1)
    send(register, [(edge - hour, 1000), (edge + hour / 2, 1003)])
    send(gauge(register, Channel.Quantity.MONTH_END, ""), [(edge, 1010)])
    client.force_login(factories.make_user(stakeholder=register.site.operator, role=Role.STAFF))

    page = client.get(f"/ops/points/{register.point_id}/checks/").content.decode()
    assert "1 month’s end does not fit" in page
    assert "8.0" in page


def _telegram(serial: str, energy_kwh: int, kept_kwh: int, day: dt.date) -> str:
    """
    Return a wired frame of a heat meter: energy now, and in storage 1 that of the end of a day.
    """
    bcd = [bytes.fromhex(f"{kwh:08d}")[::-1] for kwh in (energy_kwh, kept_kwh)]
    year = day.year - 2000
    stamp = bytes([day.day | (year & 7) << 5, day.month | (year & 0x78) << 1])
    data = (
        b"\x08\x02\x72" + bytes.fromhex(serial)[::-1] + bytes.fromhex("a51141040000 0000")
        + b"\x0c\x06" + bcd[0] + b"\x4c\x06" + bcd[1] + b"\x42\x6c" + stamp
    )  # fmt: skip
    size = bytes([len(data)])
    return (b"\x68" + size * 2 + b"\x68" + data + bytes([sum(data) & 0xFF, 0x16])).hex(" ")


@pytest.mark.django_db(transaction=True)
def test_a_telegrams_month_end_is_compared_where_the_point_is_checked(client: Client):
    register = make_heat_channel(unit="MWh")
    Meter.objects.update(serial="58496405", resolution=Decimal("0.001"))
    kept = gauge(register, Channel.Quantity.MONTH_END, "")
    _, token = operations.create_gateway(
        site_id=register.site_id, name="wired", at=LATER, by_id=None
    )
    now = dt.datetime.now(dt.UTC)
    edge = local_month(now.year, now.month, "Europe/Berlin").start
    hour = dt.timedelta(hours=1)
    send(register, [(edge - hour, 6.34), (edge + hour / 4, 6.35)])
    last_day = (edge - hour).date()
    line = f"{(edge + hour / 2).isoformat()} {_telegram('58496405', 6360, 6347, last_day)}"

    answer = client.post(
        "/api/v1/readings", line, content_type="application/x-mbus-hex",
        headers={"Authorization": f"Bearer {token}"},
    )  # fmt: skip

    assert answer.json()["accepted"] == 2, answer.json()
    assert list(Reading.objects.filter(channel=kept).values_list("at", "value")) == [
        (edge, Decimal("6.347"))
    ]
    client.force_login(factories.make_user(stakeholder=register.site.operator, role=Role.STAFF))
    page = client.get(f"/ops/points/{register.point_id}/checks/").content.decode()
    assert "The meter’s own month-ends fit" in page
    assert "6.347 MWh" in page
    # Even course between the readings: 6.348, one kilowatt-hour from what the meter kept.
    assert "6.348 MWh" in page
    assert "−1.0" in page
