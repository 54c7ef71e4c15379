"""
Which rung of the ladder of estimates serves, and that its parts add up.
"""

import datetime as dt
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.domain import ladder
from telemetry.domain.effects import Stay, counted
from telemetry.domain.ladder import Known, NotEstimable, Rung
from telemetry.domain.quality import Flag
from telemetry.domain.vee import Dial
from telemetry.queries.estimation import Wanted, as_json
from telemetry.queries.public_holidays import public_holidays

T0 = dt.datetime(2026, 1, 10, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


def _slots(hours: int) -> list[ladder.Slot]:
    return list(pairwise([T0 + n * HOUR for n in range(hours + 1)]))


def _all(hours: int, kwh: int | None) -> list[Decimal | None]:
    return [None if kwh is None else Decimal(kwh)] * hours


def _known(hours: int, **given: object) -> Known:
    nothing: dict[str, object] = dict.fromkeys(
        ("backup", "power", "like", "year_before"), _all(hours, None)
    )
    return Known(**{**nothing, **given})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("hours", "known", "rung"),
    [
        (2, {"backup": _all(2, 5)}, Rung.LINEAR),
        (6, {"backup": _all(6, 5), "power": _all(6, 5)}, Rung.BACKUP_PROFILE),
        (6, {"backup": [*_all(5, 5), None], "power": _all(6, 5)}, Rung.POWER_PROFILE),
        (6, {"like": _all(6, 5)}, Rung.LIKE_PROFILE),
        # A profile of nothing tells nothing: equal parts.
        (6, {"like": _all(6, 0)}, Rung.LINEAR),
        (6, {}, Rung.LINEAR),
    ],
)
def test_a_metered_total_is_shared_and_never_called_estimated(hours, known, rung):
    found = ladder.spread(_slots(hours), _known(hours, **known), total=Decimal("92.7"))

    assert (found.rung, found.flag) == (rung, Flag.SCALED)
    assert sum(found.kwh) == Decimal("92.7")


@pytest.mark.parametrize(
    ("hours", "known", "rung", "kwh"),
    [
        (6, {"backup": _all(6, 7), "like": _all(6, 5)}, Rung.BACKUP, 42),
        (168, {"like": _all(168, 5)}, Rung.LIKE_DAYS, 840),
        # More than a week: the time before and after instead.
        (
            720,
            {"like": _all(720, 5), "before": (Decimal(15000), 30), "after": (Decimal(14400), 30)},
            Rung.NEIGHBOURS, 14700,
        ),
        (720, {"before": (Decimal(15000), 30), "year_before": _all(720, 3)}, Rung.PRIOR_YEAR, 2160),
        (720, {"before": (Decimal(15000), 30)}, Rung.NEIGHBOURS, 15000),
        (720, {"year_before": _all(720, 3)}, Rung.PRIOR_YEAR, 2160),
    ],
)  # fmt: skip
def test_an_unknown_total_is_estimated_from_the_first_that_is_there(hours, known, rung, kwh):
    found = ladder.spread(_slots(hours), _known(hours, **known), total=None)

    assert (found.rung, found.flag) == (rung, Flag.ESTIMATED)
    assert sum(found.kwh) == kwh


def test_nothing_is_made_up_from_nothing():
    with pytest.raises(NotEstimable, match="nothing to estimate from"):
        ladder.spread(_slots(6), _known(6), total=None)


def test_like_days_are_the_three_latest_of_their_type_hour_by_hour():
    keys = [(4, 10), (4, 11), (5, 10)]
    usual = {
        (4, 10): [Decimal(n) for n in (3, 6, 9, 100)],
        (4, 11): [Decimal(8)],
    }

    found = ladder.like_hours(_slots(3), usual, keys)

    assert found == [Decimal(6), Decimal(8), None]


def test_days_are_alike_on_weekdays_and_else_by_name():
    monday = dt.date(2026, 1, 12)
    types = [ladder.day_type(monday + dt.timedelta(days=n)) for n in range(7)]

    assert types == [4, 4, 4, 4, 4, 5, 6]
    assert ladder.day_type(monday, {monday}) == 6


def test_public_holidays_are_those_of_the_country_and_its_part():
    corpus_christi, reformation = dt.date(2026, 6, 4), dt.date(2026, 10, 31)
    christmas = dt.date(2026, 12, 25)

    assert christmas in public_holidays("DE")
    assert corpus_christi in public_holidays("DE", "BY")
    assert corpus_christi not in public_holidays("DE", "SH")
    assert reformation in public_holidays("DE", "SH")
    assert reformation not in public_holidays("DE")
    assert christmas in public_holidays("DE", "nowhere")
    assert christmas not in public_holidays("QQ")


DIAL = Dial(Decimal(1000), Decimal(100))


def test_what_a_change_counts_goes_round_the_dial_and_stops_at_a_fall():
    rows = [(T0, Decimal(980)), (T0 + HOUR, Decimal(10)), (T0 + 2 * HOUR, Decimal(40)),
            (T0 + 3 * HOUR, Decimal(5)), (T0 + 4 * HOUR, Decimal(25))]  # fmt: skip
    stay = Stay(None, None, DIAL)

    found = counted(rows, [stay], [T0 + n * HOUR for n in range(5)])

    assert found == [Decimal(30), Decimal(30), None, Decimal(20)]


@given(st.lists(st.integers(0, 90), min_size=2, max_size=30), st.integers(1, 200))
def test_parts_between_edges_add_up_to_the_whole(rises, step_min):
    counter, rows = Decimal(0), []
    for n, rise in enumerate(rises):
        counter += rise
        rows.append((T0 + n * HOUR, counter % 1000))
    edges, end = [T0], T0 + (len(rises) - 1) * HOUR
    while edges[-1] < end:
        edges.append(min(edges[-1] + dt.timedelta(minutes=step_min), end))

    # Before it first counted, a register may read zero.
    parts = counted(rows, [Stay(None, None, Dial(Decimal(1000), Decimal(100)))], edges)

    known = [part for part in parts if part is not None]
    if all(value != 0 for _, value in rows[1:]):
        assert sum(known) == sum(rises[1:])


def test_values_are_kept_to_the_last_digit():
    wanted: Wanted = [(T0, Decimal("1E+3"), Flag.EDITED), (T0, None, Flag.SUSPECT)]

    assert as_json(wanted) == [
        ["2026-01-10T00:00:00+00:00", "1000", "edited"],
        ["2026-01-10T00:00:00+00:00", None, "suspect"],
    ]
