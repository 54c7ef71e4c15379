"""
Late readings are judged as they would have been in time, whatever the order they come in.
"""

import datetime as dt
import random
from collections.abc import Sequence
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from telemetry import operations
from telemetry.models import Channel, DirtyRange, Finding, Rollup, VeeValue
from tests.factories_telemetry import LATER, add_channel, csv_of, ingest_csv, make_heat_channel

pytestmark = pytest.mark.django_db

HALF = dt.timedelta(minutes=30)
FIRST = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)
COUNT = 48 * 12
Row = tuple[str, int, float]


def _series(events: Sequence[tuple[str, int, int]]) -> list[Row]:
    """
    Twelve days of a hand-off at half-hours: 20 kW, or what the events make of it.
    """
    dial, stood, rows = 5000.0, 0.0, []
    happens: dict[int, str] = {}
    for kind, begin, lasts in events:
        happens.update(dict.fromkeys(range(begin, min(begin + lasts, COUNT)), kind))
        if kind == "reset":
            happens[begin] = "reset"
    for n in range(COUNT):
        now = happens.get(n)
        dial = 100.0 if now == "reset" and happens.get(n - 1) != "reset" else dial + 10
        stood = stood if now == "stale" and happens.get(n - 1) == "stale" else dial
        if now == "gap":
            continue
        shown = {"lost": 0.0, "stale": stood, "dip": dial - 3000}.get(now or "", dial)
        rows.append(("energy", n, max(shown, 0.0)))
        rows.append(("supply", n, 0.0 if now == "lost" else 44.0 if now == "flat" else 60 + n % 3))
        rows.append(("power", n, 0.0 if now == "lost" else 20 + n % 2))
    return rows


def _deliver(name: str, pieces: Sequence[Sequence[Row]]) -> dict[str, Channel]:
    register = make_heat_channel(code=name)
    channels = {"energy": register}
    for quantity in (Channel.Quantity.SUPPLY, Channel.Quantity.POWER):
        channels[quantity] = add_channel(point=register.point, quantity=quantity)
    for piece in pieces:
        if piece:
            rows = [(channels[q].key, (FIRST + n * HALF).isoformat(), str(v)) for q, n, v in piece]
            assert ingest_csv(site=register.site, body=csv_of(rows)).accepted == len(rows)
        for _ in range(4):
            for channel in channels.values():
                operations.roll_up_channel(channel_id=channel.pk, at=LATER)
        assert not DirtyRange.objects.exists()
    return channels


def _said(channels: dict[str, Channel]) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for quantity, channel in channels.items():
        findings = Finding.objects.filter(channel=channel).exclude(state="gone")
        values = VeeValue.objects.filter(channel=channel, superseded_at__isnull=True)
        rollups = Rollup.objects.filter(channel=channel).order_by("grain", "start_at")
        told[quantity] = (
            {(f.rule, f.span.lower, f.span.upper, f.severity, f.state) for f in findings},
            {(v.at, v.value, v.flag) for v in values},
            list(rollups.values_list("grain", "start_at", "energy_kwh", "mean", "quality")),
        )
    return told


_EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["lost", "stale", "gap", "dip", "reset", "flat"]),
        st.integers(1, COUNT - 1),
        st.sampled_from([1, 3, 9, 40, 130, 300]),
    ),
    max_size=4,
)


@settings(
    max_examples=6,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    # Each example takes seconds; what fails is short enough as it is.
    phases=[Phase.explicit, Phase.generate],
)
@given(events=_EVENTS, parts=st.integers(2, 4), seed=st.integers(0, 99), whole=st.booleans())
@example(events=[("lost", 100, 300)], parts=3, seed=1, whole=True)
@example(events=[("stale", 100, 300)], parts=3, seed=2, whole=True)
@example(events=[("gap", 100, 300), ("dip", 420, 9)], parts=3, seed=3, whole=False)
@example(events=[("flat", 100, 300)], parts=3, seed=4, whole=False)
def test_judged_late_is_judged_in_time(events, parts, seed, whole):
    sid = transaction.savepoint()
    rows = _series(events)
    chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
    # Either days that come in any order, or readings that fall anywhere.
    part = {n: chance.randrange(parts) for n in range(COUNT)}
    quantity = {q: chance.randrange(parts) for q in ("energy", "supply", "power")}
    pieces: list[list[Row]] = [[] for _ in range(parts)]
    for row in rows:
        n = part[row[1] // 48] if whole else part[row[1]]
        pieces[(n + quantity[row[0]]) % parts].append(row)

    try:
        late = _said(_deliver("late", pieces))
        timely = _said(_deliver("timely", [rows]))
    finally:
        transaction.savepoint_rollback(sid)

    for name, said in timely.items():
        for found, expected in zip(late[name], said, strict=True):
            assert found == expected
