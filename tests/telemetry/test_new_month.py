import datetime as dt
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from telemetry.models import Reading
from tests.factories_telemetry import csv_of, ingest_csv, make_heat_channel


@pytest.mark.django_db(transaction=True)
def test_many_deliveries_may_open_the_same_months_at_once():
    channels = [make_heat_channel(code=f"c{n}") for n in range(6)]
    # Years that no other test fills, so that each month is new.
    months = [dt.datetime(2011 + n // 12, n % 12 + 1, 15, tzinfo=dt.UTC) for n in range(36)]

    def deliver(number: int) -> int:
        channel = channels[number % len(channels)]
        at = months[number // len(channels)]
        try:
            return ingest_csv(
                site=channel.site, body=csv_of([(channel.key, at.isoformat(), "1")])
            ).accepted
        finally:
            connection.close()

    with ThreadPoolExecutor(len(channels)) as pool:
        accepted = list(pool.map(deliver, range(len(channels) * len(months))))

    assert accepted == [1] * len(accepted)
    assert Reading.objects.count() == len(accepted)
