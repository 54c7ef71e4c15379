from billing.operations.contracts import (
    NotReady,
    add_terms,
    convert_pilot,
    end_contract,
    end_pilots,
    make_contract,
    start_contract,
)
from billing.operations.corrections import (
    NothingToCorrect,
    TooFarBack,
    correct_invoice,
    credit_invoice,
)
from billing.operations.invoicing import (
    AlreadyInvoiced,
    MeterExpired,
    NothingToBill,
    bill_contract,
    issue_draft,
)
from billing.operations.papers import make_document
from billing.operations.prices import (
    add_index,
    agree_baseline,
    enter_index_value,
    enter_monthly_figure,
    fit_baseline,
)
from billing.operations.runs import RunInProgress, bill_next, cancel_run, show_life, start_run

__all__ = [
    "AlreadyInvoiced",
    "MeterExpired",
    "NotReady",
    "NothingToBill",
    "NothingToCorrect",
    "RunInProgress",
    "TooFarBack",
    "add_index",
    "add_terms",
    "agree_baseline",
    "bill_contract",
    "bill_next",
    "cancel_run",
    "convert_pilot",
    "correct_invoice",
    "credit_invoice",
    "end_contract",
    "end_pilots",
    "enter_index_value",
    "enter_monthly_figure",
    "fit_baseline",
    "issue_draft",
    "make_contract",
    "make_document",
    "show_life",
    "start_contract",
    "start_run",
]
