"""
Delivery times by the wall clock, and one day of heat judged.
"""

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.domain import heat_day, spans, supply
from telemetry.domain.supply import Band, Closure

BERLIN = "Europe/Berlin"
MIDNIGHT = dt.datetime(2026, 4, 1, tzinfo=dt.UTC)


def hours(start: float, end: float) -> spans.Span:
    return MIDNIGHT + dt.timedelta(hours=start), MIDNIGHT + dt.timedelta(hours=end)


def test_bands_are_read_and_written_as_people_say_them():
    bands = supply.read_bands("Mon-Fri 06:00-22:00\nSat, Sun 08:00–24:00\n")

    assert bands[0] == Band(0, 360, 1320)
    assert bands[-1] == Band(6, 480, 1440)
    assert supply.write_bands(bands) == ["Mon-Fri 06:00-22:00", "Sat-Sun 08:00-24:00"]
    assert supply.read_bands("Fri-Mon 00:00-06:00") == [
        Band(day, 0, 360) for day in (0, 4, 5, 6)
    ]  # fmt: skip
    assert supply.write_closures(supply.read_closures("1 June - 31 Aug")) == ["1 Jun - 31 Aug"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Mon 6-22", "is not of the form"),
        ("Mon 22:00-06:00", "ends before it begins"),
        ("Mon 06:07-22:00", "quarter of an hour"),
        ("Mon 06:00-24:30", "no time of day"),
        ("Xyz 06:00-22:00", "is no weekday"),
        ("Mon-Tue-Wed 06:00-22:00", "no weekday or range"),
        ("Mon 06:00-12:00\nMon-Fri 11:00-22:00", "overlap on Mon"),
    ],
)
def test_a_band_that_is_none_says_what_is_wrong(text, told):
    with pytest.raises(supply.NotUnderstood, match=told):
        supply.read_bands(text)


def test_a_season_that_is_none_says_what_is_wrong():
    for text, told in (("June", "is not of the form"), ("31 Jun - 1 Aug", "no day of the year")):
        with pytest.raises(supply.NotUnderstood, match=told):
            supply.read_closures(text)


def test_windows_follow_the_wall_clock_over_clock_changes():
    def lasts(day: dt.date, bands: list[Band]) -> float:
        found = supply.windows(
            first=day, end=day + dt.timedelta(days=1), bands=bands, closures=[], timezone=BERLIN
        )
        return spans.seconds(found) / 3600

    spring, autumn = dt.date(2026, 3, 29), dt.date(2026, 10, 25)
    assert lasts(spring, []) == 23
    assert lasts(autumn, []) == 25
    night = [Band(6, 0, 360)]
    assert lasts(spring, night) == 5
    assert lasts(autumn, night) == 7
    assert lasts(spring, [Band(6, 360, 1320)]) == 16
    assert lasts(spring + dt.timedelta(days=1), night) == 0


def test_a_closed_season_may_go_over_the_turn_of_the_year():
    winter = Closure(1220, 106)
    assert [winter.holds(dt.date(2026, *d)) for d in ((12, 19), (12, 20), (1, 6), (1, 7))] == [
        False, True, True, False,
    ]  # fmt: skip
    found = supply.windows(
        first=dt.date(2026, 12, 18), end=dt.date(2027, 1, 9), bands=[], closures=[winter],
        timezone=BERLIN,
    )  # fmt: skip
    assert spans.seconds(found) == (2 + 2) * 86400


@given(
    bands=st.lists(
        st.tuples(st.integers(0, 6), st.integers(0, 95), st.integers(1, 96)).filter(
            lambda b: b[1] < b[2]
        ),
        max_size=6,
        unique_by=lambda b: b[0],
    )
)
def test_bands_survive_being_written(bands):
    made = sorted(Band(day, a * 15, b * 15) for day, a, b in bands)
    assert supply.read_bands("\n".join(supply.write_bands(made))) == made


AGREED = heat_day.Agreed(
    Decimal(20), supply_min_c=Decimal(55), supply_max_c=Decimal(75), return_max_c=Decimal(45),
    outdoor_min_c=Decimal(-12),
)  # fmt: skip


def step(start: float, end: float, value: float | None) -> spans.Step:
    return (*hours(start, end), None if value is None else Decimal(str(value)))


def test_each_second_is_excluded_for_one_reason_and_bad_once():
    found = heat_day.kept(
        [hours(6, 22)],
        agreed=AGREED,
        measured=heat_day.Measured(
            supply_c=[step(0, 7, 60), step(7, 9, 50), step(9, 10, 80), step(10, 24, 60)],
            return_c=[step(0, 12, 40), step(12, 14, 50), step(14, 24, 40)],
            outdoor_c=[step(0, 13, 3), step(13, 15, -15), step(15, 24, 0)],
            available_kw=[step(0, 8, 20), step(8, 11, 15), step(11, 24, 20)],
        ),
        events=heat_day.Events(
            planned=[hours(5, 6.5)], partner=[hours(20, 23)], outages=[hours(10.5, 11.5)]
        ),
    )

    assert found.window_s == 16 * 3600
    assert (found.planned_s, found.partner_s) == (1800, 7200)
    # From 13 the water came back too hot already.
    assert (found.return_s, found.outdoor_s) == (7200, 3600)
    assert found.bad_s == round(4.5 * 3600)
    assert (found.cool_s, found.hot_s, found.short_s, found.outage_s) == (7200, 3600, 10800, 3600)
    assert found.unknown_s == 0
    assert found.shortfall_kwh is None


def test_without_a_call_nothing_is_bad_and_an_unheard_call_is_unknown():
    agreed = heat_day.Agreed(Decimal(20), supply_min_c=Decimal(55), call_metered=True)
    found = heat_day.kept(
        [hours(0, 8)],
        agreed=agreed,
        measured=heat_day.Measured(
            supply_c=[step(0, 6, 50), step(6, 7, 60)],
            called_kw=[step(0, 2, 15), step(2, 4, 0), step(7, 8, 0)],
            delivered_kw=[step(0, 8, 10)],
        ),
        events=heat_day.Events(),
    )

    # Two hours called and too cool; from 4 to 6 too cool and no call heard.
    assert (found.bad_s, found.cool_s, found.unknown_s) == (7200, 7200, 7200)
    assert found.shortfall_kwh == 10


def test_silence_is_unknown_and_an_outage_is_known():
    found = heat_day.kept(
        [hours(0, 10)],
        agreed=AGREED,
        measured=heat_day.Measured(supply_c=[step(0, 2, 60)], available_kw=[]),
        events=heat_day.Events(outages=[hours(4, 5)]),
    )
    assert (found.bad_s, found.unknown_s) == (3600, 9 * 3600)
