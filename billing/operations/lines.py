"""
Rated lines as rows of a document, in words, with their evidence.
"""

from __future__ import annotations

from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.utils.translation import gettext, gettext_noop

from billing.domain import rating
from billing.models import Invoice, InvoiceLine, LineEvidence, Mandate
from billing.operations.stretches import Part
from sites.models import Stakeholder


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
    off, meters past their verification, the unit of the registers.
    """
    if part.energy is None or not line.charge.startswith(rating.ENERGY):
        return {}
    return {
        "loss": part.energy.loss, "warning": part.energy.warning, "register": part.energy.unit,
    }  # fmt: skip


def _description(line: rating.RatedLine) -> str:
    base = _base(line.charge)
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


def charge_name(charge: str) -> str:
    """
    Return what a charge is called on bills, in the language of now; tiers and bands are energy.
    """
    return gettext(_DESCRIPTIONS[_base(charge)])


def _base(charge: str) -> str:
    return rating.ENERGY if charge.startswith("energy_") else charge


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


def copied(party: Stakeholder, mandate: Mandate | None = None) -> dict[str, str]:
    """
    Return the address of a party as it stands now, to be kept on a document, and the mandate by
    which the document is collected.
    """
    found = {name: getattr(party, name) for name in _COPIED}
    if mandate is not None:
        found |= {"mandate_reference": mandate.reference, "mandate_iban": mandate.iban}
    return found
