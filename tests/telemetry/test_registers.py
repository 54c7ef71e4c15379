"""
The rollup in SQL against the arithmetic of one step, and its edge cases.
"""

import datetime as dt
import itertools
import random
from collections import defaultdict
from decimal import Decimal

import pytest

from telemetry.domain import registers
from telemetry.models import Meter, Rollup
from tests.factories_telemetry import make_heat_channel, send

START = dt.datetime(2026, 1, 10, 10, tzinfo=dt.UTC)
MODULUS, POWER = Decimal(1000), Decimal(40)


@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(6))
def test_sql_and_arithmetic_agree_on_a_register_that_rolls_over(seed: int):
    chance = random.Random(seed)  # noqa: S311 - figures for a test
    channel = make_heat_channel()
    Meter.objects.update(digits=3, max_power_kw=POWER)
    at, value, readings = START, Decimal(chance.randrange(990_000)) / 1000, []
    for _ in range(60):
        readings.append((at, value))
        minutes = chance.choice([5, 15, 17, 60, 95])
        at += dt.timedelta(minutes=minutes)
        value = (value + Decimal(chance.randrange(600 * minutes)) / 1000) % MODULUS
        # A register at zero is taken for lost communication, which is tried elsewhere.
        value = value or Decimal(1)
    send(channel, [(at, float(value)) for at, value in readings])

    expected: defaultdict[dt.datetime, Decimal] = defaultdict(Decimal)
    for first, second in itertools.pairwise(readings):
        hours = Decimal((second[0] - first[0]).total_seconds()) / 3600
        _, kwh = registers.step(
            first[1], second[1], modulus=MODULUS, max_power_kw=POWER, hours=hours
        )
        for hour, part in registers.hourly(first, (second[0], first[1] + kwh)):
            expected[hour] += part
    found = dict(
        Rollup.objects.filter(channel=channel, grain="hour").values_list("start_at", "energy_kwh")
    )
    assert found == expected


def test_a_late_reading_on_the_hour_does_not_touch_the_next_one():
    at = START + dt.timedelta(minutes=30)

    assert registers.dirty_hours(at, START + dt.timedelta(hours=2)) == (
        START,
        START + dt.timedelta(hours=2),
    )


def test_no_flow_has_no_temperature():
    assert registers.volume_weighted([Decimal(0)], [Decimal(20)]) is None
