import datetime as dt
from decimal import Decimal

import pytest
from django.test import Client

from billing import operations
from billing.models import Contract, Invoice, Terms
from sites.models import Stakeholder
from telemetry.models import Channel
from tests import factories
from tests.factories_billing import JANUARY, make_contract, meter_month
from tests.factories_telemetry import LATER, make_heat_channel

pytestmark = pytest.mark.django_db


def _sign_in(client: Client, customer: Stakeholder) -> None:
    client.force_login(factories.make_user(stakeholder=customer))


def _billed(channel: Channel, *months: dt.date) -> list[Invoice]:
    contract = Contract.objects.filter(delivery_point=channel.point.delivery_point).first()
    contract = contract or make_contract(channel, reference=f"C-{channel.pk}-0")
    made = []
    for month in months:
        invoice = operations.bill_contract(
            contract_id=contract.pk, month=month, at=LATER, issue=True
        )
        assert invoice is not None
        made.append(invoice)
    return made


def test_the_list_holds_ones_own_bills_at_the_same_cost_for_many(
    client: Client, django_assert_num_queries
):
    channel = make_heat_channel()
    meter_month(channel, JANUARY)
    own = _billed(channel, JANUARY)[0]
    other = make_heat_channel(site=channel.site, code="neighbour")
    meter_month(other, JANUARY)
    neighbours = _billed(other, JANUARY)[0]
    _sign_in(client, own.customer)
    client.get("/heat/bills/")

    with django_assert_num_queries(8):
        page = client.get("/heat/bills/").content.decode()
    for number in range(60):
        contract = make_contract(channel, reference=f"C-{number + 2}")
        operations.bill_contract(contract_id=contract.pk, month=JANUARY, at=LATER, issue=True)
    with django_assert_num_queries(8):
        many = client.get("/heat/bills/").content.decode()

    assert "1–1 of 1" in page
    assert "January 2026" in page
    assert "1,860" in page
    assert neighbours.number not in page
    assert "1–50 of 61" in many


def test_the_list_is_searched_filtered_and_downloaded(client: Client):
    channel = make_heat_channel()
    meter_month(channel, JANUARY)
    meter_month(channel, dt.date(2026, 2, 1), register="2860")
    january, february = _billed(channel, JANUARY, dt.date(2026, 2, 1))
    _sign_in(client, january.customer)

    found = client.get("/heat/bills/", {"search": february.number})
    none = client.get("/heat/bills/", {"year": "2030", "search": "no such"})
    rows = client.get("/heat/bills/", {"format": "csv", "sort": "first_day"})
    lines = rows.getvalue().decode().splitlines()

    assert [i.pk for i in found.context["listing"].page] == [february.pk]
    assert "No bills match" in none.content.decode()
    assert lines[0].startswith("first_day,last_day,number,building,heat_kwh,currency,net,vat,gross")
    assert lines[1].startswith(f"2026-01-01,2026-01-31,{january.number},")
    assert ",1860.000,EUR," in lines[1]
    assert len(lines) == 3


def test_an_empty_list_says_what_will_come(client: Client):
    _sign_in(client, factories.make_delivery_point(site=factories.make_site()).partner)

    assert "No bills yet" in client.get("/heat/bills/").content.decode()


def test_a_draft_is_not_there_and_a_neighbours_bill_neither(client: Client):
    channel = make_heat_channel()
    meter_month(channel, JANUARY)
    contract = make_contract(channel)
    draft = operations.bill_contract(contract_id=contract.pk, month=JANUARY, at=LATER, issue=False)
    assert draft is not None
    neighbour = factories.make_delivery_point(site=channel.site).partner
    _sign_in(client, contract.customer)
    before = client.get(f"/heat/bills/{draft.pk}/").status_code
    operations.issue_draft(invoice_id=draft.pk, at=LATER, by_id=None)

    own = client.get(f"/heat/bills/{draft.pk}/").status_code
    _sign_in(client, neighbour)
    strange = client.get(f"/heat/bills/{draft.pk}/").status_code

    assert (before, own, strange) == (404, 200, 404)


def test_a_bill_says_what_is_to_pay_and_how_it_came_about(
    client: Client, django_assert_num_queries
):
    channel = make_heat_channel()
    meter_month(channel, JANUARY)
    bill = _billed(channel, JANUARY)[0]
    _sign_in(client, bill.customer)
    client.get(f"/heat/bills/{bill.pk}/")

    with django_assert_num_queries(9):
        page = client.get(f"/heat/bills/{bill.pk}/").content.decode()

    evidence = bill.lines.get(charge="energy").evidence.get()
    digits = bytes(evidence.readings_sha256).hex()
    assert "€279.15 for January 2026" in page
    assert "1,860&nbsp;kWh</span> × €0.0616 per kWh" in page
    assert "30&nbsp;kW</span> × €4.00 per kW and month" in page
    assert "1 January 2026 to 31 January 2026; days and times are Europe/Berlin." in page
    assert f"Meter {evidence.meter_serial} showed 1,000 kWh on 1 Jan 2026, 00:00" in page
    assert "2,860 kWh on 1 Feb 2026, 00:00" in page
    assert f"{digits[:4]} {digits[4:8]}" in page
    assert "The PDF is being made" in page
    assert "nothing is compared" in page


def test_a_bill_offers_its_pdf_once_it_is_made(client: Client):
    channel = make_heat_channel()
    meter_month(channel, JANUARY)
    bill = _billed(channel, JANUARY)[0]
    operations.make_document(invoice_id=bill.pk, at=LATER)
    _sign_in(client, bill.customer)

    page = client.get(f"/heat/bills/{bill.pk}/").content.decode()

    assert f"/api/v1/invoices/{bill.number}/pdf" in page


def test_a_bill_is_compared_with_the_same_whole_month_a_year_before(client: Client):
    channel = make_heat_channel()
    meter_month(channel, dt.date(2025, 1, 1), per_hour="2.5")
    meter_month(channel, JANUARY, per_hour="2", register="9000")
    before, after = _billed(channel, dt.date(2025, 1, 1), JANUARY)
    _sign_in(client, after.customer)

    page = client.get(f"/heat/bills/{after.pk}/").content.decode()

    assert "1,488 kWh of heat, 20% less than the 1,860 kWh of the same month" in page
    assert f"/heat/bills/{before.pk}/" in page


def test_a_part_of_a_month_is_compared_with_nothing(client: Client):
    channel = make_heat_channel()
    meter_month(channel, dt.date(2025, 1, 1))
    meter_month(channel, JANUARY, register="9000")
    contract = make_contract(channel)
    Terms.objects.filter(contract=contract).update(valid=(dt.date(2025, 1, 10), None))
    Contract.objects.filter(pk=contract.pk).update(valid=(dt.date(2025, 1, 10), None))
    _, after = _billed(channel, dt.date(2025, 1, 1), JANUARY)
    _sign_in(client, after.customer)

    assert "nothing is compared" in client.get(f"/heat/bills/{after.pk}/").content.decode()


def test_a_fixed_fee_claims_no_reading(client: Client):
    channel = make_heat_channel()
    contract = make_contract(channel, usage=False)
    bill = operations.bill_contract(contract_id=contract.pk, month=JANUARY, at=LATER, issue=True)
    assert bill is not None
    _sign_in(client, contract.customer)

    page = client.get(f"/heat/bills/{bill.pk}/").content.decode()

    assert "This bill is a fixed fee" in page
    assert bill.gross == Decimal("142.80")
