"""
Issued documents as people and machines read them: PDF/A-3 and EN 16931. What is written is what
was stored; nothing is computed here.
"""

from billing.documents.bundle import bundle_differences, evidence_bundle
from billing.documents.einvoice import NotSendable, Syntax, electronic_invoice
from billing.documents.payment_code import payment_code
from billing.documents.pdf import invoice_pdf

__all__ = [
    "NotSendable",
    "Syntax",
    "bundle_differences",
    "electronic_invoice",
    "evidence_bundle",
    "invoice_pdf",
    "payment_code",
]
