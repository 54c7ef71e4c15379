"""
What the books of an operator say of its documents and payments.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal

from django.db.models import QuerySet, Sum

from billing.domain.bookkeeping import (
    Accounts,
    Document,
    DocumentSum,
    Payment,
    RevenueKey,
    Target,
)
from billing.models import (
    Allocation,
    Bookkeeping,
    Invoice,
    InvoiceLine,
    InvoiceVat,
    RevenueAccount,
)
from billing.queries.settlement import bank_entries
from sites.access import Viewer

# Documents are read so many at a time, with their lines.
_AT_ONCE = 2000


def bookkeeping(*, viewer: Viewer) -> Bookkeeping | None:
    """
    Return the settings of the viewer's books, None where there are none yet.
    """
    return Bookkeeping.objects.visible_to(viewer).first()


def revenue_accounts(*, viewer: Viewer) -> dict[RevenueKey, Target]:
    """
    Return the accounts of each kind of revenue of the viewer's books.
    """
    return {
        RevenueKey(row.model, row.vat_category, row.vat_rate): Target(row.account, row.tax_key)
        for row in RevenueAccount.objects.visible_to(viewer)
    }


def revenue_kinds(*, viewer: Viewer) -> list[RevenueKey]:
    """
    Return the kinds of revenue that the viewer's issued documents hold.
    """
    lines = InvoiceLine.objects.filter(
        invoice__in=Invoice.objects.visible_to(viewer).filter(status=Invoice.Status.ISSUED)
    )
    kinds = lines.order_by().values_list("terms__model", "vat_category", "vat_rate").distinct()
    return sorted(RevenueKey(*kind) for kind in kinds)


def accounts(*, viewer: Viewer) -> Accounts | None:
    """
    Return the accounts of the viewer's books, None where they are not set up.
    """
    books = bookkeeping(viewer=viewer)
    if books is None:
        return None
    return Accounts(
        receivables=books.receivables,
        payables=books.payables,
        bank=books.bank,
        vat=books.vat,
        input_vat=books.input_vat,
        debtors_from=books.debtors_from,
        revenue=revenue_accounts(viewer=viewer),
    )


def _issued(viewer: Viewer, first: dt.date, last: dt.date) -> QuerySet[Invoice]:
    return Invoice.objects.visible_to(viewer).filter(
        status=Invoice.Status.ISSUED, issued_on__gte=first, issued_on__lte=last
    )


def booked_documents(*, viewer: Viewer, first: dt.date, last: dt.date) -> Iterator[Document]:
    """
    Return the documents issued from the first to the last day, as the books need them, in order.
    """
    keys = list(
        _issued(viewer, first, last).order_by("issued_on", "pk").values_list("pk", flat=True)
    )
    for start in range(0, len(keys), _AT_ONCE):
        yield from _documents(keys[start : start + _AT_ONCE])


def _documents(keys: list[int]) -> Iterator[Document]:
    sums: defaultdict[int, list[DocumentSum]] = defaultdict(list)
    lines = (
        InvoiceLine.objects.filter(invoice_id__in=keys)
        .order_by()
        .values_list("invoice_id", "terms__model", "vat_category", "vat_rate")
        .annotate(total=Sum("net"))
    )
    for invoice_id, model, category, rate, net in lines:
        sums[invoice_id].append(DocumentSum(RevenueKey(model, category, rate), net))
    taxes: defaultdict[int, dict[tuple[str, Decimal], Decimal]] = defaultdict(dict)
    for invoice_id, category, rate, tax in InvoiceVat.objects.filter(
        invoice_id__in=keys
    ).values_list("invoice_id", "category", "rate", "tax"):
        taxes[invoice_id][category, rate] = tax
    rows = Invoice.objects.filter(pk__in=keys)
    for pk, number, day, customer_id, customer, currency, kind in rows.order_by(
        "issued_on", "pk"
    ).values_list(
        "pk", "number", "issued_on", "customer_id", "customer__name", "currency", "document_type"
    ):
        if day is None:
            continue
        yield Document(
            number=number, day=day, customer_id=customer_id, customer=customer, currency=currency,
            self_billed=kind == Invoice.Type.SELF_BILLED, sums=sums[pk], vat=taxes[pk],
        )  # fmt: skip


def booked_payments(*, viewer: Viewer, first: dt.date, last: dt.date) -> Iterator[Payment]:
    """
    Return what payments booked from the first to the last day settled, in order. What is not
    allocated yet is in no books.
    """
    rows = (
        Allocation.objects.visible_to(viewer)
        .filter(entry__booked_on__gte=first, entry__booked_on__lte=last)
        .order_by("entry__booked_on", "pk")
        .values_list(
            "entry__reference", "entry__booked_on", "invoice__customer_id",
            "invoice__customer__name", "entry__currency", "invoice__number", "amount",
        )
    )  # fmt: skip
    for row in rows.iterator(chunk_size=_AT_ONCE):
        yield Payment(*row)


def unposted_payments(*, viewer: Viewer, first: dt.date, last: dt.date) -> int:
    """
    Return how many movements of those days are not allocated in full, and so not in the books.
    """
    return (
        bank_entries(viewer=viewer, unmatched=True)
        .filter(booked_on__gte=first, booked_on__lte=last)
        .count()
    )
