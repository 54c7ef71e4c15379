from billing.operations.invoicing import AlreadyInvoiced, NothingToBill, bill_contract
from billing.operations.papers import make_document
from billing.operations.runs import RunInProgress, bill_next, show_life, start_run

__all__ = [
    "AlreadyInvoiced",
    "NothingToBill",
    "RunInProgress",
    "bill_contract",
    "bill_next",
    "make_document",
    "show_life",
    "start_run",
]
