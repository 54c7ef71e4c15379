"""
Reads of contracts, runs and invoices, split by topic.
"""

from billing.queries.corrections import live_lines, to_correct
from billing.queries.evidence import canonical_document, differences
from billing.queries.inputs import (
    Incomplete,
    billable_days,
    expired_meters,
    metered,
    terms_of,
    told_expiry,
)
from billing.queries.invoices import (
    bill_a_year_before,
    bill_of_last_year,
    billed_months,
    bills,
    documents,
    invoice_details,
    invoice_years,
    invoices,
    invoices_without_document,
    issued_invoice,
)
from billing.queries.pricing import IS_ENERGY, hours_of, index_values, monthly_figures, priced
from billing.queries.runs import (
    contracts_to_bill,
    months_due,
    parked_reason,
    run_items,
    run_totals,
    runs,
    stalled_runs,
)

__all__ = [
    "IS_ENERGY",
    "Incomplete",
    "bill_a_year_before",
    "bill_of_last_year",
    "billable_days",
    "billed_months",
    "bills",
    "canonical_document",
    "contracts_to_bill",
    "differences",
    "documents",
    "expired_meters",
    "hours_of",
    "index_values",
    "invoice_details",
    "invoice_years",
    "invoices",
    "invoices_without_document",
    "issued_invoice",
    "live_lines",
    "metered",
    "monthly_figures",
    "months_due",
    "parked_reason",
    "priced",
    "run_items",
    "run_totals",
    "runs",
    "stalled_runs",
    "terms_of",
    "to_correct",
    "told_expiry",
]
