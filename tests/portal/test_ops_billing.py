import datetime as dt

import pytest
from django.contrib.messages import get_messages
from django.test import Client

from billing import operations
from billing.models import BillingRun, Contract, Invoice
from sites.access import Role
from telemetry.models import Channel
from tests import factories
from tests.factories_billing import JANUARY, make_contract, meter_january
from tests.factories_telemetry import LATER, make_heat_channel

pytestmark = pytest.mark.django_db


def _sign_in(client: Client, contract: Contract, role: Role = Role.ADMIN) -> None:
    client.force_login(factories.make_user(stakeholder=contract.operator, role=role))


def _billed(count: int = 1) -> list[Invoice]:
    channel = make_heat_channel()
    meter_january(channel)
    made = []
    for number in range(count):
        contract = make_contract(channel, reference=f"C-{number}")
        invoice = operations.bill_contract(
            contract_id=contract.pk, month=JANUARY, at=LATER, issue=True
        )
        assert invoice is not None
        made.append(invoice)
    return made


def test_the_list_is_searched_sorted_and_paged_at_the_same_cost_for_many(
    client: Client, django_assert_num_queries
):
    invoices = _billed(3)
    _sign_in(client, invoices[0].contract)
    client.get("/ops/invoices/")
    with django_assert_num_queries(8):
        page = client.get("/ops/invoices/")
    channel = Channel.objects.get()
    for number in range(3, 60):
        contract = make_contract(channel, reference=f"C-{number}")
        operations.bill_contract(contract_id=contract.pk, month=JANUARY, at=LATER, issue=True)
    with django_assert_num_queries(8):
        many = client.get("/ops/invoices/")
    one = client.get("/ops/invoices/", {"search": invoices[1].number})
    worst = client.get("/ops/invoices/", {"sort": "-number"})

    assert "1–3 of 3" in page.content.decode()
    assert "1–50 of 60" in many.content.decode()
    assert one.context["listing"].count == 1
    assert next(iter(worst.context["listing"].page)).number.endswith("60")


def test_csv_holds_all_that_matches_and_guards_formulas(client: Client):
    invoice = _billed()[0]
    customer = invoice.customer
    customer.name = "=cmd()"
    customer.save()
    _sign_in(client, invoice.contract)

    answer = client.get("/ops/invoices/", {"format": "csv", "status": "issued"})
    rows = answer.getvalue().decode().splitlines()

    assert rows[0].startswith("number,customer,site,contract,first_day,last_day")
    assert len(rows) == 2
    assert "'=cmd()" in rows[1]
    assert "2026-01-01,2026-01-31" in rows[1]


def test_an_invoice_shows_amount_registers_and_fingerprint(
    client: Client, django_assert_num_queries
):
    invoice = _billed()[0]
    _sign_in(client, invoice.contract)
    client.get(f"/ops/invoices/{invoice.pk}/")

    with django_assert_num_queries(9):
        page = client.get(f"/ops/invoices/{invoice.pk}/").content.decode()

    evidence = invoice.lines.get(charge="energy").evidence.get()
    digits = bytes(evidence.readings_sha256).hex()
    assert f"{digits[:4]} {digits[4:8]}" in page
    assert "1,860 kWh" in page
    assert "<dd>1,000 " in page
    assert "The PDF is being made" in page


def test_a_draft_is_issued_once_by_billing_and_not_by_staff(client: Client):
    channel = make_heat_channel()
    meter_january(channel)
    contract = make_contract(channel)
    draft = operations.bill_contract(contract_id=contract.pk, month=JANUARY, at=LATER, issue=False)
    assert draft is not None
    _sign_in(client, contract, Role.STAFF)
    refused = client.post(f"/ops/invoices/{draft.pk}/issue/")
    _sign_in(client, contract, Role.BILLING)

    first = client.post(f"/ops/invoices/{draft.pk}/issue/")
    second = client.post(f"/ops/invoices/{draft.pk}/issue/")

    draft.refresh_from_db()
    assert refused.status_code == 404
    assert (first.status_code, second.status_code) == (302, 302)
    assert draft.number.endswith("-000001")
    assert draft.number in str(next(iter(get_messages(first.wsgi_request))))
    assert draft.period.status == "invoiced"


def test_a_run_is_started_once_and_shows_its_progress(client: Client):
    channel = make_heat_channel()
    meter_january(channel)
    contract = make_contract(channel)
    held = make_contract(make_heat_channel(site=channel.site, code="silent"), reference="C-2")
    _sign_in(client, contract)
    offered = client.get("/ops/billing/")
    body = {"month": "2026-01-01", "issue": "issue"}

    started = client.post("/ops/billing/", body)
    again = client.post("/ops/billing/", body)
    run = BillingRun.objects.get()
    before = client.get(f"/ops/billing/{run.pk}/").content.decode()
    while operations.bill_next(run_id=run.pk, at=LATER):
        pass
    after = client.get(f"/ops/billing/{run.pk}/", headers={"HX-Request": "true"}).content.decode()

    assert (dt.date(2026, 1, 1), 2) in offered.context["due"]
    assert started.headers["Location"] == again.headers["Location"] == f"/ops/billing/{run.pk}/"
    assert "0 of 2 contracts done" in before
    assert 'hx-trigger="tick' in before
    assert "2 of 2 contracts done" in after
    assert 'hx-trigger="tick' not in after
    assert "<html" not in after
    assert f"{held.terms.get().metering_point} has no readings" in after


def test_a_wrong_month_is_refused_next_to_the_field_and_starts_nothing(client: Client):
    contract = make_contract(make_heat_channel())
    _sign_in(client, contract)

    answer = client.post("/ops/billing/", {"month": "2019-01-01", "issue": "draft"})

    assert answer.status_code == 422
    assert "There is a problem" in answer.content.decode()
    assert not BillingRun.objects.exists()


def test_a_run_that_stands_still_says_so_and_can_be_stopped(client: Client):
    contract = make_contract(make_heat_channel())
    run = operations.start_run(
        operator_id=contract.operator_id, month=JANUARY, issue=True,
        at=dt.datetime(2026, 2, 1, tzinfo=dt.UTC), by_id=None,
    )  # fmt: skip
    _sign_in(client, contract)

    page = client.get(f"/ops/billing/{run.pk}/").content.decode()
    client.post(f"/ops/billing/{run.pk}/cancel/")

    run.refresh_from_db()
    assert "The run has stopped moving" in page
    assert run.status == "cancelled"
    assert not Invoice.objects.exists()
