"""
Bytes a reading takes in the database and in the archive, and how long the way there and back takes.
"""

import csv
import datetime as dt
import gzip
import time
from pathlib import Path
from typing import Any

from django.conf import settings

from telemetry import archive as files
from telemetry import operations, queries
from telemetry.models import ArchivedMonth, Channel, Finding
from tests.bench.ingest import CHANNELS, _by_file, _csv, _roll_up, _rows
from tests.factories import make_site
from tests.factories_telemetry import LATER, add_channel, csv_of, make_heat_channel

_REAL = Path(settings.BASE_DIR).parent / "shared/data/b_heat_series/xai4heat"
_MONTH = dt.date(2019, 1, 1)


def measure(*, days: int) -> dict[str, Any]:
    """
    Archive a month of registers read each minute, and a month of a real substation.
    """
    settings.ARCHIVE_URL = "memory://bench"
    site = make_site()
    channels = [make_heat_channel(site=site, code=f"old-{n}") for n in range(CHANNELS)]
    start = dt.datetime(2019, 1, 1, tzinfo=dt.UTC)
    _by_file(site.pk, _csv(_rows(channels, CHANNELS * days * 1440, start)))
    _roll_up(channels)
    made, there = _archived(site.pk, _MONTH)
    started = time.perf_counter()
    files.bring_back([channels[0].pk], start, start + dt.timedelta(days=31))
    back = time.perf_counter() - started
    return {
        "archive_minutes": {
            **_bytes(made), "readings_per_s": round(made.rows / there),
            "a_channel_back_s": round(back, 2),
        },
        **_real(),
    }  # fmt: skip


def _archived(site_id: int, month: dt.date) -> tuple[ArchivedMonth, float]:
    Finding.objects.filter(channel__site_id=site_id).update(
        state=Finding.State.DISMISSED, decided_at=LATER
    )
    started = time.perf_counter()
    made = operations.seal_month(site_id=site_id, month=month, at=LATER, by_id=None)
    operations.write_month(archive_id=made.pk, at=LATER)
    operations.verify_month(archive_id=made.pk, at=LATER)
    operations.release_month(month=month, at=LATER + operations.GRACE)
    seconds = time.perf_counter() - started
    made.refresh_from_db()
    return made, seconds


def _bytes(made: ArchivedMonth) -> dict[str, Any]:
    return {
        "readings": made.rows,
        "bytes_per_reading_hot": round(made.hot_each, 1),
        "bytes_per_reading_archived": round(made.file_each, 2),
        "goal": 6,
    }


def _real() -> dict[str, Any]:
    if not _REAL.is_dir():
        return {}
    energy = make_heat_channel(unit="MWh")
    columns = {"e": energy.key}
    for quantity, column in (("power", "pe"), ("supply", "t_sup_sec"), ("return", "t_ret_sec")):
        columns[column] = add_channel(point=energy.point, quantity=Channel.Quantity(quantity)).key
    with gzip.open(_REAL / "xai4heat_scada_L12.csv.gz", "rt") as file:
        rows = [
            (key, f"{row['datetime']}+01:00", row[column])
            for row in csv.DictReader(file)
            if row["datetime"].startswith("2023-01")
            for column, key in columns.items()
            if row[column]
        ]
    _by_file(energy.site_id, csv_of(rows))
    while waiting := queries.channels_to_roll_up(limit=100):
        for channel_id in waiting:
            operations.roll_up_channel(channel_id=channel_id, at=LATER)
    made, _ = _archived(energy.site_id, dt.date(2023, 1, 1))
    return {"archive_real_meters": _bytes(made)}
