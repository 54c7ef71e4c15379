"""
Contracts from draft to end, their terms side by side, and what is billed once: deposits,
attributes, the settlement of a year.
"""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from billing import operations, queries
from billing.domain import agreement, credits, rating, simulation, words
from billing.models import AttributeUse, Contract, Invoice, MonthlyFigure, Terms
from sites.models import HostingService
from telemetry import operations as metering
from telemetry.models import AttributeAllocation
from tests import factories
from tests.billing.test_price_models import OF_2025, _bill, _contract, _nets
from tests.factories_billing import JANUARY, make_contract, make_feed, meter_month
from tests.factories_telemetry import LATER, make_heat_channel

D = Decimal
FEBRUARY = dt.date(2026, 2, 1)


def _stretch(**given: Any) -> rating.Stretch:
    plain: dict[str, Any] = {
        "terms_id": 1, "days": 31, "days_in_month": 31, "vat_category": "S", "vat_rate": "19",
        "model": "fixed",
    }  # fmt: skip
    return rating.stretch(plain | given)


def _rated(**given: Any) -> dict[str, Decimal]:
    return {line.charge: line.net for line in rating.rate([_stretch(**given)])}


def test_fixed_prices_rise_each_january_and_say_how():
    given = {
        "contracted_kw": "30", "price_per_kw": "4.00",
        "details": {"escalation": "2.5", "monthly_fee": "9.90"},
    }  # fmt: skip

    assert _rated(**given) == {"standing": D("120.00"), "fee": D("9.90")}
    assert _rated(**given, years=2) == {"standing": D("126.08"), "fee": D("10.40")}
    [line, _] = rating.rate([_stretch(**given, years=2)])
    assert line.note == "4 × (1 + 2.5 %) ^ 2, rounded 4.2025"


def test_a_credit_by_tiers_is_capped_and_says_the_tier():
    details = {
        "service_credit": {
            "tiers": [
                {"at_least": "99.9", "credit": "0"}, {"at_least": "99", "credit": "10"},
                {"at_least": "0", "credit": "30"},
            ],
            "cap": "25",
        }
    }  # fmt: skip
    given = {"contracted_kw": "10", "price_per_kw": "120", "details": details, "counted": 10_000}

    assert "service_credit" not in _rated(**given, up=9_990)
    assert _rated(**given, up=9_989)["service_credit"] == D("-120.00")
    assert _rated(**given, up=100)["service_credit"] == D("-300.00")
    assert credits.TierCredit(tiers=(), cap=D(1)).of(D(1), up=0, counted=0) == (D(0), D(0))


@pytest.mark.parametrize(
    ("details", "field"),
    [
        ({"covers": "energy"}, "allowance_kwh"),
        ({"covers": "standby", "allowance_kwh": "1", "overage_price": "1"}, "allowance_kwh"),
        ({"covers": "all"}, "covers"),
        ({"service_credit": {"tiers": [{"at_least": "99", "credit": "1"}]}},
         "service_credit.tiers"),
        ({"service_level": {"notice_h": -1}}, "service_level.notice_h"),
        ({"service_level": {"hours": 1}}, "service_level"),
    ],
)  # fmt: skip
def test_particulars_out_of_place_name_their_field(details: dict[str, Any], field: str):
    with pytest.raises(agreement.BadTerms) as refused:
        agreement.read("fixed", details)

    assert refused.value.field == field


def test_terms_in_words_say_bands_seasons_and_what_a_fee_covers():
    bands = [
        {"name": "winter", "price": "0.08", "months": [10, 11, 12, 1, 2, 3], "weekdays": [0, 1]},
        {"name": "rest", "price": "0.05"},
    ]
    usage = words.sentences(
        model="usage", agreed=agreement.read("usage", {"bands": bands}), currency="EUR",
        contracted_kw=None, price_per_kw=None, price_per_kwh=None, point="Cellar",
    )  # fmt: skip
    both = {"covers": "both", "allowance_kwh": "900", "overage_price": "0.04", "deposit": "500"}
    fixed = words.sentences(
        model="fixed", agreed=agreement.read("fixed", both), currency="EUR",
        contracted_kw=D(30), price_per_kw=D(4), price_per_kwh=None, point="",
    )  # fmt: skip

    assert "winter (Oct to Mar, Mon to Tue) €0.08; rest (at all times) €0.05" in usage[0]
    assert "The fee keeps the power ready and pays for energy up to the allowance." in fixed
    assert "A deposit of €500.00, once; it is given back with the last bill." in fixed


def _month(savings: str, charged_on: str) -> dict[str, str]:
    zero = dict.fromkeys(
        ("baseline_kwh", "baseline_fuel_kwh", "baseline_cost", "actual_cost", "carried"), "0"
    )
    return {**zero, "savings": savings, "charged_on": charged_on}


def test_a_year_of_savings_is_settled_with_december():
    given: dict[str, Any] = {
        "model": "savings", "details": {"savings_share": "45", "true_up": True},
        "savings": _month("-100", "0"), "year_savings": "300.00", "year_charged_on": "340.00",
    }  # fmt: skip

    # 340 were charged on and 200 saved: 140 too much, of which 45 % go back.
    assert _rated(**given, ends_year=True) == {"savings": D("0.00"), "true_up": D("-63.00")}
    assert "true_up" not in _rated(**given)
    even = {**given, "year_savings": "440.00"}
    assert "true_up" not in _rated(**even, ends_year=True)


@pytest.mark.django_db
def test_a_deposit_is_billed_once_without_vat_and_comes_back_at_the_end():
    channel = make_heat_channel()
    for month in (JANUARY, FEBRUARY):
        meter_month(channel, month, register=str(1000 + 1860 * (month.month - 1)))
    contract = _contract(channel, model="usage", price_per_kwh=D("0.10"),
                         details={"deposit": "400", "cap_per_month": "150"})  # fmt: skip
    Contract.objects.filter(pk=contract.pk).update(valid=(JANUARY, None))
    Terms.objects.filter(contract=contract).update(valid=(JANUARY, None))

    first = _bill(contract)
    operations.end_contract(
        contract_id=contract.pk, last_day=dt.date(2026, 2, 28), at=LATER, by_id=None
    )
    last = _bill(contract, FEBRUARY)

    assert _nets(first) == {"energy": D("186.00"), "cap": D("-36.00"), "deposit": D("400.00")}
    assert (first.vat, first.gross) == (D("28.50"), D("578.50"))
    assert _nets(last)["deposit_back"] == D("-400.00")
    with pytest.raises(IntegrityError, match="has ended"), transaction.atomic():
        Contract.objects.filter(pk=contract.pk).update(status="active")


def _bundle(details: dict[str, str]) -> tuple[Contract, HostingService]:
    heat = make_heat_channel()
    service = factories.make_hosting_service(site=heat.site)
    channel = make_feed(service, "10")
    contract = Contract.objects.create(
        operator=service.site.operator, customer=service.tenant, site=service.site,
        hosting_service=service, reference="B-1", currency="EUR", valid=OF_2025,
    )  # fmt: skip
    Terms.objects.create(
        contract=contract, valid=OF_2025, version=1, model="bundle", vat_rate=19,
        metering_point=channel.point, contracted_kw=12, price_per_kw=D("165.00"),
        price_per_kwh=D("0.2380"), details=details,
    )  # fmt: skip
    return contract, service


def _hold(service: HostingService, kwh: str, number: str = "1") -> AttributeAllocation:
    lot = metering.add_lot(
        operator_id=service.site.operator_id, first_day=JANUARY, end_day=FEBRUARY, at=LATER,
        by_id=None, kind="onsite", technology="solar", country="DE", plant="Roof",
        registry_id=number, kwh=D(kwh),
    )  # fmt: skip
    metering.allocate(
        lot_id=lot.pk, site_id=service.site_id, service_id=service.pk, month=JANUARY, kwh=D(kwh),
        hours=None, at=LATER, by_id=None,
    )  # fmt: skip
    return AttributeAllocation.objects.get(lot=lot)


@pytest.mark.django_db
def test_attributes_are_billed_for_covered_energy_once_and_name_their_lots():
    # As in GT-5b, of 7,440 kWh used only 6,500.5 are covered, by two lots.
    contract, service = _bundle({"attribute_price": "0.0035"})
    first, second = _hold(service, "6000", "1"), _hold(service, "500.5", "2")

    invoice = _bill(contract)

    assert _nets(invoice)["attribute"] == D("22.75")
    used = AttributeUse.objects.order_by("lot_id").values_list("lot_id", "kwh")
    assert list(used) == [(first.lot_id, D("6000.000")), (second.lot_id, D("500.500"))]
    with pytest.raises(metering.NotAllocated) as refused:
        metering.end_allocation(allocation_id=first.pk, at=LATER, by_id=None)
    assert refused.value.constraint == "attributes_are_billed_once"
    assert queries.unbilled_attributes(service_id=service.pk, month=JANUARY) == []
    # What its own bill used up is there for a simulation of the same month.
    contract.refresh_from_db()
    ((simulated,),) = queries.simulated_inputs(
        contract=contract, terms=[contract.terms.get()], months=[JANUARY]
    )
    [month] = simulation.run([simulated], simulation.Change())
    assert month.by_charge()["attribute"] == D("22.75")

    # Once the bill is taken back, they are free again.
    operations.credit_invoice(invoice_id=invoice.pk, reason="wrong", at=LATER, by_id=None)
    metering.end_allocation(allocation_id=first.pk, at=LATER, by_id=None)
    assert queries.unbilled_attributes(service_id=service.pk, month=JANUARY) == [
        (second.lot_id, D("500.500"))
    ]


@pytest.mark.django_db
def test_the_database_refuses_attributes_that_are_not_held_or_not_named():
    contract, service = _bundle({"attribute_price": "0.0035"})
    held = _hold(service, "100")
    draft = operations.bill_contract(contract_id=contract.pk, month=JANUARY, at=LATER, issue=False)
    assert draft is not None
    use = AttributeUse.objects.get()

    with pytest.raises(IntegrityError, match="are billed for"), transaction.atomic():
        AttributeUse.objects.filter(pk=use.pk).update(kwh=D("100.001"))
    operations.issue_draft(invoice_id=draft.pk, at=LATER, by_id=None)
    with pytest.raises(IntegrityError, match="immutable"), transaction.atomic():
        AttributeUse.objects.all().delete()
    assert held.lot.billed.count() == 1


@pytest.mark.django_db
def test_attributes_without_their_lots_are_not_issued():
    contract, service = _bundle({"attribute_price": "0.0035"})
    _hold(service, "100")
    draft = operations.bill_contract(contract_id=contract.pk, month=JANUARY, at=LATER, issue=False)
    assert draft is not None
    AttributeUse.objects.update(kwh=D("99"))

    with pytest.raises(IntegrityError, match="without naming the lots"):
        operations.issue_draft(invoice_id=draft.pk, at=LATER, by_id=None)


@pytest.mark.django_db
def test_a_contract_is_made_changed_and_its_parties_belong_together():
    channel = make_heat_channel()
    point = channel.point.delivery_point
    assert point is not None
    made: dict[str, Any] = {
        "customer": point.partner, "site": point.site, "delivery_point": point, "currency": "EUR",
        "status": "draft",
    }  # fmt: skip
    contract = operations.make_contract(
        operator_id=point.site.operator_id, reference="N-1", first_day=JANUARY, at=LATER,
        by_id=None, last_day=dt.date(2026, 12, 31), **made,
    )  # fmt: skip

    assert contract.valid.upper == dt.date(2027, 1, 1)
    with pytest.raises(operations.NotReady, match="another contract N-1"):
        operations.make_contract(
            operator_id=point.site.operator_id, reference="N-1", first_day=JANUARY, at=LATER,
            by_id=None, **made,
        )  # fmt: skip
    operations.change_contract(
        contract_id=contract.pk, first_day=FEBRUARY, at=LATER, by_id=None, payment_days=30
    )
    contract.refresh_from_db()
    assert (contract.valid.lower, contract.valid.upper, contract.payment_days) == (
        FEBRUARY, None, 30,
    )  # fmt: skip
    with pytest.raises(operations.NotReady, match="no terms for its first day"):
        operations.start_contract(contract_id=contract.pk, at=LATER, by_id=None)
    with pytest.raises(IntegrityError, match="do not belong together"), transaction.atomic():
        Contract.objects.filter(pk=contract.pk).update(customer=factories.make_stakeholder())
    Contract.objects.filter(pk=contract.pk).update(status="active")
    with pytest.raises(operations.NotReady, match="only its conditions"):
        operations.change_contract(contract_id=contract.pk, first_day=JANUARY, at=LATER, by_id=None)


def _add(contract: Contract, first_day: dt.date, **terms: Any) -> Terms:
    return operations.add_terms(
        contract_id=contract.pk, first_day=first_day, at=LATER, by_id=None, model="fixed",
        contracted_kw=10, price_per_kw=5, vat_rate=19, **terms,
    )  # fmt: skip


@pytest.mark.django_db
def test_terms_that_overlap_or_reach_back_are_refused_and_explained():
    channel = make_heat_channel()
    meter_month(channel, JANUARY)
    contract = make_contract(channel)
    second = _add(contract, dt.date(2026, 6, 1))

    with pytest.raises(operations.TermsRefused, match=r"Version 2 holds from 01 June 2026 on"):
        _add(contract, dt.date(2026, 3, 1))
    with pytest.raises(operations.TermsRefused, match="cannot overlap"):
        _add(contract, dt.date(2026, 6, 1))
    with pytest.raises(operations.TermsRefused, match="does not run"):
        _add(contract, dt.date(2024, 6, 1))
    with pytest.raises(operations.TermsRefused, match="needs a metering point"):
        _add(contract, dt.date(2026, 7, 1), details={"allowance_kwh": "1", "overage_price": "1"})
    _bill(contract)
    with pytest.raises(operations.TermsRefused, match=r"can begin on 01 February 2026") as refused:
        _add(contract, dt.date(2026, 1, 15))
    assert refused.value.field == "first_day"

    operations.withdraw_terms(terms_id=second.pk, at=LATER, by_id=None)
    [first] = contract.terms.all()
    assert first.valid.upper is None
    with pytest.raises(operations.NotReady, match="cannot be without terms"):
        operations.withdraw_terms(terms_id=first.pk, at=LATER, by_id=None)
    _add(contract, FEBRUARY)
    with pytest.raises(operations.NotReady, match="Only the newest"):
        operations.withdraw_terms(terms_id=first.pk, at=LATER, by_id=None)


@pytest.mark.django_db
def test_a_pilot_goes_on_where_that_is_agreed():
    contract = make_contract(make_heat_channel())
    Contract.objects.filter(pk=contract.pk).update(
        pilot_until=dt.date(2026, 1, 15), pilot_converts=True
    )

    assert operations.end_pilots(today=dt.date(2026, 1, 16), at=LATER) == 0
    contract.refresh_from_db()
    assert (contract.status, contract.pilot_until, contract.pilot_converts) == (
        "active", None, False,
    )  # fmt: skip
    with pytest.raises(IntegrityError, match="only_a_pilot_converts"), transaction.atomic():
        Contract.objects.filter(pk=contract.pk).update(pilot_converts=True)


@pytest.mark.django_db
def test_a_rebased_index_is_linked_and_keeps_what_was_published():
    contract = make_contract(make_heat_channel())
    index = operations.add_index(
        operator_id=contract.operator_id, code="gas", name="Gas", source="Office",
        basis="2015 = 100", at=LATER, by_id=None,
    )  # fmt: skip
    rows = [operations.IndexRow(JANUARY, D("138.0")), operations.IndexRow(FEBRUARY, D("139.0"))]
    entered: dict[str, Any] = {"index_id": index.pk, "at": LATER, "by_id": None}
    assert operations.import_index_values(rows=rows, **entered) == 2
    assert operations.import_index_values(rows=rows, **entered) == 0
    with pytest.raises(ValueError, match="no value for March 2026"):
        operations.rebase_index(
            basis="2020 = 100", overlap_month=dt.date(2026, 3, 1), overlap_new=D(1), **entered
        )
    basis = operations.rebase_index(
        basis="2020 = 100", overlap_month=FEBRUARY, overlap_new=D("109.2"), **entered
    )
    row = operations.enter_index_value(
        month=dt.date(2026, 3, 1), value=D("110.0"), provisional=True, published_on=None,
        basis_id=basis.pk, **entered,
    )  # fmt: skip

    assert (row.value, row.published_value) == (D("140.018315"), D("110.0"))
    final = operations.IndexRow(dt.date(2026, 3, 1), D("110.4"))
    assert operations.import_index_values(rows=[final], basis_id=basis.pk, **entered) == 1
    newest = queries.newest_index_values(index_id=index.pk)[dt.date(2026, 3, 1)]
    assert (newest.revision, newest.provisional) == (1, False)
    with pytest.raises(IntegrityError), transaction.atomic():
        type(basis).objects.update(overlap_new=1)


@pytest.mark.django_db
def test_an_adjustment_of_the_baseline_names_both_sides():
    contract = make_contract(make_heat_channel())
    given: dict[str, Any] = {
        "contract_id": contract.pk, "kind": "adjustment_kwh", "month": JANUARY, "value": D(120),
        "source": "Pool cover", "at": LATER, "by_id": None,
    }  # fmt: skip

    with pytest.raises(operations.NotReady, match="both sides"):
        operations.enter_monthly_figure(**given, agreed_by_operator="Mara")
    with pytest.raises(IntegrityError, match="names_both_sides"), transaction.atomic():
        MonthlyFigure.objects.create(
            contract=contract, kind="adjustment_kwh", month=JANUARY, value=1, source="x",
            stored_at=LATER,
        )  # fmt: skip
    row = operations.enter_monthly_figure(
        **given, agreed_by_operator="Mara", agreed_by_customer="Joan"
    )
    assert (row.revision, Invoice.objects.count()) == (0, 0)
