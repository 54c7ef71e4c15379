"""
Issued documents as people and machines read them: PDF/A-3 and EN 16931. What is written is what
was stored; nothing is computed here.
"""

from billing.documents.einvoice import Syntax, electronic_invoice
from billing.documents.pdf import invoice_pdf

__all__ = ["Syntax", "electronic_invoice", "invoice_pdf"]
