"""
The PDF of an issued invoice: PDF/A-3, the stored figures, kept once.
"""

import io

import pypdf
import pytest
from django.db import IntegrityError, transaction

from billing import operations, queries
from billing.models import InvoiceDocument
from tests.factories_billing import JANUARY, make_contract, meter_january
from tests.factories_telemetry import LATER, make_heat_channel

pytestmark = pytest.mark.django_db


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
