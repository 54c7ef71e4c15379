"""
What was billed from figures that have changed since.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal

from django.db import connection
from django.db.models import QuerySet

from billing.models import Invoice, InvoiceLine
from sites.access import Kind, Viewer


def live_lines(*, contract_id: int, period_id: int) -> QuerySet[InvoiceLine]:
    """
    Return the issued lines of a period that stand: neither taken back nor taking one back.
    """
    return InvoiceLine.objects.filter(
        invoice__contract_id=contract_id, invoice__period_id=period_id,
        invoice__status=Invoice.Status.ISSUED, reverses__isnull=True, reversed_by__isnull=True,
    ).order_by("invoice_id", "position")  # fmt: skip


@dataclass(frozen=True, slots=True)
class ToCorrect:
    """
    An issued document whose metered energy is another now; kWh.
    """

    invoice_id: int
    number: str
    customer: str
    reference: str
    month: dt.date
    billed_kwh: Decimal
    metered_kwh: Decimal

    @property
    def change_kwh(self) -> Decimal:
        return self.metered_kwh - self.billed_kwh


def to_correct(*, viewer: Viewer, since: dt.date) -> list[ToCorrect]:
    """
    Return the documents of the viewer's sales, of periods from a day on, whose metering points
    count another energy now than was billed, oldest first. Only readings that came or changed
    after the issue are looked at.
    """
    if viewer.kind is not Kind.OPERATOR or viewer.stakeholder_id is None:
        return []
    with connection.cursor() as cursor:
        cursor.execute(_TO_CORRECT, {"operator": viewer.stakeholder_id, "since": since})
        return [ToCorrect(*row) for row in cursor.fetchall()]


# Several lines of a document share one evidence, so that it is taken once.
_TO_CORRECT = """
WITH billed AS (
  SELECT DISTINCT ON (i.contract_id, i.period_id, e.channel_id, e.instants)
    i.id, i.number, i.contract_id, i.customer_id, p.local_days, e.channel_id, e.instants,
    e.energy_kwh, i.issued_at
  FROM billing_lineevidence e
  JOIN billing_invoiceline l ON l.id = e.line_id
  JOIN billing_invoice i ON i.id = l.invoice_id
  JOIN billing_billingperiod p ON p.id = i.period_id
  WHERE i.operator_id = %(operator)s AND i.status = 'issued' AND l.reverses_id IS NULL
    AND lower(p.local_days) >= %(since)s
  ORDER BY i.contract_id, i.period_id, e.channel_id, e.instants, i.issued_at DESC, i.id DESC
)
SELECT b.id, b.number, s.name, c.reference, lower(b.local_days), b.energy_kwh, now_is.kwh
FROM billed b
JOIN billing_contract c ON c.id = b.contract_id
JOIN sites_stakeholder s ON s.id = b.customer_id
CROSS JOIN LATERAL (
  SELECT sum(r.energy_kwh) AS kwh, max(r.computed_at) AS computed_at
  FROM telemetry_rollup r
  WHERE r.channel_id = b.channel_id AND r.grain = 'hour'
    AND r.start_at >= lower(b.instants) AND r.start_at < upper(b.instants)
) now_is
WHERE now_is.computed_at > b.issued_at AND now_is.kwh <> b.energy_kwh
ORDER BY lower(b.local_days), b.number
"""


@dataclass(frozen=True, slots=True)
class Billed:
    """
    An issued document that rests on a channel over [start, end): the kWh billed and their price,
    None where energy has no price of its own.
    """

    invoice_id: int
    number: str
    customer: str
    currency: str
    start: dt.datetime
    end: dt.datetime
    billed_kwh: Decimal
    unit_price: Decimal | None


def billed_over(
    *, viewer: Viewer, channel_id: int, start: dt.datetime, end: dt.datetime
) -> list[Billed]:
    """
    Return the documents of the viewer's sales that stand and rest on a channel in some part of a
    stretch of time, oldest first.
    """
    if viewer.kind is not Kind.OPERATOR or viewer.stakeholder_id is None:
        return []
    lines = (
        InvoiceLine.objects.filter(
            invoice__operator_id=viewer.stakeholder_id, invoice__status=Invoice.Status.ISSUED,
            reverses__isnull=True, reversed_by__isnull=True, evidence__channel_id=channel_id,
            evidence__instants__overlap=(start, end),
        )
        .order_by("evidence__instants", "invoice_id", "position")
        .values_list(
            "invoice_id", "invoice__number", "invoice__customer__name", "invoice__currency",
            "evidence__instants", "evidence__energy_kwh", "unit", "unit_price",
        )
    )  # fmt: skip
    found: dict[tuple[int, dt.datetime], Billed] = {}
    for key, number, customer, currency, instants, kwh, unit, price in lines:
        place = (key, instants.lower)
        if place not in found or unit == "kWh":
            found[place] = Billed(
                key, number, customer, currency, instants.lower, instants.upper, kwh,
                price if unit == "kWh" else None,
            )  # fmt: skip
    return list(found.values())


def year_before(today: dt.date) -> dt.date:
    """
    Return the first day of the month a year ago: as far back as late readings are looked for.
    """
    return today.replace(year=today.year - 1, day=1)
