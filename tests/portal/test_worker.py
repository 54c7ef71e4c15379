"""
Work that crosses processes: a real Celery worker on the real broker.
"""

import datetime as dt
import os
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest
from celery import current_app
from django.conf import settings
from django.db import connection

from telemetry import tasks
from telemetry.models import DirtyRange, Rollup
from tests.factories_telemetry import csv_of, ingest_csv, make_heat_channel

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.django_db(transaction=True)
def test_a_worker_rolls_up_what_was_ingested():
    channel = make_heat_channel()
    start = dt.datetime(2026, 1, 10, tzinfo=dt.UTC)
    rows = [
        (channel.key, (start + n * dt.timedelta(hours=1)).isoformat(), str(n)) for n in range(5)
    ]
    ingest_csv(site=channel.site, body=csv_of(rows))
    # A queue of its own: another run of the tests may share the broker.
    queue = f"test-{uuid.uuid4().hex}"
    database = connection.settings_dict
    worker = subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", "portal", "worker", "-P", "solo", "-Q", queue,
         "--loglevel", "WARNING", "--without-gossip", "--without-mingle"],
        cwd=ROOT,
        env={
            **os.environ,
            "DATABASE_URL": settings.DATABASE_URL.rsplit("/", 1)[0] + f"/{database['NAME']}",
            "REDIS_URL": settings.REDIS_URL,
        },
    )  # fmt: skip
    try:
        tasks.roll_up_channel.apply_async(kwargs={"channel_id": channel.pk}, queue=queue)
        deadline = time.monotonic() + 60
        while DirtyRange.objects.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
    finally:
        worker.terminate()
        worker.wait(timeout=30)
        with current_app.connection_for_write() as broker:
            broker.default_channel.queue_delete(queue)  # type: ignore[attr-defined]

    hours = Rollup.objects.filter(channel=channel, grain="hour").order_by("start_at")
    assert [row.energy_kwh for row in hours] == [1, 1, 1, 1]
    assert Rollup.objects.filter(channel=channel, grain="month").count() == 1


@pytest.mark.django_db
def test_partitions_are_made_ahead_and_making_them_again_is_harmless():
    tasks.create_partitions_ahead()
    tasks.create_partitions_ahead()

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_inherits WHERE inhparent = 'telemetry_reading'::regclass"
        )
        assert cursor.fetchone()[0] >= 3
