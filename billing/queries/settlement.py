"""
What is open, overdue, paid and in dispute.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypedDict

from django.db.models import (
    Case,
    DecimalField,
    F,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    Value,
    When,
)
from django.db.models.functions import Coalesce, Greatest

from billing.domain.matching import Owed
from billing.models import (
    Allocation,
    BankEntry,
    Contract,
    Dispute,
    DisputeNote,
    Invoice,
    InvoiceLine,
    Mandate,
)
from sites.access import Viewer

if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations

_MONEY = DecimalField(max_digits=14, decimal_places=2)
_ZERO = Value(Decimal(0), output_field=_MONEY)


def _sum(rows: QuerySet[Allocation] | QuerySet[Dispute], key: str) -> Coalesce:
    total = rows.order_by().values(key).annotate(total=Sum("amount")).values("total")
    return Coalesce(Subquery(total, output_field=_MONEY), _ZERO)


class Balance(TypedDict):
    """
    What `with_balance` adds to a document.
    """

    settled: Decimal
    held: Decimal
    open_amount: Decimal
    due_amount: Decimal


if TYPE_CHECKING:
    Balanced = WithAnnotations[Invoice, Balance]
else:
    Balanced = Invoice


def with_balance(rows: QuerySet[Invoice]) -> QuerySet[Balanced]:
    """
    Add to documents: `settled`, `open_amount` (negative: a credit not used yet), `held` for what
    is in dispute, and `due_amount`, what is open and undisputed. Amounts in their currency.
    """
    used = Allocation.objects.filter(credit_note=OuterRef("pk"))
    paid = Allocation.objects.filter(invoice=OuterRef("pk"))
    disputed = Dispute.objects.filter(
        line__invoice=OuterRef("pk"), state__in=[state.value for state in Dispute.LIVE]
    )
    settled = Case(
        When(document_type=Invoice.Type.CREDIT_NOTE, then=_sum(used, "credit_note") * -1),
        default=_sum(paid, "invoice"),
        output_field=_MONEY,
    )
    return rows.annotate(
        settled=settled,
        held=_sum(disputed, "line__invoice"),
    ).annotate(
        open_amount=F("gross") - F("settled"),
    ).annotate(
        due_amount=Case(
            When(open_amount__gt=0, then=Greatest(F("open_amount") - F("held"), _ZERO)),
            default=_ZERO,
            output_field=_MONEY,
        )
    )  # fmt: skip


def open_documents(*, viewer: Viewer, search: str = "") -> QuerySet[Balanced]:
    """
    Return the issued documents the viewer may see that are not settled, oldest due day first,
    with their balance. What a host is owed is not among them.
    """
    issued = Invoice.objects.visible_to(viewer).filter(status=Invoice.Status.ISSUED)
    if search:
        issued = issued.filter(Q(number__icontains=search) | Q(customer__name__icontains=search))
    return (
        with_balance(issued.exclude(document_type=Invoice.Type.SELF_BILLED))
        .exclude(open_amount=Decimal(0))
        .select_related("contract__site", "customer", "period")
        .order_by("due_on", "pk")
    )


@dataclass(frozen=True, slots=True)
class Ageing:
    """
    What one customer owes in one currency, by how long it is overdue at a day; credits not used
    yet are negative and stand under `credit`.
    """

    customer_id: int
    customer: str
    currency: str
    not_due: Decimal
    up_to_30: Decimal
    up_to_60: Decimal
    up_to_90: Decimal
    older: Decimal
    credit: Decimal

    @property
    def total(self) -> Decimal:
        return (
            self.not_due + self.up_to_30 + self.up_to_60 + self.up_to_90 + self.older + self.credit
        )


def ageing(*, viewer: Viewer, today: dt.date) -> list[Ageing]:
    """
    Return what the viewer's customers owe by age, who owes most first.
    """
    sums: defaultdict[tuple[int, str, str], defaultdict[str, Decimal]] = defaultdict(
        lambda: defaultdict(Decimal)
    )
    rows = open_documents(viewer=viewer).values_list(
        "customer_id", "customer__name", "currency", "due_on", "open_amount"
    )
    for customer_id, name, currency, due_on, amount in rows:
        sums[customer_id, name, currency][_age(amount, due_on, today)] += amount
    names = ("not_due", "up_to_30", "up_to_60", "up_to_90", "older", "credit")
    found = [
        Ageing(customer_id, name, currency, *(by_age[age] for age in names))
        for (customer_id, name, currency), by_age in sums.items()
    ]
    return sorted(found, key=lambda row: (-row.total, row.customer))


def _age(amount: Decimal, due_on: dt.date | None, today: dt.date) -> str:
    if amount < 0:
        return "credit"
    late = 0 if due_on is None else (today - due_on).days
    if late <= 0:
        return "not_due"
    return next(
        (name for days, name in ((30, "up_to_30"), (60, "up_to_60"), (90, "up_to_90"))
         if late <= days),
        "older",
    )  # fmt: skip


def owed_to(*, operator_id: int, currency: str) -> list[Owed]:
    """
    Return what payments of a currency may be for, oldest due day first.
    """
    rows = (
        with_balance(
            Invoice.objects.filter(
                operator_id=operator_id,
                currency=currency,
                status=Invoice.Status.ISSUED,
                gross__gt=0,
            ).exclude(document_type=Invoice.Type.SELF_BILLED)
        )
        .filter(open_amount__gt=Decimal(0))
        .order_by("due_on", "pk")
        .values_list("pk", "number", "open_amount", "customer_id")
    )
    found = list(rows)
    ibans: defaultdict[int, set[str]] = defaultdict(set)
    customers = {row[3] for row in found}
    for customer_id, iban in Mandate.objects.filter(customer_id__in=customers).values_list(
        "customer_id", "iban"
    ):
        ibans[customer_id].add(iban)
    known = Contract.objects.filter(customer_id__in=customers).values_list(
        "customer_id", "customer__iban"
    )
    for customer_id, iban in known:
        if iban:
            ibans[customer_id].add(iban)
    return [
        Owed(pk, number, amount, frozenset(ibans[customer_id]))
        for pk, number, amount, customer_id in found
    ]


def bank_entries(*, viewer: Viewer, search: str = "", unmatched: bool = False) -> QuerySet[Any]:
    """
    Return the movements the viewer may see with `allocated` and `left`, newest first.
    """
    paid = Allocation.objects.filter(entry=OuterRef("pk"))
    rows = (
        BankEntry.objects.visible_to(viewer)
        .annotate(allocated=_sum(paid, "entry"))
        .annotate(left=F("amount") - F("allocated"))
        .order_by("-booked_on", "-pk")
    )
    if search:
        rows = rows.filter(
            Q(remittance__icontains=search)
            | Q(counterparty__icontains=search)
            | Q(reference__icontains=search)
        )
    return rows.exclude(left=Decimal(0)) if unmatched else rows


def allocations_of_entry(*, viewer: Viewer, entry_id: int) -> QuerySet[Allocation]:
    """
    Return what a movement settled, in order.
    """
    return (
        Allocation.objects.visible_to(viewer)
        .filter(entry_id=entry_id)
        .select_related("invoice__customer", "by")
        .order_by("at", "pk")
    )


def currencies_of(*, viewer: Viewer, customer_id: int | None = None) -> list[str]:
    """
    Return the currencies of the documents the viewer may see, all or those of one customer.
    """
    issued = Invoice.objects.visible_to(viewer).filter(status=Invoice.Status.ISSUED)
    if customer_id is not None:
        issued = issued.filter(customer_id=customer_id)
    return list(issued.order_by("currency").distinct("currency").values_list("currency", flat=True))


def dispute_notes(*, dispute: Dispute) -> QuerySet[DisputeNote]:
    """
    Return what was said in a dispute, in order. The dispute comes from `disputes`, which scopes.
    """
    return dispute.notes.select_related("by").order_by("at", "pk")


@dataclass(frozen=True, slots=True)
class AccountRow:
    """
    One movement of a customer's account: a document adds, a payment takes off.
    """

    day: dt.date
    kind: str
    text: str
    invoice_id: int | None
    amount: Decimal
    balance: Decimal


def statement(*, viewer: Viewer, customer_id: int, currency: str) -> list[AccountRow]:
    """
    Return the account of a customer the viewer may see in one currency, oldest first, with the
    running balance; above zero is owed to the operator.
    """
    documents = Invoice.objects.visible_to(viewer).filter(
        customer_id=customer_id, currency=currency, status=Invoice.Status.ISSUED
    ).exclude(document_type=Invoice.Type.SELF_BILLED)  # fmt: skip
    moved: list[tuple[dt.date, str, str, int | None, Decimal]] = [
        (issued_on, kind, number, pk, gross)
        for pk, issued_on, kind, number, gross in documents.values_list(
            "pk", "issued_on", "document_type", "number", "gross"
        )
        if issued_on is not None
    ]
    paid = Allocation.objects.visible_to(viewer).filter(
        invoice__customer_id=customer_id, invoice__currency=currency, entry__isnull=False
    )
    moved += [
        (day, "payment", number, invoice_id, -amount)
        for day, number, invoice_id, amount in paid.values_list(
            "entry__booked_on", "invoice__number", "invoice_id", "amount"
        )
    ]
    rows = []
    balance = Decimal(0)
    for day, kind, text, invoice_id, amount in sorted(moved, key=lambda row: (row[0], row[2])):
        balance += amount
        rows.append(AccountRow(day, kind, text, invoice_id, amount, balance))
    return rows


def disputes(*, viewer: Viewer, state: str = "", search: str = "") -> QuerySet[Dispute]:
    """
    Return the disputes the viewer may see, those that wait for an answer first.
    """
    rows = Dispute.objects.visible_to(viewer).select_related(
        "line__invoice__customer",
        "line__invoice__contract__site",
        "line__invoice__period",
        "correction",
    )
    if state == "live":
        rows = rows.filter(state__in=[live.value for live in Dispute.LIVE])
    elif state:
        rows = rows.filter(state=state)
    if search:
        rows = rows.filter(
            Q(line__invoice__number__icontains=search)
            | Q(line__invoice__customer__name__icontains=search)
        )
    return rows.order_by(
        Case(When(state=Dispute.State.OPEN, then=0), default=1), "answer_by", "-pk"
    )


def lines_of(*, viewer: Viewer) -> QuerySet[InvoiceLine]:
    """
    Return the issued lines the viewer may see, for a dispute.
    """
    return InvoiceLine.objects.filter(
        invoice__in=Invoice.objects.visible_to(viewer).filter(status=Invoice.Status.ISSUED)
    ).select_related("invoice__period", "invoice__contract", "terms")


def unpaid_before(*, operator_id: int, day: dt.date) -> QuerySet[Invoice]:
    """
    Return the documents due before a day that nothing was paid for, for commands.
    """
    return Invoice.objects.filter(
        operator_id=operator_id, status=Invoice.Status.ISSUED, gross__gt=0, due_on__lt=day,
        allocations__isnull=True,
    ).exclude(document_type=Invoice.Type.SELF_BILLED).order_by("pk")  # fmt: skip
