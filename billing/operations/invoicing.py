"""
One contract and month into one invoice, with its evidence and its number.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import zoneinfo
from decimal import Decimal

from django.db import transaction
from django.db.backends.postgresql.psycopg_any import DateRange, DateTimeTZRange

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
    NumberSeries,
    RunItem,
    Terms,
)
from sites.domain import Period, local_days
from sites.models import Stakeholder
from sites.operations import record
from telemetry import queries as metering


class AlreadyInvoiced(Exception):
    """
    The contract already has an invoice for this month.
    """


class NothingToBill(Exception):
    """
    The contract does not run in this month.
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
    return _bill(contract_id=contract_id, month=month, at=at, issue=issue, by_id=by_id)


@transaction.atomic(durable=True)
def issue_draft(*, invoice_id: int, at: dt.datetime, by_id: int | None) -> Invoice:
    """
    Issue a draft: it gets its number and is frozen. An issued one is returned as it is, so
    that pressing twice does no harm.

    :raises Invoice.DoesNotExist: if there is none or it was discarded
    """
    contract_id = Invoice.objects.values_list("contract_id", flat=True).get(pk=invoice_id)
    contract = (
        Contract.objects.select_related("operator")
        .select_for_update(of=("self",))
        .get(pk=contract_id)
    )
    invoice = Invoice.objects.exclude(status=Invoice.Status.VOID).get(pk=invoice_id)
    if invoice.status == Invoice.Status.DRAFT:
        _issue(invoice, contract, at, by_id)
        BillingPeriod.objects.filter(pk=invoice.period_id).update(
            status=BillingPeriod.Status.INVOICED
        )
        RunItem.objects.filter(invoice=invoice).update(state=RunItem.State.ISSUED)
    return invoice


def _bill(
    *, contract_id: int, month: dt.date, at: dt.datetime, issue: bool, by_id: int | None
) -> Invoice | None:
    # Two workers billing one contract take turns here.
    contract = (
        Contract.objects.select_related("site", "operator", "customer")
        .select_for_update(of=("self",))
        .get(pk=contract_id)
    )
    period = _billing_period(contract, month)
    if Invoice.objects.filter(period=period).exclude(status=Invoice.Status.VOID).exists():
        raise AlreadyInvoiced(contract.reference)
    try:
        parts = _parts(contract, period)
    except queries.Incomplete as gap:
        period.status, period.parked_reason = BillingPeriod.Status.PARKED, str(gap)
        period.save()
        return None
    invoice = _draft(contract, period, parts, at)
    if issue:
        _issue(invoice, contract, at, by_id)
    period.status = BillingPeriod.Status.INVOICED if issue else BillingPeriod.Status.DRAFTED
    period.parked_reason = ""
    period.save(update_fields=["status", "parked_reason"])
    return invoice


def _billing_period(contract: Contract, month: dt.date) -> BillingPeriod:
    first, end = queries.billable_days(contract=contract, month=month) or (month, month)
    if first >= end:
        raise NothingToBill(contract.reference)
    zone = contract.site.timezone
    instants = local_days(first, end, zone)
    made = BillingPeriod(
        contract=contract, local_days=DateRange(first, end), timezone=zone,
        instants=DateTimeTZRange(instants.start, instants.end),
    )  # fmt: skip
    # The contract is locked, so nobody makes it in between.
    found = BillingPeriod.objects.filter(contract=contract, local_days=made.local_days).first()
    if found is None:
        made.save(force_insert=True)
    return found or made


Part = tuple[Terms, Period, rating.Stretch, metering.MeteredEnergy | None]


def _parts(contract: Contract, period: BillingPeriod) -> list[Part]:
    """
    Cut the period where the terms change and meter each stretch.
    """
    first, end = period.local_days.lower, period.local_days.upper
    days_in_month = ((first.replace(day=1) + dt.timedelta(days=32)).replace(day=1)
                     - first.replace(day=1)).days  # fmt: skip
    parts: list[Part] = []
    reached = first
    for terms in queries.terms_of(contract_id=contract.pk, first=first, end=end):
        starts = max(first, terms.valid.lower)
        ends = end if terms.valid.upper is None else min(end, terms.valid.upper)
        if starts != reached:
            break
        instants = local_days(starts, ends, period.timezone)
        energy = queries.metered(terms=terms, period=instants)
        stretch = rating.Stretch(
            terms_id=terms.pk,
            days=(ends - starts).days,
            days_in_month=days_in_month,
            contracted_kw=terms.contracted_kw,
            price_per_kw=terms.price_per_kw,
            price_per_kwh=terms.price_per_kwh,
            energy_kwh=energy.energy_kwh if energy else None,
            vat_category=terms.vat_category,
            vat_rate=terms.vat_rate,
        )
        parts.append((terms, instants, stretch, energy))
        reached = ends
    if reached != end:
        raise queries.Incomplete(f"No terms are agreed for {reached:%d %B %Y}.")
    return parts


def _draft(
    contract: Contract, period: BillingPeriod, parts: list[Part], at: dt.datetime
) -> Invoice:
    rated = [(part, line) for part in parts for line in rating.rate([part[2]])]
    vat = vat_by_rate([line for _, line in rated])
    net = sum((line.net for _, line in rated), Decimal(0))
    tax = sum((tax for _, tax in vat.values()), Decimal(0))
    invoice = Invoice.objects.create(
        operator=contract.operator,
        customer=contract.customer,
        contract=contract,
        period=period,
        created_at=at,
        currency=contract.currency,
        seller=_copied(contract.operator),
        buyer=_copied(contract.customer),
        net=net,
        vat=tax,
        gross=net + tax,
    )
    _write_lines(invoice, rated)
    InvoiceVat.objects.bulk_create(
        InvoiceVat(invoice=invoice, category=category, rate=rate, base=base, tax=tax)
        for (category, rate), (base, tax) in vat.items()
    )
    return invoice


def _write_lines(invoice: Invoice, rated: list[tuple[Part, rating.RatedLine]]) -> None:
    lines = InvoiceLine.objects.bulk_create(
        _line(invoice, position, part, line) for position, (part, line) in enumerate(rated, start=1)
    )
    BilledInterval.objects.bulk_create(
        BilledInterval(
            line=line, contract=invoice.contract, charge=line.charge, service=line.service
        )
        for line in lines
    )
    LineEvidence.objects.bulk_create(
        _evidence(line, terms, energy)
        for line, ((terms, _, _, energy), _) in zip(lines, rated, strict=True)
        if line.charge == rating.ENERGY and energy is not None
    )


def _line(invoice: Invoice, position: int, part: Part, line: rating.RatedLine) -> InvoiceLine:
    terms, instants, _, _ = part
    return InvoiceLine(
        invoice=invoice,
        position=position,
        charge=line.charge,
        terms=terms,
        service=DateTimeTZRange(instants.start, instants.end),
        description=_DESCRIPTIONS[line.charge],
        quantity=line.quantity,
        unit=line.unit,
        unit_price=line.unit_price,
        net=line.net,
        vat_category=line.vat_category,
        vat_rate=line.vat_rate,
        explanation={"formula": line.formula},
    )


def _evidence(line: InvoiceLine, terms: Terms, energy: metering.MeteredEnergy) -> LineEvidence:
    return LineEvidence(
        line=line,
        channel_id=energy.channel_id,
        channel_key=energy.channel_key,
        meter_serial=energy.serials,
        instants=line.service,
        opening=energy.opening,
        closing=energy.closing,
        energy_kwh=energy.energy_kwh,
        reading_count=energy.reading_count,
        readings_sha256=energy.readings_sha256,
        rollup_version=energy.rollup_version,
        terms_version=terms.version,
    )


_DESCRIPTIONS = {rating.ENERGY: "Energy delivered", rating.STANDING: "Contracted power"}


def _copied(party: Stakeholder) -> dict[str, str]:
    return {
        name: getattr(party, name)
        for name in ("name", "street", "postcode", "town", "country", "vat_id", "email",
                     "bank_details")
    }  # fmt: skip


def _issue(invoice: Invoice, contract: Contract, at: dt.datetime, by_id: int | None) -> None:
    # The year of the number is the seller's local one, which differs from UTC's around New Year.
    issued_on = at.astimezone(zoneinfo.ZoneInfo(contract.operator.timezone)).date()
    # A counter row, not MAX()+1: a rolled-back invoice gives its number back, so there are no
    # holes. Taken last, since everybody shares this lock.
    series, _ = NumberSeries.objects.select_for_update().get_or_create(
        operator=contract.operator, document_type="invoice", year=issued_on.year,
        defaults={"prefix": "INV"},
    )  # fmt: skip
    series.last_number += 1
    invoice.series = series
    invoice.sequence = series.last_number
    invoice.number = f"{series.prefix}-{series.year}-{series.last_number:06d}"
    invoice.issued_on = issued_on
    invoice.issued_at = at
    invoice.due_on = issued_on + dt.timedelta(days=contract.payment_days)
    invoice.previous_hash = series.last_hash
    invoice.document_hash = hashlib.sha256(queries.canonical_document(invoice=invoice)).digest()
    invoice.status = Invoice.Status.ISSUED
    invoice.save()
    series.last_hash = invoice.document_hash
    series.save(update_fields=["last_number", "last_hash"])
    record(
        at=at, by_id=by_id, operator_id=contract.operator_id, action="invoice issued",
        subject=invoice.number,
        after={"contract": contract.reference, "gross": str(invoice.gross),
               "document_hash": invoice.document_hash.hex()},
    )  # fmt: skip
