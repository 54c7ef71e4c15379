"""
What estimates are made from: like days with public holidays, and what comes late.
"""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from telemetry import operations
from telemetry.domain.vee_rules import ThresholdRefused
from telemetry.models import Channel, MeteringPoint
from telemetry.queries import validation
from tests.factories import make_site
from tests.factories_telemetry import LATER, make_channel, send

pytestmark = pytest.mark.django_db
# Midnight in Berlin.
FIRST = dt.datetime(2026, 2, 1, 23, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


def _days(count: int) -> list[float]:
    """
    Days that need 2 kWh in each hour of the night and 12 kWh in each hour of the day.
    """
    return [12.0 if 6 <= hour < 18 else 2.0 for _ in range(count) for hour in range(24)]


def _set_gap(channel: Channel, **thresholds: object) -> None:
    operations.set_rule(
        site_id=channel.site_id, rule="gap", since=FIRST, thresholds=thresholds, at=LATER,
        reason="Test", channel_id=channel.pk, by_id=None,
    )  # fmt: skip


def test_a_gap_filled_by_the_setting_follows_what_comes_late():
    def estimated(*pieces: slice) -> list[Any]:
        it = make_channel(site=make_site(), boundary=MeteringPoint.Boundary.IT)
        _set_gap(it, auto=True)
        rows = [(FIRST + n * HOUR, kw + n // 24) for n, kw in enumerate(_days(11))]
        for piece in pieces:
            send(it, [row for row in rows[piece] if not 198 <= (row[0] - FIRST) / HOUR < 204])
            for _ in range(2):
                operations.check_days(channel_id=it.pk, at=LATER)
                operations.roll_up_channel(channel_id=it.pk, at=LATER)
        values = it.vee_values.filter(superseded_at=None).order_by("at")
        return list(values.values_list("at", "value", "flag", "method"))

    timely = estimated(slice(None))

    assert len(timely) == 6
    assert estimated(slice(192, None), slice(96, 192), slice(0, 96)) == timely


def test_a_public_holiday_is_like_a_sunday_and_a_region_has_its_own():
    it = make_channel(site=make_site(), boundary=MeteringPoint.Boundary.IT)
    march = dt.datetime(2026, 3, 1, 23, tzinfo=dt.UTC)
    at = [march + n * HOUR for n in range(24 * 70)]
    good_friday, easter, tuesday = dt.date(2026, 4, 3), dt.date(2026, 4, 6), dt.date(2026, 5, 5)
    quiet = {d.date() for d in at if d.weekday() == 6 or d.date() == good_friday}
    rows = [(t, 2.0 if t.date() in quiet else 10.0) for t in at]
    lost = {easter, tuesday}
    send(it, [r for r in rows if r[0].date() not in lost or r[0].hour not in (9, 10)])

    def estimated(day: dt.date) -> set[Decimal | None]:
        start = dt.datetime.combine(day, dt.time(9), dt.UTC)
        found = validation.estimate(channel=it, start=start, end=start + 2 * HOUR)
        return {value for _, value, _ in found.wanted}

    assert (estimated(easter), estimated(tuesday)) == ({Decimal(2)}, {Decimal(10)})
    with pytest.raises(ThresholdRefused, match="for DE it must be one of BB, BE"):
        _set_gap(it, region="Kiel")
    _set_gap(it, region="SH")
    assert estimated(easter) == {Decimal(2)}
