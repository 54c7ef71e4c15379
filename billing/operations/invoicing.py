"""
One contract and month into one invoice, with its evidence and its number.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.backends.postgresql.psycopg_any import DateRange, DateTimeTZRange
from django.utils.translation import gettext, gettext_noop, override

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
    RunItem,
    Terms,
)
from billing.operations.attributes import name_lots
from billing.operations.issuing import issue
from sites.domain import Period, local_days
from sites.models import Stakeholder
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
    return bill(contract_id=contract_id, month=month, at=at, issued=issue, by_id=by_id)


@transaction.atomic(durable=True)
def issue_draft(*, invoice_id: int, at: dt.datetime, by_id: int | None) -> Invoice:
    """
    Issue a draft: it gets its number and is frozen. An issued one is returned as it is, so
    that pressing twice does no harm.

    :raises Invoice.DoesNotExist: if there is none or it was discarded
    :raises MeterExpired: if a meter behind it may not be billed from any more
    """
    contract_id = Invoice.objects.values_list("contract_id", flat=True).get(pk=invoice_id)
    contract = (
        Contract.objects.select_related("operator")
        .select_for_update(of=("self",))
        .get(pk=contract_id)
    )
    invoice = Invoice.objects.exclude(status=Invoice.Status.VOID).get(pk=invoice_id)
    if invoice.status == Invoice.Status.DRAFT:
        _refuse_expired(invoice)
        issue(invoice, contract, at, by_id)
        BillingPeriod.objects.filter(pk=invoice.period_id).update(
            status=BillingPeriod.Status.INVOICED
        )
        RunItem.objects.filter(invoice=invoice).update(state=RunItem.State.ISSUED)
    return invoice


def _refuse_expired(invoice: Invoice) -> None:
    # A verification may have been corrected since the draft was made.
    for kept in LineEvidence.objects.filter(line__invoice=invoice):
        past = metering.expired_meters(
            point_id=metering.point_of_channel(channel_id=kept.channel_id),
            period=Period(kept.instants.lower, kept.instants.upper),
        )
        if any(meter.blocks for meter in past):
            raise MeterExpired(
                " ".join(queries.told_expiry(meter) for meter in past if meter.blocks)
            )


def bill(
    *, contract_id: int, month: dt.date, at: dt.datetime, issued: bool, by_id: int | None
) -> Invoice | None:
    """
    Do as `bill_contract` within the caller's transaction.
    """
    # Two workers billing one contract take turns here.
    contract = (
        Contract.objects.select_related("site", "operator", "customer")
        .select_for_update(of=("self",))
        .get(pk=contract_id)
    )
    hoped = BillingPeriod.Status.INVOICED if issued else BillingPeriod.Status.DRAFTED
    period, is_new = _billing_period(contract, month, hoped)
    live = Invoice.objects.filter(period=period).exclude(status=Invoice.Status.VOID)
    if not is_new and live.exists():
        raise AlreadyInvoiced(contract.reference)
    try:
        parts = parts_of(contract, period)
    except queries.Incomplete as gap:
        period.status, period.parked_reason = BillingPeriod.Status.PARKED, str(gap)
        period.save()
        return None
    invoice, lines = _draft(contract, period, parts, at)
    if issued:
        issue(invoice, contract, at, by_id, lines=lines)
    if period.status != hoped:
        period.status, period.parked_reason = hoped, ""
        period.save(update_fields=["status", "parked_reason"])
    return invoice


def _billing_period(contract: Contract, month: dt.date, hoped: str) -> tuple[BillingPeriod, bool]:
    """
    Return the period of a month and whether it was made just now; a new one is stored as what it
    becomes when all goes well.
    """
    first, end = queries.billable_days(contract=contract, month=month) or (month, month)
    if first >= end:
        raise NothingToBill(contract.reference)
    zone = contract.site.timezone
    instants = local_days(first, end, zone)
    made = BillingPeriod(
        contract=contract, local_days=DateRange(first, end), timezone=zone,
        instants=DateTimeTZRange(instants.start, instants.end), status=hoped,
    )  # fmt: skip
    # The contract is locked, so nobody makes it in between.
    found = BillingPeriod.objects.filter(contract=contract, local_days=made.local_days).first()
    if found is not None:
        return found, False
    made.save(force_insert=True)
    return made, True


@dataclass(frozen=True, slots=True)
class Part:
    """
    A stretch of a period under one version of the terms, as it is kept and as it is rated.
    """

    terms: Terms
    instants: Period
    stored: dict[str, Any]
    energy: metering.MeteredEnergy | None

    def lines(self) -> list[rating.RatedLine]:
        return rating.rate([rating.stretch(self.stored)])


def parts_of(contract: Contract, period: BillingPeriod) -> list[Part]:
    """
    Cut the period where the terms change and gather what each stretch is priced from.

    :raises queries.Incomplete: saying what is missing
    """
    first, end = period.local_days.lower, period.local_days.upper
    parts: list[Part] = []
    reached = first
    for terms in queries.terms_of(contract_id=contract.pk, first=first, end=end):
        starts = max(first, terms.valid.lower)
        ends = end if terms.valid.upper is None else min(end, terms.valid.upper)
        if starts != reached:
            break
        instants = local_days(starts, ends, period.timezone)
        stored, energy = queries.priced(
            contract=contract, terms=terms, instants=instants, first=starts, end=ends
        )
        parts.append(Part(terms, instants, stored, energy))
        reached = ends
    if reached != end:
        raise queries.Incomplete(f"No terms are agreed for {reached:%d %B %Y}.")
    return parts


def _draft(
    contract: Contract, period: BillingPeriod, parts: list[Part], at: dt.datetime
) -> tuple[Invoice, list[queries.WrittenLine]]:
    rated = [(part, line) for part in parts for line in part.lines()]
    # The operator writes a host's invoice to itself in the host's name.
    self_billed = any(part.terms.model == Terms.Model.HOST for part in parts)
    seller, buyer = contract.operator, contract.customer
    if self_billed:
        seller, buyer = buyer, seller
    invoice = Invoice(
        document_type=Invoice.Type.SELF_BILLED if self_billed else Invoice.Type.INVOICE,
        operator=contract.operator,
        customer=contract.customer,
        contract=contract,
        period=period,
        created_at=at,
        currency=contract.currency,
        seller=copied(seller),
        buyer=copied(buyer),
        inputs=[part.stored for part in parts],
    )
    store_document(invoice, vat_by_rate([line for _, line in rated]))
    # A line keeps the words of its day, in the customer's language.
    with override(contract.customer.language):
        return invoice, _write_lines(invoice, rated)


def store_document(
    invoice: Invoice, vat: Mapping[tuple[str, Decimal], tuple[Decimal, Decimal]]
) -> None:
    """
    Store a draft with its VAT, base and tax by category and rate, and the sums of that; the
    lines come after.
    """
    invoice.net = sum((base for base, _ in vat.values()), Decimal(0))
    invoice.vat = sum((tax for _, tax in vat.values()), Decimal(0))
    invoice.gross = invoice.net + invoice.vat
    invoice.inputs_sha256 = hashlib.sha256(rating.canonical(invoice.inputs)).digest()
    invoice.save(force_insert=True)
    InvoiceVat.objects.bulk_create(
        InvoiceVat(invoice=invoice, category=category, rate=rate, base=base, tax=tax)
        for (category, rate), (base, tax) in vat.items()
    )


def _write_lines(
    invoice: Invoice, rated: list[tuple[Part, rating.RatedLine]]
) -> list[queries.WrittenLine]:
    lines = InvoiceLine.objects.bulk_create(
        line_of(invoice, position, part, line)
        for position, (part, line) in enumerate(rated, start=1)
    )
    BilledInterval.objects.bulk_create(
        BilledInterval(
            line=line, contract=invoice.contract, charge=line.charge, service=line.service
        )
        for line in lines
    )
    written = [
        (line, [evidence_of(line, part)] if told.metered and part.energy is not None else [])
        for line, (part, told) in zip(lines, rated, strict=True)
    ]
    LineEvidence.objects.bulk_create(kept for _, evidence in written for kept in evidence)
    name_lots(service_id=invoice.contract.hosting_service_id, lines=lines)
    return list(written)


def line_of(invoice: Invoice, position: int, part: Part, line: rating.RatedLine) -> InvoiceLine:
    """
    Return a rated line as a row, not yet stored.
    """
    explanation = {
        "formula": line.formula, "note": line.note, "label": line.label,
        **_told_energy(line, part),
    }  # fmt: skip
    return InvoiceLine(
        invoice=invoice,
        position=position,
        charge=line.charge,
        terms=part.terms,
        service=DateTimeTZRange(part.instants.start, part.instants.end),
        description=_description(line),
        quantity=line.quantity,
        unit=line.unit,
        unit_price=line.unit_price,
        net=line.net,
        vat_category=line.vat_category,
        vat_rate=line.vat_rate,
        explanation={name: text for name, text in explanation.items() if text},
    )


def _told_energy(line: rating.RatedLine, part: Part) -> dict[str, str]:
    """
    Return what must be known of a metered quantity beside its registers: losses that were taken
    off, meters past their verification.
    """
    if part.energy is None or not line.charge.startswith(rating.ENERGY):
        return {}
    return {"loss": part.energy.loss, "warning": part.energy.warning}


def _description(line: rating.RatedLine) -> str:
    base = line.charge.partition("_")[0] if line.charge.startswith("energy_") else line.charge
    if base == rating.ENERGY and line.label == "overage":
        return gettext("Energy beyond the allowance")
    text = gettext(_DESCRIPTIONS[base])
    if base == rating.ENERGY and line.label.isdigit():
        return gettext("%(charge)s, tier %(number)s") % {"charge": text, "number": line.label}
    return f"{text}, {line.label}" if base == rating.ENERGY and line.label else text


def evidence_of(line: InvoiceLine, part: Part) -> LineEvidence:
    """
    Return what a metered line was computed from as a row, not yet stored.
    """
    energy = part.energy
    if energy is None:
        raise ValueError("A line without metered energy has no evidence.")
    return LineEvidence(
        line=line,
        channel_id=energy.channel_id,
        channel_key=energy.channel_key,
        meter_serial=energy.serials,
        instants=line.service,
        opening=energy.opening,
        closing=energy.closing,
        energy_kwh=energy.energy_kwh,
        estimated_kwh=energy.estimated_kwh,
        reading_count=energy.reading_count,
        readings_sha256=energy.readings_sha256,
        fingerprints=energy.fingerprints,
        rollup_version=energy.rollup_version,
        terms_version=part.terms.version,
    )


_DESCRIPTIONS = {
    rating.ENERGY: gettext_noop("Energy delivered"),
    rating.STANDING: gettext_noop("Contracted power"),
    "premium": gettext_noop("Premium for heat use"),
    "service_credit": gettext_noop("Credit for missed availability"),
    "attribute": gettext_noop("Renewable electricity attributes"),
    "matched": gettext_noop("Attributes matched in the hour"),
    "heat_share": gettext_noop("Your part of the heat revenue"),
    "savings": gettext_noop("Share of what was saved"),
    "minimum": gettext_noop("Minimum quantity not taken"),
    "fee": gettext_noop("Monthly fee"),
    "site_fee": gettext_noop("Site fee"),
    "connection": gettext_noop("Connection fee"),
    "cap": gettext_noop("Reduction to the agreed maximum"),
    "true_up": gettext_noop("Settlement of the year’s savings"),
    "deposit": gettext_noop("Deposit"),
    "deposit_back": gettext_noop("Deposit given back"),
}


_COPIED = (
    "name", "street", "postcode", "town", "country", "vat_id", "tax_number", "email", "phone",
    "contact_name", "bank_details", "iban", "bic", "creditor_id", "buyer_reference",
    "electronic_address", "electronic_scheme", "complaints", "language",
)  # fmt: skip


def copied(party: Stakeholder) -> dict[str, str]:
    """
    Return the address of a party as it stands now, to be kept on a document.
    """
    return {name: getattr(party, name) for name in _COPIED}
