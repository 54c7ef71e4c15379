"""
Invoices per second, issued with their evidence and without the PDF; PDFs per second; memory.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

from billing import operations, tasks
from billing.models import BillingRun, Invoice
from telemetry.models import Channel
from tests.factories_billing import JANUARY, make_contracts, meter_january
from tests.factories_telemetry import LATER, make_heat_channel

ROOT = Path(__file__).resolve().parents[2]
# One process of a run: bills until nothing waits, then prints when it began and ended and its
# greatest memory in MiB.
_WORK = """
import re, sys, time, django
django.setup()
from django.utils import timezone
from billing import operations
begins = time.time()
while operations.bill_next(run_id=int(sys.argv[1]), at=timezone.now()):
    pass
ends = time.time()
# Of this program alone; what getrusage tells includes the one that started it.
peak = re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]
print(begins, ends, int(peak) / 1024)
"""
# Draws the documents of every other invoice.
_DRAW = """
import sys, time, django
django.setup()
from django.utils import timezone
from billing import operations, queries
part, parts, count = map(int, sys.argv[1:])
first, *others = queries.invoices_without_document(limit=count // parts, part=(part, parts))
operations.make_document(invoice_id=first, at=timezone.now())
begins = time.monotonic()
for invoice_id in others:
    operations.make_document(invoice_id=invoice_id, at=timezone.now())
print(len(others) / (time.monotonic() - begins))
"""


def measure(*, contracts: int, meters: int, pdfs: int) -> dict[str, Any]:
    """
    Bill one metered month of many contracts in a run of their own, and of a tenth as many; draw
    some of the documents.

    Contracts share meters, but each is metered and its evidence taken for itself.
    """
    channels = [make_heat_channel(code="billed-0")]
    channels += [
        make_heat_channel(site=channels[0].site, code=f"billed-{n}") for n in range(1, meters)
    ]
    for channel in channels:
        meter_january(channel)
    few, _ = _run(channels, "few", contracts // 10)
    most, per_s = _run(channels, "all", contracts)
    return {
        "invoices": {
            "per_s": per_s, "goal": 300, "workers": tasks.WORKERS_A_RUN, "contracts": contracts,
        },
        "billing_memory": {
            "mib": round(most), "times_that_of_a_tenth": round(most / few, 2), "goal": 1.2,
        },
        "documents": {"pdfs_per_s": _draw(pdfs), "goal": 30, "workers": 2},
    }  # fmt: skip


def _run(channels: list[Channel], name: str, count: int) -> tuple[float, int]:
    """
    Return the memory of the larger worker in MiB and the invoices per second.
    """
    make_contracts(channels, name, count)
    run = operations.start_run(
        operator_id=channels[0].site.operator_id, month=JANUARY, issue=True, at=LATER, by_id=None
    )
    # As two workers of a run do it; what is timed is from the first invoice to the last.
    worked = _in_parallel(_WORK, [[str(run.pk)]] * tasks.WORKERS_A_RUN)
    begins, ends, memory = zip(*worked, strict=True)
    issued = Invoice.objects.filter(items__run=run, status="issued").count()
    if issued != count or BillingRun.objects.get(pk=run.pk).status != "finished":
        raise RuntimeError(f"{issued} of {count} invoices were issued")
    return max(memory), round(count / (max(ends) - min(begins)))


def _in_parallel(code: str, given: list[list[str]]) -> list[list[float]]:
    """
    Run a program once for each list of arguments, side by side, and return what they print.
    """
    command = [sys.executable, "-W", "ignore", "-c", code]
    workers = [
        subprocess.Popen([*command, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for arguments in given
    ]
    said = [worker.communicate()[0] for worker in workers]
    if any(worker.returncode for worker in workers):
        raise RuntimeError("a worker failed")
    return [[float(figure) for figure in text.split()] for text in said]


def _draw(count: int) -> float:
    found = _in_parallel(_DRAW, [[str(n), "2", str(count)] for n in range(2)])
    return round(sum(rate for (rate,) in found), 1)
