"""
Reads of billing runs and of what is due.
"""

from __future__ import annotations

import datetime as dt
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
        done.select_related("contract__customer", "contract__site", "invoice").order_by(
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
    months = []
    month = before.replace(day=1)
    for _ in range(back):
        month = (month - dt.timedelta(days=1)).replace(day=1)
        months.append(month)
    with connection.cursor() as cursor:
        cursor.execute(
            _MONTHS_DUE,
            {"operator": viewer.stakeholder_id, "months": months, "oldest": month,
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
