from billing.models.contracts import Contract, Terms
from billing.models.invoices import (
    BilledInterval,
    Invoice,
    InvoiceDocument,
    InvoiceLine,
    InvoiceVat,
    LineEvidence,
    NumberSeries,
)
from billing.models.runs import BillingPeriod, BillingRun, RunItem

__all__ = [
    "BilledInterval",
    "BillingPeriod",
    "BillingRun",
    "Contract",
    "Invoice",
    "InvoiceDocument",
    "InvoiceLine",
    "InvoiceVat",
    "LineEvidence",
    "NumberSeries",
    "RunItem",
    "Terms",
]
