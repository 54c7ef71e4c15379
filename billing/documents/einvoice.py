"""
An issued document in the terms of EN 16931 (the BT and BG numbers), written by the factur-x library
as Cross Industry Invoice, as UBL, or as XRechnung.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from decimal import Decimal
from enum import StrEnum
from typing import Any

import facturx
from django.utils.translation import gettext as _
from django.utils.translation import override
from lxml import etree

from billing.models import Invoice, InvoiceLine


class Syntax(StrEnum):
    """
    How an electronic invoice is written.
    """

    # Embedded in the PDF: Factur-X and ZUGFeRD, profile EN 16931.
    CII = "cii"
    UBL = "ubl"
    # UBL with the German identifiers (KoSIT, XRechnung 3.0).
    XRECHNUNG = "xrechnung"
    # UBL as Peppol BIS Billing 3.
    PEPPOL = "peppol"


class NotSendable(ValueError):
    """
    A document lacks what the syntax asks for; the message names the party and what to enter.
    """


# BT-24 and BT-23 of the syntaxes that narrow EN 16931.
_PEPPOL = "urn:cen.eu:en16931:2017#compliant#urn:fdc:peppol.eu:2017:poacc:"
_NARROWED = {
    Syntax.XRECHNUNG: (
        "urn:cen.eu:en16931:2017#compliant#urn:xeinkauf.de:kosit:xrechnung_3.0",
        "urn:fdc:peppol.eu:2017:poacc:billing:01:1.0",
    ),
    Syntax.PEPPOL: (f"{_PEPPOL}billing:3.0", "urn:fdc:peppol.eu:2017:poacc:billing:01:1.0"),
}
# What a buyer issues for the seller is another Peppol document, BIS Self-Billing 3.
_SELF_BILLING = (
    f"{_PEPPOL}selfbilling:3.0", "urn:fdc:peppol.eu:2017:poacc:selfbilling:01:1.0",
)  # fmt: skip
# Peppol knows no e-mail addresses: a party is found by its VAT number, under the code of its
# country in the list of electronic address schemes (EAS).
_VAT_SCHEMES = {
    "AT": "9914", "BE": "9925", "BG": "9926", "CH": "9927", "CY": "9928", "CZ": "9929",
    "DE": "9930", "EE": "9931", "GB": "9932", "EL": "9933", "GR": "9933", "HR": "9934",
    "IE": "9935", "LI": "9936", "LT": "9937", "LU": "9938", "LV": "9939", "MT": "9943",
    "NL": "9944", "PL": "9945", "PT": "9946", "RO": "9947", "SI": "9949", "SK": "9950",
    "FR": "9957", "ES": "9920", "HU": "9910", "IT": "0211", "FI": "0213",
}  # fmt: skip
# UN/ECE recommendation 20.
_UNITS = {"kWh": "KWH", "kW": "KWT", "month": "MON", "day": "DAY", "x": "C62"}
# UNTDID 1001: invoice, credit note, self-billed invoice, and its credit note.
_TYPES = {
    Invoice.Type.INVOICE: "380",
    Invoice.Type.CREDIT_NOTE: "381",
    Invoice.Type.SELF_BILLED: "389",
}
_SELF_BILLED_CREDIT = "261"
_SELF_BILLED = {"389", _SELF_BILLED_CREDIT}
# Categories without tax need their reason (VATEX code list).
_EXEMPT = {"AE": "VATEX-EU-AE", "G": "VATEX-EU-G", "O": "VATEX-EU-O", "K": "VATEX-EU-IC"}
_UBL = "{urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2}"


def electronic_invoice(*, invoice: Invoice, syntax: Syntax) -> bytes:
    """
    Return the XML of an issued document. A credit note credits positive quantities, so its signs
    are turned.

    :raises ValueError: if the document is a draft
    :raises NotSendable: if it lacks what the syntax asks for
    """
    with override(invoice.buyer.get("language") or "en-gb"):
        content = _content(invoice)
    if syntax is Syntax.XRECHNUNG:
        _as_xrechnung(content, invoice)
    elif syntax is Syntax.PEPPOL:
        _as_peppol(content, invoice)
    if syntax is Syntax.CII:
        written = facturx.generate_cii_xml(
            content, level="en16931", check_xsd=True, check_schematron=False
        )
        return bytes(written)
    written = facturx.generate_ubl_xml(
        content, level="en16931", check_xsd=True, check_schematron=False
    )
    if syntax is Syntax.UBL:
        return bytes(written)
    if syntax is Syntax.PEPPOL and content["BT-3"] in _SELF_BILLED:
        return _narrowed(bytes(written), *_SELF_BILLING)
    return _narrowed(bytes(written), *_NARROWED[syntax])


def _as_xrechnung(content: dict[str, Any], invoice: Invoice) -> None:
    """
    Turn a document into what XRechnung allows: whom to ask is named with phone and e-mail (BR-DE-5
    to 7), and of the credit notes only 381 is known (BR-DE-17).
    """
    asked = (
        ("telephone of the seller", invoice.seller.get("phone")),
        ("e-mail address of the seller", invoice.seller.get("email")),
        ("town of the seller", invoice.seller["town"]),
        ("postcode of the seller", invoice.seller["postcode"]),
        ("town of the customer", invoice.buyer["town"]),
        ("postcode of the customer", invoice.buyer["postcode"]),
    )
    lacking = [name for name, value in asked if not value]
    if lacking:
        raise NotSendable(
            "XRechnung asks for what was not known when the document was issued: "
            + ", ".join(lacking)
            + "."
        )
    if content["BT-3"] == _SELF_BILLED_CREDIT:
        content["BT-3"] = _TYPES[Invoice.Type.CREDIT_NOTE]


def _as_peppol(content: dict[str, Any], invoice: Invoice) -> None:
    """
    Turn a document into what Peppol BIS allows: parties found by Peppol's own addresses, and at
    most one note (PEPPOL-EN16931-R002).
    """
    for party, given in (("BG-4", invoice.seller), ("BG-7", invoice.buyer)):
        if given.get("electronic_address") and given.get("electronic_scheme") != "EM":
            continue
        scheme = _VAT_SCHEMES.get(given["vat_id"][:2])
        if scheme is None:
            raise NotSendable(
                f"Peppol finds nobody by e-mail: {given['name']} needs an electronic address or a"
                " VAT number."
            )
        content[party]["einvoicing_addr"] = given["vat_id"]
        content[party]["einvoicing_addr_schemeid"] = scheme
    notes = [note["BT-22"] for note in content["BG-1"]]
    content["BG-1"] = [{"BT-22": " ".join(notes)}] if notes else []


def _narrowed(xml: bytes, customisation: str, profile: str) -> bytes:
    root = etree.fromstring(xml)
    identifier = root.find(f"{_UBL}CustomizationID")
    if identifier is None:
        raise ValueError("An invoice in UBL has a CustomizationID.")
    identifier.text = customisation
    given = root.find(f"{_UBL}ProfileID")
    if given is None:
        given = etree.Element(f"{_UBL}ProfileID")
        identifier.addnext(given)
    given.text = profile
    return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8"))


def _content(invoice: Invoice) -> dict[str, Any]:
    if invoice.issued_on is None or invoice.due_on is None:
        raise ValueError("Only an issued invoice has an electronic form.")
    is_credit = invoice.document_type == Invoice.Type.CREDIT_NOTE
    sign = -1 if is_credit else 1
    days = invoice.period.local_days
    zone = zoneinfo.ZoneInfo(invoice.period.timezone)
    content: dict[str, Any] = {
        "BT-1": invoice.number,
        "BT-2": invoice.issued_on,
        "BT-3": _type_code(invoice),
        "BT-5": invoice.currency,
        "BT-9": invoice.due_on,
        "BT-10": invoice.buyer.get("buyer_reference") or invoice.contract.reference,
        "BT-12": invoice.contract.reference,
        "BT-20": _terms_of_payment(invoice, invoice.due_on),
        "BT-72": days.upper - dt.timedelta(days=1),
        "BT-73": days.lower,
        "BT-74": days.upper - dt.timedelta(days=1),
        "BG-1": [{"BT-22": note} for note in _notes(invoice)],
        "BG-4": _party(invoice.seller),
        "BG-7": _party(invoice.buyer),
        "BG-25": [
            _line(line, sign, zone)
            for line in sorted(invoice.lines.all(), key=lambda line: line.position)
        ],
        "BG-23": [
            _vat(vat.category, vat.rate, sign * vat.base, sign * vat.tax)
            for vat in sorted(invoice.vat_lines.all(), key=lambda v: (v.category, v.rate))
        ],
        "BT-106": _money(sign * invoice.net),
        "BT-109": _money(sign * invoice.net),
        "BT-110": _money(sign * invoice.vat),
        "BT-112": _money(sign * invoice.gross),
        "BT-115": _money(sign * invoice.gross),
        **_payment(invoice),
    }
    if invoice.corrects is not None:
        content["BG-3"] = [{"BT-25": invoice.corrects.number, "BT-26": invoice.corrects.issued_on}]
    return content


def _type_code(invoice: Invoice) -> str:
    if invoice.document_type != Invoice.Type.CREDIT_NOTE or invoice.corrects is None:
        return _TYPES[Invoice.Type(invoice.document_type)]
    of_self_billed = invoice.corrects.document_type == Invoice.Type.SELF_BILLED
    return _SELF_BILLED_CREDIT if of_self_billed else _TYPES[Invoice.Type.CREDIT_NOTE]


def _notes(invoice: Invoice) -> list[str]:
    notes = [invoice.reason] if invoice.reason else []
    if any(vat.category == "AE" for vat in invoice.vat_lines.all()):
        notes.append(_("Reverse charge: the recipient owes the VAT."))
    return notes


def _party(given: dict[str, str]) -> dict[str, Any]:
    address = given.get("electronic_address") or given.get("email", "")
    scheme = given.get("electronic_scheme") if given.get("electronic_address") else "EM"
    party: dict[str, Any] = {
        "name": given["name"],
        "country_code": given["country"],
        "addr_l1": given["street"],
        "city": given["town"],
        "postcode": given["postcode"],
        "vat_identifier": given["vat_id"],
        "tax_identifier": given.get("tax_number", ""),
        # BT-30: somebody without a VAT number is told apart by the other one (BR-CO-26).
        "legal_identifier": "" if given["vat_id"] else given.get("tax_number", ""),
        "einvoicing_addr": address,
        "einvoicing_addr_schemeid": scheme if address else "",
        "contacts": [
            {
                "name": given.get("contact_name") or given["name"],
                "phone": given.get("phone", ""),
                "email": given.get("email", ""),
            }
        ],
    }
    return {name: value for name, value in party.items() if value}


def _terms_of_payment(invoice: Invoice, due_on: dt.date) -> str:
    told = {"due": due_on.isoformat(), "number": invoice.number}
    if invoice.by_direct_debit:
        return _("Collected by SEPA direct debit on %(due)s or soon after.") % told
    return _("Pay by %(due)s with reference %(number)s.") % told


def _payment(invoice: Invoice) -> dict[str, str]:
    if invoice.by_direct_debit:
        return {"BT-81": "59", "BT-83": invoice.number,
                "BT-89": invoice.buyer["mandate_reference"],
                "BT-90": invoice.seller["creditor_id"],
                "BT-91": invoice.buyer["mandate_iban"]}  # fmt: skip
    iban = invoice.seller.get("iban", "")
    if not iban:
        # UNTDID 4461: instrument not defined; how to pay stands in the terms.
        return {"BT-81": "1", "BT-83": invoice.number}
    payment = {"BT-81": "58", "BT-83": invoice.number, "BT-84": iban,
               "BT-85": invoice.seller["name"], "BT-86": invoice.seller.get("bic", "")}  # fmt: skip
    return {name: value for name, value in payment.items() if value}


def _vat(category: str, rate: Decimal, base: Decimal, tax: Decimal) -> dict[str, str]:
    found = {"BT-116": _money(base), "BT-117": _money(tax), "BT-118": category}
    # Also 0 for what is not subject to VAT, which XRechnung asks for (BR-DE-14).
    found["BT-119"] = f"{rate.normalize():f}"
    if category in _EXEMPT:
        found["BT-121"] = _EXEMPT[category]
    if category in _EXEMPT or category == "E":
        found["BT-120"] = _("Reverse charge") if category == "AE" else _("Exempt from VAT")
    return found


def _line(line: InvoiceLine, sign: int, zone: zoneinfo.ZoneInfo) -> dict[str, Any]:
    first = line.service.lower.astimezone(zone).date()
    last = (line.service.upper - dt.timedelta(seconds=1)).astimezone(zone).date()
    registers = [
        f"{kept.meter_serial}: {kept.opening.normalize():f} – {kept.closing.normalize():f}"
        for kept in line.evidence.all()
    ]
    notes = [text for text in (line.explanation.get("formula", ""), *registers) if text]
    found: dict[str, Any] = {
        "BT-126": str(line.position),
        "BT-129": f"{(sign * line.quantity).normalize():f}",
        "BT-130": _UNITS.get(line.unit, "C62"),
        "BT-131": _money(sign * line.net),
        "BT-134": first,
        "BT-135": last,
        "BT-146": _price(line.unit_price),
        "BT-151": line.vat_category,
        "BT-153": line.description,
        "BT-127-00": [{"BT-127": "; ".join(notes)}] if notes else [],
    }
    if line.vat_category != "O":
        found["BT-152"] = f"{line.vat_rate.normalize():f}"
    return found


def _money(amount: Decimal) -> str:
    # Adding zero turns a negative zero into a plain one.
    return f"{amount + 0:.2f}"


def _price(price: Decimal) -> str:
    return f"{price.quantize(Decimal('0.01')):f}" if price == round(price, 2) else f"{price:f}"
