"""
Reads of billing runs and of what is due.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal

from django.db import connection
from django.db.backends.postgresql.psycopg_any import DateRange
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Sum

from billing.models import (
    BillingPeriod,
    BillingRun,
    Contract,
    Invoice,
    RunItem,
    Terms,
)
from billing.queries.inputs import next_month
from sites.access import Kind, Viewer


def runs(*, viewer: Viewer) -> QuerySet[BillingRun]:
    """
    Return the billing runs the viewer may see with the count of their items by state
    (`total`, `done`, `issued`, `drafted`, `held`, `skipped`), newest first.
    """

    def count(*states: str) -> Count:
        return Count("items", filter=Q(items__state__in=states))

    state = RunItem.State
    return (
        BillingRun.objects.visible_to(viewer)
        .select_related("started_by")
        .annotate(
            total=Count("items"),
            done=Count("items", filter=~Q(items__state=state.WAITING)),
            issued=count(state.ISSUED),
            drafted=count(state.DRAFTED),
            held=count(state.HELD),
            skipped=count(state.SKIPPED),
        )
        .order_by("-month", "-pk")
    )


def run_items(*, run: BillingRun, limit: int) -> list[RunItem]:
    """
    Return the items of a run that are done, newest first. The run comes from `runs`, which scopes.
    """
    done = run.items.exclude(state=RunItem.State.WAITING)
    return list(
        done.select_related("contract__customer", "contract__site", "invoice", "document").order_by(
            "-done_at", "-pk"
        )[:limit]
    )


def run_totals(*, run: BillingRun) -> list[tuple[str, int, Decimal]]:
    """
    Return currency, count and gross sum of the invoices of a run; currencies are never added.
    """
    made = Invoice.objects.filter(items__run=run).order_by("currency")
    return list(made.values_list("currency").annotate(count=Count("pk"), gross=Sum("gross")))


def months_due(*, viewer: Viewer, before: dt.date, back: int = 12) -> list[tuple[dt.date, int]]:
    """
    Return the closed months in which contracts of the viewer's run without an invoice, with
    their number, newest first, looking so many months back.
    """
    if viewer.kind is not Kind.OPERATOR or viewer.stakeholder_id is None:
        return []
    months = _closed_months(before, back)
    with connection.cursor() as cursor:
        cursor.execute(
            _MONTHS_DUE,
            {"operator": viewer.stakeholder_id, "months": months, "oldest": months[-1],
             "before": before.replace(day=1)},
        )  # fmt: skip
        return [(month, count) for month, count in cursor.fetchall()]


_MONTHS_DUE = """
SELECT m.month::date, count(*)
FROM unnest(%(months)s::date[]) AS m(month)
JOIN billing_contract c ON c.operator_id = %(operator)s AND c.status <> 'draft'
 AND c.valid && daterange(m.month::date, (m.month + interval '1 month')::date)
LEFT JOIN (
  -- A period lies within one month, so that a hash join finds it.
  SELECT DISTINCT i.contract_id, date_trunc('month', lower(p.local_days))::date AS month
  FROM billing_invoice i JOIN billing_billingperiod p ON p.id = i.period_id
  WHERE i.operator_id = %(operator)s AND i.status <> 'void'
    AND p.local_days && daterange(%(oldest)s, %(before)s)
) billed ON billed.contract_id = c.id AND billed.month = m.month
WHERE billed.contract_id IS NULL
GROUP BY m.month ORDER BY m.month DESC
"""


def contracts_to_bill(*, operator_id: int, month: dt.date) -> QuerySet[Contract, tuple[int, bool]]:
    """
    Return the contracts of an operator that run in the month and have no invoice for it, each with
    whether it shares what the month's other documents come to and so has to wait for them.
    """
    days = DateRange(month, next_month(month))
    invoiced = Invoice.objects.filter(
        contract=OuterRef("pk"), period__local_days__overlap=days
    ).exclude(status=Invoice.Status.VOID)
    sharing = Terms.objects.filter(
        contract=OuterRef("pk"), valid__overlap=days, details__has_key="heat_share"
    )
    return (
        Contract.objects.filter(operator_id=operator_id, valid__overlap=days)
        .exclude(status=Contract.Status.DRAFT)
        .exclude(Exists(invoiced))
        .annotate(shares=Exists(sharing))
        .order_by("pk")
        .values_list("pk", "shares")
    )


def drafts_of(*, operator_id: int, month: dt.date) -> QuerySet[Invoice]:
    """
    Return the drafts of an operator for a month, for the operation that issues them.
    """
    return Invoice.objects.filter(
        operator_id=operator_id, status=Invoice.Status.DRAFT,
        period__local_days__overlap=DateRange(month, next_month(month)),
    )  # fmt: skip


def drafts(*, viewer: Viewer, month: dt.date) -> QuerySet[Invoice]:
    """
    Return the drafts of a month the viewer may see.
    """
    return (
        Invoice.objects.visible_to(viewer)
        .filter(status=Invoice.Status.DRAFT)
        .filter(period__local_days__overlap=DateRange(month, next_month(month)))
        .select_related("customer", "contract__site", "period")
        .order_by("contract__reference", "pk")
    )


def months_with_drafts(*, viewer: Viewer) -> list[dt.date]:
    """
    Return the months that have drafts, newest first.
    """
    found = Invoice.objects.visible_to(viewer).filter(status=Invoice.Status.DRAFT)
    days = found.values_list("period__local_days", flat=True).distinct()
    return sorted({span.lower.replace(day=1) for span in days}, reverse=True)


def to_preview(*, viewer: Viewer, month: dt.date | None) -> QuerySet[Contract]:
    """
    Return the viewer's contracts that run in a month and have no invoice for it, with what a
    preview of their bills needs; none where no month is over yet.
    """
    if month is None or viewer.kind is not Kind.OPERATOR or viewer.stakeholder_id is None:
        return Contract.objects.none()
    due = contracts_to_bill(operator_id=viewer.stakeholder_id, month=month)
    return (
        Contract.objects.visible_to(viewer)
        .filter(pk__in=due.values("pk"))
        .select_related("site", "operator", "customer")
        .order_by("reference", "pk")
    )


@dataclass(frozen=True, slots=True)
class MissingBill:
    """
    A contract without an issued invoice for a month that is over. `state`: "draft" waits for
    somebody, "held" for `reason`, "none" was never tried.
    """

    contract_id: int
    reference: str
    customer: str
    site: str
    month: dt.date
    state: str
    reason: str
    draft_id: int | None
    billed_before: bool


def missing_bills(
    *, viewer: Viewer, before: dt.date, month: dt.date | None = None, back: int = 12
) -> list[MissingBill]:
    """
    Return the bills of the viewer's that are missing of the closed months, the newest first and
    oldest contracts first, looking so many months back.
    """
    if viewer.kind is not Kind.OPERATOR or viewer.stakeholder_id is None:
        return []
    months = [month] if month else _closed_months(before, back)
    with connection.cursor() as cursor:
        cursor.execute(_MISSING, {"operator": viewer.stakeholder_id, "months": months})
        return [MissingBill(*row) for row in cursor.fetchall()]


def _closed_months(before: dt.date, back: int) -> list[dt.date]:
    months = []
    month = before.replace(day=1)
    for _ in range(back):
        month = (month - dt.timedelta(days=1)).replace(day=1)
        months.append(month)
    return months


_MISSING = """
WITH billed AS (
  -- A period lies within one month.
  SELECT i.contract_id, date_trunc('month', lower(p.local_days))::date AS month, i.status, i.id
  FROM billing_invoice i JOIN billing_billingperiod p ON p.id = i.period_id
  WHERE i.operator_id = %(operator)s AND i.status <> 'void' AND i.corrects_id IS NULL
)
SELECT c.id, c.reference, s.name, t.name, m.month,
  CASE WHEN d.id IS NOT NULL THEN 'draft' WHEN p.status = 'parked' THEN 'held' ELSE 'none' END,
  coalesce(p.parked_reason, ''), d.id,
  EXISTS (SELECT FROM billed l WHERE l.contract_id = c.id AND l.status = 'issued'
    AND l.month = (m.month - interval '1 month')::date)
FROM unnest(%(months)s::date[]) AS m(month)
JOIN billing_contract c ON c.operator_id = %(operator)s AND c.status <> 'draft'
  AND c.valid && daterange(m.month, (m.month + interval '1 month')::date)
JOIN sites_stakeholder s ON s.id = c.customer_id
JOIN sites_site t ON t.id = c.site_id
LEFT JOIN billed i ON i.contract_id = c.id AND i.month = m.month AND i.status = 'issued'
LEFT JOIN billed d ON d.contract_id = c.id AND d.month = m.month AND d.status = 'draft'
LEFT JOIN billing_billingperiod p ON p.contract_id = c.id AND p.status = 'parked'
  AND p.local_days && daterange(m.month, (m.month + interval '1 month')::date)
WHERE i.id IS NULL
ORDER BY m.month DESC, c.reference
"""


def parked_reason(*, contract_id: int, month: dt.date) -> str:
    """
    Return why the period of a contract is held.
    """
    return BillingPeriod.objects.get(
        contract_id=contract_id, local_days__overlap=DateRange(month, next_month(month))
    ).parked_reason


def stalled_runs(*, before: dt.datetime) -> list[int]:
    """
    Return the running runs whose worker gave no sign since then.
    """
    running = BillingRun.objects.filter(status=BillingRun.Status.RUNNING)
    return list(running.filter(heartbeat_at__lt=before).values_list("pk", flat=True))
