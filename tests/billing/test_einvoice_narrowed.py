"""
What XRechnung and Peppol BIS ask for beyond EN 16931. Their official rules run where they lie
beside the others; what we once had wrong is asserted by itself besides.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
from lxml import etree

from billing.documents import NotSendable, Syntax, electronic_invoice
from billing.models import Invoice
from tests.billing.test_einvoice import RULES, faults
from tests.billing.test_einvoice_samples import (
    MADE,
    E,
    S,
    Z,
    _contract,
    _credited,
    _issued,
    _self_billed,
)

pytestmark = pytest.mark.django_db

# Compiled to XSLT from itplr-kosit/xrechnung-schematron and OpenPEPPOL/peppol-bis-invoice-3.
XRECHNUNG = RULES.parents[1] / "narrowed/XRechnung-UBL-validation.xsl"
PEPPOL = RULES.parents[1] / "narrowed/PEPPOL-EN16931-UBL.xsl"
AE = ("AE", 0)
FRENCH = {"country": "FR", "vat_id": "FR12345678901"}

KINDS: dict[str, Callable[[], Invoice]] = {
    **{" ".join(kind): make for kind, make in MADE.items()},
    "261 S": lambda: _credited(_self_billed()),
    "380 E": lambda: _issued(_contract(E, None)),
    "381 Z": lambda: _credited(_issued(_contract(Z, None))),
    "381 AE, in France": lambda: _credited(_issued(_contract(AE, None, **FRENCH))),
    "380 S, without IBAN": lambda: _issued(_contract(S, None, iban="")),
}

# BIS Self-Billing has other identifiers and type codes than these rules of BIS Billing ask for.
OF_BILLING_ALONE = {
    "PEPPOL-EN16931-R004", "PEPPOL-EN16931-R007", "PEPPOL-EN16931-P0100",
    "PEPPOL-EN16931-P0101", "DE-R-017",
}  # fmt: skip


def _text(root: etree._Element, path: str) -> str | None:
    return root.findtext(path, namespaces={k: v for k, v in root.nsmap.items() if k})


def _read(document: Invoice, syntax: Syntax) -> etree._Element:
    return etree.fromstring(electronic_invoice(invoice=document, syntax=syntax))


def _against(rules: Path, xml: bytes) -> list[str]:
    return faults(xml, "UBL", rules)


@pytest.mark.skipif(
    not (XRECHNUNG.exists() and PEPPOL.exists()),
    reason="the rules of XRechnung and Peppol are not at ../shared/data/h_einvoice/narrowed",
)
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_meets_the_rules_of_xrechnung_and_peppol_in_every_language(kind: str):
    document = KINDS[kind]()
    unlike = OF_BILLING_ALONE if kind in {"389 S", "261 S"} else set()

    for language in ("en-gb", "de", "fr"):
        document.buyer["language"] = language
        german = electronic_invoice(invoice=document, syntax=Syntax.XRECHNUNG)
        assert _against(XRECHNUNG, german) == []
        peppol = electronic_invoice(invoice=document, syntax=Syntax.PEPPOL)
        found = _against(PEPPOL, peppol)
        assert [fault for fault in found if fault.split(":")[0] not in unlike] == []


def test_peppol_finds_parties_by_their_vat_number_or_own_address_never_by_e_mail():
    document = _issued(_contract(S, None))
    document.buyer |= {"electronic_address": "5790000435968", "electronic_scheme": "0088"}
    root = _read(document, Syntax.PEPPOL)

    ends = [(end.get("schemeID"), end.text) for end in root.iterfind(".//{*}EndpointID")]
    assert ends == [("9930", "DE123456789"), ("0088", "5790000435968")]
    mail = {end.get("schemeID") for end in _read(document, Syntax.UBL).iterfind(".//{*}EndpointID")}
    assert mail == {"EM", "0088"}
    document.seller["vat_id"] = ""
    with pytest.raises(NotSendable, match="needs an electronic address or a VAT number"):
        electronic_invoice(invoice=document, syntax=Syntax.PEPPOL)


def test_what_a_buyer_issues_is_a_self_billing_document_of_peppol():
    billed = _self_billed()
    root = _read(billed, Syntax.PEPPOL)
    credited = _read(_credited(billed), Syntax.PEPPOL)

    assert (_text(root, "cbc:CustomizationID") or "").endswith("poacc:selfbilling:3.0")
    assert _text(root, "cbc:ProfileID") == "urn:fdc:peppol.eu:2017:poacc:selfbilling:01:1.0"
    assert _text(root, "cbc:InvoiceTypeCode") == "389"
    assert _text(credited, "cbc:CreditNoteTypeCode") == "261"


def test_xrechnung_knows_one_credit_note():
    credited = _credited(_self_billed())

    assert _text(_read(credited, Syntax.XRECHNUNG), "cbc:CreditNoteTypeCode") == "381"


def test_xrechnung_has_a_rate_without_tax_and_says_what_a_party_lacks():
    document = MADE["380", "O"]()

    # BR-DE-14: the rate of the breakdown, also of what is not subject to VAT.
    root = _read(document, Syntax.XRECHNUNG)
    rates = root.iterfind(".//{*}TaxSubtotal/{*}TaxCategory/{*}Percent")
    assert [rate.text for rate in rates] == ["0"]
    document.seller["phone"] = ""
    with pytest.raises(NotSendable, match="telephone of the seller"):
        electronic_invoice(invoice=document, syntax=Syntax.XRECHNUNG)
