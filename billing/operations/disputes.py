"""
Disputes: a customer does not agree with a line; only that amount is held until it is decided.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from decimal import Decimal

from django.db import IntegrityError, transaction
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange

from billing.domain.money import to_cents
from billing.models import Dispute, DisputeNote, Invoice, InvoiceLine
from billing.operations.corrections import NothingToCorrect, correct_within
from sites.domain import Period
from sites.operations import announce, record
from telemetry import queries as metering

# How long an operator has to answer; Heat Trust asks for a final word within eight weeks.
ANSWER_WITHIN = dt.timedelta(days=14)


class DisputeRefused(Exception):
    """
    The dispute cannot be opened or taken that step; the message says why.
    """


@transaction.atomic(durable=True)
def open_dispute(
    *, line_id: int, comment: str, span: tuple[dt.datetime, dt.datetime] | None,
    at: dt.datetime, by_id: int | None,
) -> Dispute:  # fmt: skip
    """
    Open a dispute of a line, or of some hours of a metered one: then the part of its amount
    that these hours' energy makes up is held. The amount is with VAT.

    :raises DisputeRefused: if there is a live one, or nothing of the line is left to dispute
    """
    line = InvoiceLine.objects.select_related("invoice__operator", "terms").get(pk=line_id)
    invoice = line.invoice
    if invoice.status != Invoice.Status.ISSUED or line.net <= 0:
        raise DisputeRefused("Only a charge of an issued invoice can be disputed.")
    amount = to_cents(line.net * (100 + line.vat_rate) / 100)
    if span is not None:
        amount = to_cents(amount * _share(line, span))
    if amount <= 0:
        raise DisputeRefused("Nothing was charged for that time.")
    today = at.astimezone(zoneinfo.ZoneInfo(invoice.operator.timezone)).date()
    try:
        with transaction.atomic():
            dispute = Dispute.objects.create(
                line=line, amount=amount, opened_at=at, opened_by_id=by_id,
                span=None if span is None else DateTimeTZRange(*span),
                answer_by=today + ANSWER_WITHIN,
            )  # fmt: skip
    except IntegrityError as refused:
        if "one_live_dispute_a_line" in str(refused):
            raise DisputeRefused("This line is in dispute already.") from None
        raise DisputeRefused("The time in dispute is not the time of the line.") from None
    _note(dispute, Dispute.State.OPEN, comment, at, by_id)
    announce(
        operator_id=invoice.operator_id, event="invoice.disputed", at=at,
        subject=f"{invoice.number}/{line.position}/{dispute.pk}",
        payload={"number": invoice.number, "amount": str(amount), "currency": invoice.currency},
    )  # fmt: skip
    return dispute


def _share(line: InvoiceLine, span: tuple[dt.datetime, dt.datetime]) -> Decimal:
    """
    Return the part of a line's energy that falls in a time.
    """
    if line.terms.metering_point_id is None or not line.evidence.exists():
        raise DisputeRefused("Only a metered line can be disputed for some of its time.")
    start, end = span
    if not (line.service.lower <= start < end <= line.service.upper):
        raise DisputeRefused("The time in dispute is not the time of the line.")
    try:
        hours = metering.hourly_energy(
            point_id=line.terms.metering_point_id,
            period=Period(line.service.lower, line.service.upper),
        )
    except metering.ReadingMissing:
        raise DisputeRefused("The hours of this line are not complete any more.") from None
    total = sum((kwh for _, kwh in hours), Decimal(0))
    within = sum((kwh for at, kwh in hours if start <= at < end), Decimal(0))
    return within / total if total else Decimal(0)


@transaction.atomic(durable=True)
def answer_dispute(
    *, dispute_id: int, text: str, meter_test: bool, at: dt.datetime, by_id: int | None
) -> None:
    """
    Answer the customer; with `meter_test` a check of the meter is promised.
    """
    dispute = _live(dispute_id)
    dispute.state = Dispute.State.METER_TEST if meter_test else Dispute.State.ANSWERED
    dispute.save(update_fields=["state"])
    _note(dispute, dispute.state, text, at, by_id)


@transaction.atomic(durable=True)
def comment_on_dispute(*, dispute_id: int, text: str, at: dt.datetime, by_id: int | None) -> None:
    """
    Add a word to a live dispute, from either side; the operator has to answer the customer again.
    """
    dispute = _live(dispute_id)
    _note(dispute, "comment", text, at, by_id)


@transaction.atomic(durable=True)
def decide_dispute(
    *, dispute_id: int, outcome: str, text: str, at: dt.datetime, by_id: int | None
) -> None:
    """
    End a dispute: "rejected", "withdrawn", or "corrected", which bills the period again from
    today's readings and names the document that came of it.

    :raises DisputeRefused: if nothing would change by a correction
    """
    dispute = _live(dispute_id)
    state = Dispute.State(outcome)
    if state in Dispute.LIVE:
        raise DisputeRefused("A dispute ends as corrected, rejected or withdrawn.")
    if state is Dispute.State.CORRECTED:
        try:
            dispute.correction = correct_within(
                invoice_id=dispute.line.invoice_id, reason=text, at=at, by_id=by_id
            )
        except NothingToCorrect:
            raise DisputeRefused(
                "The readings say what the invoice says. Correct the readings first, or credit"
                " the invoice."
            ) from None
    dispute.state = state
    dispute.decided_at = at
    dispute.save(update_fields=["state", "decided_at", "correction"])
    _note(dispute, state, text, at, by_id)


def _live(dispute_id: int) -> Dispute:
    dispute = (
        Dispute.objects.select_for_update(of=("self",))
        .select_related("line__invoice")
        .get(pk=dispute_id)
    )
    if dispute.state not in Dispute.LIVE:
        raise DisputeRefused("This dispute was decided already.")
    return dispute


def _note(dispute: Dispute, step: str, text: str, at: dt.datetime, by_id: int | None) -> None:
    DisputeNote.objects.create(dispute=dispute, at=at, by_id=by_id, step=step, text=text)
    invoice = dispute.line.invoice
    record(
        at=at, by_id=by_id, operator_id=invoice.operator_id, action=f"dispute: {step}",
        subject=invoice.number, after={"line": dispute.line.position, "text": text},
    )  # fmt: skip
