"""
Which held bills may go on.
"""

from __future__ import annotations

import datetime as dt

from django.db import connection

TRIED_AGAIN = "held bills tried again"
# Tried again so long after, whatever changed: not everything a bill needs says when it came.
_IN_ANY_CASE = dt.timedelta(hours=6)


def held_to_try(*, at: dt.datetime) -> dict[int, list[int]]:
    """
    Return the contracts whose held month something has come in for since it was tried, by the run
    that held it last: rollups of the site, the heat ledger of the delivery point, or whatever a
    person of the operator did, such as a figure entered, an edit approved or a bill issued.
    """
    with connection.cursor() as cursor:
        cursor.execute(_HELD, {"before": at - _IN_ANY_CASE, "tried_again": TRIED_AGAIN})
        found: dict[int, list[int]] = {}
        for run_id, contract_id in cursor.fetchall():
            found.setdefault(run_id, []).append(contract_id)
    return found


_HELD = """
WITH last_tried AS (
  SELECT DISTINCT ON (p.id) p.id, p.contract_id, p.tried_at, p.local_days, p.instants,
    c.operator_id, c.site_id, c.delivery_point_id, r.id AS run_id, r.status, i.state
  FROM billing_billingperiod p
  JOIN billing_contract c ON c.id = p.contract_id
  JOIN billing_billingrun r ON r.operator_id = c.operator_id AND r.kind = 'bill'
    AND r.month = date_trunc('month', lower(p.local_days))::date
  JOIN billing_runitem i ON i.run_id = r.id AND i.contract_id = c.id
  WHERE p.status = 'parked'
  ORDER BY p.id, r.id DESC
)
SELECT t.run_id, t.contract_id FROM last_tried t
WHERE t.state = 'held' AND t.status = 'finished' AND (
  t.tried_at IS NULL OR t.tried_at < %(before)s
  OR EXISTS (SELECT FROM sites_auditentry a
    WHERE a.operator_id = t.operator_id AND a.at > t.tried_at AND a.action <> %(tried_again)s)
  OR EXISTS (SELECT FROM telemetry_channel k
    JOIN telemetry_rollup u ON u.channel_id = k.id AND u.grain = 'month'
      AND u.start_at > lower(t.instants) - interval '31 days' AND u.start_at < upper(t.instants)
    WHERE k.site_id = t.site_id AND u.computed_at > t.tried_at)
  OR EXISTS (SELECT FROM telemetry_heatday h
    WHERE h.delivery_point_id = t.delivery_point_id AND h.day <@ t.local_days
      AND h.computed_at > t.tried_at)
)
ORDER BY t.run_id, t.contract_id
"""
