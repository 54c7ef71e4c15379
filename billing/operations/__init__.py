from billing.operations.contracts import add_terms, make_contract
from billing.operations.invoicing import AlreadyInvoiced, NothingToBill, bill_contract, issue_draft
from billing.operations.papers import make_document
from billing.operations.runs import RunInProgress, bill_next, cancel_run, show_life, start_run

__all__ = [
    "AlreadyInvoiced",
    "NothingToBill",
    "RunInProgress",
    "add_terms",
    "bill_contract",
    "bill_next",
    "cancel_run",
    "issue_draft",
    "make_contract",
    "make_document",
    "show_life",
    "start_run",
]
