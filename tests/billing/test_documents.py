"""
The PDF of an issued invoice: PDF/A-3, the stored figures, kept once.
"""

import io

import pypdf
import pytest
from babel.messages.extract import extract
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po
from django.conf import settings
from django.db import IntegrityError, transaction

from billing import operations, queries
from billing.models import InvoiceDocument
from tests.factories_billing import JANUARY, make_contract, meter_january
from tests.factories_telemetry import LATER, make_heat_channel

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("language", ["de", "fr"])
def test_every_text_of_a_document_is_translated_and_compiled(language: str):
    folder = settings.BASE_DIR / "billing" / "locale" / language / "LC_MESSAGES"
    catalogue = read_po(io.BytesIO((folder / "django.po").read_bytes()))
    compiled = read_mo(io.BytesIO((folder / "django.mo").read_bytes()))
    used = {
        message
        for source in (settings.BASE_DIR / "billing").rglob("*.py")
        for _, message, _, _ in extract(
            "python",
            io.BytesIO(source.read_bytes()),
            keywords={"_": None, "gettext": None, "gettext_noop": None},
        )
    }

    told = {message.id: message.string for message in catalogue if message.id}
    assert set(told) == used
    assert all(told.values())
    assert {message.id: message.string for message in compiled if message.id} == told


def test_an_issued_invoice_has_one_pdf_that_prints_what_is_stored():
    channel = make_heat_channel()
    meter_january(channel)
    invoice = operations.bill_contract(
        contract_id=make_contract(channel).pk, month=JANUARY, at=LATER, issue=True
    )
    assert invoice is not None
    assert queries.invoices_without_document(limit=10) == [invoice.pk]

    assert operations.make_document(invoice_id=invoice.pk, at=LATER)
    assert not operations.make_document(invoice_id=invoice.pk, at=LATER)

    assert queries.invoices_without_document(limit=10) == []
    kept = InvoiceDocument.objects.get()
    reader = pypdf.PdfReader(io.BytesIO(bytes(kept.pdf)))
    text = " ".join(reader.pages[0].extract_text().replace("\xa0", " ").split())
    for shown in (
        "Invoice INV-2030-000001", "€279.15", "€44.57", "1,860 kWh", "€0.0616",
        "Register 1,000 to 2,860", "745 readings", "1 January 2026 to 31 January 2026",
        "Europe/Berlin",
    ):  # fmt: skip
        assert shown in text, shown
    metadata = reader.xmp_metadata
    assert metadata is not None
    assert b"pdfaid:part" in metadata.stream.get_data()
    with pytest.raises(IntegrityError, match="never changed"), transaction.atomic():
        kept.delete()
