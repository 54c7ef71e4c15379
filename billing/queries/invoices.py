"""
Reads of documents.
"""

from __future__ import annotations

import datetime as dt

from django.db.backends.postgresql.psycopg_any import DateRange
from django.db.models import Exists, F, OuterRef, Prefetch, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Mod

from billing.models import (
    Invoice,
    InvoiceDocument,
    InvoiceLine,
    InvoiceVat,
    LineEvidence,
)
from billing.queries.inputs import next_month
from billing.queries.pricing import IS_ENERGY
from sites.access import Viewer


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
        InvoiceLine.objects.filter(IS_ENERGY, invoice=OuterRef("pk"))
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
        if first.day == 1 and invoice.period.local_days.upper == next_month(first):
            found.setdefault(first, []).append(invoice)
    return found


def bill_a_year_before(*, viewer: Viewer, invoice: Invoice) -> Invoice | None:
    """
    Return the bill of the same building for the same month a year earlier, as `bills` does;
    None where there is none or where one of the two is not for a whole month.
    """
    days = invoice.period.local_days
    if days.lower.day != 1 or days.upper != next_month(days.lower):
        return None
    first = days.lower.replace(year=days.lower.year - 1)
    same = DateRange(first, next_month(first))
    return (
        bills(viewer=viewer, building=invoice.contract.delivery_point_id)
        .filter(period__local_days=same)
        .first()
    )


def bill_of_last_year(*, invoice: Invoice) -> Invoice | None:
    """
    Return the first document of the same contract for the same days a year before, issued, for
    the document that compares the two.
    """
    days = invoice.period.local_days
    try:
        same = DateRange(
            days.lower.replace(year=days.lower.year - 1),
            days.upper.replace(year=days.upper.year - 1),
        )
    except ValueError:
        return None
    return Invoice.objects.filter(
        contract_id=invoice.contract_id, corrects__isnull=True, period__local_days=same,
        status=Invoice.Status.ISSUED,
    ).select_related("period").first()  # fmt: skip


def invoice_years(*, viewer: Viewer) -> list[int]:
    """
    Return the years in which the viewer's invoices were issued, newest first.
    """
    issued = Invoice.objects.visible_to(viewer).filter(issued_on__isnull=False)
    return [day.year for day in issued.dates("issued_on", "year", order="DESC")]


def documents(*, viewer: Viewer) -> QuerySet[InvoiceDocument]:
    """
    Return the PDFs of the issued invoices the viewer may see.
    """
    return InvoiceDocument.objects.visible_to(viewer)


def issued_invoice(*, number: str) -> Invoice | None:
    """
    Return an issued invoice by its number, for commands.
    """
    return Invoice.objects.filter(number=number, status=Invoice.Status.ISSUED).first()


def invoices_without_document(
    *, limit: int, after: int = 0, part: tuple[int, int] = (0, 1)
) -> list[int]:
    """
    Return issued invoices whose PDF is still to be made, for the task that makes them: those
    with a key beyond `after`, of `part` (which, of how many).
    """
    which, parts = part
    issued = Invoice.objects.filter(status=Invoice.Status.ISSUED, document__isnull=True)
    mine = issued.annotate(part=Mod("pk", parts)).filter(pk__gt=after, part=which)
    return list(mine.order_by("pk").values_list("pk", flat=True)[:limit])


def document_details(*, pk: int) -> Invoice:
    """
    Return an invoice with all that its document prints, for the task that makes it.
    """
    return (
        Invoice.objects.select_related(
            "contract__site", "contract__delivery_point", "period", "corrects"
        )
        .prefetch_related("lines__evidence", "lines__terms", "vat_lines")
        .get(pk=pk)
    )
