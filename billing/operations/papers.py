"""
Keeping the document of an issued invoice.
"""

import datetime as dt
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction

from billing import documents, queries
from billing.models import InvoiceDocument


@transaction.atomic(durable=True)
def make_document(*, invoice_id: int, at: dt.datetime) -> bool:
    """
    Make and keep the PDF of an issued invoice; say whether there was none before.
    """
    # Drawn outside any lock: a second drawing of the same invoice loses and changes nothing.
    if InvoiceDocument.objects.filter(pk=invoice_id).exists():
        return False
    invoice = queries.document_details(pk=invoice_id)
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


@contextmanager
def only_one(name: str) -> Iterator[bool]:
    """
    Say whether nobody else holds the name, and hold it meanwhile. A worker that dies lets go with
    its connection.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtext(%s))", [name])
        (alone,) = cursor.fetchone()
        try:
            yield alone
        finally:
            if alone:
                cursor.execute("SELECT pg_advisory_unlock(hashtext(%s))", [name])
