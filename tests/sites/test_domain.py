"""
Local months and days, through clock changes and in half-hour zones.
"""

import datetime as dt
import itertools
import zoneinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sites.domain import Period, local_days, local_month

ZONES = ["Europe/Berlin", "Europe/London", "Australia/Adelaide", "Asia/Kolkata", "America/New_York"]


@pytest.mark.parametrize(
    ("year", "month", "zone", "hours"),
    [
        (2025, 1, "Europe/Berlin", 744),
        (2025, 3, "Europe/Berlin", 743),
        (2025, 10, "Europe/Berlin", 745),
        (2025, 10, "Australia/Adelaide", 743),
        (2025, 4, "Australia/Adelaide", 721),
        (2025, 12, "Asia/Kolkata", 744),
    ],
)
def test_a_month_has_as_many_hours_as_the_site_lived(year: int, month: int, zone: str, hours: int):
    assert local_month(year, month, zone).hours == hours


def test_april_in_berlin_starts_on_the_last_of_march_in_utc():
    period = local_month(2026, 4, "Europe/Berlin")

    assert period.start == dt.datetime(2026, 3, 31, 22, tzinfo=dt.UTC)
    assert period.end == dt.datetime(2026, 4, 30, 22, tzinfo=dt.UTC)


@given(
    zone=st.sampled_from(ZONES),
    first=st.dates(dt.date(2000, 1, 1), dt.date(2035, 1, 1)),
    count=st.integers(1, 40),
)
def test_days_tile_without_gap_or_overlap(zone: str, first: dt.date, count: int):
    days = [first + dt.timedelta(days=n) for n in range(count + 1)]
    parts = [local_days(a, b, zone) for a, b in itertools.pairwise(days)]
    whole = local_days(days[0], days[-1], zone)

    assert parts[0].start == whole.start
    assert parts[-1].end == whole.end
    assert all(a.end == b.start for a, b in itertools.pairwise(parts))
    assert sum(part.hours for part in parts) == whole.hours


def test_a_period_needs_zones_and_a_length():
    noon = dt.datetime(2026, 1, 1, 12, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin"))

    with pytest.raises(ValueError, match="timezone-aware"):
        Period(noon.replace(tzinfo=None), noon)
    with pytest.raises(ValueError, match="end after"):
        Period(noon, noon)
