"""
What a well-formed reading is, on plain text, quick enough for millions of rows.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

# What numeric(24, 9) holds without rounding: a meter's figure is kept as it was sent.
_PLAIN = re.compile(r"-?\d{1,15}(?:\.\d{1,9})?", re.ASCII)
_ALL_PLAIN = re.compile(rf"(?:{_PLAIN.pattern}\n)*+", re.ASCII)


def all_plain(texts: Sequence[str | None]) -> bool:
    """
    Say whether every text is a figure that `plain_value` returns as it is.
    """
    try:
        # None is no text to join.
        together = "\n".join(texts)  # type: ignore[arg-type]
    except TypeError:
        return False
    # Figures hold no line end, so a text that brings its own is counted out.
    ends = together.count("\n") + 1
    return not texts or (ends == len(texts) and _ALL_PLAIN.fullmatch(f"{together}\n") is not None)


def plain_value(text: str) -> str | None:
    """
    Return the figure in plain decimal notation, or None where it is not a finite number with at
    most 15 digits before and 9 after the point.
    """
    if _PLAIN.fullmatch(text):
        return text
    try:
        value = Decimal(text.strip())
    except InvalidOperation:
        return None
    # Looked at by its exponent: arithmetic on 1E999999999 overflows, its text fills the memory.
    if not value.is_finite() or (value and not -9 <= value.adjusted() < 15):
        return None
    shown = f"{value.normalize():f}"
    return shown if _PLAIN.fullmatch(shown) else None


def utc_instant(text: str) -> dt.datetime | None:
    """
    Return the instant of an ISO 8601 time stamp with offset or Z; None for anything else,
    a stamp without zone included: whose noon it means cannot be known.
    """
    try:
        instant = dt.datetime.fromisoformat(text.strip())
        return instant.astimezone(dt.UTC) if instant.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def instant_of_count(text: str, unit_ns: int) -> dt.datetime | None:
    """
    Return the instant so many units of `unit_ns` nanoseconds after the start of 1970, down to
    the microsecond; None for what is not a whole number of digits or beyond the calendar.
    """
    if not (text.isdigit() and text.isascii()):
        return None
    try:
        return _EPOCH + dt.timedelta(microseconds=int(text) * unit_ns // 1000)
    except (OverflowError, ValueError):
        return None
