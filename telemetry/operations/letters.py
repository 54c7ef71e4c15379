"""
Letters that wait to be sent, in turn.
"""

from __future__ import annotations

import datetime as dt
from typing import TypeVar

from django.db.models import F, Q, QuerySet

from telemetry.models.alarms import Letter

L = TypeVar("L", bound=Letter)

# A worker that took a letter has sent it by then, or is dead.
_LEASE = dt.timedelta(minutes=2)


def slot_of(at: dt.datetime, length: dt.timedelta) -> dt.datetime:
    """
    Return when the stretch of time began in which an instant lies, stretches being counted from
    1970 on.
    """
    step = length.total_seconds()
    return dt.datetime.fromtimestamp(at.timestamp() // step * step, tz=dt.UTC)


def take(waiting: QuerySet[L], *, at: dt.datetime) -> L | None:
    """
    Take the letter that has waited longest, for two minutes, within the caller's transaction; None
    where none waits. A letter may go twice where a worker dies after sending it: twice is better
    than not at all.
    """
    letter = (
        waiting.select_for_update(skip_locked=True, of=("self",))
        .filter(Q(taken_at__isnull=True) | Q(taken_at__lt=at - _LEASE), sent_at__isnull=True)
        .order_by(F("taken_at").asc(nulls_first=True), "made_at")
        .first()
    )
    if letter is not None:
        waiting.model._default_manager.filter(pk=letter.pk).update(taken_at=at)
    return letter


def note(letters: QuerySet[L], *, letter_id: int, at: dt.datetime, problem: str) -> None:
    """
    Note that a letter was sent, or why not; it is then tried again.
    """
    sent = None if problem else at
    letters.filter(pk=letter_id).update(sent_at=sent, problem=problem[:200])
