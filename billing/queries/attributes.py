"""
Energy attributes as bills use them up.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from decimal import Decimal

from django.db import connection

from billing.models import InvoiceLine


def month_of(line: InvoiceLine) -> dt.date:
    """
    Return the first day of the local month a line serves.
    """
    zone = zoneinfo.ZoneInfo(line.invoice.period.timezone)
    local: dt.date = line.service.lower.astimezone(zone).date()
    return local.replace(day=1)


def unbilled_attributes(
    *, service_id: int, month: dt.date, but_of: int | None = None
) -> list[tuple[int, Decimal]]:
    """
    Return by lot what is allocated to a service for a month and on no standing bill yet, kWh, in
    the order it was allocated. Bills of the contract `but_of` are taken as not made.
    """
    with connection.cursor() as cursor:
        cursor.execute(_UNBILLED, {"service": service_id, "month": month, "but_of": but_of})
        return [(lot_id, kwh) for lot_id, kwh in cursor.fetchall()]


_UNBILLED = """
WITH held AS (
  SELECT lot_id, sum(kwh) AS kwh, min(id) AS first FROM telemetry_attributeallocation
  WHERE service_id = %(service)s AND month = %(month)s AND ended_at IS NULL GROUP BY lot_id
), billed AS (
  SELECT u.lot_id, sum(u.kwh) AS kwh
  FROM billing_attributeuse u
  JOIN billing_invoiceline l ON l.id = u.line_id
  JOIN billing_invoice i ON i.id = l.invoice_id
  WHERE u.service_id = %(service)s AND u.month = %(month)s AND i.status <> 'void'
    AND i.contract_id IS DISTINCT FROM %(but_of)s
    AND NOT EXISTS (SELECT 1 FROM billing_invoiceline r WHERE r.reverses_id = l.id)
  GROUP BY u.lot_id
)
SELECT held.lot_id, held.kwh - coalesce(billed.kwh, 0)
FROM held LEFT JOIN billed USING (lot_id)
WHERE held.kwh > coalesce(billed.kwh, 0)
ORDER BY held.first
"""
