"""
Mandates, what is collected by direct debit, and reminders.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from django.db.models import Count, F, Q, QuerySet, Sum

from billing.models import Debit, DebitFile, DunningLevel, Invoice, Mandate, Reminder
from billing.queries.settlement import Balanced, with_balance
from sites.access import Kind, Viewer


def mandates(*, viewer: Viewer, search: str = "", state: str = "") -> QuerySet[Mandate]:
    """
    Return the mandates the viewer may see with `collected`, the number of debits made by each;
    those in force first.
    """
    rows = Mandate.objects.visible_to(viewer).select_related("customer")
    if search:
        rows = rows.filter(
            Q(reference__icontains=search)
            | Q(customer__name__icontains=search)
            | Q(account_name__icontains=search)
        )
    if state:
        rows = rows.filter(revoked_on__isnull=state == "in_force")
    return rows.annotate(collected=Count("debits")).order_by(
        F("revoked_on").desc(nulls_first=True), "customer__name", "-pk"
    )


def mandates_in_force(*, customer_ids: Iterable[int]) -> dict[int, Mandate]:
    """
    Return the mandates in force of customers, by customer.
    """
    rows = Mandate.objects.in_force().filter(customer__in=set(customer_ids))
    return {mandate.customer_id: mandate for mandate in rows}


def to_collect(*, operator_id: int, day: dt.date) -> list[tuple[Balanced, Mandate]]:
    """
    Return what a file of direct debits of that day would collect: documents in EUR due by then,
    open and undisputed, of customers with a mandate in force, not being collected already.
    """
    in_force = {
        mandate.customer_id: mandate
        for mandate in Mandate.objects.in_force().filter(operator_id=operator_id)
    }
    documents = (
        with_balance(
            Invoice.objects.filter(
                operator_id=operator_id, status=Invoice.Status.ISSUED, due_on__lte=day,
                customer_id__in=in_force, currency="EUR",
            ).exclude(document_type=Invoice.Type.SELF_BILLED)
        )
        .filter(due_amount__gt=Decimal(0))
        .exclude(debits__in=Debit.objects.filter(returned_at__isnull=True))
        .select_related("customer")
        .order_by("due_on", "pk")
    )  # fmt: skip
    return [(document, in_force[document.customer_id]) for document in documents]


def collectable(*, viewer: Viewer, day: dt.date) -> list[tuple[Balanced, Mandate]]:
    """
    Return what a file of direct debits of that day would collect for the viewer's operator.
    """
    if viewer.kind is not Kind.OPERATOR or viewer.stakeholder_id is None:
        return []
    return to_collect(operator_id=viewer.stakeholder_id, day=day)


def debit_files(*, viewer: Viewer) -> QuerySet[Any]:
    """
    Return the files of direct debits with `count`, `total` in EUR and `returned`, newest first.
    The file itself is left in the database.
    """
    return (
        DebitFile.objects.visible_to(viewer)
        .defer("xml")
        .select_related("by")
        .annotate(
            count=Count("debits"),
            total=Sum("debits__amount"),
            returned=Count("debits", filter=Q(debits__returned_at__isnull=False)),
        )
        .order_by("-made_at", "-pk")
    )


def debits(*, file: DebitFile) -> QuerySet[Debit]:
    """
    Return what a file collects. The file comes from `debit_files`, which scopes.
    """
    return file.debits.select_related("invoice__customer", "mandate").order_by("pk")


def dunning_levels(*, viewer: Viewer) -> list[DunningLevel]:
    """
    Return the steps of reminders of the viewer's operator, lowest first.
    """
    if viewer.kind is not Kind.OPERATOR:
        return []
    return list(DunningLevel.objects.filter(operator_id=viewer.stakeholder_id).order_by("level"))


def reminders(*, viewer: Viewer, search: str = "", level: str = "") -> QuerySet[Reminder]:
    """
    Return the reminders the viewer may see, newest first.
    """
    rows = Reminder.objects.visible_to(viewer).select_related("invoice__customer")
    if search:
        rows = rows.filter(
            Q(invoice__number__icontains=search) | Q(invoice__customer__name__icontains=search)
        )
    if level:
        rows = rows.filter(level=level)
    return rows.order_by("-made_at", "-pk")


def operators_that_remind() -> list[int]:
    """
    Return the operators that have levels of reminders, for the task that makes them.
    """
    return list(DunningLevel.objects.order_by("operator").distinct("operator").values_list(
        "operator_id", flat=True
    ))  # fmt: skip


def reminders_to_send(*, limit: int) -> list[int]:
    """
    Return the reminders that were not sent yet, for the task that e-mails them.
    """
    waiting = Reminder.objects.filter(sent_at__isnull=True)
    return list(waiting.order_by("pk").values_list("pk", flat=True)[:limit])
