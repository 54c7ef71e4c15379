"""
How much of a quantity rests on estimates.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from django.db import connection

from sites.domain import Period
from telemetry.archive import bring_back_each
from telemetry.domain.quality import Share


def estimated_share(*, channel_id: int, period: Period) -> Share:
    """
    Return the estimated part of a register's energy over a period that begins and ends on hours.

    Where an edge lies more than an hour from the figures around it, half of the energy between
    them is estimated too: when in there it was delivered is not known.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _HOURS, {"channel": channel_id, "start": period.start, "end": period.end}
        )  # fmt: skip
        estimated, total = cursor.fetchone()
    (edges,) = energy_at_edges(wanted=[(channel_id, period)])
    return share_of(estimated, total, edges)


def share_of(estimated: Decimal, total: Decimal, edges: Decimal) -> Share:
    """
    Return the estimated part of an energy, kWh, with what its edges add.
    """
    return Share(min(estimated + edges, max(total, Decimal(0))), total)


def energy_at_edges(*, wanted: Sequence[tuple[int, Period]]) -> list[Decimal]:
    """
    Return half of the kWh around the edges of each channel and period, in their order, where the
    figures around an edge are more than an hour apart.
    """
    bring_back_each(
        [(channel_id, edge, edge) for channel_id, p in wanted for edge in (p.start, p.end)]
    )
    with connection.cursor() as cursor:
        cursor.execute(_EDGES, arrays_of(wanted))
        return [kwh for (kwh,) in cursor.fetchall()]


def arrays_of(wanted: Iterable[tuple[int, Period]]) -> dict[str, list[Any]]:
    """
    Return channels and periods as the arrays that a statement unnests.
    """
    wanted = list(wanted)
    return {
        "channels": [channel_id for channel_id, _ in wanted],
        "starts": [period.start for _, period in wanted],
        "ends": [period.end for _, period in wanted],
    }


_HOURS = """
SELECT coalesce(sum(estimated_kwh), 0), coalesce(sum(energy_kwh), 0)
FROM telemetry_rollup
WHERE channel_id = %(channel)s AND grain = 'hour'
  AND start_at >= %(start)s AND start_at < %(end)s
"""

# Mostly there is a figure on the edge itself, which is asked first because it is found at once.
_EDGES = """
SELECT coalesce(around.kwh, 0)
FROM unnest(%(channels)s::bigint[], %(starts)s::timestamptz[], %(ends)s::timestamptz[])
  WITH ORDINALITY a(channel, starts, ends, n)
CROSS JOIN LATERAL (
  SELECT sum(r.energy_kwh) / 2 AS kwh
  FROM (
    SELECT DISTINCT before.at AS begins, after.at AS ends
    FROM (VALUES (a.starts), (a.ends)) b(edge)
    CROSS JOIN LATERAL (SELECT at FROM telemetry_effective
      WHERE channel_id = a.channel AND at <= b.edge ORDER BY at DESC LIMIT 1) before
    CROSS JOIN LATERAL (SELECT at FROM telemetry_effective
      WHERE channel_id = a.channel AND at >= b.edge ORDER BY at LIMIT 1) after
    WHERE NOT EXISTS (
      SELECT FROM telemetry_effective WHERE channel_id = a.channel AND at = b.edge
    ) AND after.at - before.at > interval '1 hour'
  ) e JOIN telemetry_rollup r
    ON r.channel_id = a.channel AND r.grain = 'hour'
    AND r.end_at > e.begins AND r.start_at < e.ends
) around
ORDER BY a.n
"""
