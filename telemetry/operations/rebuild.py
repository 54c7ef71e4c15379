"""
Rolling up again what was read, and telling whether that changes anything.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any, NamedTuple

from django.db import connection, transaction

from sites.domain import Period
from telemetry.models import DirtyRange
from telemetry.operations import rollup_sql as sql
from telemetry.operations.rollups import roll_up


@transaction.atomic(durable=True)
def mark_for_rebuild(
    *, channel_ids: Iterable[int], at: dt.datetime, period: Period | None = None
) -> int:
    """
    Mark everything that channels read and everything that was rolled up of them, or what of it
    lies in a period, to be rolled up again; return how many of them have something. The marks are
    what is left to do: a rebuild that was broken off goes on from them.
    """
    return _mark(list(channel_ids), at, period)


def _mark(channel_ids: list[int], at: dt.datetime, period: Period | None) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql.MARK_ALL, {
            "channels": channel_ids, "at": at,
            "lower": period.start if period else None, "upper": period.end if period else None,
        })  # fmt: skip
        marked: int = cursor.rowcount
    return marked


class Difference(NamedTuple):
    """
    A stored bucket that is not what the readings give: changed, missing or left over.
    """

    grain: str
    start_at: dt.datetime
    kind: str
    stored_kwh: Any
    computed_kwh: Any


@transaction.atomic(durable=True)
def differences_from_raw(
    *, channel_id: int, at: dt.datetime, period: Period | None = None
) -> list[Difference]:
    """
    Roll a channel up from its readings once more and return where that differs from what is
    stored. Changes nothing.
    """
    with connection.cursor() as cursor:
        cursor.execute(sql.REMEMBER, {"channel": channel_id})
        undo = transaction.savepoint()
        DirtyRange.objects.filter(channel_id=channel_id).delete()
        _mark([channel_id], at, period)
        roll_up(channel_id, at)
        cursor.execute(sql.COMPARE, {"channel": channel_id})
        found = [Difference(*row) for row in cursor.fetchall()]
        transaction.savepoint_rollback(undo)
        cursor.execute("DROP TABLE rollups_stored")
    return found
