import pytest
from django.test import Client

from billing import operations
from billing.models import Invoice
from sites.models import HostingService
from tests import factories
from tests.factories_billing import JANUARY
from tests.factories_hosting import make_hosting_contract
from tests.factories_telemetry import LATER

pytestmark = pytest.mark.django_db


def _service() -> HostingService:
    return factories.make_hosting_service(site=factories.make_site())


def _billed(service: HostingService, *, count: int = 1, first: int = 0) -> list[Invoice]:
    made = []
    for number in range(first, first + count):
        contract = make_hosting_contract(service, reference=f"H-{service.pk}-{number}")
        invoice = operations.bill_contract(
            contract_id=contract.pk, month=JANUARY, at=LATER, issue=True
        )
        assert invoice is not None
        made.append(invoice)
    return made


def _sign_in(client: Client, service: HostingService) -> None:
    client.force_login(factories.make_user(stakeholder=service.tenant))


def test_the_list_holds_ones_own_issued_invoices_at_the_same_cost_for_many(
    client: Client, django_assert_num_queries
):
    own = _service()
    neighbours = factories.make_hosting_service(site=own.site)
    _billed(own, count=2)
    _billed(neighbours)
    draft = make_hosting_contract(own, reference="draft")
    operations.bill_contract(contract_id=draft.pk, month=JANUARY, at=LATER, issue=False)
    _sign_in(client, own)
    client.get("/hosting/invoices/")

    with django_assert_num_queries(7):
        few = client.get("/hosting/invoices/")
    _billed(own, count=60, first=2)
    with django_assert_num_queries(7):
        many = client.get("/hosting/invoices/")

    assert few.context["listing"].count == 2
    assert many.context["listing"].count == 62
    assert "1–50 of 62" in many.content.decode()


def test_the_list_is_filtered_and_downloaded(client: Client):
    service = _service()
    invoices = _billed(service, count=3)
    _sign_in(client, service)

    found = client.get("/hosting/invoices/", {"search": invoices[1].number})
    none = client.get("/hosting/invoices/", {"search": "nothing like it"})
    answer = client.get("/hosting/invoices/", {"format": "csv", "sort": "-number"})
    rows = answer.getvalue().decode().splitlines()

    assert found.context["listing"].count == 1
    assert "Clear filters" in none.content.decode()
    assert rows[0].startswith("number,site,contract,first_day,last_day,issued_on")
    assert [row.split(",")[0] for row in rows[1:]] == [i.number for i in reversed(invoices)]


def test_an_empty_list_says_what_will_come(client: Client):
    service = _service()
    _sign_in(client, service)

    page = client.get("/hosting/invoices/").content.decode()

    assert "No invoices yet" in page


def test_an_invoice_is_the_tenants_own_or_not_there(client: Client):
    own = _service()
    neighbours = factories.make_hosting_service(site=own.site)
    mine, theirs = _billed(own)[0], _billed(neighbours)[0]
    _sign_in(client, own)

    page = client.get(f"/hosting/invoices/{mine.pk}/")
    other = client.get(f"/hosting/invoices/{theirs.pk}/")

    assert "€1,071.00" in page.content.decode()
    assert "per kW and month" in page.content.decode()
    assert "No meter reading went into it." in page.content.decode()
    assert other.status_code == 404
