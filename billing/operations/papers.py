"""
Keeping the document of an issued invoice.
"""

import datetime as dt
import hashlib

from django.db import transaction

from billing import documents
from billing.models import Invoice, InvoiceDocument


@transaction.atomic(durable=True)
def make_document(*, invoice_id: int, at: dt.datetime) -> bool:
    """
    Make and keep the PDF of an issued invoice; say whether there was none before.
    """
    # Drawn outside any lock: a second drawing of the same invoice loses and changes nothing.
    invoice = Invoice.objects.select_related("contract__site", "period", "corrects").get(
        pk=invoice_id
    )
    if InvoiceDocument.objects.filter(invoice=invoice).exists():
        return False
    pdf = documents.invoice_pdf(invoice=invoice)
    InvoiceDocument.objects.bulk_create(
        [
            InvoiceDocument(
                invoice=invoice, pdf=pdf, sha256=hashlib.sha256(pdf).digest(), made_at=at
            )
        ],
        ignore_conflicts=True,
    )
    return True
