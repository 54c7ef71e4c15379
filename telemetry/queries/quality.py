"""
How much of a quantity rests on estimates.
"""

from __future__ import annotations

from decimal import Decimal

from django.db import connection

from sites.domain import Period
from telemetry.domain.quality import Share


def estimated_share(*, channel_id: int, period: Period) -> Share:
    """
    Return the estimated part of a register's energy over a period that begins and ends on hours.

    Where an edge lies more than an hour from the figures around it, half of the energy between
    them is estimated too: when in there it was delivered is not known.
    """
    estimated, total = Decimal(0), Decimal(0)
    with connection.cursor() as cursor:
        cursor.execute(
            _SHARE, {"channel": channel_id, "start": period.start, "end": period.end}
        )  # fmt: skip
        estimated, total, edges = cursor.fetchone()
    return Share(min(estimated + edges, max(total, Decimal(0))), total)


_SHARE = """
WITH edges AS (
  SELECT before.at AS begins, after.at AS ends
  FROM (VALUES (%(start)s::timestamptz), (%(end)s::timestamptz)) b(edge)
  CROSS JOIN LATERAL (SELECT at FROM telemetry_effective
    WHERE channel_id = %(channel)s AND at <= b.edge ORDER BY at DESC LIMIT 1) before
  CROSS JOIN LATERAL (SELECT at FROM telemetry_effective
    WHERE channel_id = %(channel)s AND at >= b.edge ORDER BY at LIMIT 1) after
  WHERE after.at - before.at > interval '1 hour'
), around AS (
  SELECT sum(r.energy_kwh) / 2 AS kwh
  FROM (SELECT DISTINCT begins, ends FROM edges) e JOIN telemetry_rollup r
    ON r.channel_id = %(channel)s AND r.grain = 'hour'
    AND r.end_at > e.begins AND r.start_at < e.ends
)
SELECT coalesce(sum(estimated_kwh), 0), coalesce(sum(energy_kwh), 0),
  coalesce((SELECT kwh FROM around), 0)
FROM telemetry_rollup
WHERE channel_id = %(channel)s AND grain = 'hour'
  AND start_at >= %(start)s AND start_at < %(end)s
"""
