"""
The price models from readings to issued documents, and their corrections.
"""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from billing import operations, queries
from billing.domain import agreement, rating
from billing.models import Baseline, Contract, Invoice, InvoiceLine, Terms
from sites.access import Kind, Role, Viewer
from sites.domain import local_month
from sites.models import HostingService
from telemetry import operations as metering
from telemetry.models import Channel
from tests import factories
from tests.factories_billing import (
    JANUARY,
    make_contract,
    make_feed,
    meter_half_past,
    meter_month,
    send_late,
)
from tests.factories_telemetry import (
    LATER,
    csv_of,
    ingest_csv,
    make_heat_channel,
)

D = Decimal
MARCH = dt.date(2026, 3, 1)
OF_2025 = (dt.date(2025, 1, 1), None)
TIERS = {
    "tiers": [
        {"up_to": "5000", "price": "0.0520"},
        {"up_to": "10000", "price": "0.0475"},
        {"up_to": None, "price": "0.0430"},
    ],
    "monthly_fee": "9.90",
}


def _contract(channel: Channel, *, model: str, reference: str = "C-1", **terms: Any) -> Contract:
    contract = make_contract(channel, reference=reference)
    contract.terms.all().delete()
    made: dict[str, Any] = {"vat_rate": 19, "model": model, "metering_point": channel.point}
    Terms.objects.create(contract=contract, valid=OF_2025, version=1, **made | terms)
    agreement.read(model, terms.get("details", {}))
    return contract


def _bill(contract: Contract, month: dt.date = JANUARY) -> Invoice:
    invoice = operations.bill_contract(contract_id=contract.pk, month=month, at=LATER, issue=True)
    assert invoice is not None, queries.parked_reason(contract_id=contract.pk, month=month)
    return invoice


def _nets(invoice: Invoice) -> dict[str, Decimal]:
    return {line.charge: line.net for line in invoice.lines.order_by("position")}


def _meter_total(channel: Channel, month: dt.date, total: str) -> None:
    """
    Let the channel count a total over a month, all but a little of it evenly.
    """
    period = local_month(month.year, month.month, channel.site.timezone)
    hours = round(period.hours)
    values = [str(n) for n in range(hours)] + [total]
    rows = [
        (channel.key, (period.start + n * dt.timedelta(hours=1)).isoformat(), value)
        for n, value in enumerate(values)
    ]
    ingest_csv(site=channel.site, body=csv_of(rows))
    metering.roll_up_channel(channel_id=channel.pk, at=LATER)


def _index(contract: Contract, code: str, **values: str) -> None:
    index = operations.add_index(
        operator_id=contract.operator_id, code=code, name=code, source="the office", basis="",
        at=LATER, by_id=None,
    )  # fmt: skip
    for month, value in values.items():
        operations.enter_index_value(
            index_id=index.pk, month=dt.date.fromisoformat(f"{month[1:5]}-{month[5:]}-01"),
            value=D(value), provisional=False, published_on=None, at=LATER, by_id=None,
        )  # fmt: skip


@pytest.mark.django_db
def test_tiers_and_a_meter_rent():
    # GT-2: 12,015.518 kWh delivered in March 2026, 743 hours.
    channel = make_heat_channel()
    # The hourly fallback limit of the meter would call the last hour a reset.
    channel.point.installations.get().meter.__class__.objects.update(max_power_kw=50_000)
    _meter_total(channel, MARCH, "12015.518")
    invoice = _bill(_contract(channel, model="usage", details=TIERS), MARCH)

    assert _nets(invoice) == {
        "energy": D("260.00"), "energy_2": D("237.50"), "energy_3": D("86.67"), "fee": D("9.90"),
    }  # fmt: skip
    assert (invoice.net, invoice.vat, invoice.gross) == (D("594.07"), D("112.87"), D("706.94"))
    assert all(line.evidence.count() == 1 for line in invoice.lines.exclude(charge="fee"))


INDEXED = {
    "index": [
        {
            "price": "price_per_kw",
            "base_price": "14.50",
            "fixed": "0.20",
            "collar": "0.05",
            "parts": [
                {"series": "wages", "weight": "0.40", "base": "118.2"},
                {"series": "power", "weight": "0.40", "base": "96.40"},
            ],
        }
    ],
    "allowance_kwh": "1000",
    "overage_price": "0.0385",
}


@pytest.mark.django_db
def test_an_indexed_fee_waits_for_its_index_and_shows_the_arithmetic():
    channel = make_heat_channel()
    meter_month(channel, JANUARY)
    contract = _contract(
        channel, model="fixed", contracted_kw=30, price_per_kw=D("14.50"), details=INDEXED
    )
    _index(contract, "wages", m202512="121.7")

    held = operations.bill_contract(contract_id=contract.pk, month=JANUARY, at=LATER, issue=True)

    assert held is None
    reason = queries.parked_reason(contract_id=contract.pk, month=JANUARY)
    assert reason == "The price index power for December 2025 is not entered."
    _index(contract, "power", m202512="88.10")
    invoice = _bill(contract)
    # GT-1: 425.17; 1,860 kWh are 860 beyond the allowance.
    assert _nets(invoice) == {"energy": D("33.11"), "standing": D("425.17")}
    note = invoice.lines.get(charge="standing").explanation["note"]
    assert note == (
        "14.5 × (0.2 + 0.4 × 121.7 / 118.2 + 0.4 × 88.1 / 96.4) = 14.5 × 0.977404, rounded 14.1724"
    )


@pytest.mark.django_db
def test_prices_by_time_of_day_add_up_to_the_meter():
    channel = make_heat_channel()
    meter_month(channel, JANUARY)
    bands = [
        {"name": "night", "price": "0.04", "first_hour": 0, "end_hour": 6},
        {"name": "day", "price": "0.06"},
    ]
    invoice = _bill(_contract(channel, model="usage", details={"bands": bands}))

    # 31 days of 2.5 kWh an hour: 6 and 18 hours.
    assert _nets(invoice) == {"energy": D("18.60"), "energy_2": D("83.70")}


@pytest.mark.django_db
def test_a_minimum_is_charged_with_the_last_month_of_the_year_and_a_cap_holds():
    channel = make_heat_channel()
    november, december = dt.date(2025, 11, 1), dt.date(2025, 12, 1)
    meter_month(channel, november)
    meter_month(channel, december, register="2800")
    minimum = {"minimum_kwh": "5000", "minimum_price": "0.05", "cap_per_month": "150"}
    contract = _contract(channel, model="usage", price_per_kwh=D("0.10"), details=minimum)

    assert _nets(_bill(contract, november)) == {"energy": D("180.00"), "cap": D("-30.00")}
    # 1,800 and 1,860 kWh were taken: 1,340 are missing.
    assert _nets(_bill(contract, december)) == {
        "energy": D("186.00"), "minimum": D("67.00"), "cap": D("-103.00"),
    }  # fmt: skip


def _hosting(channel: Channel, service: HostingService, model: str, **terms: Any) -> Contract:
    contract = Contract.objects.create(
        operator=service.site.operator, customer=service.tenant, site=service.site,
        hosting_service=service, reference=f"H-{service.pk}", currency="EUR", valid=OF_2025,
    )  # fmt: skip
    Terms.objects.create(
        contract=contract, valid=OF_2025, version=1, model=model, vat_rate=19,
        metering_point=channel.point, contracted_kw=12, price_per_kw=D("165.00"),
        price_per_kwh=D("0.2380"), **terms,
    )  # fmt: skip
    return contract


@pytest.mark.django_db
def test_tenants_share_the_heat_revenue_once_the_heat_is_billed():
    heat = make_heat_channel()
    meter_month(heat, JANUARY)
    heat_contract = make_contract(heat)
    services = [factories.make_hosting_service(site=heat.site) for _ in range(2)]
    details = {"energy_factor": "1.18", "premium_per_kw": "4.00", "heat_share": "30"}
    first, second = (
        _hosting(make_feed(service, kwh), service, "compute", details=details)
        for service, kwh in zip(services, ("10", "5"), strict=True)
    )

    assert (
        operations.bill_contract(contract_id=first.pk, month=JANUARY, at=LATER, issue=True) is None
    )
    reason = queries.parked_reason(contract_id=first.pk, month=JANUARY)
    assert reason.startswith("The heat bill of contract C-1 for January 2026 is not issued")
    _bill(heat_contract)

    # Heat energy of 114.58 gives a pool of 34.37, shared two to one.
    assert _nets(_bill(first)) == {
        "energy": D("2089.45"), "standing": D("1980.00"), "premium": D("48.00"),
        "heat_share": D("-22.91"),
    }  # fmt: skip
    assert _nets(_bill(second))["heat_share"] == D("-11.46")


@pytest.mark.django_db
def test_shared_savings_wait_for_their_figures_and_carry_a_loss_over():
    channel = make_heat_channel()
    contract = make_contract(channel)
    contract.terms.all().delete()
    model = Baseline.objects.create(
        contract=contract, name="boiler house", base_kwh=85, slope_kwh=D("18.4"),
        base_temperature=D("15.5"), boiler_efficiency=D("0.86"), fuel_price=D("0.0689"),
        carbon_kg_per_kwh=D("0.182"), carbon_price=60, maintenance_per_year=1140,
    )  # fmt: skip
    Terms.objects.create(
        contract=contract, valid=OF_2025, version=1, model="savings", vat_rate=19, baseline=model,
        details={"savings_share": "45"},
    )  # fmt: skip
    months = [JANUARY, dt.date(2026, 2, 1)]

    def held(month: dt.date) -> str:
        operations.bill_contract(contract_id=contract.pk, month=month, at=LATER, issue=True)
        return queries.parked_reason(contract_id=contract.pk, month=month)

    assert "not agreed by both sides" in held(months[0])
    operations.agree_baseline(
        baseline_id=model.pk, on=JANUARY, by_operator="Mara", by_customer="Joan", at=LATER,
        by_id=None,
    )  # fmt: skip
    with pytest.raises(IntegrityError, match="agreed and frozen"), transaction.atomic():
        Baseline.objects.update(fuel_price=1)
    assert "“Fuel used, kWh” of January 2026 is not entered" in held(months[0])
    figures = {"degree_days": "412.6", "electricity_kwh": "420", "electricity_price": "0.2410"}
    for month, fuel in zip(months, ("20000", "1830"), strict=True):
        for kind, value in {**figures, "fuel_kwh": fuel}.items():
            operations.enter_monthly_figure(
                contract_id=contract.pk, kind=kind, month=month, value=D(value), source="gas bill",
                at=LATER, by_id=None,
            )  # fmt: skip

    worse, better = (_bill(contract, month) for month in months)

    # January has three days more than GT-3; its loss lowers what February shares.
    assert worse.net == 0
    loss = D(worse.inputs[0]["savings"]["savings"])
    assert loss < 0
    assert better.net == ((D("773.24") + loss) * D("0.45")).quantize(D("0.01"))


@pytest.mark.django_db
def test_a_host_is_paid_with_a_document_in_its_name():
    channel = make_heat_channel()
    meter_month(channel, JANUARY)
    contract = _contract(
        channel, model="host", price_per_kwh=D("0.20"),
        details={"margin": "10", "site_fee": "250"},
    )  # fmt: skip
    invoice = _bill(contract)

    assert invoice.number == "SB-2030-000001"
    assert _nets(invoice) == {"energy": D("409.20"), "site_fee": D("250.00")}
    assert invoice.seller["name"] == contract.customer.name
    assert invoice.buyer["name"] == contract.operator.name


@pytest.mark.django_db
def test_the_price_of_a_host_is_limited_by_the_price_before_without_its_margin():
    channel = make_heat_channel()
    february = dt.date(2026, 2, 1)
    meter_month(channel, JANUARY)
    meter_month(channel, february, register="2860")
    clause = {
        "price": "price_per_kwh", "base_price": "0.20", "fixed": "0", "step_up": "0.05",
        "deadband": "0.01", "parts": [{"series": "power", "weight": "1", "base": "100"}],
    }  # fmt: skip
    contract = _contract(
        channel, model="host", price_per_kwh=D("0.20"), details={"margin": "10", "index": [clause]}
    )
    # 0.2010 is within the deadband of 0.20, though not of the 0.22 that are paid.
    _index(contract, "power", m202512="100", m202601="100.5")

    assert [_bill(contract, month).lines.get().unit_price for month in (JANUARY, february)] == [
        D("0.22"), D("0.22"),
    ]  # fmt: skip
    assert _bill_inputs(contract) == ["0.200000"]


def _bill_inputs(contract: Contract) -> list[str]:
    newest = Invoice.objects.filter(contract=contract).latest("pk")
    return list(newest.inputs[0]["before"].values())


@pytest.mark.parametrize(
    ("model", "details", "field"),
    [
        ("usage", {"site_fee": "1"}, "site_fee"),
        ("usage", {"monthly_fee": "a"}, "monthly_fee"),
        ("usage", {"monthly_fee": "-1"}, "monthly_fee"),
        ("usage", {"minimum_kwh": "1"}, "minimum_price"),
        ("usage", {"tiers": [{"up_to": "5", "price": "1"}]}, "tiers"),
        ("usage", {"tiers": TIERS["tiers"], "bands": []}, "bands"),
        ("savings", {}, "savings_share"),
        ("compute", {"heat_share": "101"}, "heat_share"),
        ("fixed", {"index": [{**INDEXED["index"][0], "fixed": "0.5"}]}, "index.0.parts"),  # type: ignore[dict-item]
        ("fixed", {"service_credit": {"target": "98", "step": "0", "per_step": "1"}},
         "service_credit.step"),
    ],
)  # fmt: skip
def test_terms_that_are_not_understood_name_their_field(
    model: str, details: dict[str, Any], field: str
):
    with pytest.raises(agreement.BadTerms) as refused:
        agreement.read(model, details)

    assert refused.value.field == field


@pytest.mark.django_db
def test_what_was_rated_can_be_rated_again_from_what_is_kept():
    channel = make_heat_channel()
    meter_month(channel, JANUARY)
    details = {**TIERS, "tiers_per_year": True}
    invoice = _bill(_contract(channel, model="usage", details=details))

    again = rating.rate([rating.stretch(stored) for stored in Invoice.objects.get().inputs])

    assert [(line.charge, line.net) for line in again] == list(_nets(invoice).items())


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("late", "kind"), [("1488.2", "credit_note"), ("1489.9", "invoice")], ids=["less", "more"]
)
def test_a_correction_after_late_readings_equals_billing_it_right(late: str, kind: str):
    channel = make_heat_channel()
    meter_half_past(channel)
    details: dict[str, Any] = {
        "tiers": [{"up_to": "1000", "price": "0.0617"}, {"up_to": None, "price": "0.0533"}]
    }
    first = _contract(channel, model="usage", details=details)
    first.correction_months = 60
    first.save()
    invoice = _bill(first)
    viewer = Viewer(
        user_id=None, stakeholder_id=first.operator_id, kind=Kind.OPERATOR, role=Role.ADMIN
    )
    assert queries.to_correct(viewer=viewer, today=LATER.date()) == []
    send_late(channel, late)

    [found] = queries.to_correct(viewer=viewer, today=LATER.date())
    assert (found.number, found.change_kwh) == (invoice.number, D(late) - D("1489"))
    corrected = operations.correct_invoice(
        invoice_id=invoice.pk, reason="Late reading", at=LATER + dt.timedelta(days=2), by_id=None
    )
    right = _bill(_contract(channel, model="usage", reference="C-2", details=details))

    assert corrected.document_type == kind
    # Only the tier that changed is taken back and billed anew.
    assert [line.charge for line in corrected.lines.order_by("position")] == ["energy_2"] * 2
    assert (invoice.net + corrected.net, invoice.vat + corrected.vat) == (right.net, right.vat)
    assert invoice.gross + corrected.gross == right.gross
    assert queries.to_correct(viewer=viewer, today=LATER.date()) == []
    with pytest.raises(operations.NothingToCorrect):
        operations.correct_invoice(invoice_id=invoice.pk, reason="x", at=LATER, by_id=None)


@pytest.mark.django_db
def test_a_credit_note_mirrors_what_stands_and_a_line_is_taken_back_once():
    channel = make_heat_channel()
    meter_month(channel, JANUARY)
    invoice = _bill(make_contract(channel))

    credit = operations.credit_invoice(
        invoice_id=invoice.pk, reason="Wrong customer", at=LATER, by_id=None
    )

    assert credit.number == "CN-2030-000001"
    assert (credit.net, credit.vat, credit.gross) == (-invoice.net, -invoice.vat, -invoice.gross)
    with pytest.raises(operations.NothingToCorrect):
        operations.credit_invoice(invoice_id=invoice.pk, reason="again", at=LATER, by_id=None)
    line = invoice.lines.order_by("position").first()
    assert line is not None
    twin = InvoiceLine.objects.get(reverses=line)
    twin.pk, twin.position, twin.invoice = None, 9, invoice
    with pytest.raises(IntegrityError), transaction.atomic():
        twin.save(force_insert=True)


@pytest.mark.django_db
def test_more_may_not_be_charged_beyond_the_contracts_limit():
    channel = make_heat_channel()
    meter_half_past(channel)
    contract = _contract(channel, model="usage", price_per_kwh=D("0.06"))
    contract.correction_months = 3
    contract.save()
    invoice = _bill(contract)
    send_late(channel, "1489.9")

    with pytest.raises(operations.TooFarBack, match="3 months ago"):
        operations.correct_invoice(invoice_id=invoice.pk, reason="x", at=LATER, by_id=None)


@pytest.mark.django_db
def test_sums_that_disagree_are_refused_by_the_database():
    channel = make_heat_channel()
    meter_month(channel, JANUARY)
    contract = make_contract(channel)
    draft = operations.bill_contract(contract_id=contract.pk, month=JANUARY, at=LATER, issue=False)
    assert draft is not None
    draft.lines.filter(charge="standing").update(quantity=1, net=4)

    with pytest.raises(IntegrityError, match="disagree"):
        operations.issue_draft(invoice_id=draft.pk, at=LATER, by_id=None)


@pytest.mark.django_db
def test_a_contract_from_draft_over_pilot_to_its_end():
    channel = make_heat_channel()
    meter_month(channel, JANUARY)
    contract = make_contract(channel)
    contract.status = Contract.Status.DRAFT
    contract.pilot_until = dt.date(2026, 1, 15)
    contract.save()

    def due() -> list[int]:
        found = queries.contracts_to_bill(operator_id=contract.operator_id, month=JANUARY)
        return [pk for pk, _ in found]

    assert due() == []
    operations.start_contract(contract_id=contract.pk, at=LATER, by_id=None)
    assert due() == [contract.pk]
    assert operations.end_pilots(today=dt.date(2026, 1, 16), at=LATER) == 1

    invoice = _bill(contract)
    assert invoice.lines.get(charge="standing").quantity == D("14.516")
    contract.refresh_from_db()
    assert contract.status == "ended"
    with pytest.raises(operations.NotReady, match="billed beyond"):
        operations.end_contract(
            contract_id=contract.pk, last_day=dt.date(2026, 1, 10), at=LATER, by_id=None
        )
