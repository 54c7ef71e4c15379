"""
What was billed from figures that have changed since.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from billing.models import CorrectionLimit, Invoice, InvoiceLine
from billing.queries.repricing import (
    LOOK_BACK_MONTHS,
    PriceChange,
    ValueChange,
    months_between,
    repriced,
)
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
    An issued document that would be another now: its metered energy in kWh has changed, or the
    index values of its price have. `more`: more would be charged. `too_late`: more than the
    contract allows for a period so long ago.
    """

    invoice_id: int
    number: str
    customer: str
    reference: str
    currency: str
    month: dt.date
    more: bool
    too_late: bool
    billed_kwh: Decimal | None = None
    metered_kwh: Decimal | None = None
    values: tuple[ValueChange, ...] = ()
    prices: tuple[PriceChange, ...] = ()

    @property
    def change_kwh(self) -> Decimal | None:
        if self.billed_kwh is None or self.metered_kwh is None:
            return None
        return self.metered_kwh - self.billed_kwh

    @property
    def change_by_price(self) -> Decimal | None:
        """
        Net, for the quantities that were billed.
        """
        return sum((price.net for price in self.prices), Decimal(0)) if self.prices else None


def to_correct(*, viewer: Viewer, today: dt.date) -> list[ToCorrect]:
    """
    Return the documents of the viewer's sales that would be others now, oldest first, as far back
    as contract and country have it. Only readings that came or changed after the issue are looked
    at, and prices whose index values were revised.
    """
    if viewer.kind is not Kind.OPERATOR or viewer.stakeholder_id is None:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            _TO_CORRECT,
            {"operator": viewer.stakeholder_id, "today": today, "usual": LOOK_BACK_MONTHS},
        )
        found = {(row[3], row[5]): _of_energy(row, today) for row in cursor.fetchall()}
    for one in _repriced(viewer.stakeholder_id, today):
        key = one.reference, one.month
        if key in found:
            one = replace(one, billed_kwh=found[key].billed_kwh, metered_kwh=found[key].metered_kwh)
        found[key] = one
    return sorted(found.values(), key=lambda one: (one.month, one.number))


def _of_energy(row: Sequence[Any], today: dt.date) -> ToCorrect:
    pk, number, customer, reference, currency, month, end, months, billed, metered = row
    more = metered > billed
    return ToCorrect(
        pk, number, customer, reference, currency, month, more=more,
        too_late=more and months_between(end, today) > months, billed_kwh=billed,
        metered_kwh=metered,
    )  # fmt: skip


def _repriced(operator_id: int, today: dt.date) -> Iterator[ToCorrect]:
    limits = dict(
        CorrectionLimit.objects.filter(operator_id=operator_id).values_list("country", "months")
    )
    for one in repriced(operator_id=operator_id, today=today, limits=limits):
        contract, days = one.invoice.contract, one.invoice.period.local_days
        more = sum(price.net for price in one.prices) > 0
        yield ToCorrect(
            one.invoice.pk, one.invoice.number, one.invoice.customer.name, contract.reference,
            one.invoice.currency, days.lower, more=more,
            too_late=more and months_between(days.upper, today) > contract.correction_months,
            values=tuple(one.values), prices=tuple(one.prices),
        )  # fmt: skip


# Several lines of a document share one evidence, so that it is taken once.
_TO_CORRECT = """
WITH billed AS (
  SELECT DISTINCT ON (i.contract_id, i.period_id, e.channel_id, e.instants)
    i.id, i.number, i.contract_id, i.customer_id, i.currency, p.local_days, e.channel_id,
    e.instants, e.energy_kwh, i.issued_at, c.reference, c.correction_months
  FROM billing_lineevidence e
  JOIN billing_invoiceline l ON l.id = e.line_id
  JOIN billing_invoice i ON i.id = l.invoice_id
  JOIN billing_billingperiod p ON p.id = i.period_id
  JOIN billing_contract c ON c.id = i.contract_id
  JOIN sites_site t ON t.id = c.site_id
  LEFT JOIN billing_correctionlimit m ON m.operator_id = c.operator_id AND m.country = t.country
  WHERE i.operator_id = %(operator)s AND i.status = 'issued' AND l.reverses_id IS NULL
    AND upper(p.local_days) >= date_trunc('month', %(today)s::date) - make_interval(months =>
      greatest(c.correction_months, coalesce(c.look_back_months, m.months, %(usual)s)))
  ORDER BY i.contract_id, i.period_id, e.channel_id, e.instants, i.issued_at DESC, i.id DESC
)
SELECT b.id, b.number, s.name, b.reference, b.currency, lower(b.local_days),
  upper(b.local_days), b.correction_months, b.energy_kwh, now_is.kwh
FROM billed b
JOIN sites_stakeholder s ON s.id = b.customer_id
CROSS JOIN LATERAL (
  SELECT sum(r.energy_kwh) AS kwh, max(r.computed_at) AS computed_at
  FROM telemetry_rollup r
  WHERE r.channel_id = b.channel_id AND r.grain = 'hour'
    AND r.start_at >= lower(b.instants) AND r.start_at < upper(b.instants)
) now_is
WHERE now_is.computed_at > b.issued_at AND now_is.kwh <> b.energy_kwh
  -- The one row of the month tells whether its hours are worth adding up.
  AND EXISTS (
    SELECT FROM telemetry_rollup m
    WHERE m.channel_id = b.channel_id AND m.grain = 'month' AND m.computed_at > b.issued_at
      AND m.start_at > lower(b.instants) - interval '32 days' AND m.start_at < upper(b.instants)
  )
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


def correction_limits(*, viewer: Viewer) -> dict[str, CorrectionLimit]:
    """
    Return how far back corrections are looked for, by country, where the viewer's operator has
    said so.
    """
    return {limit.country: limit for limit in CorrectionLimit.objects.visible_to(viewer)}
