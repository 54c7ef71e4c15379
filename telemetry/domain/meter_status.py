"""
The status byte of M-Bus telegrams (EN 13757-3, table of the status field).
"""

BUSY, APPLICATION_ERROR, ABNORMAL = 0x01, 0x02, 0x03
LOW_POWER, PERMANENT_ERROR, TEMPORARY_ERROR = 0x04, 0x08, 0x10
# What a make may use as it likes.
OF_THE_MAKER = 0xE0
# A fault of any make: an application error, an abnormal condition, low power, a permanent or a
# temporary error.
FAULT = 0x1E


def is_fault(status: int) -> bool:
    """
    Say whether a status byte reports a fault; "busy" and what only the maker knows are none.
    """
    return bool(status & FAULT)
