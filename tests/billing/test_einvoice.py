"""
Electronic invoices against the official rules of EN 16931, run in this process.
"""

import io
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, cast

import facturx
import pypdf
import pytest
from lxml import etree
from saxonche import PySaxonProcessor

from billing import operations
from billing.documents import Syntax, electronic_invoice, invoice_pdf
from billing.models import Contract, Invoice, Terms
from tests.factories_billing import JANUARY, make_contract, meter_month
from tests.factories_telemetry import LATER, make_heat_channel

RULES = Path(__file__).resolve().parents[3] / "shared/data/h_einvoice/en16931/validation"
SVRL = "{http://purl.oclc.org/dsdl/svrl}"

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(not RULES.exists(), reason="the EN 16931 rules are not at ../shared/data"),
]


@cache
def _processor() -> PySaxonProcessor:
    return PySaxonProcessor(license=False)


@cache
def _stylesheet(rules: Path) -> Any:
    return _processor().new_xslt30_processor().compile_stylesheet(stylesheet_file=str(rules))


def faults(xml: bytes, syntax: str, rules: Path | None = None) -> list[str]:
    """
    Return what the schematron has against a document, errors and warnings: that of EN 16931, or
    other rules.
    """
    rules = rules or RULES / f"EN16931-{syntax}-validation.xslt"
    node = _processor().parse_xml(xml_text=xml.decode())
    report = etree.fromstring(_stylesheet(rules).transform_to_string(xdm_node=node).encode())
    return [
        f"{found.get('id')}: {found.findtext(f'{SVRL}text')}"
        for found in report.iter(f"{SVRL}failed-assert", f"{SVRL}successful-report")
    ]


def _issue(vat: str = "S", rate: int = 19, mandate: str = "", **buyer: str) -> Invoice:
    channel = make_heat_channel()
    meter_month(channel, JANUARY)
    contract = make_contract(channel)
    Terms.objects.update(vat_category=vat, vat_rate=rate, details={"cap_per_month": "200"})
    for party in (contract.operator, contract.customer):
        party.street, party.postcode, party.town = "Kai 1", "24103", "Kiel"
        party.email, party.phone, party.vat_id = "x@nordhaven.example", "+49 431 1", "DE123456789"
        party.iban = "DE89370400440532013000"
        for name, value in buyer.items():
            setattr(party, name, value)
        party.save()
    if mandate:
        operations.add_mandate(
            operator_id=contract.operator_id, customer_id=contract.customer_id, reference=mandate,
            signed_on=JANUARY, account_name="Pool", iban="DE02120300000000202051", bic="",
            at=LATER, by_id=None,
        )  # fmt: skip
    return _bill(contract)


def _bill(contract: Contract) -> Invoice:
    invoice = operations.bill_contract(contract_id=contract.pk, month=JANUARY, at=LATER, issue=True)
    assert invoice is not None
    return Invoice.objects.get(pk=invoice.pk)


@pytest.mark.parametrize(
    ("vat", "rate"),
    [("S", 19), ("AE", 0), ("E", 0), ("Z", 0)],
    ids=["19", "reverse", "exempt", "0"],
)
def test_every_syntax_meets_the_rules_with_no_fault(vat: str, rate: int):
    invoice = _issue(vat, rate)
    credit = operations.credit_invoice(
        invoice_id=invoice.pk, reason="Wrong customer", at=LATER, by_id=None
    )

    for document in (invoice, Invoice.objects.get(pk=credit.pk)):
        assert faults(electronic_invoice(invoice=document, syntax=Syntax.CII), "CII") == []
        for syntax in (Syntax.UBL, Syntax.XRECHNUNG, Syntax.PEPPOL):
            assert faults(electronic_invoice(invoice=document, syntax=syntax), "UBL") == []


def test_a_wrong_document_is_found_by_the_same_check():
    xml = electronic_invoice(invoice=_issue(), syntax=Syntax.CII)

    assert any(
        "BR-CO-10" in fault for fault in faults(xml.replace(b">200.00<", b">190.00<"), "CII")
    )


def test_figures_and_references_are_those_of_the_document():
    invoice = _issue(buyer_reference="04011000-12345-34")
    ubl = etree.fromstring(electronic_invoice(invoice=invoice, syntax=Syntax.XRECHNUNG))
    names = {"cbc": ubl.nsmap["cbc"], "cac": ubl.nsmap["cac"]}

    def text(path: str) -> str | None:
        return ubl.findtext(path, namespaces=names)

    assert text("cbc:ID") == invoice.number
    assert text("cbc:BuyerReference") == "04011000-12345-34"
    assert text("cbc:CustomizationID") == (
        "urn:cen.eu:en16931:2017#compliant#urn:xeinkauf.de:kosit:xrechnung_3.0"
    )
    assert Decimal(text("cac:LegalMonetaryTotal/cbc:PayableAmount") or 0) == invoice.gross
    # A credit is a negative quantity at a positive price.
    quantities = [Decimal(q.text or 0) for q in ubl.iterfind(".//cbc:InvoicedQuantity", names)]
    assert quantities == [Decimal(1860), Decimal(30), Decimal(-1)]


@pytest.mark.parametrize(
    ("language", "title"),
    [("en-gb", "Invoice INV-"), ("de", "Rechnung INV-"), ("fr", "Facture INV-")],
)
def test_the_pdf_is_in_the_customers_language_with_the_xml_inside(language: str, title: str):
    invoice = _issue(language=language, complaints="Schlichtungsstelle Energie e. V., Berlin")
    drawn = invoice_pdf(invoice=invoice)
    pdf = pypdf.PdfReader(io.BytesIO(drawn), strict=True)
    text = " ".join(pdf.pages[0].extract_text().split())

    assert title in text
    assert "Schlichtungsstelle Energie" in text
    [xml] = pdf.attachments["factur-x.xml"]
    assert faults(xml, "CII") == []
    metadata = pdf.xmp_metadata
    assert metadata is not None
    said = metadata.stream.get_data()
    assert b"EN 16931" in said
    assert b"pdfaid:part" in said
    assert etree.fromstring(said) is not None
    [attached] = cast(Any, pdf.root_object["/AF"])
    assert attached.get_object()["/AFRelationship"] == "/Alternative"
    # The library that others read such files with finds the same XML.
    name, found = facturx.get_facturx_xml_from_pdf(drawn, check_xsd=True)
    assert (name, found) == ("factur-x.xml", xml)


def test_what_is_collected_says_so_on_paper_and_in_every_syntax():
    invoice = _issue(mandate="M-7", creditor_id="DE98ZZZ09999999999", language="de")

    cii = electronic_invoice(invoice=invoice, syntax=Syntax.CII)
    assert faults(cii, "CII") == []
    for syntax in (Syntax.UBL, Syntax.XRECHNUNG, Syntax.PEPPOL):
        ubl = electronic_invoice(invoice=invoice, syntax=syntax)
        assert faults(ubl, "UBL") == []
        for told in (b">59<", b">M-7<", b">DE98ZZZ09999999999<", b">DE02120300000000202051<"):
            assert told in ubl
    pdf = pypdf.PdfReader(io.BytesIO(invoice_pdf(invoice=invoice)), strict=True)
    text = " ".join(pdf.pages[0].extract_text().split())
    assert "SEPA-Lastschrift vom Konto DE02 … 2051" in text
    assert "Bitte zahlen Sie" not in text
    assert "Banking-App" not in text


def test_without_a_creditor_identifier_nothing_is_collected():
    xml = electronic_invoice(invoice=_issue(mandate="M-7"), syntax=Syntax.UBL)

    assert b">58<" in xml
    assert b"M-7" not in xml
