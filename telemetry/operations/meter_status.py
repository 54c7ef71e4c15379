"""
What meters say about themselves beside their readings.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from django.db.backends.postgresql.psycopg_any import DateTimeTZRange

from telemetry.formats import Heard
from telemetry.models import Meter, MeterStatus


def note_statuses(heard: Iterable[Heard], *, latest: dt.datetime) -> None:
    """
    Keep what the status bytes of telegrams say, as stretches of one status. What is older than the
    newest known of its meter, or later than `latest`, changes nothing. Opens no transaction: it
    belongs to the ingest's.
    """
    told = sorted({one for one in heard if one.at <= latest})
    if not told:
        return
    meters = {one.meter_id for one in told}
    # Two deliveries of one meter take turns.
    list(Meter.objects.select_for_update(no_key=True).filter(pk__in=meters).order_by("pk"))
    newest = {
        row.meter_id: row
        for row in MeterStatus.objects.filter(meter_id__in=meters)
        .order_by("meter_id", "-span")
        .distinct("meter_id")
    }
    changed: list[MeterStatus] = []
    for one in told:
        run = newest.get(one.meter_id)
        if run is not None and one.at <= run.span.upper:
            continue
        if run is None or run.status != one.status:
            run = MeterStatus(meter_id=one.meter_id, status=one.status)
            run.span = DateTimeTZRange(one.at, one.at, "[]")
            newest[one.meter_id] = run
        else:
            run.span = DateTimeTZRange(run.span.lower, one.at, "[]")
        if run not in changed:
            changed.append(run)
    MeterStatus.objects.bulk_create([run for run in changed if run.pk is None])
    MeterStatus.objects.bulk_update([run for run in changed if run.pk is not None], ["span"])
