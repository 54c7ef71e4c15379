"""
Which announced work is planned time: notice, hours of the week, allowances of month and year.
"""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sites.access import Kind, Role, Viewer
from telemetry import operations, queries
from telemetry.domain import service_levels, spans, supply
from telemetry.domain.service_levels import Work, WorkTerms
from telemetry.models import Part
from tests.telemetry.test_incidents import START, site_with_beats

BERLIN = "Europe/Berlin"
HOUR, MINUTE = dt.timedelta(hours=1), dt.timedelta(minutes=1)
# A Tuesday; the clock of Berlin is an hour ahead.
TUESDAY = dt.datetime(2026, 1, 13, tzinfo=dt.UTC)


def _work(start: dt.datetime, minutes: int, *, ahead: int = 100) -> Work:
    return Work(start, start + minutes * MINUTE, start - ahead * HOUR)


def _planned(works: list[Work], **terms: object) -> int:
    agreed: dict[str, object] = {"notice": 72 * HOUR, "allowance": 240 * MINUTE} | terms
    found = service_levels.planned(
        works,
        terms=WorkTerms(**agreed),  # type: ignore[arg-type]
        timezone=BERLIN,
    )
    return spans.seconds(found) // 60


def test_only_work_in_the_agreed_hours_is_planned():
    nights = supply.read_bands("Tue, Thu 00:00-05:00")
    # From 3:30 to 6:30 on the clock of the site: an hour and a half of it in time.
    assert _planned([_work(TUESDAY + 2.5 * HOUR, 180)], hours=nights) == 90
    assert _planned([_work(TUESDAY + 2.5 * HOUR, 180)]) == 180
    # Wednesday has no hours.
    assert _planned([_work(TUESDAY + 26 * HOUR, 60)], hours=nights) == 0


def test_the_hours_are_those_of_the_clock_on_the_night_it_changes():
    # On 29 March 2026 the hour from 2 to 3 is missing.
    night = dt.datetime(2026, 3, 28, 23, tzinfo=dt.UTC)
    assert _planned([_work(night, 360)], hours=supply.read_bands("Sun 00:00-05:00")) == 240


def test_a_year_allows_less_than_its_months_together():
    works = [_work(TUESDAY.replace(month=month), 200) for month in (1, 2, 3)]

    assert _planned(works) == 600
    assert _planned(works, yearly=300 * MINUTE) == 300
    # The next year begins anew.
    assert _planned([*works, _work(TUESDAY.replace(year=2027), 200)], yearly=300 * MINUTE) == 500
    # What a month did not allow takes nothing of the year.
    assert _planned([_work(TUESDAY, 400), works[1]], yearly=300 * MINUTE) == 300


@given(
    works=st.lists(
        st.builds(
            lambda hours, minutes, ahead: _work(TUESDAY + hours * HOUR, minutes, ahead=ahead),
            st.integers(0, 9000), st.integers(1, 600), st.integers(0, 200),
        ), max_size=12,
    ),
    yearly=st.integers(0, 2000), monthly=st.integers(0, 500),
)  # fmt: skip
def test_planned_time_never_exceeds_the_work_nor_what_is_agreed(
    works: list[Work], yearly: int, monthly: int
):
    hours = supply.read_bands("Mon-Fri 00:00-06:00")
    terms = {"allowance": monthly * MINUTE, "yearly": yearly * MINUTE, "hours": hours}

    planned = _planned(works, **terms)

    # At most thirteen months and two years are touched.
    work = _planned(works, allowance=31 * 24 * HOUR)
    assert planned <= min(2 * yearly, 14 * monthly, work)


@pytest.mark.django_db
def test_a_years_allowance_looks_at_the_work_of_the_whole_year():
    site, _ = site_with_beats(list(range(180)))
    operations.set_maintenance_policy(
        site_id=site.pk, notice_h=0, allowance_min=60, yearly_min=70, at=START, by_id=None
    )
    early = START.replace(month=1, day=2)
    for start in (early, START + 10 * MINUTE):
        operations.announce_maintenance(
            subject=operations.Subject(site.pk, Part.IT), start=start, end=start + HOUR,
            reason="Switch", text="", at=early - HOUR, by_id=None,
        )  # fmt: skip
    viewer = Viewer(1, site.operator_id, Kind.OPERATOR, Role.ADMIN)

    days = queries.uptime_days(viewer=viewer, site_id=site.pk, now=START + 30 * HOUR)

    assert START - early > dt.timedelta(days=32)
    # An hour was taken in January, so that ten minutes are left.
    assert [d.planned_s for d in days if d.up_s] == [600]
