"""
The pages about mandates, direct debits and reminders.
"""

import datetime as dt

import pytest
from django.test import Client
from django.utils import timezone
from lxml import etree

from billing import operations
from billing.models import Debit, DebitFile, DunningLevel, Invoice, Mandate, Reminder
from sites.access import Role
from sites.models import AuditEntry
from tests import factories
from tests.billing.test_settlement import _camt, _entry, _invoice
from tests.factories_telemetry import LATER
from tests.portal.test_money import _client, _page

pytestmark = pytest.mark.django_db


def _mandate(client: Client, invoice: Invoice, **given: str) -> str:
    values = {
        "customer": str(invoice.customer_id), "reference": "WG-1", "signed_on": "2026-01-05",
        "account_name": "Pool GmbH", "iban": "DE89 3704 0044 0532 0130 00", "bic": "",
    } | given  # fmt: skip
    return client.post("/ops/money/mandates/new/", values, follow=True).content.decode()


def _soon() -> str:
    return (timezone.localdate() + dt.timedelta(days=5)).isoformat()


def test_a_mandate_is_checked_beside_its_fields_and_ends():
    invoice = _invoice()
    client = _client(invoice.operator)

    wrong = _mandate(
        client, invoice, iban="DE89 3704 0044 0532 0130 01", signed_on="2999-01-01", reference="ä"
    )
    assert "its check digits or its length are off" in wrong
    assert "The day is in the future." in wrong
    assert "Letters without accents" in wrong
    assert "DE89 3704 0044 0532 0130 01" in wrong

    assert "The mandate is in force." in _mandate(client, invoice)
    assert Mandate.objects.get().iban == "DE89370400440532013000"
    assert "There is a mandate WG-1 already." in _mandate(client, invoice)
    assert Mandate.objects.get().revoked_on is None
    assert "WG-1" in _page(client, "/ops/money/mandates/?state=in_force&search=WG")

    address = f"/ops/money/mandates/{Mandate.objects.get().pk}/end/"
    early = client.post(address, {"day": "2025-12-31"}).content.decode()
    assert "cannot end before it was signed" in early
    client.post(address, {"day": "2026-02-01"})
    assert "Nothing matches" in _page(client, "/ops/money/mandates/?state=in_force")
    assert AuditEntry.objects.filter(action="mandate ended").count() == 1


def test_a_mandate_of_another_operators_customer_cannot_be_noted():
    invoice = _invoice()
    foreign = factories.make_delivery_point(site=factories.make_site()).partner

    text = _mandate(_client(invoice.operator), invoice, customer=str(foreign.pk))

    assert "Select a valid choice" in text
    assert not Mandate.objects.exists()


def test_what_is_due_is_collected_once_and_open_again_when_sent_back():
    invoice = _invoice()
    client = _client(invoice.operator)
    _mandate(client, invoice)
    # The file is for a day on which the document is due.
    assert invoice.due_on is not None
    operations.make_debit_file(
        operator_id=invoice.operator_id, collect_on=invoice.due_on, at=LATER, by_id=None
    )
    made = DebitFile.objects.get()

    text = _page(client, f"/ops/money/debits/{made.pk}/")
    assert "€279.15" in text
    assert invoice.number in text
    xml = client.get(f"/ops/money/debits/{made.pk}/?format=xml")
    assert etree.fromstring(xml.content).tag.endswith("Document")
    assert xml["Content-Disposition"] == f'attachment; filename="{made.message_id}.xml"'
    assert "Nothing is to be collected" in _page(client, f"/ops/money/debits/?day={_soon()}")

    paid = f"<Refs><EndToEndId>{invoice.number}</EndToEndId></Refs>"
    back = paid + "<RtrInf><Rsn><Cd>AC04</Cd></Rsn></RtrInf>"
    for body in (
        _entry("279.15", reference="1", more=paid),
        _entry("279.15", reference="2", side="DBIT", more=back),
    ):
        operations.import_statement(
            operator_id=invoice.operator_id, xml=_camt(body), at=LATER, by_id=None
        )
    assert Debit.objects.get().returned_at is not None
    assert "sent back" in _page(client, f"/ops/money/debits/{made.pk}/")
    listed = b"".join(
        client.get("/ops/money/debits/?format=csv").streaming_content  # type: ignore[attr-defined]
    )
    assert listed.decode().splitlines()[1].endswith(",1,1,279.15")


def test_a_file_needs_a_day_ahead_and_something_to_collect():
    invoice = _invoice()
    client = _client(invoice.operator)

    late = client.post("/ops/money/debits/", {"day": "2020-01-01"}).content.decode()
    assert "Choose a day after today." in late
    nothing = client.post("/ops/money/debits/", {"day": _soon()}).content.decode()
    assert "Nothing is to be collected on that day." in nothing
    assert not DebitFile.objects.exists()


def test_levels_follow_each_other_and_letters_speak_the_customers_language():
    invoice = _invoice()
    client = _client(invoice.operator)
    level = {
        "days_after_due": "7", "fee": "0", "text_en": "{number}: {amount}, due {due}",
        "text_de": "{number}: {amount}, fällig {due}, Gebühr {fee}", "text_fr": "",
    }  # fmt: skip

    second = client.post("/ops/money/reminders/2/", level).content.decode()
    assert "Set level 1 first." in second
    client.post("/ops/money/reminders/1/", level)
    early = client.post("/ops/money/reminders/2/", level | {"days_after_due": "6"})
    assert "a higher level has to come later" in early.content.decode()
    nameless = client.post("/ops/money/reminders/1/", level | {"text_en": "Pay!"})
    assert "write {number} somewhere" in nameless.content.decode()

    invoice.customer.language = "de"
    invoice.customer.save()
    assert invoice.due_on is not None
    late = LATER.replace(year=invoice.due_on.year + 1)
    [made] = operations.make_reminders(operator_id=invoice.operator_id, at=late)
    text = Reminder.objects.get(pk=made).text
    assert text.startswith(f"{invoice.number}: 279,15\xa0€, fällig ")
    assert text.endswith("Gebühr 0,00\xa0€")
    shown = _page(client, f"/ops/money/reminders/?search={invoice.number}&level=1")
    assert "€279.15" in shown
    assert "Nothing matches" in _page(client, "/ops/money/reminders/?level=4")
    assert AuditEntry.objects.filter(action="reminders made").count() == 1

    client.post("/ops/money/reminders/drop/")
    assert not DunningLevel.objects.exists()


def test_who_only_looks_changes_nothing():
    invoice = _invoice()
    client = _client(invoice.operator, Role.VIEWER)

    assert "Add a mandate" not in _page(client, "/ops/money/mandates/")
    assert "Add level" not in _page(client, "/ops/money/reminders/")
    for address in ("mandates/new/", "reminders/1/", "reminders/drop/"):
        assert client.post(f"/ops/money/{address}", {}).status_code == 404
    client.post("/ops/money/debits/", {"day": _soon()})
    assert not DebitFile.objects.exists()


def test_the_lists_cost_the_same_for_many(django_assert_max_num_queries):
    invoice = _invoice()
    client = _client(invoice.operator)
    for n in range(3):
        _mandate(client, invoice, reference=f"WG-{n}")

    for address, most in (("mandates/", 7), ("debits/", 9), ("reminders/", 8)):
        with django_assert_max_num_queries(most):
            _page(client, f"/ops/money/{address}")
