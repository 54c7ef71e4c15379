"""
The meter's stored month-end registers beside the register as it was read.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from django.db import connection

from sites.access import Viewer
from sites.domain import Period
from telemetry.archive import bring_back
from telemetry.domain.month_ends import MonthEnd, between
from telemetry.domain.units import to_base
from telemetry.models import Channel, MeteringPoint

_RESOLUTIONS = Decimal(2)
_AROUND = dt.timedelta(days=8)


def month_ends(*, viewer: Viewer, point_id: int, period: Period) -> list[MonthEnd]:
    """
    Return the stored month-ends of a point over a period, newest first; empty where the viewer
    may not see it.
    """
    if not MeteringPoint.objects.visible_to(viewer).filter(pk=point_id).exists():
        return []
    return compared(point_id=point_id, period=period)


def compared(
    *, point_id: int, period: Period, resolutions: Decimal = _RESOLUTIONS
) -> list[MonthEnd]:
    """
    Return the same for the portal itself; `resolutions` of the register is what they may differ.
    """
    channels = Channel.objects.filter(point_id=point_id, quantity__in=["energy", "month_end"])
    if len(channels) < 2:
        return []
    bring_back([c.pk for c in channels], period.start - _AROUND, period.end + _AROUND)
    parameters: dict[str, Any] = {
        "point": point_id, "start": period.start, "end": period.end, "far": _AROUND,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_BOTH, parameters)
        rows = cursor.fetchall()
    found = []
    for at, stored, serial, unit, multiplier, resolution, t1, r1, t2, r2 in rows:
        read = None if t1 is None or t2 is None else between(at, (t1, r1), (t2, r2))
        step = to_base(resolution, unit, multiplier, base="kWh")
        found.append(
            MonthEnd(
                at=at, serial=serial, unit=unit, stored=stored, read=read,
                apart_s=None if read is None else round((t2 - t1).total_seconds()),
                deviation_kwh=None
                if read is None else to_base(stored - read, unit, multiplier, base="kWh"),
                resolution_kwh=step, limit_kwh=step * resolutions,
            )
        )  # fmt: skip
    return found


_BOTH = """
SELECT m.at, m.value, d.serial, d.unit, d.multiplier, d.resolution, b.at, b.value, a.at, a.value
FROM telemetry_channel k
JOIN telemetry_channel e ON e.point_id = k.point_id AND e.quantity = 'energy'
  AND e.kind = 'register'
JOIN telemetry_effective m ON m.channel_id = k.id AND m.at >= %(start)s AND m.at < %(end)s
JOIN telemetry_installation i ON i.point_id = k.point_id AND i.valid @> m.at
JOIN telemetry_meter d ON d.id = i.meter_id
LEFT JOIN LATERAL (
  SELECT r.at, r.value FROM telemetry_effective r
  WHERE r.channel_id = e.id AND r.at <= m.at AND r.at > m.at - %(far)s AND i.valid @> r.at
    AND r.value <> 0
  ORDER BY r.at DESC LIMIT 1
) b ON true
LEFT JOIN LATERAL (
  SELECT r.at, r.value FROM telemetry_effective r
  WHERE r.channel_id = e.id AND r.at >= m.at AND r.at < m.at + %(far)s AND i.valid @> r.at
    AND r.value <> 0
  ORDER BY r.at LIMIT 1
) a ON true
WHERE k.point_id = %(point)s AND k.quantity = 'month_end'
ORDER BY m.at DESC
"""
