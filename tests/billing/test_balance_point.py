"""
The base temperature of a baseline is found, and what cannot be chosen says why.
"""

import datetime as dt
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing.domain import balance_point as balance
from billing.domain.baseline import degree_days

FIRST = dt.date(2025, 1, 1)


def _year(mean: float = 10, swing: float = 9) -> dict[dt.date, float]:
    """
    A year of daily means: the season, and weather that changes by the week.
    """
    days = (FIRST + dt.timedelta(days=n) for n in range(365))
    return {
        day: mean - swing * math.cos(2 * math.pi * n / 365) + 4 * math.sin(n / 3.1)
        for n, day in enumerate(days)
    }


def _bills(means: dict[dt.date, float], *, base: float, day_kwh: float, slope: float, days: int):
    """
    What a building heated below `base` would be billed over so many days at a time.
    """
    bills = []
    for n in range(0, 365 - days + 1, days):
        first = FIRST + dt.timedelta(days=n)
        cold = degree_days([means[first + dt.timedelta(days=k)] for k in range(days)], base=base)
        last = first + dt.timedelta(days=days - 1)
        bills.append(balance.Bill(first, last, day_kwh * days + slope * cold))
    return bills


# Each example fits all candidates; with bills of a day that is a year of them.
@settings(max_examples=15)
@given(
    base=st.sampled_from([b for b in balance.CANDIDATES if 10 <= b <= 20]),
    day_kwh=st.floats(20, 500), slope=st.floats(2, 60), mean=st.floats(7, 13),
    days=st.sampled_from([1, 7, 28]),
)  # fmt: skip
def test_a_series_made_with_a_known_base_temperature_is_found(base, day_kwh, slope, mean, days):
    means = _year(mean)
    bills = _bills(means, base=base, day_kwh=day_kwh, slope=slope, days=days)

    tried = balance.search(bills, means)
    found = balance.chosen(tried)

    assert found.base_temperature == base
    assert found.fit is not None
    assert found.fit.base_kwh == pytest.approx(day_kwh)
    assert found.fit.slope_kwh == pytest.approx(slope)
    assert found.fit.cv_rmse == pytest.approx(0, abs=1e-9)
    low, high = balance.as_good(tried)
    assert low <= base <= high


def test_degree_days_of_a_bill_are_those_of_its_days():
    means = dict(
        zip(
            (FIRST + dt.timedelta(days=n) for n in range(5)),
            (3.2, 7.9, 12.4, 15.6, 18),
            strict=True,
        )
    )
    bill = balance.Bill(FIRST, FIRST + dt.timedelta(days=4), 100.0)

    found = balance.degree_days_of(bill, balance.means_of(bill, means), 15.5)

    # Golden case base.hdd.
    assert found == pytest.approx(23.0)


def test_a_day_without_a_temperature_counts_as_the_mean_of_the_others_up_to_a_tenth():
    means = dict.fromkeys((FIRST + dt.timedelta(days=n) for n in range(28)), 5.0)
    bill = balance.Bill(FIRST, FIRST + dt.timedelta(days=29), 100.0)

    assert balance.degree_days_of(bill, balance.means_of(bill, means), 15.5) == pytest.approx(315)
    del means[FIRST], means[FIRST + dt.timedelta(days=1)]
    with pytest.raises(ValueError, match="26 of 30 days are known"):
        balance.means_of(bill, means)


def test_what_makes_no_sense_is_not_chosen_and_says_why():
    means = _year(mean=12, swing=3)
    falling = [
        balance.Bill(b.first, b.last, 5000 - b.use_kwh)
        for b in _bills(means, base=15, day_kwh=10, slope=5, days=28)
    ]
    overlapping = [balance.Bill(FIRST, FIRST, 1.0), balance.Bill(FIRST, FIRST, 2.0)]

    tried = balance.search(falling, means)

    assert {one.refused for one in tried if one.fit} == {"use does not rise with the cold"}
    with pytest.raises(ValueError, match="No base temperature fits"):
        balance.chosen(tried)
    with pytest.raises(ValueError, match="overlap"):
        balance.search(overlapping, means)
    warm = balance.search(_bills(_year(30), base=15, day_kwh=9, slope=1, days=28), _year(30))
    assert warm[0].refused == "fewer than 20 K d below it"
