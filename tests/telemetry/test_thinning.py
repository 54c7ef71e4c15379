import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.db.models import Max, Min
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from telemetry import operations
from telemetry.models import Channel, DirtyRange, Installation, Meter, Reading, Rollup
from telemetry.operations import rollup_registers, rollups
from telemetry.operations.calm import calm_quarters
from tests import factories
from tests.factories_telemetry import LATER, add_channel, csv_of, ingest_csv, make_heat_channel

# Both autumn nights with a repeated hour, in zones of which one is half an hour off.
NIGHTS = {
    "Europe/Berlin": dt.datetime(2026, 10, 24, 20, tzinfo=dt.UTC),
    "Australia/Adelaide": dt.datetime(2026, 4, 4, 10, tzinfo=dt.UTC),
}

# (minutes to the next reading, change of the dial): calm, falls, leaps, lost links and gaps.
_calm = st.tuples(st.integers(1, 25), st.integers(0, 3))
_odd = st.tuples(st.integers(1, 200), st.sampled_from([-40, -3, 0, 2, 5000, -10_000]))
_steps = st.lists(st.one_of(_calm, _calm, _calm, _odd), min_size=2, max_size=60)


def _rolled_up(channel: Channel) -> list[dict[str, Any]]:
    Rollup.objects.filter(channel=channel).delete()
    DirtyRange.objects.filter(channel=channel).delete()
    readings = Reading.objects.filter(channel=channel).aggregate(first=Min("at"), last=Max("at"))
    DirtyRange.objects.create(
        channel=channel, marked_at=LATER,
        span=DateTimeTZRange(readings["first"], readings["last"], "[]"),
    )  # fmt: skip
    operations.roll_up_channel(channel_id=channel.pk, at=LATER)
    rows = Rollup.objects.filter(channel=channel).order_by("grain", "start_at").values()
    return [{k: v for k, v in row.items() if k != "version"} for row in rows]


@pytest.mark.django_db
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    steps=_steps, zone=st.sampled_from(sorted(NIGHTS)), start=st.sampled_from([0, 5, 9_990]),
    lost=st.lists(st.integers(0, 59), max_size=4), exchanged=st.integers(0, 59),
)  # fmt: skip
def test_thinned_readings_give_the_same_rollups(
    monkeypatch: pytest.MonkeyPatch, steps, zone, start, lost, exchanged
):
    channel = make_heat_channel(site=factories.make_site(timezone=zone))
    Meter.objects.filter(installations__point=channel.point).update(digits=4)
    at, dial, rows = NIGHTS[zone], start, []
    for number, (minutes, change) in enumerate(steps):
        shown = 0 if number in lost else dial % 10_000
        rows.append((channel.key, at.isoformat(), str(shown)))
        if number == exchanged:
            _exchange(channel, at)
        at += dt.timedelta(minutes=minutes)
        dial = max(dial + change, 0)
    ingest_csv(site=channel.site, body=csv_of(rows))
    assert Reading.objects.filter(channel=channel).count() == len(rows)

    _compare(monkeypatch, channel)


def _compare(monkeypatch: pytest.MonkeyPatch, channel: Channel) -> None:
    thinned = _rolled_up(channel)
    with monkeypatch.context() as patch:
        patch.setattr(rollups, "calm_quarters", lambda **_: None)
        whole = _rolled_up(channel)
        patch.setattr(rollup_registers, "HOURS", rollup_registers.HOURS_UNTHINNED)
        unthinned = _rolled_up(channel)

    assert thinned == whole
    assert whole == unthinned


# Minutes and what the dial counts in them; quarters that end on a reading, and silent ones.
_rising = st.lists(
    st.tuples(st.sampled_from([1, 1, 5, 14, 15, 15, 25, 60]), st.integers(0, 6)),
    min_size=2, max_size=60,
)  # fmt: skip


@pytest.mark.django_db
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    steps=_rising, zone=st.sampled_from(sorted(NIGHTS)), with_power=st.booleans(),
    first=st.integers(0, 59), last=st.integers(0, 59),
)  # fmt: skip
def test_quarters_of_a_calm_register_give_the_same_rollups(
    monkeypatch: pytest.MonkeyPatch, steps, zone, with_power, first, last
):
    channel = make_heat_channel(site=factories.make_site(timezone=zone))
    if with_power:
        add_channel(point=channel.point, quantity=Channel.Quantity.POWER)
    at, dial, rows = NIGHTS[zone], 100, []
    for minutes, change in steps:
        rows.append((channel.key, at.isoformat(), str(dial)))
        at += dt.timedelta(minutes=minutes)
        dial += change
    ingest_csv(site=channel.site, body=csv_of(rows))
    _compare(monkeypatch, channel)

    # Again from a range amid the readings, which leaves what is right as it was.
    first, last = sorted((first % len(rows), last % len(rows)))
    lower, upper = (dt.datetime.fromisoformat(rows[n][1]) for n in (first, last))
    DirtyRange.objects.create(
        channel=channel, marked_at=LATER, span=DateTimeTZRange(lower, upper, "[]")
    )
    operations.roll_up_channel(channel_id=channel.pk, at=LATER + dt.timedelta(hours=1))
    assert not Rollup.objects.filter(channel=channel, computed_at__gt=LATER).exists()


@pytest.mark.django_db
def test_only_a_calm_register_is_rolled_up_from_its_quarters(monkeypatch: pytest.MonkeyPatch):
    channel = make_heat_channel()
    taken: list[bool] = []

    def look(**given: Any) -> dict[str, str] | None:
        found = calm_quarters(**given)
        taken.append(found is not None)
        return found

    monkeypatch.setattr(rollups, "calm_quarters", look)
    start = NIGHTS["Europe/Berlin"]
    for hour, values in enumerate(
        [(10, 11, 12), (13, 14, 15), (16, 9, 17), (18, 19, 20), (21, 9000, 9001)]
    ):
        rows = [
            (
                channel.key,
                (start + dt.timedelta(hours=hour, minutes=20 * n)).isoformat(),
                str(value),
            )
            for n, value in enumerate(values)
        ]
        ingest_csv(site=channel.site, body=csv_of(rows))
        operations.roll_up_channel(channel_id=channel.pk, at=LATER)
    # The range of the fourth hour begins with the reading before it, which the rules marked.
    assert taken == [True, True, False, False, False]


def _exchange(channel: Channel, at: dt.datetime) -> None:
    old = Installation.objects.get(point=channel.point)
    old.valid = DateTimeTZRange(old.valid.lower, at)
    old.last_register = Decimal(17)
    old.save()
    meter = Meter.objects.create(
        operator=channel.site.operator, serial=f"new-{channel.pk}", make="test",
        digits=4, max_power_kw=Decimal(400),
    )  # fmt: skip
    Installation.objects.create(
        point=channel.point, meter=meter, valid=DateTimeTZRange(at, None), first_register=Decimal(3)
    )
