"""
One pass over what a register read: whether it only rose as it can, and its quarters of an hour.
What is found calm needs no further look by the rules, and is rolled up from these quarters.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django.db import connection

from telemetry.domain import vee
from telemetry.models import Channel
from telemetry.operations import rollup_sql as sql
from telemetry.operations.quality_reach import SWAYED
from telemetry.queries.dials import dials, power_channel

Quarters = dict[str, str]

# As text, since they only pass through to the next statement.
_NAMES = ("quarter", "n", "first_at", "last_at", "low", "high")
_ARRAYS = ", ".join(f"array_agg({name})::text" for name in _NAMES)
# The hours that a range touches, and the nearest readings beyond; a step to each of these counts
# too. Where power tells whether a register may stand still (`moves`), it must do so for less than
# half an hour. With a reading in each quarter at least, any such stretch holds a quarter in which
# nothing rose.
_SURVEY = f"""
WITH {sql.EDGES}, beyond AS (
  SELECT edges.*,
    (SELECT at FROM telemetry_reading WHERE channel_id = %(channel)s AND at < lo
      ORDER BY at DESC LIMIT 1) AS before,
    (SELECT at FROM telemetry_reading WHERE channel_id = %(channel)s AND at >= hi
      ORDER BY at LIMIT 1) AS after
  FROM edges
), steps AS (
  SELECT at, value, at - lag(at) OVER w AS step, value - lag(value) OVER w AS change
  FROM telemetry_reading
  WHERE channel_id = %(channel)s
    AND at >= (SELECT coalesce(before, lo) FROM beyond)
    AND at <= (SELECT coalesce(after, hi) FROM beyond)
  WINDOW w AS (ORDER BY at)
), quarters AS (
  SELECT date_bin('15 minutes', at - interval '1 microsecond', lo) AS quarter,
    at >= lo AND at < hi AS inside, count(*) FILTER (WHERE at >= lo AND at < hi) AS n,
    min(at) AS first_at, max(at) AS last_at, min(value) AS low, max(value) AS high,
    bool_or(change > 0) AS rose,
    bool_and(value <> 0 AND coalesce(step <= %(longest)s AND change >= 0
      -- Most steps need no dearer comparison.
      AND (step >= interval '30 seconds' AND change <= %(most)s::numeric * 30
        OR change::float8 <= %(most)s * date_part('epoch', step)), true)) AS calm
  FROM steps, beyond GROUP BY 1, 2
)
SELECT bool_and(calm AND (rose OR NOT inside OR NOT %(moves)s))
    AND NOT EXISTS (SELECT FROM telemetry_veevalue v WHERE v.channel_id = %(channel)s
      AND v.superseded_at IS NULL
      AND v.at >= (SELECT coalesce(before, '-infinity') FROM beyond)
      AND v.at <= (SELECT coalesce(after, 'infinity') FROM beyond))
    AND NOT {SWAYED},
  {_ARRAYS}
FROM quarters
"""  # noqa: S608 - the parts are constants of this module


def calm_quarters(
    *, channel: Channel, lower: dt.datetime, upper: dt.datetime, rules: Sequence[str]
) -> Quarters | None:
    """
    Return the quarters of an hour of a register over a range, and the nearest readings beyond,
    which count as no samples; None where it did what a calm one never does, where readings were
    set aside or added or `rules` found something there before, or where meters came and went.
    """
    # The hours may reach an hour beyond the range, and a calm step one more.
    around = (lower - 2 * vee.HOUR, upper + 2 * vee.HOUR)
    meters = dials(channel, *around)
    if len(meters) != 1:
        return None
    (installation, dial), moves = meters[0], power_channel(channel) is not None
    valid = installation.valid
    if (valid.lower and valid.lower > around[0]) or (valid.upper and valid.upper < around[1]):
        return None
    parameters: dict[str, Any] = {
        "channel": channel.pk, "zone": channel.site.timezone, "lower": lower, "upper": upper,
        "rules": list(rules), "most": float(dial.most_an_hour / 3600), "moves": moves,
        "longest": vee.HOUR / 4 if moves else vee.HOUR,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_SURVEY, parameters)
        calm, *arrays = cursor.fetchone()
    return dict(zip(_NAMES, arrays, strict=True)) if calm else None
