from billing.models.bookkeeping import ACCOUNT_NUMBER, Bookkeeping, RevenueAccount
from billing.models.contracts import Contract, CorrectionLimit, Terms
from billing.models.costs import HeatCost
from billing.models.invoices import (
    AttributeUse,
    BilledInterval,
    Invoice,
    InvoiceDocument,
    InvoiceLine,
    InvoiceVat,
    LineEvidence,
    NumberSeries,
)
from billing.models.prices import Baseline, IndexBasis, IndexValue, MonthlyFigure, PriceIndex
from billing.models.runs import BillingPeriod, BillingRun, RunItem
from billing.models.settlement import (
    Allocation,
    BankEntry,
    Debit,
    DebitFile,
    Dispute,
    DisputeNote,
    DunningLevel,
    Mandate,
    Reminder,
)

__all__ = [
    "ACCOUNT_NUMBER",
    "Allocation",
    "AttributeUse",
    "BankEntry",
    "Baseline",
    "BilledInterval",
    "BillingPeriod",
    "BillingRun",
    "Bookkeeping",
    "Contract",
    "CorrectionLimit",
    "Debit",
    "DebitFile",
    "Dispute",
    "DisputeNote",
    "DunningLevel",
    "HeatCost",
    "IndexBasis",
    "IndexValue",
    "Invoice",
    "InvoiceDocument",
    "InvoiceLine",
    "InvoiceVat",
    "LineEvidence",
    "Mandate",
    "MonthlyFigure",
    "NumberSeries",
    "PriceIndex",
    "Reminder",
    "RevenueAccount",
    "RunItem",
    "Terms",
]
