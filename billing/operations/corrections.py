"""
Corrections: an issued document is never changed. Late readings, a final index value or a mistake
make another document that takes lines back and bills them anew.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Sum
from django.utils.translation import gettext, override

from billing import queries
from billing.domain import rating
from billing.domain.money import to_cents
from billing.models import Contract, Invoice, InvoiceLine, InvoiceVat, LineEvidence, Terms
from billing.operations.attributes import name_lots
from billing.operations.invoicing import store_documents
from billing.operations.issuing import issue
from billing.operations.lines import copied, evidence_of, line_of
from billing.operations.stretches import Part
from sites.domain import Period


class NothingToCorrect(Exception):
    """
    The document says what the readings say.
    """


class TooFarBack(Exception):
    """
    The contract does not allow to charge more for a period that long ago.
    """


@transaction.atomic(durable=True)
def correct_invoice(*, invoice_id: int, reason: str, at: dt.datetime, by_id: int | None) -> Invoice:
    """
    Bill the period of an issued invoice again from today's readings at the prices of then, and
    issue the difference: a credit note, or a further invoice where more is owed. Index values are
    those of then too, but for those that `indexation.that_counts` puts in their place. Each
    changed line is taken back and billed anew, so that all documents together are what the first
    would have been.

    :raises NothingToCorrect: if no line would change
    :raises TooFarBack: if more is owed for a period beyond the contract's limit
    :raises queries.Incomplete: if readings are missing now
    """
    return correct_within(invoice_id=invoice_id, reason=reason, at=at, by_id=by_id)


def correct_within(*, invoice_id: int, reason: str, at: dt.datetime, by_id: int | None) -> Invoice:
    """
    Do as `correct_invoice` within the caller's transaction.
    """
    contract, first = _locked(invoice_id)
    standing = list(
        queries.live_lines(contract_id=contract.pk, period_id=first.period_id).select_related(
            "terms"
        )
    )
    again = [_again(contract, stored) for stored in _newest(first).inputs]
    right = [_Right(a.part, line, a.index) for a in again for line in a.part.lines()]
    wanted = {(r.part.instants.start, r.line.charge): r for r in right}
    back, anew = [], []
    for line in standing:
        replacement = wanted.pop((line.service.lower, line.charge), None)
        if replacement is not None and replacement.is_as(line):
            continue
        back.append(line)
        if replacement is not None:
            anew.append((line, replacement))
    more = [(None, replacement) for replacement in wanted.values()]
    if not back and not more:
        raise NothingToCorrect(first.number)
    return _issue_difference(
        contract, first, back, [*anew, *more], inputs=[a.part.stored for a in again],
        reason=reason, at=at, by_id=by_id,
    )  # fmt: skip


@transaction.atomic(durable=True)
def credit_invoice(*, invoice_id: int, reason: str, at: dt.datetime, by_id: int | None) -> Invoice:
    """
    Take back all that stands of an issued invoice with a credit note that mirrors it.

    :raises NothingToCorrect: if nothing stands any more
    """
    contract, first = _locked(invoice_id)
    back = list(
        queries.live_lines(contract_id=contract.pk, period_id=first.period_id).select_related(
            "terms"
        )
    )
    if not back:
        raise NothingToCorrect(first.number)
    return _issue_difference(
        contract, first, back, [], inputs=[], reason=reason, at=at, by_id=by_id
    )


def _locked(invoice_id: int) -> tuple[Contract, Invoice]:
    """
    Return the contract, locked, and the first document of the period.
    """
    given = Invoice.objects.select_related("period").get(
        pk=invoice_id, status=Invoice.Status.ISSUED
    )
    contract = (
        Contract.objects.select_related("site", "operator", "customer")
        .select_for_update(of=("self",))
        .get(pk=given.contract_id)
    )
    if given.corrects_id is None:
        return contract, given
    return contract, Invoice.objects.select_related("period").get(pk=given.corrects_id)


def _newest(first: Invoice) -> Invoice:
    return first.corrections.filter(status=Invoice.Status.ISSUED).order_by("-pk").first() or first


def _again(contract: Contract, stored: dict[str, Any]) -> _Again:
    """
    Return a stretch with today's energy, the index values that count, and everything else as it
    was.
    """
    start, end = (dt.datetime.fromisoformat(text) for text in stored["instants"])
    instants = Period(start, end)
    terms = Terms.objects.select_related("metering_point").get(pk=stored["terms_id"])
    energy = queries.metered(terms=terms, period=instants)
    fresh = dict(stored)
    if energy is not None:
        fresh["energy_kwh"] = str(energy.energy_kwh)
    if "hours" in stored:
        fresh["hours"] = queries.hours_of(terms, instants, contract.site.timezone)
    indices, changed = queries.with_values_of_now(contract, stored)
    return _Again(Part(terms, instants, fresh | indices, energy), "; ".join(map(str, changed)))


@dataclass(frozen=True, slots=True)
class _Again:
    """
    A stretch as it is rated now, and which index values are others than then.
    """

    part: Part
    index: str


@dataclass(frozen=True, slots=True)
class _Right:
    part: Part
    line: rating.RatedLine
    index: str

    def is_as(self, line: InvoiceLine) -> bool:
        return (self.line.quantity, self.line.unit_price) == (line.quantity, line.unit_price)


def _buyer(contract: Contract, first: Invoice) -> dict[str, str]:
    if first.document_type != Invoice.Type.INVOICE:
        return copied(contract.customer)
    mandates = queries.mandates_in_force(customer_ids=[contract.customer_id])
    return copied(contract.customer, mandates.get(contract.customer_id))


def _issue_difference(
    contract: Contract, first: Invoice, back: list[InvoiceLine],
    anew: list[tuple[InvoiceLine | None, _Right]], *, inputs: list[dict[str, Any]], reason: str,
    at: dt.datetime, by_id: int | None,
) -> Invoice:  # fmt: skip
    net = sum((right.line.net for _, right in anew), Decimal(0)) - sum(line.net for line in back)
    _refuse_if_too_late(contract, first, net, at)
    credit = net <= 0
    document = Invoice(
        document_type=Invoice.Type.CREDIT_NOTE if credit else first.document_type,
        corrects=first,
        reason=reason,
        operator=contract.operator,
        customer=contract.customer,
        contract=contract,
        period=first.period,
        created_at=at,
        currency=first.currency,
        seller=first.seller,
        buyer=first.buyer if credit else _buyer(contract, first),
        inputs=inputs,
    )
    bases: defaultdict[tuple[str, Decimal], Decimal] = defaultdict(Decimal)
    for line in back:
        bases[line.vat_category, line.vat_rate] -= line.net
    for _, right in anew:
        bases[right.line.vat_category, right.line.vat_rate] += right.line.net
    taxed = {key: (base, _tax(first, key, base)) for key, base in bases.items()}
    store_documents([(document, taxed)])
    with override(contract.customer.language):
        _write_lines(document, back, anew)
    issue(document, contract, at, by_id)
    return document


def _refuse_if_too_late(contract: Contract, first: Invoice, net: Decimal, at: dt.datetime) -> None:
    # The limit protects the customer: what goes back to them knows none.
    end = first.period.local_days.upper
    months = queries.months_between(end, at.date())
    if net > 0 and months > contract.correction_months:
        raise TooFarBack(
            f"{first.number} is for a period that ended more than {contract.correction_months}"
            f" months ago; contract {contract.reference} does not allow to charge more for it."
        )


def _tax(first: Invoice, key: tuple[str, Decimal], base: Decimal) -> Decimal:
    """
    Return the tax on all that stands after a correction less what was taxed before, so that
    the documents of a period together carry the tax of one.
    """
    category, rate = key
    before = InvoiceVat.objects.filter(
        category=category, rate=rate, invoice__status=Invoice.Status.ISSUED,
        invoice__contract_id=first.contract_id, invoice__period_id=first.period_id,
    ).aggregate(base=Sum("base"), tax=Sum("tax"))  # fmt: skip
    standing = (before["base"] or Decimal(0)) + base
    return to_cents(standing * rate / 100) - (before["tax"] or Decimal(0))


def _write_lines(
    document: Invoice, back: list[InvoiceLine], anew: list[tuple[InvoiceLine | None, _Right]]
) -> None:
    reversals = [_reversal(document, n, line) for n, line in enumerate(back, start=1)]
    InvoiceLine.objects.bulk_create(reversals)
    corrected = []
    for n, (old, right) in enumerate(anew, start=len(back) + 1):
        line = line_of(document, n, right.part, right.line)
        line.replaces = old
        if old is not None:
            line.explanation["before"] = _told_before(old, line)
            if right.index and old.unit_price != line.unit_price:
                line.explanation["index"] = right.index
        corrected.append(line)
    corrected = InvoiceLine.objects.bulk_create(corrected)
    LineEvidence.objects.bulk_create(
        evidence_of(line, right.part)
        for line, (_, right) in zip(corrected, anew, strict=True)
        if right.line.metered and right.part.energy is not None
    )
    name_lots(service_id=document.contract.hosting_service_id, lines=corrected)


def _told_before(old: InvoiceLine, line: InvoiceLine) -> dict[str, str]:
    told = {"quantity": str(old.quantity), "net": str(old.net)}
    if old.unit_price != line.unit_price:
        told |= {"unit_price": str(old.unit_price), "note": old.explanation.get("note", "")}
    return told


def _reversal(document: Invoice, position: int, line: InvoiceLine) -> InvoiceLine:
    return InvoiceLine(
        invoice=document, position=position, charge=line.charge, terms=line.terms,
        service=line.service,
        description=gettext("%(charge)s, taken back") % {"charge": line.description},
        quantity=-line.quantity, unit=line.unit, unit_price=line.unit_price, net=-line.net,
        vat_category=line.vat_category, vat_rate=line.vat_rate, reverses=line,
        explanation={"formula": f"−({line.explanation.get('formula', '')})"},
    )  # fmt: skip
