"""
Which meter is where at a site, for telegrams that name the meter and not the channel.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from django.conf import settings
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange

from sites.models import Site
from telemetry.domain.secrets import RADIO_KEY, WrongSecret, shown
from telemetry.models import Channel, Installation
from telemetry.queries.mappings import units_of_channels


@dataclass(frozen=True, slots=True)
class Placed:
    """
    A meter at a point over a time, with the point's channels: quantity to key and unit.
    """

    meter_id: int
    serial: str
    kind: str
    valid: DateTimeTZRange
    # Encrypted, as it is kept.
    sealed_key: bytes | None
    channels: dict[str, tuple[str, str]]


class KeyLost(Exception):
    """
    The key of a radio meter was kept under another secret of the portal.
    """


def opened_key(sealed: bytes) -> bytes:
    """
    Return a radio meter's key as it is used.

    :raises KeyLost: if the portal's secret was changed since; somebody has to enter it again
    """
    try:
        return shown(sealed, under=settings.SECRET_KEY, purpose=RADIO_KEY)
    except WrongSecret:
        raise KeyLost from None


def zone_of_site(*, site_id: int) -> str:
    """
    Return the zone that a site's meters live in.
    """
    return Site.objects.values_list("timezone", flat=True).get(pk=site_id)


def plain_serial(serial: str) -> str:
    """
    Return a serial as it is compared: without leading zeros and blanks, in lower case.
    """
    return serial.strip().lower().lstrip("0")


def placed_meters(*, site_id: int) -> dict[str, list[Placed]]:
    """
    Return the meters of a site by plain serial.
    """
    units = units_of_channels(site_id=site_id)
    channels: defaultdict[int, dict[str, tuple[str, str]]] = defaultdict(dict)
    for point_id, quantity, name in Channel.objects.filter(site_id=site_id).values_list(
        "point_id", "quantity", "key"
    ):
        known = units.get(name, [])
        channels[point_id][quantity] = (name, known[0] if len(known) == 1 else "")
    found: defaultdict[str, list[Placed]] = defaultdict(list)
    rows = Installation.objects.filter(point__site_id=site_id).values_list(
        "meter_id", "meter__serial", "meter__kind", "valid", "meter__radio_key", "point_id"
    )
    for meter_id, serial, kind, valid, key, point_id in rows:
        found[plain_serial(serial)].append(
            Placed(meter_id, serial, kind, valid, bytes(key) if key else None, channels[point_id])
        )
    return dict(found)
