"""
Until when a meter's verification holds.
"""

from __future__ import annotations

import datetime as dt
import enum

# Before the end a meter has to be ordered and a fitter found.
SOON = dt.timedelta(days=180)


class CalibrationState(enum.StrEnum):
    """
    How a meter's verification stands on a day.
    """

    UNKNOWN = "unknown"
    VALID = "valid"
    SOON = "soon"
    EXPIRED = "expired"


def due_date(verified_on: dt.date, *, years: int, end_of_year: bool) -> dt.date:
    """
    Return the last day on which a verification holds: years later, or the end of that year where
    the term runs to it (Germany: MessEV § 34 (2)).
    """
    if end_of_year:
        return dt.date(verified_on.year + years, 12, 31)
    try:
        return verified_on.replace(year=verified_on.year + years)
    except ValueError:
        # Verified on 29 February.
        return dt.date(verified_on.year + years, 2, 28)


def state_on(due: dt.date | None, day: dt.date) -> CalibrationState:
    """
    Say how a verification that holds until `due` stands on a day.
    """
    if due is None:
        return CalibrationState.UNKNOWN
    if day > due:
        return CalibrationState.EXPIRED
    return CalibrationState.SOON if due - day <= SOON else CalibrationState.VALID
