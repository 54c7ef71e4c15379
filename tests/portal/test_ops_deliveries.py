"""
A delivery point's page and its terms of supply, as the operator keeps them.
"""

import datetime as dt
from decimal import Decimal

import pytest
from django.test import Client

from sites.access import Role
from sites.models import AuditEntry, Site
from telemetry.models import Channel, HeatDirty, SupplyTerms
from tests import factories
from tests.factories_heat import agree, count_up, gauge, place_of, settle
from tests.factories_telemetry import make_heat_channel, send

pytestmark = pytest.mark.django_db(transaction=True)

START = dt.datetime(2026, 2, 28, 23, tzinfo=dt.UTC)
GIVEN = {
    "first_day": "2026-03-01", "contracted_kw": "240", "supply_min_c": "55", "return_max_c": "45",
    "windows": "Mon-Fri 06:00-22:00\nSat 08:00-12:00", "closed": "1 Jun - 31 Aug",
    "promised_percent": "98", "not_counted": ["outside", "cool"],
}  # fmt: skip


def _sign_in(client: Client, site: Site, role: Role = Role.STAFF) -> None:
    client.force_login(factories.make_user(stakeholder=site.operator, role=role))


def _two_days() -> Channel:
    register = make_heat_channel()
    count_up(register, START, 48)
    supply = gauge(register, Channel.Quantity.SUPPLY)
    send(supply, [(START + dt.timedelta(hours=h), 50 if h == 30 else 60) for h in range(48)])
    return register


def test_terms_are_agreed_by_form_and_audited(client: Client):
    register = make_heat_channel()
    _sign_in(client, register.site)
    address = f"/ops/deliveries/{place_of(register).pk}/terms/"

    assert client.get(address).status_code == 200
    given = {**GIVEN, "metering_point": register.point_id}
    answer = client.post(address, given, follow=True)

    page = answer.content.decode()
    assert "Mon-Fri 06:00-22:00" in page
    assert "1 Jun - 31 Aug" in page
    assert "At least 55 °C" in page
    assert "outside the delivery times; cooler than agreed" in page
    terms = SupplyTerms.objects.get()
    assert terms.windows.count() == 6
    assert terms.metering_point_id == register.point_id
    assert AuditEntry.objects.get(action="supply terms agreed").after["windows"] == (
        "Mon-Fri 06:00-22:00; Sat 08:00-12:00"
    )
    assert HeatDirty.objects.exists()
    # The next change begins with what holds.
    assert "Mon-Fri 06:00-22:00" in client.get(address).content.decode()


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("windows", "Mon-Fri 6-22", "is not of the form"),
        ("windows", "Mon 06:00-12:00\nMon 11:00-13:00", "Two bands overlap on Mon."),
        ("closed", "June", "is not of the form"),
        ("supply_min_c", "", "This figure is needed for what does not count."),
        ("supply_max_c", "50", "not above the least supply temperature"),
        ("promised_percent", "0", "Leave it empty"),
        ("promised_percent", "101", "less than or equal to 100"),
        ("contracted_kw", "0", "greater than or equal to 0.01"),
        ("metering_point", "999999", "not one of the available choices"),
        ("first_day", "soon", "Enter a valid date."),
    ],
)
def test_terms_that_do_not_fit_say_so_and_keep_what_was_entered(
    client: Client, field: str, value: str, told: str
):
    register = make_heat_channel()
    _sign_in(client, register.site)
    given = {**GIVEN, "metering_point": register.point_id, field: value}
    answer = client.post(f"/ops/deliveries/{place_of(register).pk}/terms/", given)

    assert answer.status_code == 422
    page = answer.content.decode()
    assert told in page
    assert 'value="240"' in page or field == "contracted_kw"
    assert not SupplyTerms.objects.exists()


def test_who_only_bills_reads_terms_and_changes_none(client: Client):
    register = make_heat_channel()
    _sign_in(client, register.site, Role.BILLING)
    address = f"/ops/deliveries/{place_of(register).pk}/"

    assert client.get(address).status_code == 200
    assert client.get(f"{address}terms/").status_code == 404


def test_the_page_says_what_counts_and_why_not_and_gives_it_as_csv(client: Client):
    register = _two_days()
    agree(register, first_day=dt.date(2026, 3, 1), at=START, bands="Sun-Mon 06:00-22:00")
    settle(register, START + dt.timedelta(hours=50))
    _sign_in(client, register.site)
    address = f"/ops/deliveries/{place_of(register).pk}/?month=2026-03"

    page = client.get(address).content.decode()
    assert "124" in page
    assert "outside the delivery times 64.0 kWh; cooler than agreed 4.0 kWh" in page
    # Sunday and Monday sixteen hours each, one of them too cool.
    assert "96.9%" in page
    assert "agreed 98%" in page
    days = _csv(client, f"{address}&format=csv&of=days")
    assert days[0].startswith("day,metered_kwh,counted_kwh,not_counted_kwh,rejected_kwh")
    assert len(days) == 3
    entries = _csv(client, f"{address}&format=csv")
    assert len(entries) == 1 + 2 * 96
    sums = [sum(Decimal(row.split(",")[n]) for row in entries[1:]) for n in (2, 3, 4)]
    assert sums == [192, 124, 68]
    months = _csv(client, f"{address}&format=csv&of=months")
    assert months[1].startswith("2026-03,")


def _csv(client: Client, address: str) -> list[str]:
    answer = client.get(address)
    return b"".join(answer.streaming_content).decode().splitlines()  # type: ignore[attr-defined]


def test_the_page_costs_the_same_with_a_year_of_terms(client: Client, django_assert_num_queries):
    register = _two_days()
    _sign_in(client, register.site)
    address = f"/ops/deliveries/{place_of(register).pk}/?month=2026-03"
    client.get(address)
    for n in range(3):
        agree(register, first_day=dt.date(2026, 3, 1 + n), at=START)
    settle(register, START + dt.timedelta(hours=50))
    with django_assert_num_queries(PAGE_QUERIES):
        client.get(address)


PAGE_QUERIES = 15


def test_an_empty_delivery_point_says_what_to_do(client: Client):
    site = factories.make_site()
    place = factories.make_delivery_point(site=site)
    _sign_in(client, site)

    page = client.get(f"/ops/deliveries/{place.pk}/").content.decode()
    assert "Nothing measures heat here yet." in page
    assert "Agree on terms" not in page
    assert client.get(f"/ops/deliveries/{place.pk}/?month=3026-99").status_code == 200
