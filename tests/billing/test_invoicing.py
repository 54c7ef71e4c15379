"""
From readings to an issued invoice: amounts, evidence, immutability, concurrency.
"""

import datetime as dt
import hashlib
import threading
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction

from billing import operations, queries, tasks
from billing.models import BillingPeriod, BillingRun, Invoice, InvoiceLine, RunItem, Terms
from sites.access import Kind, Role, Viewer
from telemetry.models import Reading
from tests.factories_billing import JANUARY, make_contract, meter_january
from tests.factories_telemetry import LATER, csv_of, ingest_csv, make_heat_channel


def _bill(contract_id: int, *, issue: bool = True) -> Invoice | None:
    return operations.bill_contract(contract_id=contract_id, month=JANUARY, at=LATER, issue=issue)


@pytest.mark.django_db
def test_a_metered_month_becomes_an_invoice_with_its_evidence(capsys: pytest.CaptureFixture[str]):
    channel = make_heat_channel()
    meter_january(channel)
    invoice = _bill(make_contract(channel).pk)

    assert invoice is not None
    energy, standing = invoice.lines.order_by("position")
    assert (energy.quantity, energy.net) == (Decimal(1860), Decimal("114.58"))
    assert (standing.quantity, standing.net) == (Decimal(30), Decimal("120.00"))
    assert (invoice.net, invoice.vat, invoice.gross) == (
        Decimal("234.58"), Decimal("44.57"), Decimal("279.15")
    )  # fmt: skip
    assert invoice.number == "INV-2030-000001"
    kept = energy.evidence.get()
    assert [kept.opening, kept.closing] == [1000, 2860]
    assert kept.reading_count == 745
    text = "".join(
        f"{channel.key}|{r.at:%Y-%m-%dT%H:%M:%S.%fZ}|{r.value.normalize():f}\n"
        for r in Reading.objects.order_by("at")
    )
    assert bytes(kept.readings_sha256) == hashlib.sha256(text.encode()).digest()
    call_command("verify_invoice", invoice.number)
    assert capsys.readouterr().out == f"{invoice.number}: equal\n"


@pytest.mark.django_db
def test_a_changed_reading_makes_verify_name_the_line_and_fail(capsys: pytest.CaptureFixture[str]):
    channel = make_heat_channel()
    meter_january(channel)
    invoice = _bill(make_contract(channel).pk)
    assert invoice is not None
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("UPDATE telemetry_reading SET value = value + 1 WHERE value = 1250")
        cursor.execute("SET LOCAL session_replication_role = origin")

    with pytest.raises(SystemExit) as ended:
        call_command("verify_invoice", invoice.number)

    assert ended.value.code == 1
    said = capsys.readouterr().out
    assert "line 1: digest of readings" in said
    # 1250 is read 100 hours into January, which begins at 23:00 UTC.
    assert "line 1: reading at 2026-01-05T03:00:00+00:00 changed" in said


@pytest.mark.django_db
def test_a_late_or_lost_reading_is_named_too():
    channel = make_heat_channel()
    meter_january(channel)
    invoice = _bill(make_contract(channel).pk)
    assert invoice is not None
    at = dt.datetime(2026, 1, 5, 3, 20, tzinfo=dt.UTC)
    ingest_csv(site=channel.site, body=csv_of([(channel.key, at.isoformat(), "1250.5")]))
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("DELETE FROM telemetry_reading WHERE value = 1500")
        cursor.execute("SET LOCAL session_replication_role = origin")

    found = list(queries.differences(invoice=invoice))

    assert "line 1: reading at 2026-01-05T03:20:00+00:00 added" in found
    assert "line 1: reading before 2026-01-09T08:00:00+00:00 missing" in found


@pytest.mark.django_db
def test_a_month_with_a_gap_is_held_and_goes_on_when_the_readings_arrive():
    channel = make_heat_channel()
    meter_january(channel, hours=700)
    contract = make_contract(channel)

    assert _bill(contract.pk) is None
    held = BillingPeriod.objects.get()
    assert held.status == "parked"
    assert "has no readings for the hour from 30 January 2026 03:00 UTC" in held.parked_reason

    meter_january(channel)
    assert _bill(contract.pk) is not None
    held.refresh_from_db()
    assert (held.status, held.parked_reason) == ("invoiced", "")


@pytest.mark.django_db
def test_issued_rows_are_frozen_and_billed_terms_kept():
    channel = make_heat_channel()
    meter_january(channel)
    contract = make_contract(channel)
    invoice = _bill(contract.pk)
    assert invoice is not None

    refused = [
        lambda: Invoice.objects.update(gross=0, net=0, vat=0),
        lambda: InvoiceLine.objects.update(description="x"),
        lambda: InvoiceLine.objects.all()._raw_delete("default"),
        lambda: Terms.objects.update(price_per_kwh=1),
    ]
    for attempt in refused:
        with pytest.raises(IntegrityError, match=r"immutable|were billed"), transaction.atomic():
            attempt()
    with pytest.raises(operations.AlreadyInvoiced):
        _bill(contract.pk)
    with pytest.raises(operations.NothingToBill):
        operations.bill_contract(
            contract_id=contract.pk, month=dt.date(2024, 1, 1), at=LATER, issue=True
        )


@pytest.mark.django_db
def test_customers_see_their_issued_invoices_and_no_drafts():
    channel = make_heat_channel()
    meter_january(channel)
    contract = make_contract(channel)
    draft = _bill(contract.pk, issue=False)
    partner = Viewer(1, contract.customer_id, Kind.PARTNER, Role.ADMIN)
    operator = Viewer(1, contract.operator_id, Kind.OPERATOR, Role.VIEWER)

    assert list(queries.invoices(viewer=operator)) == [draft]
    assert list(queries.invoices(viewer=partner)) == []


@pytest.mark.django_db(transaction=True)
def test_twelve_at_once_make_one_invoice():
    channel = make_heat_channel()
    meter_january(channel)
    contract = make_contract(channel)
    outcomes: list[str] = []

    def attempt() -> None:
        try:
            outcomes.append("made" if _bill(contract.pk) else "held")
        except operations.AlreadyInvoiced:
            outcomes.append("refused")
        finally:
            connection.close()

    threads = [threading.Thread(target=attempt) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == ["made", *["refused"] * 11]
    assert Invoice.objects.count() == 1


@pytest.mark.django_db
def test_a_run_bills_every_contract_once_and_says_what_it_held():
    full, short = make_heat_channel(code="full"), None
    meter_january(full)
    short = make_heat_channel(site=full.site, code="short")
    meter_january(short, hours=10)
    make_contract(full, reference="A")
    make_contract(short, reference="B")
    make_contract(short, reference="C", usage=False)

    def run() -> BillingRun:
        started = operations.start_run(
            operator_id=full.site.operator_id, month=JANUARY, issue=True, at=LATER, by_id=None
        )
        with pytest.raises(operations.RunInProgress):
            operations.start_run(
                operator_id=full.site.operator_id, month=JANUARY, issue=True, at=LATER, by_id=None
            )
        tasks.bill_run(run_id=started.pk)
        return started

    first = run()
    states = dict(RunItem.objects.filter(run=first).values_list("contract__reference", "state"))
    assert states == {"A": "issued", "B": "held", "C": "issued"}
    first.refresh_from_db()
    assert first.status == "finished"
    again = run()
    assert list(again.items.values_list("contract__reference", "state")) == [("B", "held")]
    assert list(Invoice.objects.order_by("sequence").values_list("sequence", flat=True)) == [1, 2]
