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
from billing.models.prices import Baseline, IndexValue, MonthlyFigure, PriceIndex
from billing.models.runs import BillingPeriod, BillingRun, RunItem

__all__ = [
    "Baseline",
    "BilledInterval",
    "BillingPeriod",
    "BillingRun",
    "Contract",
    "IndexValue",
    "Invoice",
    "InvoiceDocument",
    "InvoiceLine",
    "InvoiceVat",
    "LineEvidence",
    "MonthlyFigure",
    "NumberSeries",
    "PriceIndex",
    "RunItem",
    "Terms",
]
