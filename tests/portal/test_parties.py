"""
Beginning on an empty installation: an operator, its sites, its customers, who serves whom.
"""

import datetime as dt
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.test import Client
from pytest_django.asserts import assertContains, assertRedirects

from billing.models import Contract
from sites import operations
from sites.access import Kind, Role
from sites.models import AuditEntry, DeliveryPoint, HostingService, Membership, Site, Stakeholder
from tests.factories import make_site, make_stakeholder, make_user
from tests.factories_billing import make_contract
from tests.factories_telemetry import make_heat_channel, send

pytestmark = pytest.mark.django_db(transaction=True)

SITE = {
    "name": "Harbour", "town": "Kiel", "country": "DE", "timezone": "Europe/Berlin",
    "currency": "EUR", "latitude": "54.32", "longitude": "10.13", "cooling": "liquid",
    "phase": "live", "rated_it_kw": "400", "capture_kw": "320", "started_on": "2026-01-01",
}  # fmt: skip
POOL = {
    "kind": "partner", "name": "Stadtbad GmbH", "street": "Am Bad 1", "postcode": "24103",
    "town": "Kiel", "country": "DE", "language": "de", "email": "bad@example.org",
    "vat_id": "DE 136695976",
}  # fmt: skip


def _signed_in(client: Client, operator: Stakeholder, role: Role = Role.ADMIN) -> Client:
    client.force_login(make_user(stakeholder=operator, role=role))
    return client


def test_an_empty_installation_gets_its_operator_whose_administrator_builds_a_place(
    client: Client, capsys: pytest.CaptureFixture[str]
):
    call_command("add_operator", "Nordwärme", country="de", timezone="Europe/Berlin",
                 email="mara@example.org")  # fmt: skip
    link = capsys.readouterr().out.split()[-1]
    client.get("/invitations/" + link.split("/invitations/")[1])
    client.post(
        "/invitations/accept/",
        {"name": "Mara", "password": "warm words here", "again": "warm words here"},
    )
    assert Membership.objects.get().role == Role.ADMIN
    operator = Membership.objects.get().stakeholder

    assertContains(client.get("/ops/"), "Add a site")
    assertRedirects(client.post("/ops/sites/new/", SITE), "/ops/sites/harbour/")
    made = client.post("/ops/customers/new/", POOL)
    pool = Stakeholder.objects.get(kind=Kind.PARTNER)
    assertRedirects(made, f"/ops/customers/{pool.pk}/")
    client.post("/ops/customers/new/", {**POOL, "kind": "tenant", "name": "Rechner AG"})
    tenant = Stakeholder.objects.get(kind=Kind.TENANT)
    client.post("/ops/sites/harbour/deliveries/new/",
          {"partner_id": pool.pk, "name": "Pool", "building_type": "indoor pool",
           "distance_m": "80", "required_supply_c": "55", "contracted_kw": "120"})  # fmt: skip
    client.post("/ops/sites/harbour/services/new/",
          {"tenant_id": tenant.pk, "name": "Rack 1", "it_kw": "20", "racks": "2"})  # fmt: skip

    point, service = DeliveryPoint.objects.get(), HostingService.objects.get()
    assert (point.partner, point.slug) == (pool, "pool")
    assert (service.tenant, service.slug) == (tenant, "rack-1")
    assert (pool.operator, pool.vat_id, pool.slug) == (operator, "DE136695976", "stadtbad-gmbh")
    assertContains(client.get("/ops/sites/harbour/"), "Stadtbad GmbH")
    page = client.get(f"/ops/customers/{pool.pk}/")
    assertContains(page, "120 kW agreed, at least 55 °C.")
    assertContains(page, f"/people/of/{pool.pk}/")
    mara = "mara@example.org"
    assert {
        ("operator created", None), ("site created", mara), ("partner created", mara),
        ("delivery point added", mara), ("hosting service added", mara),
    } <= set(AuditEntry.objects.values_list("action", "by__email"))  # fmt: skip


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"country": "Germany"}, "two letters"),
        ({"timezone": "Berlin"}, "Europe/Berlin"),
        ({"email": "mara"}, "no e-mail address"),
    ],
)
def test_what_is_wrong_with_a_new_operator_is_said(wrong: dict[str, str], said: str):
    given = {"country": "DE", "timezone": "UTC", "email": "mara@example.org", **wrong}

    with pytest.raises(CommandError, match=said):
        call_command("add_operator", "Nordwärme", **given)

    assert not Stakeholder.objects.exists()


def test_forms_explain_mistakes_beside_the_field_and_keep_what_was_typed(client: Client):
    operator = make_stakeholder()
    _signed_in(client, operator)
    make_site(operator=operator)
    taken = Site.objects.get().name

    site = client.post("/ops/sites/new/", {**SITE, "name": taken})
    customer = client.post("/ops/customers/new/",
                     {**POOL, "vat_id": "DE123456789", "electronic_address": "9930"})  # fmt: skip
    abroad = client.post("/ops/customers/new/", {**POOL, "vat_id": "FR40303265045"})
    own = client.post("/ops/organisation/", {"name": "N", "country": "DE", "timezone": "UTC",
                "iban": "DE00", "creditor_id": "DE00ZZZ09999999999"})  # fmt: skip

    assert site.context["form"].errors == {"name": ["There is a site of that name."]}
    assertContains(site, 'value="320"')
    assert set(customer.context["form"].errors) == {"vat_id", "electronic_scheme"}
    assert "another country" in str(abroad.context["form"].errors["vat_id"])
    assert set(own.context["form"].errors) == {"iban", "creditor_id"}
    assert Stakeholder.objects.filter(kind=Kind.PARTNER).count() == 0


def test_changes_are_saved_with_a_trail_of_what_differed(client: Client):
    operator = make_stakeholder()
    _signed_in(client, operator)
    site = make_site(operator=operator)
    given = {**SITE, "name": "Quay", "timezone": site.timezone, "currency": "CHF"}

    client.post(f"/ops/sites/{site.slug}/edit/", given)
    client.post(f"/ops/sites/{site.slug}/edit/", given)
    client.post("/ops/organisation/", {
        "name": "Nordwärme", "country": "DE", "timezone": "Europe/Berlin",
        "iban": "DE89 3704 0044 0532 0130 00", "creditor_id": "DE98ZZZ09999999999",
    })  # fmt: skip

    site.refresh_from_db()
    operator.refresh_from_db()
    entries = AuditEntry.objects.filter(action="site changed")
    assert (site.name, site.currency) == ("Quay", "CHF")
    assert [entry.after["name"] for entry in entries] == ["Quay"]
    assert "timezone" not in entries.get().after
    assert (operator.iban, operator.creditor_id) == (
        "DE89370400440532013000", "DE98ZZZ09999999999",
    )  # fmt: skip


def test_the_zone_stays_with_readings_and_the_currency_with_contracts(client: Client):
    channel = make_heat_channel()
    site = channel.site
    _signed_in(client, site.operator)
    address = f"/ops/sites/{site.slug}/edit/"
    asked = {**SITE, "timezone": site.timezone, "currency": site.currency}

    # Before there are any, a slip can be mended.
    client.post(address, {**asked, "timezone": "Europe/London"})
    site.refresh_from_db()
    assert site.timezone == "Europe/London"
    send(channel, [(dt.datetime(2026, 1, 1, tzinfo=dt.UTC), 1)])
    make_contract(channel)

    zone = client.post(address, {**asked, "timezone": "Europe/Berlin"})
    currency = client.post(address, {**asked, "timezone": "Europe/London", "currency": "GBP"})

    assert "time zone stays" in str(zone.context["form"].errors["timezone"])
    assert "currency stays" in str(currency.context["form"].errors["currency"])
    for field, value in (("timezone", "UTC"), ("currency", "SEK")):
        with pytest.raises(IntegrityError), transaction.atomic():
            Site.objects.filter(pk=site.pk).update(**{field: value})
    assert Contract.objects.exists()


def test_customers_are_searched_counted_and_downloaded(client: Client):
    operator = make_stakeholder()
    _signed_in(client, operator, Role.VIEWER)
    pool = make_stakeholder(kind=Kind.PARTNER, operator=operator, name="Pool")
    make_user(stakeholder=pool)
    make_stakeholder(kind=Kind.TENANT, operator=operator, name="Rack")
    make_stakeholder(kind=Kind.PARTNER, name="A stranger’s pool")

    every = client.get("/ops/customers/")
    found = client.get("/ops/customers/?search=poo&kind=partner")
    file = client.get("/ops/customers/?format=csv&sort=-name").getvalue().decode().splitlines()

    assert [(c.name, c.people) for c in every.context["listing"].page] == [("Pool", 1), ("Rack", 0)]
    assert [c.name for c in found.context["listing"].page] == ["Pool"]
    assert [line.split(",")[0] for line in file] == ["name", "Rack", "Pool"]
    # Who reads only is offered nothing and refused.
    assert "Add a customer" not in every.content.decode()
    assert client.get("/ops/customers/new/").status_code == 404
    assert client.get(f"/ops/customers/{pool.pk}/edit/").status_code == 404


def test_equal_names_get_addresses_of_their_own():
    operator = make_stakeholder()
    details: dict[str, Any] = {
        "country": "DE",
        "timezone": "UTC",
        "at": dt.datetime.now(dt.UTC),
        "by_id": None,
    }

    made = [
        operations.create_stakeholder(
            kind=Kind.PARTNER, operator_id=operator.pk, name=name, **details
        )
        for name in ("Pool", "Pool", "new", "東京")
    ]  # fmt: skip

    assert [one.slug for one in made] == ["pool", "pool-2", "new-2", "x"]
