import datetime as dt
from decimal import Decimal

import pytest
from django.test import Client

from billing import operations, queries
from billing.models import BillingPeriod, Contract, Invoice, InvoiceLine
from seeds import reference
from telemetry import operations as metering
from telemetry.models import Channel, Installation, Meter, MeteringPoint
from tests import factories
from tests.factories_billing import JANUARY, make_contract, meter_january
from tests.factories_telemetry import LATER, make_heat_channel

pytestmark = pytest.mark.django_db(transaction=True)


def _expired(country: str) -> tuple[Channel, Contract]:
    """
    Make a metered January whose meter was verified until the New Year before it.
    """
    reference.load_calibration_rules(at=LATER)
    channel = make_heat_channel()
    channel.site.country = country
    channel.site.save()
    _meter(channel).update(calibration_due=dt.date(2025, 12, 31))
    meter_january(channel)
    return channel, make_contract(channel)


def _meter(channel: Channel):
    return Meter.objects.filter(installations__point=channel.point)


def _bill(contract: Contract, *, issue: bool = True) -> Invoice | None:
    return operations.bill_contract(contract_id=contract.pk, month=JANUARY, at=LATER, issue=issue)


def test_in_germany_nothing_is_billed_from_an_expired_meter_and_the_operator_reads_why():
    channel, contract = _expired("DE")
    serial = Installation.objects.get(point=channel.point).meter.serial

    assert _bill(contract) is None

    reason = BillingPeriod.objects.get(contract=contract).parked_reason
    assert f"meter {serial}" in reason
    assert "31 December 2025; in DE nothing may be billed from it" in reason
    assert "record its new verification" in reason
    _meter(channel).update(calibration_due=dt.date(2031, 12, 31))
    assert _bill(contract) is not None


def test_elsewhere_it_is_billed_with_a_warning_on_the_operators_page(client: Client):
    _, contract = _expired("AT")

    invoice = _bill(contract)

    assert invoice is not None
    client.force_login(factories.make_user(stakeholder=contract.operator))
    page = client.get(f"/ops/invoices/{invoice.pk}/").content.decode()
    assert "ended on 31 December 2025." in page


def test_a_draft_is_not_issued_when_its_meter_turns_out_expired(client: Client):
    channel, contract = _expired("DE")
    _meter(channel).update(calibration_due=None)
    draft = _bill(contract, issue=False)
    assert draft is not None
    _meter(channel).update(calibration_due=dt.date(2025, 12, 31))

    with pytest.raises(operations.MeterExpired):
        operations.issue_draft(invoice_id=draft.pk, at=LATER, by_id=None)
    client.force_login(factories.make_user(stakeholder=contract.operator))
    page = client.post(f"/ops/invoices/{draft.pk}/issue/", follow=True).content.decode()

    assert "nothing may be billed from it" in page
    draft.refresh_from_db()
    assert draft.status == Invoice.Status.DRAFT


def test_heat_metered_at_the_source_is_billed_less_its_losses_and_can_be_verified():
    channel = make_heat_channel()
    meter_january(channel)
    contract = make_contract(channel)
    MeteringPoint.objects.filter(pk=channel.point_id).update(boundary="heat_source")

    assert contract.delivery_point is not None
    assert _bill(contract) is None
    assert "no losses to" in BillingPeriod.objects.get(contract=contract).parked_reason

    metering.agree_losses(
        delivery_point_id=contract.delivery_point.pk, first_day=dt.date(2025, 1, 1), at=LATER,
        by_id=None, method="percent", loss_percent=Decimal(3),
    )  # fmt: skip
    invoice = _bill(contract)
    assert invoice is not None
    line = InvoiceLine.objects.get(invoice=invoice, charge="energy")
    assert line.quantity == Decimal("1804.2")
    assert line.explanation["loss"] == "1860 kWh at the source less 3 %"
    assert list(queries.differences(invoice=invoice)) == []
