"""
Which statements no longer hold, as a list of bits that tells nothing else (W3C Bitstring Status
List 1.0).
"""

from __future__ import annotations

import base64
import gzip
from collections.abc import Iterable

# The least the recommendation allows, so that one bit says little of who asks.
PLACES = 131_072


def encoded(places: Iterable[int]) -> str:
    """
    Return the list in which the given places are set: gzip, then base64url without padding, "u"
    in front.

    :raises ValueError: for a place outside the list
    """
    bits = bytearray(PLACES // 8)
    for place in places:
        if not 0 <= place < PLACES:
            raise ValueError(f"The list has no place {place}.")
        # The first place is the leftmost bit.
        bits[place // 8] |= 0x80 >> place % 8
    packed = gzip.compress(bytes(bits), mtime=0)
    return "u" + base64.urlsafe_b64encode(packed).decode().rstrip("=")


def is_set(encoded_list: str, place: int) -> bool:
    """
    Say whether a place is set.

    :raises ValueError: for a list that is none, or a place outside it
    """
    if not encoded_list.startswith("u"):
        raise ValueError("The list is not base64url.")
    text = encoded_list[1:]
    bits = gzip.decompress(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    if not 0 <= place < len(bits) * 8:
        raise ValueError(f"The list has no place {place}.")
    return bool(bits[place // 8] & 0x80 >> place % 8)
