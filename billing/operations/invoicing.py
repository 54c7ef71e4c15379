"""
Months of contracts into invoices, with their evidence and numbers.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db import transaction
from django.db.backends.postgresql.psycopg_any import DateRange, DateTimeTZRange
from django.utils.translation import override

from billing import queries
from billing.domain import rating
from billing.domain.money import vat_by_rate
from billing.models import (
    BilledInterval,
    BillingPeriod,
    Contract,
    Invoice,
    InvoiceLine,
    InvoiceVat,
    LineEvidence,
    Mandate,
    RunItem,
    Terms,
)
from billing.operations.attributes import name_lots
from billing.operations.issuing import Document, issue_all
from billing.operations.lines import copied, evidence_of, line_of
from billing.operations.stretches import Due, Rated, rate_all
from sites.domain import Period, local_days
from telemetry import queries as metering


class AlreadyInvoiced(Exception):
    """
    The contract already has an invoice for this month.
    """


class NothingToBill(Exception):
    """
    The contract does not run in this month.
    """


class MeterExpired(Exception):
    """
    A meter was past its verification, and the country lets nobody bill from it. Says which.
    """


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    What became of a contract: an invoice, the reason why its period is held, or why there was
    nothing to do.
    """

    invoice: Invoice | None = None
    held: str = ""
    refused: AlreadyInvoiced | NothingToBill | None = None


@transaction.atomic(durable=True)
def bill_contract(
    *, contract_id: int, month: dt.date, at: dt.datetime, issue: bool, by_id: int | None = None
) -> Invoice | None:
    """
    Make the invoice of a contract for a calendar month, issued or as a draft. Where something
    is missing the period is parked with the reason instead and None is returned.

    :raises AlreadyInvoiced: if there is one
    :raises NothingToBill: if the contract does not run in the month
    """
    done = bill(contract_ids=[contract_id], month=month, at=at, issued=issue, by_id=by_id)
    outcome = done[contract_id]
    if outcome.refused is not None:
        raise outcome.refused
    return outcome.invoice


@transaction.atomic(durable=True)
def issue_draft(*, invoice_id: int, at: dt.datetime, by_id: int | None) -> Invoice:
    """
    Issue a draft: it gets its number and is frozen. An issued one is returned as it is, so
    that pressing twice does no harm.

    :raises Invoice.DoesNotExist: if there is none or it was discarded
    :raises MeterExpired: if a meter behind it may not be billed from any more
    """
    (outcome,) = issue_drafts(invoice_ids=[invoice_id], at=at, by_id=by_id)
    if outcome.held:
        raise MeterExpired(outcome.held)
    if outcome.invoice is None:
        return Invoice.objects.get(pk=invoice_id, status=Invoice.Status.ISSUED)
    return outcome.invoice


def issue_drafts(
    *, invoice_ids: Sequence[int], at: dt.datetime, by_id: int | None
) -> list[Outcome]:
    """
    Issue drafts within the caller's transaction and say what became of each: the invoice, why it
    is held, or nothing where it is no draft any more.
    """
    contracts = {
        contract.pk: contract
        for contract in Contract.objects.select_related("operator")
        .select_for_update(of=("self",))
        .filter(invoices__in=list(invoice_ids))
        .order_by("pk")
    }
    drafts = Invoice.objects.filter(status=Invoice.Status.DRAFT).in_bulk(list(invoice_ids))
    held = {pk: reason for pk in drafts if (reason := _expired(pk))}
    ready = [drafts[pk] for pk in invoice_ids if pk in drafts and pk not in held]
    issue_all([Document(contracts[d.contract_id], d) for d in ready], at=at, by_id=by_id)
    BillingPeriod.objects.filter(invoices__in=ready).update(status=BillingPeriod.Status.INVOICED)
    RunItem.objects.filter(invoice__in=ready).update(state=RunItem.State.ISSUED)
    issued = {draft.pk for draft in ready}
    return [Outcome(drafts[pk] if pk in issued else None, held.get(pk, "")) for pk in invoice_ids]


def _expired(invoice_id: int) -> str:
    """
    Return which meters behind a draft may not be billed from any more: a verification may have
    been corrected since it was made.
    """
    told = []
    for kept in LineEvidence.objects.filter(line__invoice=invoice_id).select_related("line__terms"):
        past = metering.expired_meters(
            point_id=metering.point_of_channel(channel_id=kept.channel_id),
            period=Period(kept.instants.lower, kept.instants.upper),
        )
        told += [queries.told_expiry(meter) for meter in past if meter.blocks]
    return " ".join(told)


def bill(
    *, contract_ids: Iterable[int], month: dt.date, at: dt.datetime, issued: bool,
    by_id: int | None,
) -> dict[int, Outcome]:  # fmt: skip
    """
    Bill a month of several contracts within the caller's transaction and say what became of each.
    They are read, rated and written together, and none changes another's outcome.
    """
    # Two workers billing one contract take turns here.
    contracts = list(
        Contract.objects.select_related("site", "operator", "customer")
        .select_for_update(of=("self",))
        .filter(pk__in=list(contract_ids))
        .order_by("pk")
    )
    done: dict[int, Outcome] = {}
    dues, periods = _periods(contracts, month, done)
    held: list[tuple[BillingPeriod, str]] = []
    rated: list[tuple[Due, BillingPeriod, Rated]] = []
    for due, period, found in zip(dues, periods, rate_all(dues), strict=True):
        if isinstance(found, queries.Incomplete):
            held.append((period, str(found)))
            done[due.contract.pk] = Outcome(held=str(found))
        else:
            rated.append((due, period, found))
    hoped = BillingPeriod.Status.INVOICED if issued else BillingPeriod.Status.DRAFTED
    _keep_periods(held, [period for _, period, _ in rated], hoped, at)
    mandates = queries.mandates_in_force(customer_ids=[due.contract.customer_id for due in dues])
    documents = _store(
        [
            (due, _draft(due, period, found, mandates.get(due.contract.customer_id), at), found)
            for due, period, found in rated
        ]
    )
    if issued:
        issue_all(documents, at=at, by_id=by_id)
    done |= {document.contract.pk: Outcome(document.invoice) for document in documents}
    return done


def _periods(
    contracts: Sequence[Contract], month: dt.date, done: dict[int, Outcome]
) -> tuple[list[Due], list[BillingPeriod]]:
    """
    Return the days to bill and their periods, new ones not stored yet; contracts without any are
    noted as done.
    """
    known = {
        period.contract_id: period
        for period in BillingPeriod.objects.filter(
            contract__in=contracts, local_days__overlap=DateRange(month, queries.next_month(month))
        ).order_by("local_days")
    }
    live = Invoice.objects.filter(period__in=known.values()).exclude(status=Invoice.Status.VOID)
    billed = set(live.values_list("contract_id", flat=True))
    dues, periods = [], []
    for contract in contracts:
        days = queries.billable_days(contract=contract, month=month)
        if contract.pk in billed:
            done[contract.pk] = Outcome(refused=AlreadyInvoiced(contract.reference))
        elif days is None:
            done[contract.pk] = Outcome(refused=NothingToBill(contract.reference))
        else:
            period = known.get(contract.pk) or BillingPeriod(contract=contract)
            # A held one may be older than a change of the contract's last day.
            _set_days(period, *days, contract.site.timezone)
            dues.append(Due(contract, *days))
            periods.append(period)
    return dues, periods


def _set_days(period: BillingPeriod, first: dt.date, end: dt.date, timezone: str) -> None:
    instants = local_days(first, end, timezone)
    period.local_days, period.timezone = DateRange(first, end), timezone
    period.instants = DateTimeTZRange(instants.start, instants.end)


def _keep_periods(
    held: Sequence[tuple[BillingPeriod, str]], billed: Sequence[BillingPeriod], hoped: str,
    at: dt.datetime,
) -> None:  # fmt: skip
    for period, reason in held:
        period.status, period.parked_reason = BillingPeriod.Status.PARKED, reason
    for period in billed:
        period.status, period.parked_reason = hoped, ""
    every = [*(period for period, _ in held), *billed]
    for period in every:
        period.tried_at = at
    known = [period for period in every if period.pk is not None]
    BillingPeriod.objects.bulk_create(period for period in every if period.pk is None)
    for period in known:
        period.save()


def _draft(
    due: Due, period: BillingPeriod, found: Rated, mandate: Mandate | None, at: dt.datetime
) -> Invoice:
    contract = due.contract
    # The operator writes a host's invoice to itself in the host's name.
    self_billed = any(part.terms.model == Terms.Model.HOST for part in found.parts)
    seller, buyer = contract.operator, contract.customer
    if self_billed:
        seller, buyer = buyer, seller
    return Invoice(
        document_type=Invoice.Type.SELF_BILLED if self_billed else Invoice.Type.INVOICE,
        operator=contract.operator,
        customer=contract.customer,
        contract=contract,
        period=period,
        created_at=at,
        currency=contract.currency,
        seller=copied(seller),
        # A host is paid, nothing is collected from the operator.
        buyer=copied(buyer) if self_billed else copied(buyer, mandate),
        inputs=[part.stored for part in found.parts],
    )


Vat = Mapping[tuple[str, Decimal], tuple[Decimal, Decimal]]


def store_documents(drafts: Sequence[tuple[Invoice, Vat]]) -> None:
    """
    Store drafts with their VAT, base and tax by category and rate, and the sums of that; the
    lines come after.
    """
    for invoice, vat in drafts:
        invoice.net = sum((base for base, _ in vat.values()), Decimal(0))
        invoice.vat = sum((tax for _, tax in vat.values()), Decimal(0))
        invoice.gross = invoice.net + invoice.vat
        invoice.inputs_sha256 = hashlib.sha256(rating.canonical(invoice.inputs)).digest()
    Invoice.objects.bulk_create(invoice for invoice, _ in drafts)
    InvoiceVat.objects.bulk_create(
        InvoiceVat(invoice=invoice, category=category, rate=rate, base=base, tax=tax)
        for invoice, vat in drafts
        for (category, rate), (base, tax) in vat.items()
    )


def _store(drafts: Sequence[tuple[Due, Invoice, Rated]]) -> list[Document]:
    """
    Store drafts with their lines, what the lines were computed from and the time they bill.
    """
    store_documents(
        [(invoice, vat_by_rate([line for _, line in found.lines])) for _, invoice, found in drafts]
    )
    documents = []
    for due, invoice, found in drafts:
        # A line keeps the words of its day, in the customer's language.
        with override(due.contract.customer.language):
            lines = [
                (line_of(invoice, position, part, line), part, line.metered)
                for position, (part, line) in enumerate(found.lines, start=1)
            ]
        documents.append((due.contract, invoice, lines))
    rows = [line for _, _, lines in documents for line, _, _ in lines]
    InvoiceLine.objects.bulk_create(rows)
    BilledInterval.objects.bulk_create(
        BilledInterval(
            line=line, contract=line.invoice.contract, charge=line.charge, service=line.service
        )
        for line in rows
    )
    made = [
        Document(
            contract, invoice,
            [
                (line, [evidence_of(line, part)] if metered and part.energy is not None else [])
                for line, part, metered in lines
            ],
        )
        for contract, invoice, lines in documents
    ]  # fmt: skip
    LineEvidence.objects.bulk_create(
        kept for document in made for _, evidence in document.lines or [] for kept in evidence
    )
    for document in made:
        name_lots(
            service_id=document.contract.hosting_service_id,
            lines=[line for line, _ in document.lines or []],
        )
    return made
