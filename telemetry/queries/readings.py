"""
Reads of batches and readings.
"""

from __future__ import annotations

from typing import TypedDict

from telemetry.models import RejectedReading

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
