from billing.formats.bank import NotReadable as StatementNotReadable
from billing.operations.baselines import (
    agree_baseline,
    fit_baseline,
    fit_baseline_to_weather,
    state_baseline,
)
from billing.operations.bookkeeping import keep_books
from billing.operations.collection import (
    add_mandate,
    drop_dunning,
    end_mandate,
    make_debit_file,
    make_reminders,
    reminder_to_send,
    set_dunning,
)
from billing.operations.contracts import (
    NotReady,
    TermsRefused,
    add_terms,
    change_contract,
    convert_pilot,
    end_contract,
    end_pilots,
    make_contract,
    start_contract,
    withdraw_terms,
)
from billing.operations.correction_limits import set_correction_limits
from billing.operations.corrections import (
    NothingToCorrect,
    TooFarBack,
    correct_invoice,
    credit_invoice,
)
from billing.operations.costs import NotAfterTheLast, state_heat_cost
from billing.operations.disputes import (
    DisputeRefused,
    answer_dispute,
    comment_on_dispute,
    decide_dispute,
    open_dispute,
)
from billing.operations.invoicing import (
    AlreadyInvoiced,
    MeterExpired,
    NothingToBill,
    bill_contract,
    issue_draft,
)
from billing.operations.lines import charge_name
from billing.operations.papers import make_document, only_one
from billing.operations.previewing import Preview, preview, totals
from billing.operations.prices import (
    IndexRow,
    add_index,
    enter_index_value,
    enter_monthly_figure,
    import_index_values,
    rebase_index,
)
from billing.operations.retries import try_held_again
from billing.operations.runs import (
    RunInProgress,
    bill_next,
    cancel_run,
    show_life,
    start_corrections,
    start_issuing,
    start_run,
)
from billing.operations.settlement import (
    NotPossible,
    StatementResult,
    allocate,
    enter_payment,
    import_statement,
    use_credit,
)
from billing.queries import Incomplete as NotComplete

__all__ = [
    "AlreadyInvoiced",
    "DisputeRefused",
    "IndexRow",
    "MeterExpired",
    "NotAfterTheLast",
    "NotComplete",
    "NotPossible",
    "NotReady",
    "NothingToBill",
    "NothingToCorrect",
    "Preview",
    "RunInProgress",
    "StatementNotReadable",
    "StatementResult",
    "TermsRefused",
    "TooFarBack",
    "add_index",
    "add_mandate",
    "add_terms",
    "agree_baseline",
    "allocate",
    "answer_dispute",
    "bill_contract",
    "bill_next",
    "cancel_run",
    "change_contract",
    "charge_name",
    "comment_on_dispute",
    "convert_pilot",
    "correct_invoice",
    "credit_invoice",
    "decide_dispute",
    "drop_dunning",
    "end_contract",
    "end_mandate",
    "end_pilots",
    "enter_index_value",
    "enter_monthly_figure",
    "enter_payment",
    "fit_baseline",
    "fit_baseline_to_weather",
    "import_index_values",
    "import_statement",
    "issue_draft",
    "keep_books",
    "make_contract",
    "make_debit_file",
    "make_document",
    "make_reminders",
    "only_one",
    "open_dispute",
    "preview",
    "rebase_index",
    "reminder_to_send",
    "set_correction_limits",
    "set_dunning",
    "show_life",
    "start_contract",
    "start_corrections",
    "start_issuing",
    "start_run",
    "state_baseline",
    "state_heat_cost",
    "totals",
    "try_held_again",
    "use_credit",
    "withdraw_terms",
]
