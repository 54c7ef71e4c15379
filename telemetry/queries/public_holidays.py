"""
Public holidays of countries and their parts, as the library `holidays` has them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Container
from functools import cache

import holidays


@cache
def public_holidays(country: str, region: str = "") -> Container[dt.date]:
    """
    Return the public holidays of a country, or of a part of it, in any year; where the country or
    the part is not known, those of the country, or none.
    """
    if country not in holidays.list_supported_countries():
        return frozenset[dt.date]()
    known = region if region in regions(country) else None
    return holidays.country_holidays(country, subdiv=known)


def regions(country: str) -> list[str]:
    """
    Return the parts of a country with public holidays of their own, by code as in ISO 3166-2.
    """
    return list(holidays.list_supported_countries().get(country, []))
