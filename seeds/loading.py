"""
The series of the portfolio through the normal ingest, once at the start and from then on.
"""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Callable
from decimal import Decimal

import pandas as pd

from seeds import sources
from seeds.portfolio import SITES, Feed
from seeds.sources import Series
from sites.models import Site
from telemetry import operations, queries
from telemetry.models import Channel, IngestBatch, MeteringPoint, Reading

MONTHS = 13
Say = Callable[[str], None]


def window_start(anchor: dt.date) -> dt.datetime:
    """
    Return where the loaded stretch begins: the first of the month thirteen months before.
    """
    count = anchor.year * 12 + anchor.month - 1 - MONTHS
    return dt.datetime(count // 12, count % 12 + 1, 1, tzinfo=dt.UTC)


def series_of(feed: Feed, anchor: dt.date) -> dict[str, Series]:
    """
    Return the quantities of a feed, shifted by whole days to end on the anchor.
    """
    found = feed.read()
    last = max(series.values.index[-1] for series in found.values()).date()
    shift = sources.days_to_same_date if feed.seasonal else sources.days_to_today
    days = shift(last, anchor)
    return {
        quantity: Series(series.shifted(days).values) if quantity != "power"
        # Multiplied floats have tails of digits that no meter sends and ingest refuses.
        else Series((series.shifted(days).values * feed.servers).round(6))
        for quantity, series in found.items()
    }  # fmt: skip


def before_exchange(feed: Feed, anchor: dt.date) -> Series:
    """
    Return the end of a one-year series laid in front of its beginning: the former meter, whose
    last reading falls on the first of the present one.
    """
    year = feed.read()["energy"]
    present = series_of(feed, anchor)["energy"].values.index[0]
    days = (present - year.values.index[-1]).days
    return year.shifted(days)


def _csv(key: str, series: Series) -> bytes:
    values = series.values
    instants = pd.DatetimeIndex(values.index)
    table = pd.DataFrame(
        {"channel": key, "at": instants.strftime("%Y-%m-%dT%H:%M:%SZ"), "value": values}
    )
    return table.to_csv(index=False).encode()


def _deliver(site: Site, feed: Feed, quantity: str, series: Series, now: dt.datetime) -> int:
    if series.values.empty:
        return 0
    result = operations.ingest(
        site_id=site.pk, stream=io.BytesIO(_csv(f"{feed.code}.{quantity}", series)), format="csv",
        source=IngestBatch.Source.FILE, received_at=now, name=f"{feed.code}.{quantity}",
    )  # fmt: skip
    return result.accepted


def _with_heartbeat(feed: Feed, found: dict[str, Series]) -> dict[str, Series]:
    # A row in the source is a sign of life; nothing is known of times without one.
    if feed.heartbeat_s is None:
        return found
    rows = next(iter(found.values())).values
    return {**found, "heartbeat": Series(pd.Series(1.0, index=rows.index))}


def load(*, anchor: dt.date, now: dt.datetime, say: Say) -> int:
    """
    Send what each feed has between its newest stored reading and now; return the count of
    stored readings. The first time that is thirteen months.
    """
    stored = 0
    for spec in SITES:
        site = Site.objects.get(slug=spec["slug"])
        for feed in spec["feeds"]:
            stored += _load_feed(site, feed, anchor=anchor, now=now)
        say(f"{site.name}: readings loaded")
    return stored


def _first(site: Site, anchor: dt.date) -> dt.datetime:
    # Two days earlier than the start, so that a meter read once a day has a reading before it.
    begun = dt.datetime.combine(site.started_on, dt.time(), dt.UTC) - dt.timedelta(days=2)
    return max(begun, window_start(anchor))


def _load_feed(site: Site, feed: Feed, *, anchor: dt.date, now: dt.datetime) -> int:
    found = _with_heartbeat(feed, series_of(feed, anchor))
    stored = 0
    for quantity, series in found.items():
        channel = Channel.objects.get(site=site, key=f"{feed.code}.{quantity}")
        newest = (
            Reading.objects.filter(channel=channel).order_by("-at").values_list("at", flat=True)
        ).first()
        start = _first(site, anchor) if newest is None else newest + dt.timedelta(seconds=1)
        stored += _deliver(site, feed, quantity, series.between(start, now), now)
        if feed.round_the_year and quantity == "energy" and newest is None:
            stored += _exchange(site, feed, anchor=anchor, now=now)
    return stored


def _exchange(site: Site, feed: Feed, *, anchor: dt.date, now: dt.datetime) -> int:
    former = before_exchange(feed, anchor)
    seam = former.values.index[-1].to_pydatetime()
    if seam <= window_start(anchor):
        return 0
    point = MeteringPoint.objects.get(site=site, code=feed.code)
    stored = _deliver(site, feed, "energy", former.between(_first(site, anchor), seam), now)
    placed = operations.exchange_meter(
        point_id=point.pk, when=seam, at=now, by_id=None,
        last_register=_dial(former.values.iloc[-1]),
        first_register=_dial(series_of(feed, anchor)["energy"].values.iloc[0]),
        **{**feed.meter, "serial": f"{feed.meter['serial']}-2"},
    )  # fmt: skip
    describe_registers(feed, placed.meter_id, now)
    return stored


def describe_registers(feed: Feed, meter_id: int, now: dt.datetime) -> None:
    """
    Describe what a feed's meter counts beside energy.
    """
    for quantity, dial in feed.registers.items():
        operations.add_register(
            meter_id=meter_id, quantity=quantity, at=now, by_id=None, resolution=Decimal("0.001"),
            digits=8, **dial,
        )  # fmt: skip


def _dial(value: float) -> Decimal:
    return Decimal(str(round(value, 3)))


def roll_up(*, now: dt.datetime, say: Say) -> int:
    """
    Roll up every dirty channel; return how many there were.
    """
    done = 0
    while channels := queries.channels_to_roll_up(limit=500):
        for channel_id in channels:
            operations.roll_up_channel(channel_id=channel_id, at=now)
            done += 1
    say(f"{done} channels rolled up")
    return done
