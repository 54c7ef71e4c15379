"""
Wall clocks: zones, the hour that spring leaves out, the hour that autumn repeats.
"""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.domain.local_times import Clock, UnknownZone, passes_by_order, zone_of

# Wall-clock times have no zone by nature.
AUTUMN = dt.datetime.fromisoformat("2024-10-27T02:00")
QUARTERS = [AUTUMN + dt.timedelta(minutes=15 * n) for n in range(4)]
BEFORE, AFTER = AUTUMN - dt.timedelta(minutes=15), AUTUMN + dt.timedelta(hours=1)


@pytest.mark.parametrize(
    ("text", "hours"), [("UTC", 0), ("+01:00", 1), ("-05:30", -5.5), ("UTC+0130", 1.5)]
)
def test_a_zone_may_be_utc_or_an_offset(text: str, hours: float):
    assert zone_of(text).utcoffset(None) == dt.timedelta(hours=hours)


@pytest.mark.parametrize("text", ["", "Berlin", "+25:00", "../etc/passwd", "Europe/", "\0"])
def test_anything_else_is_no_zone(text: str):
    with pytest.raises(UnknownZone):
        zone_of(text)


def test_the_hour_of_spring_has_no_instant_and_that_of_autumn_two():
    clock = Clock(ZoneInfo("Europe/Berlin"))

    assert clock.instants(dt.datetime.fromisoformat("2024-03-31T02:30")) == []
    assert clock.instants(AUTUMN) == [
        dt.datetime(2024, 10, 27, 0, tzinfo=dt.UTC),
        dt.datetime(2024, 10, 27, 1, tzinfo=dt.UTC),
    ]


@given(
    day=st.dates(min_value=dt.date(1990, 1, 1), max_value=dt.date(2035, 1, 1)),
    minutes=st.integers(0, 24 * 60 - 1),
    zone=st.sampled_from(
        ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago",
         "Asia/Beirut", "Pacific/Apia", "Asia/Kathmandu"]
    ),
)  # fmt: skip
def test_a_day_with_one_offset_gives_the_instant_of_the_zone(day: dt.date, minutes: int, zone: str):
    clock = Clock(ZoneInfo(zone))
    local = dt.datetime.combine(day, dt.time()) + dt.timedelta(minutes=minutes)
    offset = clock.offset_of_day(day)

    instants = clock.instants(local)

    if offset is not None:
        assert instants == [(local - offset).replace(tzinfo=dt.UTC)]
    for instant in instants:
        assert instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None) == local


@pytest.mark.parametrize(
    ("times", "before", "after", "passes"),
    [
        (QUARTERS * 2, BEFORE, AFTER, [0] * 4 + [1] * 4),
        (QUARTERS[::-1] * 2, AFTER, BEFORE, [1] * 4 + [0] * 4),
        ([AUTUMN, AUTUMN], BEFORE, None, [0, 1]),
        ([AUTUMN, AUTUMN], None, BEFORE, [1, 0]),
        # A gap in either pass does not matter.
        ([QUARTERS[1], QUARTERS[0]], BEFORE, AFTER, [0, 1]),
        # The hour only once: either pass.
        (QUARTERS, BEFORE, AFTER, None),
        ([AUTUMN], BEFORE, AFTER, None),
        # Neither neighbour: two equal stamps tell no direction.
        ([AUTUMN, AUTUMN], None, None, None),
        # In pairs, three times, and against the direction of the neighbours.
        ([q for q in QUARTERS for _ in range(2)], BEFORE, AFTER, None),
        (QUARTERS * 3, BEFORE, AFTER, None),
        (QUARTERS * 2, AFTER, BEFORE, None),
    ],
)
def test_the_order_of_rows_tells_the_passes_or_nothing_does(times, before, after, passes):
    assert passes_by_order(times, before=before, after=after) == passes
