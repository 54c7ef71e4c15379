"""
Collecting what is owed: mandates, direct debits and reminders.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Sequence
from decimal import Decimal

from babel import Locale
from babel.dates import format_date
from babel.numbers import format_currency
from django.db import IntegrityError, transaction
from django.db.models import Max

from billing import queries
from billing.formats import bank
from billing.models import Debit, DebitFile, DunningLevel, Invoice, Mandate, Reminder
from billing.operations.settlement import NotPossible
from sites.models import Stakeholder
from sites.operations import record


@transaction.atomic(durable=True)
def make_debit_file(
    *, operator_id: int, collect_on: dt.date, at: dt.datetime, by_id: int | None
) -> DebitFile | None:
    """
    Make a file of direct debits of what is due by the day, undisputed, of customers with a
    mandate and not being collected already; None where there is nothing.

    :raises NotPossible: if the operator's own IBAN or creditor identifier is missing, or a
        file was made at the same second
    """
    operator = Stakeholder.objects.select_for_update().get(pk=operator_id)
    due = queries.to_collect(operator_id=operator_id, day=collect_on)
    if not due:
        return None
    message_id = f"WG{operator_id}-{at:%Y%m%d%H%M%S}"
    debits = [
        Debit(
            invoice=document, mandate=mandate, amount=document.due_amount,
            end_to_end_id=_attempt(document),
        )
        for document, mandate in due
    ]  # fmt: skip
    try:
        xml = bank.debit_file(
            creditor=bank.Creditor(
                operator.name, operator.iban, operator.bic, operator.creditor_id, "EUR"
            ),
            collections=[_collection(debit) for debit in debits],
            collect_on=collect_on,
            message_id=message_id,
        )
    except ValueError as problem:
        raise NotPossible(str(problem)) from None
    made = DebitFile.objects.create(
        operator=operator, message_id=message_id, collect_on=collect_on, made_at=at, by_id=by_id,
        xml=xml,
    )  # fmt: skip
    for debit in debits:
        debit.file = made
    Debit.objects.bulk_create(debits)
    record(
        at=at, by_id=by_id, operator_id=operator_id, action="direct debits made",
        subject=message_id, after={"debits": len(debits), "collect_on": str(collect_on)},
    )  # fmt: skip
    return made


def _attempt(document: queries.Balanced) -> str:
    before = Debit.objects.filter(invoice_id=document.pk).count()
    return document.number if not before else f"{document.number}/{before + 1}"


def _collection(debit: Debit) -> bank.Collection:
    mandate = debit.mandate
    return bank.Collection(
        name=mandate.account_name, iban=mandate.iban, bic=mandate.bic, amount=debit.amount,
        mandate=mandate.reference, signed_on=mandate.signed_on,
        is_first=not mandate.debits.exists(), end_to_end_id=debit.end_to_end_id,
        text=debit.invoice.number,
    )  # fmt: skip


@transaction.atomic(durable=True)
def make_reminders(*, operator_id: int, at: dt.datetime) -> list[int]:
    """
    Make the reminders that are due: for each document the highest level its age has reached and
    that was not sent, of what is open and undisputed. Return their keys. Direct debits under
    way are not reminded of.
    """
    operator = Stakeholder.objects.get(pk=operator_id)
    today = at.astimezone(zoneinfo.ZoneInfo(operator.timezone)).date()
    levels = list(DunningLevel.objects.filter(operator=operator).order_by("-level"))
    if not levels:
        return []
    overdue = (
        queries.with_balance(
            Invoice.objects.filter(
                operator=operator, status=Invoice.Status.ISSUED, due_on__lt=today
            ).exclude(document_type=Invoice.Type.SELF_BILLED)
        )
        .filter(due_amount__gt=Decimal(0))
        .exclude(debits__in=Debit.objects.filter(returned_at__isnull=True))
        .select_related("customer")
        .select_for_update(of=("self",))
        .order_by("pk")
    )
    documents = list(overdue)
    sent = dict(
        Reminder.objects.filter(invoice_id__in=[document.pk for document in documents])
        .values_list("invoice_id")
        .annotate(highest=Max("level"))
    )
    made = [
        reminder
        for document in documents
        if (reminder := _reminder(document, levels, sent.get(document.pk, 0), today, at))
    ]
    Reminder.objects.bulk_create(made)
    if made:
        record(
            at=at, by_id=None, operator_id=operator_id, action="reminders made",
            subject=f"{len(made)} documents",
            after={reminder.invoice.number: reminder.level for reminder in made},
        )  # fmt: skip
    return [reminder.pk for reminder in made]


def _reminder(
    document: queries.Balanced,
    levels: Sequence[DunningLevel],
    sent: int,
    today: dt.date,
    at: dt.datetime,
) -> Reminder | None:
    if document.due_on is None:
        return None
    late = (today - document.due_on).days
    reached = next((level for level in levels if late >= level.days_after_due), None)
    if reached is None or reached.level <= sent:
        return None
    amount: Decimal = document.due_amount
    language = document.customer.language
    if language[:2] not in reached.texts:
        language = "en-gb"
    text = reached.texts.get(language[:2], "")
    locale = Locale.parse(language, sep="-")
    filled = (
        text.replace("{number}", document.number)
        .replace("{amount}", format_currency(amount, document.currency, locale=locale))
        .replace("{due}", format_date(document.due_on, "long", locale=locale))
        .replace("{fee}", format_currency(reached.fee, document.currency, locale=locale))
    )
    return Reminder(
        invoice=document, level=reached.level, made_at=at, open_amount=amount, fee=reached.fee,
        text=filled,
    )  # fmt: skip


@transaction.atomic(durable=True)
def reminder_to_send(*, reminder_id: int, at: dt.datetime) -> Reminder | None:
    """
    Return a reminder that was not sent yet and mark it as sent; None where it was.
    """
    row = (
        Reminder.objects.select_for_update(of=("self",))
        .select_related("invoice__customer", "invoice__operator")
        .filter(pk=reminder_id, sent_at__isnull=True)
        .first()
    )
    if row is not None:
        row.sent_at = at
        row.save(update_fields=["sent_at"])
    return row


@transaction.atomic(durable=True)
def add_mandate(
    *, operator_id: int, customer_id: int, reference: str, signed_on: dt.date, account_name: str,
    iban: str, bic: str, at: dt.datetime, by_id: int | None,
) -> Mandate:  # fmt: skip
    """
    Note a customer's consent to direct debits; one that was in force ends the same day.

    :raises NotPossible: if the reference names another mandate of the operator
    """
    customer = Stakeholder.objects.select_for_update().get(pk=customer_id, operator_id=operator_id)
    Mandate.objects.in_force().filter(customer=customer).update(revoked_on=signed_on)
    try:
        with transaction.atomic():
            row = Mandate.objects.create(
                operator_id=operator_id, customer=customer, reference=reference,
                signed_on=signed_on, account_name=account_name, iban=iban, bic=bic,
            )  # fmt: skip
    except IntegrityError:
        raise NotPossible(f"There is a mandate {reference} already.") from None
    record(
        at=at, by_id=by_id, operator_id=operator_id, action="mandate added", subject=reference,
        after={"customer": customer_id, "iban": iban[-4:]},
    )  # fmt: skip
    return row


@transaction.atomic(durable=True)
def end_mandate(*, mandate_id: int, day: dt.date, at: dt.datetime, by_id: int | None) -> None:
    """
    Note that a customer took the consent back. Debits made before stand.

    :raises NotPossible: if it was taken back already, or before it was given
    """
    row = Mandate.objects.select_for_update().get(pk=mandate_id)
    if row.revoked_on is not None:
        raise NotPossible("The mandate has ended already.")
    if day < row.signed_on:
        raise NotPossible("The mandate cannot end before it was signed.")
    row.revoked_on = day
    row.save(update_fields=["revoked_on"])
    record(
        at=at, by_id=by_id, operator_id=row.operator_id, action="mandate ended",
        subject=row.reference, after={"revoked_on": str(day)},
    )  # fmt: skip


def _told(level: DunningLevel) -> dict[str, object]:
    return {"days_after_due": level.days_after_due, "fee": str(level.fee), "texts": level.texts}


@transaction.atomic(durable=True)
def set_dunning(
    *, operator_id: int, level: int, days_after_due: int, fee: Decimal, texts: dict[str, str],
    at: dt.datetime, by_id: int | None,
) -> None:  # fmt: skip
    """
    Set one step of the operator's reminders. Steps follow each other in days as in number.

    :raises NotPossible: if the step below is missing, or days do not rise with the steps
    """
    others = list(
        DunningLevel.objects.select_for_update()
        .filter(operator_id=operator_id)
        .exclude(level=level)
        .order_by("level")
    )
    if level > 1 and not any(other.level == level - 1 for other in others):
        raise NotPossible(f"Set level {level - 1} first.")
    for other in others:
        if (other.level < level) != (other.days_after_due < days_after_due):
            raise NotPossible(
                f"Level {other.level} comes {other.days_after_due} days after the due day; "
                "a higher level has to come later."
            )
    before = DunningLevel.objects.filter(operator_id=operator_id, level=level).first()
    row, _ = DunningLevel.objects.update_or_create(
        operator_id=operator_id, level=level,
        defaults={"days_after_due": days_after_due, "fee": fee, "texts": texts},
    )  # fmt: skip
    record(
        at=at, by_id=by_id, operator_id=operator_id, action="reminder level set",
        subject=str(level), before=_told(before) if before else None, after=_told(row),
    )  # fmt: skip


@transaction.atomic(durable=True)
def drop_dunning(*, operator_id: int, at: dt.datetime, by_id: int | None) -> None:
    """
    Take away the operator's highest step of reminders; without one nobody is reminded.

    :raises NotPossible: if there is none
    """
    row = (
        DunningLevel.objects.select_for_update()
        .filter(operator_id=operator_id)
        .order_by("-level")
        .first()
    )
    if row is None:
        raise NotPossible("There is no level.")
    record(
        at=at, by_id=by_id, operator_id=operator_id, action="reminder level dropped",
        subject=str(row.level), before=_told(row),
    )  # fmt: skip
    row.delete()
