"""
Reads of batches and readings.
"""

from __future__ import annotations

import datetime as dt
from typing import TypedDict

from django.db.models import QuerySet

from sites.access import Viewer
from telemetry.archive import bring_back
from telemetry.models import Channel, Reading, RejectedReading

_SHOWN = 120


class Problem(TypedDict):
    """
    One refused row, in words for whoever sent it.
    """

    row: int
    field: str
    reason: str
    detail: str
    text: str


def readings_between(
    *,
    viewer: Viewer,
    channel_id: int,
    start: dt.datetime | None = None,
    end: dt.datetime | None = None,
) -> QuerySet[Reading]:
    """
    Return the readings of a channel the viewer may see from `start` until before `end`, oldest
    first.
    """
    seen = list(
        Channel.objects.visible_to(viewer).filter(pk=channel_id).values_list("pk", flat=True)
    )
    bring_back(seen, start, end)
    rows = Reading.objects.filter(channel_id__in=seen).order_by("at")
    rows = rows if start is None else rows.filter(at__gte=start)
    return rows if end is None else rows.filter(at__lt=end)


def problems_of_batch(*, batch_id: int, limit: int) -> list[Problem]:
    """
    Return the first refused rows of a batch, for the answer to its own sender.
    """
    refused = RejectedReading.objects.filter(batch_id=batch_id).order_by("row")[:limit]
    return [
        Problem(
            row=r.row,
            field=r.field,
            reason=r.reason,
            detail=r.detail or r.get_reason_display(),
            text=_text_of(r)[:_SHOWN],
        )
        for r in refused
    ]


def _text_of(refused: RejectedReading) -> str:
    texts = {"channel": refused.channel_text, "at": refused.at_text}
    return texts.get(refused.field, refused.value_text)
