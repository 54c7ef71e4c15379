"""
Heat bills that charge what counts, and credits for heat that was not there as promised.
"""

import datetime as dt
import io
import zipfile
from decimal import Decimal
from typing import Any

import pytest

from billing import operations, queries
from billing.documents import bundle_differences, evidence_bundle
from billing.domain import agreement, rating
from billing.models import Contract, Invoice, Terms
from sites.domain import local_month
from telemetry import operations as metering
from telemetry.models import Channel, HeatDirty, HeatEntry, LossPolicy, MeteringPoint
from tests.factories_billing import JANUARY, make_contract, meter_january
from tests.factories_heat import agree, gauge, place_of, settle
from tests.factories_telemetry import LATER, make_heat_channel, send

pytestmark = pytest.mark.django_db

D = Decimal
PERIOD = local_month(2026, 1, "Europe/Berlin")
FEBRUARY = PERIOD.end + dt.timedelta(hours=2)
HALF = dt.timedelta(minutes=30)
QUALIFIED = {"qualified_heat": True}


def _contract(channel: Channel, **terms: Any) -> Contract:
    contract = make_contract(channel)
    contract.terms.all().delete()
    made: dict[str, Any] = {
        "vat_rate": 19, "model": "usage", "price_per_kwh": D("0.1"),
        "metering_point": channel.point, "details": QUALIFIED,
    }  # fmt: skip
    Terms.objects.create(
        contract=contract, valid=(dt.date(2025, 1, 1), None), version=1, **made | terms
    )
    return contract


def _bill(contract: Contract) -> Invoice:
    invoice = operations.bill_contract(contract_id=contract.pk, month=JANUARY, at=LATER, issue=True)
    assert invoice is not None, queries.parked_reason(contract_id=contract.pk, month=JANUARY)
    return invoice


def _try(contract: Contract) -> Invoice | None:
    return operations.bill_contract(
        contract_id=contract.pk, month=JANUARY, at=LATER, issue=True
    )  # fmt: skip


def _january(*, cool_hours: int = 10) -> Channel:
    """
    2.5 kWh an hour; the first hours of the 5th too cool.
    """
    channel = make_heat_channel()
    meter_january(channel)
    first = PERIOD.start + dt.timedelta(days=4)
    supply = gauge(channel, Channel.Quantity.SUPPLY)
    hours = [PERIOD.start + n * dt.timedelta(hours=1) for n in range(744)]
    send(
        supply,
        [(at, 50 if first <= at < first + cool_hours * dt.timedelta(hours=1) else 60)
         for at in hours],
    )  # fmt: skip
    return channel


def test_a_bill_charges_what_counts_and_says_what_does_not():
    channel = _january()
    contract = _contract(channel)
    agree(channel, first_day=JANUARY, at=PERIOD.start, bands="Mon-Sun 00:00-22:00")
    settle(channel, FEBRUARY)

    invoice = _bill(contract)
    line = invoice.lines.get()
    # Two hours a night are outside, ten hours of the 5th too cool.
    counted = D(1860) - 31 * 5 - 25
    assert (line.quantity, line.net) == (counted, counted / 10)
    assert line.explanation["note"] == (
        "1860.000 kWh metered − 25.000 kWh cooler than agreed − 155.000 kWh outside the delivery"
        " times = 1680.000 kWh that count"
    )
    stored = invoice.inputs[0]
    assert stored["not_counted"] == {"cool": "25.000000000", "outside": "155.000000000"}
    assert stored["ledger"]["entries"] == 744 * 4
    again = rating.rate([rating.stretch(part) for part in invoice.inputs])
    assert [rated.net for rated in again] == [line.net]


def test_a_bill_names_the_versions_it_used_and_they_can_be_checked_when_others_hold():
    channel = _january()
    contract = _contract(channel)
    agree(channel, first_day=JANUARY, at=PERIOD.start)
    settle(channel, FEBRUARY)
    noon = PERIOD.start + dt.timedelta(hours=12)
    # Before it is billed two quarter-hours get a second version, afterwards all of them.
    HeatEntry.objects.filter(start_at__gte=noon, start_at__lt=noon + HALF).update(
        superseded_at=FEBRUARY
    )
    HeatDirty.objects.create(
        delivery_point=place_of(channel), span=(noon, noon + HALF), marked_at=FEBRUARY
    )
    settle(channel, FEBRUARY)
    invoice = _bill(contract)
    packed = evidence_bundle(invoice=invoice)
    agree(channel, first_day=JANUARY, at=FEBRUARY, supply_min_c=D(61))
    settle(channel, FEBRUARY + HALF)

    stored = Invoice.objects.get(pk=invoice.pk).inputs[0]
    assert [run[2] for run in stored["ledger"]["versions"]] == [1, 2, 1]
    assert set(HeatEntry.objects.filter(superseded_at=None).values_list("reason")) == {("cool",)}
    assert list(queries.differences(invoice=invoice)) == []
    assert evidence_bundle(invoice=invoice) == packed
    assert list(bundle_differences(packed)) == []
    text = (queries.ledger_lines(stored["ledger"]) or "").splitlines()
    assert (len(text), text[0]) == (744 * 4, "2025-12-31T23:00:00.000000Z|0.625|0.625|")
    changed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(packed)) as given, zipfile.ZipFile(changed, "w") as written:
        for name in given.namelist():
            old = given.read(name).decode()
            if name.startswith("ledger/"):
                old = old.replace("|0.625|0|cool", "|0.625|0.625|", 1)
            written.writestr(name, old)
    assert list(bundle_differences(changed.getvalue())) == [
        "the heat ledger in ledger/1.txt differs from its digest",
        "what does not count is not the sum of the entries in ledger/1.txt",
    ]
    invoice.inputs = [stored | {"ledger": stored["ledger"] | {"sha256": "0" * 64}}]
    assert "the heat ledger from 2025-12-31T23:00:00+00:00 differs from its digest" in list(
        queries.differences(invoice=invoice)
    )


def test_a_bill_waits_for_the_ledger_and_then_goes_out():
    channel = _january()
    contract = _contract(channel)
    agree(channel, first_day=JANUARY, at=FEBRUARY)

    assert _try(contract) is None
    assert "is not settled yet" in queries.parked_reason(contract_id=contract.pk, month=JANUARY)
    settle(channel, FEBRUARY)
    assert _bill(contract).lines.get().quantity == D(1860) - 25


def test_prices_by_time_of_day_charge_the_hours_that_count():
    channel = _january()
    bands = [
        {"name": "night", "price": "0.05", "first_hour": 0, "end_hour": 6},
        {"name": "day", "price": "0.10", "first_hour": 6, "end_hour": 24},
    ]
    contract = _contract(channel, details={**QUALIFIED, "bands": bands}, price_per_kwh=None)
    agree(channel, first_day=JANUARY, at=PERIOD.start)
    settle(channel, FEBRUARY)

    lines = _bill(contract).lines.order_by("position")
    assert [line.quantity for line in lines] == [
        D("2.5") * (31 * 6 - 6), D("2.5") * (31 * 18 - 4),
    ]  # fmt: skip


def test_losses_are_taken_off_in_proportion():
    channel = _january()
    MeteringPoint.objects.filter(pk=channel.point_id).update(boundary="heat_source")
    LossPolicy.objects.create(
        delivery_point=place_of(channel), valid=(JANUARY, None), method="percent",
        loss_percent=D(10),
    )  # fmt: skip
    contract = _contract(channel)
    agree(channel, first_day=JANUARY, at=PERIOD.start)
    settle(channel, FEBRUARY)

    line = _bill(contract).lines.get()
    assert line.quantity == D("0.9") * (1860 - 25)


def test_a_service_credit_of_a_heat_contract_comes_from_the_heat_that_was_there():
    channel = _january(cool_hours=19)
    contract = _contract(
        channel, model="fixed", contracted_kw=30, price_per_kw=D("14.1724"), price_per_kwh=None,
        metering_point=None,
        details={"service_credit": {"target": "98", "step": "0.5", "per_step": "2"}},
    )  # fmt: skip
    agree(channel, first_day=JANUARY, at=PERIOD.start)
    settle(channel, PERIOD.start + dt.timedelta(days=20))
    assert _try(contract) is None
    assert "not settled" in queries.parked_reason(contract_id=contract.pk, month=JANUARY)

    settle(channel, FEBRUARY)
    credit = _bill(contract).lines.get(charge="service_credit")
    # 725 of 744 hours are 97.446 %: one full step below 98 %.
    assert credit.net == D("-8.50")
    assert f"available {725 * 60} of {744 * 60} min" in credit.explanation["formula"]


def test_the_flag_belongs_to_heat_sold_by_the_kwh():
    assert agreement.read("usage", QUALIFIED).qualified_heat
    with pytest.raises(agreement.BadTerms, match="qualified_heat"):
        agreement.read("compute", QUALIFIED)
    with pytest.raises(agreement.BadTerms, match="yes or no"):
        agreement.read("usage", {"qualified_heat": "1"})


def test_heat_that_is_all_outside_is_charged_nothing():
    channel = _january()
    contract = _contract(channel)
    agree(channel, first_day=JANUARY, at=PERIOD.start, closed="1 Jan - 31 Jan")
    settle(channel, FEBRUARY)

    assert _bill(contract).gross == 0
    assert metering.settle_heat(delivery_point_id=place_of(channel).pk, at=FEBRUARY) == 0
