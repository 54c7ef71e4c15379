"""
Held bills go on when what they wait for has come, and only then.
"""

import datetime as dt
from decimal import Decimal

import pytest
from django.test import Client

from billing import operations, queries, tasks
from billing.models import BillingRun, Invoice, RunItem, Terms
from sites.access import Role
from telemetry.models import Channel
from tests import factories
from tests.factories_billing import JANUARY, make_contract, meter_january
from tests.factories_telemetry import LATER, make_heat_channel

pytestmark = pytest.mark.django_db
HOUR = dt.timedelta(hours=1)
START = LATER - 5 * HOUR


def _work(run: BillingRun, at: dt.datetime) -> dict[str, str]:
    while operations.bill_next(run_id=run.pk, at=at):
        pass
    return dict(run.items.values_list("contract__reference", "state"))


def _two_held() -> tuple[BillingRun, int]:
    """
    Return a run of drafts that holds one contract for its readings and one for its index.
    """
    silent = make_heat_channel()
    contract = make_contract(silent, reference="readings")
    fee = make_contract(silent, reference="index", usage=False)
    clause = {"price": "price_per_kw", "base_price": "4", "fixed": "0",
              "parts": [{"series": "gas", "weight": "1", "base": "100"}]}  # fmt: skip
    Terms.objects.filter(contract=fee).update(details={"index": [clause]})
    index = operations.add_index(
        operator_id=contract.operator_id, code="gas", name="Gas", source="Office", basis="",
        at=START - HOUR, by_id=None,
    )  # fmt: skip
    run = operations.start_run(
        operator_id=contract.operator_id, month=JANUARY, issue=False, at=START, by_id=None
    )
    assert _work(run, START) == {"readings": "held", "index": "held"}
    return run, index.pk


def test_held_bills_go_on_in_their_run_when_their_causes_are_gone():
    run, index_id = _two_held()
    by_name = dict(run.items.values_list("contract__reference", "contract_id"))
    assert queries.held_to_try(at=START + HOUR) == {}

    operations.enter_index_value(
        index_id=index_id, month=dt.date(2025, 12, 1), value=Decimal(110), provisional=False,
        published_on=None, at=START + HOUR, by_id=None,
    )  # fmt: skip
    # What somebody did may concern any contract of the operator.
    found = queries.held_to_try(at=START + HOUR)
    assert found == {run.pk: sorted(by_name.values())}
    for run_id, contracts in found.items():
        operations.try_held_again(
            run_id=run_id, contract_ids=contracts, at=START + 2 * HOUR, by_id=None
        )
    run.refresh_from_db()
    assert (run.status, run.finished_at) == ("running", None)
    assert _work(run, START + 2 * HOUR) == {"readings": "held", "index": "drafted"}
    draft = Invoice.objects.get()
    assert (draft.status, draft.lines.get().unit_price) == ("draft", Decimal("4.4"))
    item = run.items.get(contract__reference="index")
    assert (item.tries, item.reason) == (1, "")
    assert item.first_reason == "The price index gas for December 2025 is not entered."
    # Its own trying again is nothing that came in.
    assert queries.held_to_try(at=START + 3 * HOUR) == {}

    meter_january(_channel_of(by_name["readings"]))
    assert queries.held_to_try(at=LATER) == {run.pk: [by_name["readings"]]}
    tasks.try_held_bills()
    assert _work(run, LATER) == {"readings": "drafted", "index": "drafted"}
    run.refresh_from_db()
    assert (run.status, queries.held_to_try(at=LATER + 24 * HOUR)) == ("finished", {})


def _channel_of(contract_id: int) -> Channel:
    point = Terms.objects.get(contract_id=contract_id).metering_point
    assert point is not None
    return point.channels.get(quantity="energy")


def test_all_are_tried_after_some_hours_and_those_of_a_stopped_run_never():
    run, _ = _two_held()

    assert len(queries.held_to_try(at=START + 7 * HOUR)[run.pk]) == 2
    BillingRun.objects.update(status="cancelled")
    assert queries.held_to_try(at=START + 7 * HOUR) == {}
    assert operations.try_held_again(run_id=run.pk, at=LATER, by_id=None) == 0


def test_a_person_lets_held_bills_go_on_from_the_page_of_the_run(client: Client):
    run, _ = _two_held()
    client.force_login(factories.make_user(stakeholder=run.operator, role=Role.ADMIN))
    address = f"/ops/billing/{run.pk}/"
    assert "Try held bills again" in client.get(address).content.decode()
    meter_january(_channel_of(run.items.get(contract__reference="readings").contract_id))

    told = client.post(f"{address}again/", follow=True).content.decode()
    again = client.post(f"{address}again/", follow=True).content.decode()
    _work(run, LATER)
    page = client.get(address).content.decode()

    assert "2 held bills are tried again" in told
    assert "are tried again" not in again
    assert "Tried again once" in page
    item = run.items.get(contract__reference="readings")
    assert "has no readings" in item.first_reason
    assert f"Held at first: {item.first_reason}" in page
    assert RunItem.objects.filter(state="held").count() == 1
    # Another run of the month is waited for.
    other = operations.start_run(
        operator_id=run.operator_id, month=JANUARY, issue=False, at=LATER, by_id=None
    )
    assert "under way" in client.post(f"{address}again/", follow=True).content.decode()
    assert other.status == "running"
