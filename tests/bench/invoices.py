"""
Invoices per second, issued with their evidence and without the PDF.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

from django.db.models import Max, Min

from billing import operations, tasks
from billing.models import Invoice
from tests.factories_billing import JANUARY, make_contract, meter_january
from tests.factories_telemetry import LATER, make_heat_channel

ROOT = Path(__file__).resolve().parents[2]


def measure(*, contracts: int) -> dict[str, Any]:
    """
    Bill one metered month of many contracts in one run.
    """
    channel = make_heat_channel(code="billed")
    meter_january(channel)
    for number in range(contracts):
        make_contract(channel, reference=f"B-{number}")
    run = operations.start_run(
        operator_id=channel.site.operator_id, month=JANUARY, issue=True, at=LATER, by_id=None
    )
    # As two workers of a run do it; what is timed is from the first invoice to the last.
    work = (
        f"import django; django.setup(); from billing import tasks; tasks.bill_run(run_id={run.pk})"
    )
    workers = [
        subprocess.Popen([sys.executable, "-W", "ignore", "-c", work], cwd=ROOT)
        for _ in range(tasks.WORKERS_A_RUN)
    ]
    if any(worker.wait() for worker in workers):
        raise RuntimeError("a worker failed")
    done = run.items.aggregate(first=Min("done_at"), last=Max("done_at"))
    seconds = (done["last"] - done["first"]).total_seconds()
    issued = Invoice.objects.filter(items__run=run, status="issued").count()
    if issued != contracts:
        raise RuntimeError(f"{issued} of {contracts} invoices were issued")
    return {"invoices": {"per_s": round(contracts / seconds), "goal": 100, "workers": len(workers)}}
