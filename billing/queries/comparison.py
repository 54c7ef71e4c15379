"""
A month's bills beside those of the month before and of a year before.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from decimal import Decimal

from django.db import connection

from billing.domain.plausibility import Compared, Figures


def compared_with_past(
    *, month: dt.date, now: Mapping[int, tuple[Figures, Decimal | None]]
) -> dict[int, Compared]:
    """
    Return the figures of contracts for a month, with the kWh they could take at most, beside what
    was issued for the month before and for the same month a year before, corrections included.
    """
    before = (month - dt.timedelta(days=1)).replace(day=1)
    year_before = month.replace(year=month.year - 1)
    past = _issued(now, [before, year_before])
    return {
        contract_id: Compared(
            figures, past.get((contract_id, before)), past.get((contract_id, year_before)), most
        )
        for contract_id, (figures, most) in now.items()
    }


def _issued(
    contract_ids: Iterable[int], months: list[dt.date]
) -> dict[tuple[int, dt.date], Figures]:
    with connection.cursor() as cursor:
        cursor.execute(_ISSUED, {"contracts": list(contract_ids), "months": months})
        return {
            (contract_id, month): Figures(net, kwh, days)
            for contract_id, month, net, kwh, days in cursor.fetchall()
        }


_ISSUED = """
SELECT p.contract_id, m.month, sum(l.net),
  coalesce(sum(l.quantity) FILTER (WHERE l.charge = 'energy' OR l.charge LIKE 'energy\\_%%'), 0),
  max(upper(p.local_days)) - min(lower(p.local_days))
FROM unnest(%(months)s::date[]) AS m(month)
JOIN billing_billingperiod p ON p.contract_id = ANY(%(contracts)s)
  AND p.local_days && daterange(m.month, (m.month + interval '1 month')::date)
JOIN billing_invoice i ON i.period_id = p.id AND i.status = 'issued'
JOIN billing_invoiceline l ON l.invoice_id = i.id
GROUP BY 1, 2
"""


def drafted(*, invoice_ids: Iterable[int]) -> dict[int, tuple[int, Figures, Decimal | None]]:
    """
    Return by draft its contract, figures, and the kWh that its contracted power could give over
    all hours of the period, where it is about heat.
    """
    with connection.cursor() as cursor:
        cursor.execute(_DRAFTED, {"invoices": list(invoice_ids)})
        return {
            pk: (contract_id, Figures(net, kwh, days), most)
            for pk, contract_id, net, kwh, days, most in cursor.fetchall()
        }


_DRAFTED = """
SELECT i.id, i.contract_id, i.net,
  coalesce(sum(l.quantity) FILTER (WHERE l.charge = 'energy' OR l.charge LIKE 'energy\\_%%'), 0),
  upper(p.local_days) - lower(p.local_days),
  CASE WHEN c.delivery_point_id IS NOT NULL THEN
    max(t.contracted_kw) * extract(epoch FROM upper(p.instants) - lower(p.instants)) / 3600 END
FROM billing_invoice i
JOIN billing_contract c ON c.id = i.contract_id
JOIN billing_billingperiod p ON p.id = i.period_id
JOIN billing_invoiceline l ON l.invoice_id = i.id
JOIN billing_terms t ON t.id = l.terms_id
WHERE i.id = ANY(%(invoices)s)
GROUP BY i.id, c.id, p.id
"""
