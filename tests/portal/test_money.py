"""
The pages about money: what is owed, paid, corrected and disputed; contracts; a customer's account.
"""

from decimal import Decimal

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from billing import operations
from billing.models import BankEntry, Contract, Dispute, Invoice
from sites.access import Role
from sites.models import Stakeholder
from tests import factories
from tests.billing.test_settlement import _camt, _entry, _invoice
from tests.factories_telemetry import LATER

pytestmark = pytest.mark.django_db


def _client(stakeholder: Stakeholder, role: Role = Role.ADMIN) -> Client:
    client = Client()
    client.force_login(factories.make_user(stakeholder=stakeholder, role=role))
    return client


def _page(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def test_what_is_owed_by_customer_and_document():
    invoice = _invoice()
    client = _client(invoice.operator)

    text = _page(client, "/ops/money/")

    assert invoice.number in text
    assert text.count("€279.15") >= 2
    assert (
        "number,customer,due_on"
        in b"".join(
            client.get("/ops/money/?format=csv").streaming_content  # type: ignore[attr-defined]
        ).decode()
    )
    assert "Nothing matches" in _page(client, "/ops/money/?search=nobody")
    account = f"/ops/money/accounts/{invoice.customer_id}/"
    assert account in text
    shown = _page(client, account)
    assert "€279.15 to pay" in shown
    assert f"/ops/invoices/{invoice.pk}/" in shown
    table = b"".join(
        client.get(f"{account}?format=csv").streaming_content  # type: ignore[attr-defined]
    )
    assert table.decode().splitlines()[1].endswith(f"{invoice.number},279.15,279.15")
    assert client.get(f"/ops/money/accounts/{invoice.operator_id}/").status_code == 404


def test_a_statement_is_imported_and_a_payment_allocated_by_hand():
    invoice = _invoice()
    client = _client(invoice.operator)
    file = SimpleUploadedFile("a.xml", _camt(_entry("100.00", "?", reference="X1")))

    answer = client.post("/ops/money/payments/", {"statement": "1", "s-file": file}, follow=True)
    assert "1 movements, 0 of them known already" in answer.content.decode()

    entry = BankEntry.objects.get()
    address = f"/ops/money/payments/{entry.pk}/"
    refused = client.post(address, {"invoice": invoice.pk, "amount": "100.01"})
    assert "Allocated 100.01 of a payment of 100.00" in refused.content.decode()
    client.post(address, {"invoice": invoice.pk, "amount": "100"})
    assert "by hand" in _page(client, address)
    assert "€179.15" in _page(client, "/ops/money/")


def test_a_file_that_is_no_statement_explains_itself_beside_the_field():
    client = _client(_invoice().operator)
    file = SimpleUploadedFile("a.xml", b"not xml")

    answer = client.post("/ops/money/payments/", {"statement": "1", "s-file": file})

    assert "Not readable as XML" in answer.content.decode()


def test_a_viewer_may_look_but_not_book():
    invoice = _invoice()
    client = _client(invoice.operator, Role.VIEWER)

    assert 'name="statement"' not in _page(client, "/ops/money/payments/")
    client.post(
        "/ops/money/payments/",
        {"payment": "1", "p-booked_on": "2026-01-01", "p-amount": "1", "p-currency": "EUR",
         "p-reference": "1"},
    )  # fmt: skip
    assert not BankEntry.objects.exists()
    answer = client.post(f"/ops/invoices/{invoice.pk}/credit/", {"reason": "x"})
    assert answer.status_code == 404


def test_an_invoice_is_credited_with_a_reason_from_its_page():
    invoice = _invoice()
    client = _client(invoice.operator)

    client.post(f"/ops/invoices/{invoice.pk}/credit/", {"reason": ""})
    assert Invoice.objects.count() == 1
    answer = client.post(
        f"/ops/invoices/{invoice.pk}/credit/", {"reason": "Wrong customer"}, follow=True
    )

    assert "CN-2" in answer.content.decode()
    nothing = client.post(f"/ops/invoices/{invoice.pk}/correct/", {"reason": "again"}, follow=True)
    assert "Nothing would change" in nothing.content.decode()


def test_a_customer_disputes_hours_of_a_line():
    invoice = _invoice()
    customer = _client(invoice.customer)
    address = f"/account/lines/{invoice.lines.get(charge='energy').pk}/dispute/"

    hours = {"first_hour": "12", "end_hour": "6"}
    homeless = customer.post(address, {"comment": "Closed", **hours}).content.decode()
    assert "Give the days that the hours belong to." in homeless
    backwards = {"comment": "Closed", "first_day": "2026-01-05", "last_day": "2026-01-05", **hours}
    assert "It must end after it begins." in customer.post(address, backwards).content.decode()
    customer.post(
        address, {"comment": "Closed", "first_day": "2026-01-05", "last_day": "2026-01-12", **hours}
    )
    some_hours = Dispute.objects.get()
    # 162 of 744 even hours of 136.35.
    assert some_hours.amount == Decimal("29.69")


def test_a_customer_disputes_days_of_a_line_and_the_operator_decides():
    invoice = _invoice()
    line = invoice.lines.get(charge="energy")
    customer, operator = _client(invoice.customer), _client(invoice.operator)
    address = f"/account/lines/{line.pk}/dispute/"

    half = customer.post(address, {"comment": "Closed", "first_day": "2026-01-05"})
    assert "Give both days, or none." in half.content.decode()
    outside = customer.post(
        address, {"comment": "Closed", "first_day": "2025-12-05", "last_day": "2025-12-06"}
    )
    assert "not the time of the line" in outside.content.decode()
    customer.post(
        address, {"comment": "Closed", "first_day": "2026-01-05", "last_day": "2026-01-11"}
    )
    dispute = Dispute.objects.get()
    # Seven of 31 even days of 136.35.
    assert dispute.amount == Decimal("30.79")
    assert "need not be paid until it is decided" in _page(customer, "/account/")

    operator.post(
        f"/ops/money/disputes/{dispute.pk}/", {"step": "answered", "text": "We heated the frost."}
    )
    assert "We heated the frost." in _page(customer, f"/account/disputes/{dispute.pk}/")
    customer.post(f"/account/disputes/{dispute.pk}/", {"text": "I see.", "withdraw": "on"})
    assert Dispute.objects.get().state == "withdrawn"
    assert "Withdrawn" in _page(operator, "/ops/money/disputes/")


def test_the_account_pays_by_code_and_shows_every_movement():
    invoice = _invoice()
    operations.enter_payment(
        operator_id=invoice.operator_id, booked_on=LATER.date(), amount=Decimal("79.15"),
        currency="EUR", reference="1", remittance=invoice.number, at=LATER, by_id=None,
    )  # fmt: skip
    text = _page(_client(invoice.customer), "/account/")

    assert "€200.00 to pay" in text
    assert 'class="qr"' in text
    assert f"Payment of {invoice.number}" in text
    assert "IBAN DE89 3704 0044 0532 0130 00" in text
    assert f'<a href="/heat/bills/{invoice.pk}/">' in text


def test_documents_say_to_both_sides_what_is_paid():
    invoice = _invoice()
    seller, buyer = _client(invoice.operator), _client(invoice.customer)
    pages = [
        (seller, "/ops/invoices/"), (seller, f"/ops/invoices/{invoice.pk}/"),
        (buyer, "/heat/bills/"), (buyer, "/heat/"),
    ]  # fmt: skip

    def words(amount: str) -> list[str]:
        operations.enter_payment(
            operator_id=invoice.operator_id, booked_on=LATER.date(), amount=Decimal(amount),
            currency="EUR", reference=amount, remittance=invoice.number, at=LATER, by_id=None,
        )  # fmt: skip
        return [_page(client, address) for client, address in pages]

    part, rest = words("79.15"), words("200.00")

    assert all("€200.00 open" in text and ">Paid<" not in text for text in part)
    assert all(" open</span>" not in text and "Paid" in text for text in rest)
    assert "It is paid." in _page(buyer, f"/heat/bills/{invoice.pk}/")


def test_contracts_speak_in_sentences_and_drafts_are_started():
    invoice = _invoice()
    contract = invoice.contract
    client = _client(invoice.operator)
    Contract.objects.filter(pk=contract.pk).update(status="draft", pilot_until="2030-01-01")

    assert contract.reference in _page(client, "/ops/contracts/?model=usage&status=draft")
    text = _page(client, f"/ops/contracts/{contract.pk}/")
    assert "30 kW of power kept ready at €4.00 per kW a month," in text
    assert "Energy at €0.0616 per kWh, counted at heat." in text
    client.post(f"/ops/contracts/{contract.pk}/start/")
    client.post(f"/ops/contracts/{contract.pk}/convert/")
    contract.refresh_from_db()
    assert (contract.status, contract.pilot_until) == ("active", None)


def test_a_line_is_explained_down_to_its_readings():
    invoice = _invoice()
    line = invoice.lines.get(charge="energy")
    client = _client(invoice.customer)

    text = _page(client, f"/lines/{line.pk}/")

    assert "1860.000 kWh × 0.0616" in text
    assert "showed 1,000 kWh on 1 Jan 2026, 00:00 and 2,860 kWh" in text
    assert "Energy as metered</dt><dd>1,860 kWh" in text
    assert "rollup version" in text
    assert "745" in text
    assert "<svg" in text
    readings = b"".join(
        client.get(f"/lines/{line.pk}/?format=csv").streaming_content  # type: ignore[attr-defined]
    )
    assert len(readings.splitlines()) == 746
    assert f"/lines/{line.pk}/" in _page(client, f"/heat/bills/{invoice.pk}/")
