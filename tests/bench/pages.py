"""
The operator's two longest pages with many sites and invoices: time and count of queries.
"""

import datetime as dt
import statistics
import time
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.backends.postgresql.psycopg_any import DateRange, DateTimeTZRange
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from billing.models import BillingPeriod, Contract, Invoice, NumberSeries
from sites.domain import local_month
from sites.models import Site, Stakeholder
from tests import factories
from tests.factories_billing import make_contract
from tests.factories_telemetry import make_heat_channel

TIMES = 20


def measure(*, sites: int, months: int) -> dict[str, Any]:
    """
    Ask each page some times through the whole stack of the application.
    """
    operator = factories.make_stakeholder()
    client = Client(SERVER_NAME="localhost")
    client.force_login(factories.make_user(stakeholder=operator))
    few: dict[str, int] = {}
    for count in (min(3, sites), sites):
        _fill(operator, count, months)
        found = {address: _ask(client, address) for address in ("/ops/", "/ops/invoices/")}
        few = few or {address: figures["queries"] for address, figures in found.items()}
    return {
        "page_" + ("fleet" if address == "/ops/" else "invoices"): {
            **figures, "p95_goal_ms": 150, "queries_with_3_sites": few[address],
            "sites": sites, "invoices": sites * months,
        }
        for address, figures in found.items()
    }  # fmt: skip


def _ask(client: Client, address: str) -> dict[str, Any]:
    client.get(address)
    with CaptureQueriesContext(connection) as captured:
        client.get(address)
        # Later requests empty the log that this is counted from.
        queries = len(captured)
    taken = []
    for _ in range(TIMES):
        started = time.perf_counter()
        answer = client.get(address)
        taken.append((time.perf_counter() - started) * 1000)
        assert answer.status_code == 200
    taken.sort()
    return {
        "p50_ms": round(statistics.median(taken)),
        "p95_ms": round(taken[int(len(taken) * 0.95) - 1]),
        "queries": queries,
    }


def _fill(operator: Stakeholder, sites: int, months: int) -> None:
    missing = sites - Site.objects.filter(operator=operator).count()
    for _ in range(missing):
        channel = make_heat_channel(site=factories.make_site(operator=operator))
        make_contract(channel, reference=f"P-{channel.pk}")
    _roll_ups(operator)
    _bill(operator, months)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _roll_ups(operator: Stakeholder) -> None:
    # A year of months, ninety days and two days of hours, as a site in service has them.
    for grain, back in (("hour", "47 hours"), ("day", "89 days"), ("month", "12 months")):
        with connection.cursor() as cursor:
            cursor.execute(
                f"""
                INSERT INTO telemetry_rollup (channel_id, grain, start_at, end_at, energy_kwh,
                  estimated_kwh, samples, coverage, quality, version, computed_at)
                SELECT c.id, '{grain}', b AT TIME ZONE s.timezone,
                  (b + interval '1 {grain}') AT TIME ZONE s.timezone, 20, 0, 60, 1, 'actual', 1,
                  now()
                FROM telemetry_channel c JOIN sites_site s ON s.id = c.site_id,
                  generate_series(date_trunc('{grain}', now() AT TIME ZONE s.timezone)
                    - interval '{back}', now() AT TIME ZONE s.timezone, interval '1 {grain}') b
                WHERE s.operator_id = %s ON CONFLICT DO NOTHING
                """,  # noqa: S608 - constants of this module
                [operator.pk],
            )


def _bill(operator: Stakeholder, months: int) -> None:
    series, _ = NumberSeries.objects.get_or_create(
        operator=operator, document_type="invoice", year=2025, prefix="INV"
    )
    number = Invoice.objects.filter(series=series).count()
    contracts = Contract.objects.filter(operator=operator, periods__isnull=True)
    periods, invoices = [], []
    for contract in contracts.select_related("site", "customer"):
        for month in range(1, months + 1):
            first = dt.date(2025, month, 1)
            after = (first + dt.timedelta(days=32)).replace(day=1)
            span = local_month(2025, month, contract.site.timezone)
            period = BillingPeriod(
                contract=contract, local_days=DateRange(first, after),
                timezone=contract.site.timezone, status="invoiced",
                instants=DateTimeTZRange(span.start, span.end),
            )  # fmt: skip
            number += 1
            periods.append(period)
            invoices.append(
                Invoice(
                    operator=operator, customer=contract.customer, contract=contract,
                    period=period, status="issued", created_at=timezone.now(), currency="EUR",
                    net=Decimal(100), vat=Decimal(19), gross=Decimal(119), series=series,
                    sequence=number, number=f"INV-2025-{number:06}", issued_on=after,
                    issued_at=timezone.now(), due_on=after, document_hash=b"bench",
                )
            )  # fmt: skip
    BillingPeriod.objects.bulk_create(periods, batch_size=2000)
    Invoice.objects.bulk_create(invoices, batch_size=2000)
