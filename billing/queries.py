"""
Reads of contracts, runs and invoices.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator
from decimal import Decimal

from django.db import connection
from django.db.backends.postgresql.psycopg_any import DateRange
from django.db.models import Count, Exists, F, OuterRef, Prefetch, Q, QuerySet, Subquery, Sum

from billing.domain import rating
from billing.models import (
    BillingPeriod,
    BillingRun,
    Contract,
    Invoice,
    InvoiceDocument,
    InvoiceLine,
    InvoiceVat,
    LineEvidence,
    RunItem,
    Terms,
)
from sites.access import Kind, Viewer
from sites.domain import Period
from telemetry import queries as metering


class Incomplete(Exception):
    """
    Something that the bill needs is not there; the message says what.
    """


def invoices(
    *, viewer: Viewer, search: str = "", status: str = "", year: int | None = None, site: str = ""
) -> QuerySet[Invoice]:
    """
    Return the invoices the viewer may see, drafts first, then newest first.

    :param search: part of the number, the customer's name or the contract's reference
    :param year: of the day of issue
    :param site: a site's slug
    """
    rows = (
        Invoice.objects.visible_to(viewer)
        .select_related("contract__site", "customer", "period")
        .order_by(F("issued_on").desc(nulls_first=True), "-pk")
    )
    if search:
        rows = rows.filter(
            Q(number__icontains=search)
            | Q(customer__name__icontains=search)
            | Q(contract__reference__icontains=search)
        )
    if status:
        rows = rows.filter(status=status)
    if year is not None:
        rows = rows.filter(issued_on__year=year)
    if site:
        rows = rows.filter(contract__site__slug=site)
    return rows


def invoice_details(*, viewer: Viewer) -> QuerySet[Invoice]:
    """
    Return the invoices the viewer may see with lines, evidence, VAT and `has_document`, in the
    same few queries however many lines there are.
    """
    lines = InvoiceLine.objects.order_by("position").select_related("terms")
    evidence = LineEvidence.objects.order_by("instants")
    return (
        Invoice.objects.visible_to(viewer)
        .exclude(status=Invoice.Status.VOID)
        .select_related(
            "contract__site", "contract__delivery_point", "contract__hosting_service",
            "customer", "operator", "period",
        )
        .prefetch_related(
            Prefetch("lines", lines),
            Prefetch("lines__evidence", evidence),
            Prefetch("vat_lines", InvoiceVat.objects.order_by("category", "rate")),
        )
        .annotate(has_document=Exists(InvoiceDocument.objects.filter(invoice=OuterRef("pk"))))
    )  # fmt: skip


def bills(
    *, viewer: Viewer, search: str = "", year: int | None = None, building: int | None = None
) -> QuerySet[Invoice]:
    """
    Return the issued invoices the viewer may see for heat, newest first, with `charged_kwh`:
    the energy that the lines charge, None where they charge none.

    :param building: the key of a delivery point
    """
    charged = (
        InvoiceLine.objects.filter(invoice=OuterRef("pk"), charge=rating.ENERGY)
        .values("invoice")
        .annotate(kwh=Sum("quantity"))
        .values("kwh")
    )
    rows = (
        invoices(viewer=viewer, search=search, status=Invoice.Status.ISSUED, year=year)
        .filter(contract__delivery_point__isnull=False)
        .select_related("contract__site", "contract__delivery_point", "customer", "period")
        .annotate(charged_kwh=Subquery(charged))
    )
    return rows if building is None else rows.filter(contract__delivery_point=building)


def billed_months(
    *, viewer: Viewer, building: int, first_month: dt.date
) -> dict[dt.date, list[Invoice]]:
    """
    Return the bills of a building for whole months from `first_month` on, by month, as `bills`
    does. A month has several where the building has several contracts.
    """
    found: dict[dt.date, list[Invoice]] = {}
    since = bills(viewer=viewer, building=building).filter(
        period__local_days__startswith__gte=first_month
    )
    for invoice in since:
        first = invoice.period.local_days.lower
        if first.day == 1 and invoice.period.local_days.upper == _next_month(first):
            found.setdefault(first, []).append(invoice)
    return found


def bill_a_year_before(*, viewer: Viewer, invoice: Invoice) -> Invoice | None:
    """
    Return the bill of the same building for the same month a year earlier, as `bills` does;
    None where there is none or where one of the two is not for a whole month.
    """
    days = invoice.period.local_days
    if days.lower.day != 1 or days.upper != _next_month(days.lower):
        return None
    first = days.lower.replace(year=days.lower.year - 1)
    same = DateRange(first, _next_month(first))
    return (
        bills(viewer=viewer, building=invoice.contract.delivery_point_id)
        .filter(period__local_days=same)
        .first()
    )


def invoice_years(*, viewer: Viewer) -> list[int]:
    """
    Return the years in which the viewer's invoices were issued, newest first.
    """
    issued = Invoice.objects.visible_to(viewer).filter(issued_on__isnull=False)
    return [day.year for day in issued.dates("issued_on", "year", order="DESC")]


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
JOIN billing_contract c ON c.operator_id = %(operator)s
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


def documents(*, viewer: Viewer) -> QuerySet[InvoiceDocument]:
    """
    Return the PDFs of the issued invoices the viewer may see.
    """
    return InvoiceDocument.objects.visible_to(viewer)


def _next_month(month: dt.date) -> dt.date:
    return (month.replace(day=1) + dt.timedelta(days=32)).replace(day=1)


def billable_days(*, contract: Contract, month: dt.date) -> tuple[dt.date, dt.date] | None:
    """
    Return the local days of the month, the last one excluded, on which the contract runs.
    """
    first = max(month, contract.valid.lower)
    end = _next_month(month)
    if contract.valid.upper is not None:
        end = min(end, contract.valid.upper)
    return (first, end) if first < end else None


def contracts_to_bill(*, operator_id: int, month: dt.date) -> list[int]:
    """
    Return the contracts of an operator that run in the month and have no invoice for it.
    """
    days = DateRange(month, _next_month(month))
    invoiced = Invoice.objects.filter(
        contract=OuterRef("pk"), period__local_days__overlap=days
    ).exclude(status=Invoice.Status.VOID)
    return list(
        Contract.objects.filter(operator_id=operator_id, valid__overlap=days)
        .exclude(Exists(invoiced))
        .order_by("pk")
        .values_list("pk", flat=True)
    )


def parked_reason(*, contract_id: int, month: dt.date) -> str:
    """
    Return why the period of a contract is held.
    """
    return BillingPeriod.objects.get(
        contract_id=contract_id, local_days__overlap=DateRange(month, _next_month(month))
    ).parked_reason


def stalled_runs(*, before: dt.datetime) -> list[int]:
    """
    Return the running runs whose worker gave no sign since then.
    """
    running = BillingRun.objects.filter(status=BillingRun.Status.RUNNING)
    return list(running.filter(heartbeat_at__lt=before).values_list("pk", flat=True))


def terms_of(*, contract_id: int, first: dt.date, end: dt.date) -> QuerySet[Terms]:
    """
    Return the terms that hold on some of the days, in order.
    """
    return (
        Terms.objects.filter(contract_id=contract_id, valid__overlap=DateRange(first, end))
        .select_related("metering_point")
        .order_by("valid")
    )


def metered(*, terms: Terms, period: Period) -> metering.MeteredEnergy | None:
    """
    Return what the named metering point counted; None where the terms charge no energy.

    :raises Incomplete: naming the first hour without readings
    """
    if terms.metering_point_id is None:
        return None
    try:
        return metering.metered_energy(point_id=terms.metering_point_id, period=period)
    except metering.ReadingMissing as missing:
        raise Incomplete(
            f"{terms.metering_point} has no readings for the hour from"
            f" {missing.args[0]:%d %B %Y %H:%M} UTC."
        ) from None


def canonical_document(*, invoice: Invoice) -> bytes:
    """
    Return the bytes that the hash of an issued invoice is taken over: its number, dates, totals
    and lines with the digests of their readings, behind the hash of the document before it.
    """
    previous = bytes(invoice.previous_hash).hex() if invoice.previous_hash else ""
    head = [
        previous, invoice.number, str(invoice.issued_on), str(invoice.due_on), invoice.currency,
        f"{invoice.net:.2f}", f"{invoice.vat:.2f}", f"{invoice.gross:.2f}",
    ]  # fmt: skip
    rows = ["|".join(head)]
    for line in invoice.lines.order_by("position").prefetch_related("evidence"):
        digests = ",".join(bytes(e.readings_sha256).hex() for e in line.evidence.all())
        rows.append(
            f"{line.position}|{line.charge}|{line.quantity:.3f}|{line.unit}|{line.unit_price:.6f}"
            f"|{line.net:.2f}|{line.vat_rate:.2f}|{digests}"
        )
    return "\n".join(rows).encode()


def differences(*, invoice: Invoice) -> Iterator[str]:
    """
    Recompute an issued invoice from the readings and yield, in words, what is not as stored.
    """
    for line in invoice.lines.order_by("position").prefetch_related("evidence"):
        for kept in line.evidence.all():
            period = Period(kept.instants.lower, kept.instants.upper)
            try:
                found = metering.metered_energy(point_id=_point_of(kept.channel_id), period=period)
            except metering.ReadingMissing as missing:
                yield f"line {line.position}: no readings from {missing.args[0].isoformat()}"
                continue
            stored = {
                "opening register": (kept.opening, found.opening),
                "closing register": (kept.closing, found.closing),
                "energy in kWh": (kept.energy_kwh, found.energy_kwh),
                "count of readings": (kept.reading_count, found.reading_count),
                "digest of readings": (
                    bytes(kept.readings_sha256).hex(),
                    found.readings_sha256.hex(),
                ),
            }
            for name, (was, now) in stored.items():
                if was != now:
                    yield f"line {line.position}: {name} is {now}, on the invoice {was}"
    digest = hashlib.sha256(canonical_document(invoice=invoice)).digest()
    if digest != bytes(invoice.document_hash or b""):
        yield "the document differs from its hash"


def _point_of(channel_id: int) -> int:
    return metering.point_of_channel(channel_id=channel_id)


def issued_invoice(*, number: str) -> Invoice | None:
    """
    Return an issued invoice by its number, for commands.
    """
    return Invoice.objects.filter(number=number, status=Invoice.Status.ISSUED).first()


def invoices_without_document(*, limit: int) -> list[int]:
    """
    Return issued invoices whose PDF is still to be made, for the task that makes them.
    """
    issued = Invoice.objects.filter(status=Invoice.Status.ISSUED, document__isnull=True)
    return list(issued.order_by("pk").values_list("pk", flat=True)[:limit])
