"""
Invoices per second, issued with their evidence and without the PDF.
"""

import time
from typing import Any

from billing import operations
from billing.models import Invoice
from tests.factories_billing import JANUARY, make_contract, meter_january
from tests.factories_telemetry import LATER, make_heat_channel


def measure(*, contracts: int) -> dict[str, Any]:
    """
    Bill one metered month of many contracts in one run, in one process.
    """
    channel = make_heat_channel(code="billed")
    meter_january(channel)
    for number in range(contracts):
        make_contract(channel, reference=f"B-{number}")
    run = operations.start_run(
        operator_id=channel.site.operator_id, month=JANUARY, issue=True, at=LATER, by_id=None
    )
    started = time.perf_counter()
    while operations.bill_next(run_id=run.pk, at=LATER):
        pass
    seconds = time.perf_counter() - started
    issued = Invoice.objects.filter(items__run=run, status="issued").count()
    if issued != contracts:
        raise RuntimeError(f"{issued} of {contracts} invoices were issued")
    return {"invoices": {"per_s": round(contracts / seconds), "goal": 100, "processes": 1}}
