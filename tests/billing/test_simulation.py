"""
What last year would have cost: the rating of bills on stored inputs, with one input changed.
"""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing import operations, queries
from billing.domain import simulation
from billing.domain.simulation import Change, Input
from billing.models import Invoice, Terms
from sites.access import Kind, Role, Viewer
from tests.billing.test_price_models import INDEXED, OF_2025, _bill, _contract, _index
from tests.factories_billing import JANUARY, make_contract, meter_month
from tests.factories_telemetry import make_heat_channel

D = Decimal
NOVEMBER, DECEMBER = dt.date(2025, 11, 1), dt.date(2025, 12, 1)


def _stored(model: str = "usage", **more: Any) -> dict[str, Any]:
    return {
        "terms_id": None, "model": model, "details": {}, "days": 30, "days_in_month": 30,
        "vat_category": "S", "vat_rate": "19", **more,
    }  # fmt: skip


def _total(inputs: list[Input], **change: Any) -> Decimal:
    nets = [m.net for m in simulation.run(inputs, Change(**change))]
    return sum((net for net in nets if net is not None), D(0))


def test_each_input_can_be_changed_alone():
    stored = _stored(
        energy_kwh="1000", price_per_kwh="0.08", contracted_kw="10", price_per_kw="4",
        details={"deposit": "500"}, is_first=True, deposit_held="500",
    )  # fmt: skip
    inputs = [Input(NOVEMBER, stored, metered_kwh=D(1100))]

    assert _total(inputs) == D("120.00")
    assert _total(inputs, price_per_kwh=D("0.10")) == D("140.00")
    assert _total(inputs, price_per_kw=D(5)) == D("130.00")
    assert _total(inputs, contracted_kw=D(20)) == D("160.00")
    assert _total(inputs, prices=D(10)) == D("132.00")
    assert _total(inputs, energy=D(-50)) == D("80.00")
    # Of what the meter counts, not of what was left of it.
    assert _total(inputs, loss=D(5)) == D("123.60")
    assert stored["energy_kwh"] == "1000"
    assert stored["details"] == {"deposit": "500"}


def test_heat_that_does_not_count_moves_with_the_heat():
    stored = _stored(
        energy_kwh="1000", price_per_kwh="0.10", details={"qualified_heat": True},
        not_counted={"supply too cold": "200"},
    )  # fmt: skip
    inputs = [Input(NOVEMBER, stored, metered_kwh=D(1000))]

    assert _total(inputs) == D("80.00")
    assert _total(inputs, energy=D(-50)) == D("40.00")
    assert _total(inputs, loss=D(10)) == D("72.00")
    assert stored["not_counted"] == {"supply too cold": "200"}


def test_shares_and_indices_can_be_changed():
    savings = {
        **dict.fromkeys(
            ("baseline_kwh", "baseline_fuel_kwh", "baseline_cost", "actual_cost"), "0"
        ),
        "savings": "100", "charged_on": "100", "carried": "0",
    }  # fmt: skip
    shared = _stored("savings", savings=savings, details={"savings_share": "45"})
    hosted = _stored(
        "compute", energy_kwh="0", price_per_kwh="0", contracted_kw="1", price_per_kw="100",
        pool="30.00", details={"heat_share": "30"},
    )  # fmt: skip
    clause = {
        "price": "price_per_kw", "base_price": "10", "fixed": "0.5",
        "parts": [{"series": "gas", "weight": "0.5", "base": "100"}],
    }  # fmt: skip
    indexed = _stored(
        "fixed", contracted_kw="10", price_per_kw="10", details={"index": [clause]},
        indices={"price_per_kw": {"gas": "100"}},
    )  # fmt: skip

    assert _total([Input(NOVEMBER, shared)], share=D(60)) == D("60.00")
    assert _total([Input(NOVEMBER, hosted)], share=D(10)) == D("90.00")
    assert _total([Input(NOVEMBER, indexed)], indices=D(20)) == D("110.00")
    assert _total([Input(NOVEMBER, indexed)], price_per_kw=D(12)) == D("120.00")


def test_months_leave_what_bills_would_have_left():
    tiers = [{"up_to": "1500", "price": "0.10"}, {"up_to": None, "price": "0.05"}]
    months = [
        Input(month, _stored(energy_kwh="1000", taken_kwh=taken, ends_year=False,
                             details={"tiers": tiers, "tiers_per_year": True}))
        for month, taken in ((NOVEMBER, "0"), (DECEMBER, "7000"), (JANUARY, "0"))
    ]  # fmt: skip

    found = [m.net for m in simulation.run(months, Change())]

    # December stands on the simulated November, not on the bills; January begins anew.
    assert found == [D("100.00"), D("75.00"), D("100.00")]


def test_a_loss_is_carried_within_the_simulation():
    def month(saved: str) -> dict[str, Any]:
        zero = dict.fromkeys(
            ("baseline_kwh", "baseline_fuel_kwh", "baseline_cost", "actual_cost"), "0"
        )
        return {**zero, "savings": saved, "charged_on": "0", "carried": "0"}

    inputs = [
        Input(NOVEMBER, _stored("savings", savings=month("-80") | {"carried": "-80"},
                                details={"savings_share": "50"})),
        Input(DECEMBER, _stored("savings", savings=month("200"), details={"savings_share": "50"})),
    ]  # fmt: skip

    assert [m.net for m in simulation.run(inputs, Change())] == [D(0), D("60.00")]


@given(
    before=st.dictionaries(st.sampled_from("abc"), st.decimals(-999, 999, places=2)),
    after=st.dictionaries(st.sampled_from("abcd"), st.decimals(-999, 999, places=2)),
)
def test_steps_are_the_whole_difference(before: dict[str, D], after: dict[str, D]):
    steps = simulation.steps(before, after)

    assert sum((change for _, change in steps), D(0)) == sum(after.values(), D(0)) - sum(
        before.values(), D(0)
    )
    assert all(change for _, change in steps)


def _viewer(contract: Any) -> Viewer:
    return Viewer(
        user_id=None, stakeholder_id=contract.operator_id, kind=Kind.OPERATOR, role=Role.ADMIN
    )


@pytest.mark.django_db
def test_simulated_as_agreed_is_what_was_billed_and_nothing_is_stored():
    channel = make_heat_channel()
    for month, register in ((NOVEMBER, "1000"), (DECEMBER, "2800")):
        meter_month(channel, month, register=register)
    details = {
        "tiers": [{"up_to": "2000", "price": "0.06"}, {"up_to": None, "price": "0.05"}],
        "tiers_per_year": True, "monthly_fee": "9.90", "minimum_kwh": "5000",
        "minimum_price": "0.04",
    }  # fmt: skip
    contract = _contract(channel, model="usage", details=details)
    contract.refresh_from_db()
    for month in (NOVEMBER, DECEMBER):
        _bill(contract, month)
    terms = contract.terms.get()
    months = queries.closed_months(today=dt.date(2026, 2, 10), count=3)
    assert months == [NOVEMBER, DECEMBER, JANUARY]

    [inputs] = queries.simulated_inputs(contract=contract, terms=[terms], months=months)
    found = simulation.run(inputs, Change())

    billed = queries.billed_by_month(viewer=_viewer(contract), contract_id=contract.pk)
    assert [m.by_charge() for m in found[:2]] == [billed[NOVEMBER], billed[DECEMBER]]
    assert found[2].net is None
    assert "has no readings for the hour from" in found[2].why
    assert Invoice.objects.count() == 2


@pytest.mark.django_db
def test_an_indexed_fee_is_simulated_with_its_steps_from_month_to_month():
    channel = make_heat_channel()
    for month, register in ((DECEMBER, "1000"), (JANUARY, "2860")):
        meter_month(channel, month, register=register)
    contract = _contract(
        channel, model="fixed", contracted_kw=30, price_per_kw=D("14.50"), details=INDEXED
    )
    _index(contract, "wages", m202511="118.2", m202512="121.7")
    _index(contract, "power", m202511="96.40")
    contract.refresh_from_db()

    [inputs] = queries.simulated_inputs(
        contract=contract, terms=[contract.terms.get()], months=[DECEMBER, JANUARY]
    )
    december, january = simulation.run(inputs, Change())

    assert december.by_charge()["standing"] == D("435.00")
    assert january.why == "The price index power for December 2025 is not entered."


@pytest.mark.django_db
def test_many_terms_read_the_meter_once(django_assert_max_num_queries: Any):
    channel = make_heat_channel()
    meter_month(channel, JANUARY)
    contract = make_contract(channel)
    contract.refresh_from_db()
    terms = [
        contract.terms.get(),
        *(
            queries.draft_terms(
                contract=contract,
                first_day=JANUARY,
                model="usage",
                metering_point=channel.point,
                price_per_kwh=D(price),
                vat_rate=19,
                details={},
            )
            for price in ("0.05", "0.06", "0.07")
        ),
    ]
    months = queries.closed_months(today=dt.date(2026, 2, 10))

    with django_assert_max_num_queries(30):
        found = queries.simulated_inputs(contract=contract, terms=terms, months=months)

    assert len(found) == 4
    assert [len(inputs) for inputs in found] == [12] * 4
    assert found[0][-1].stored is not None
    assert Terms.objects.count() == 1
    assert OF_2025[0] < JANUARY


@pytest.mark.django_db
def test_what_is_billed_counts_corrections_and_leaves_deposits_out():
    channel = make_heat_channel()
    meter_month(channel, JANUARY)
    contract = _contract(channel, model="usage", price_per_kwh=D("0.10"))
    invoice = _bill(contract)

    def billed() -> dict[str, Decimal]:
        return queries.billed_by_month(viewer=_viewer(contract), contract_id=contract.pk)[JANUARY]

    assert billed() == {"energy": D("186.00")}
    operations.credit_invoice(invoice_id=invoice.pk, reason="x", at=invoice.created_at, by_id=None)
    assert billed() == {"energy": D("0.00")}
