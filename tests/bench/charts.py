"""
A year of minutes: how long its chart takes, and what a late hundredth costs the rollup.
"""

import datetime as dt
import io
import statistics
import time
from typing import Any

from django.db import connection
from django.test import Client

from sites.models import Site
from telemetry import operations
from telemetry.models import Channel, IngestBatch
from tests import factories
from tests.factories_telemetry import LATER, add_channel, make_heat_channel

START = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
TIMES = 40


def measure(*, minutes: int) -> dict[str, Any]:
    """
    Take in minutes of a register and a temperature, but for a hundredth of the time during which
    the gateway was cut off; roll up; take in what came late; roll up again; draw it all.
    """
    heat = make_heat_channel()
    supply = add_channel(point=heat.point, quantity=Channel.Quantity.SUPPLY)
    late = range(minutes // 2, minutes // 2 + minutes // 100)
    for channel in (heat, supply):
        _take_in(channel, [n for n in range(minutes) if n not in late])
    full = {channel.key: _roll_up(channel) for channel in (heat, supply)}
    for channel in (heat, supply):
        _take_in(channel, late)
    again = {channel.key: _roll_up(channel) for channel in (heat, supply)}
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE telemetry_rollup")
    return {
        "reroll_after_a_late_hundredth": {
            "share_of_full_roll": round(sum(again.values()) / sum(full.values()), 4), "goal": 0.05,
            "seconds": round(sum(again.values()), 3), "full_seconds": round(sum(full.values()), 2),
        },
        "chart_of_a_year": {
            "points": minutes, "p95_goal_ms": 200,
            **{channel.quantity: _draw(channel, heat.site, minutes) for channel in (heat, supply)},
        },
    }  # fmt: skip


def _take_in(channel: Channel, minutes: Any) -> None:
    lines = "".join(
        f"{channel.key},{(START + dt.timedelta(minutes=n)).isoformat()},"
        f"{1000 + n // 20 if channel.kind == 'register' else 60 + n % 7}\n"
        for n in minutes
    )
    result = operations.ingest(
        site_id=channel.site_id, stream=io.BytesIO(f"channel,at,value\n{lines}".encode()),
        format="csv", source=IngestBatch.Source.FILE, received_at=LATER,
    )  # fmt: skip
    assert result.accepted == len(minutes)


def _roll_up(channel: Channel) -> float:
    started = time.perf_counter()
    assert operations.roll_up_channel(channel_id=channel.pk, at=LATER)
    return time.perf_counter() - started


def _draw(channel: Channel, site: Site, minutes: int) -> dict[str, int]:
    client = Client(SERVER_NAME="localhost")
    client.force_login(factories.make_user(stakeholder=site.operator))
    begins = int(START.timestamp())
    address = (
        f"/channels/{channel.pk}/series.json?start={begins}&end={begins + minutes * 60}&points=1200"
    )
    drawn = client.get(address).json()["series"][0]["t"]
    taken = []
    for _ in range(TIMES):
        started = time.perf_counter()
        assert client.get(address).status_code == 200
        taken.append((time.perf_counter() - started) * 1000)
    taken.sort()
    return {
        "p50_ms": round(statistics.median(taken)),
        "p95_ms": round(taken[int(len(taken) * 0.95) - 1]),
        "drawn": len(drawn),
    }
