import datetime as dt
from decimal import Decimal

import pytest
from django.test import Client
from django.utils import timezone

from sites.models import HostingService
from telemetry.models import EmissionFactor
from tests import factories
from tests.factories_hosting import (
    last_month,
    make_feed,
    make_heartbeats,
    make_metered_site,
)

pytestmark = pytest.mark.django_db

PAGES = ("/hosting/", "/hosting/uptime/", "/hosting/energy/")


def _sign_in(client: Client, service: HostingService) -> None:
    client.force_login(factories.make_user(stakeholder=service.tenant))


def _factor() -> None:
    EmissionFactor.objects.create(
        carrier="electricity", region="DE", valid=(dt.date(2015, 1, 1), None),
        kg_per_kwh=Decimal("0.4"), data_year=2025, basis="CO2e", source="A table", licence="open",
    )  # fmt: skip


def _hours(service: HostingService) -> int:
    return int(last_month(service.site).hours)


def test_the_overview_states_uptime_electricity_and_the_note(client: Client):
    service = make_feed(make_metered_site(), 10)
    service.site.data_note = "Dates are shifted."
    service.site.save()
    make_heartbeats(service.site, service=service, days=10, down_h=2, silent_h=3)
    _sign_in(client, service)

    page = client.get("/hosting/").content.decode()

    assert f"{10 * _hours(service):,}" in page
    assert "Dates are shifted." in page
    assert "of the last 90 days" in page
    # Ten days are heard but for three hours; the days before count neither way.
    assert "minutes without one count neither way" in page


def test_months_before_the_start_are_not_missing(client: Client):
    service = make_feed(make_metered_site(), 10)
    _sign_in(client, service)

    page = client.get("/hosting/")

    assert [m.kwh for m in page.context["months"]] == [10 * _hours(service)]
    assert "Not measured throughout" not in page.content.decode()


def test_uptime_names_its_minutes_and_lists_its_days(client: Client):
    service = factories.make_hosting_service(site=factories.make_site())
    make_heartbeats(service.site, service=service, days=3, down_h=2, silent_h=3)
    _sign_in(client, service)

    page = client.get("/hosting/uptime/")
    days = client.get("/hosting/uptime/", {"format": "csv"}).getvalue().decode().splitlines()

    uptime = page.context["uptime"]
    assert len(page.context["days"]) == 90
    assert uptime.down_s == 7200
    assert f"120 of {uptime.known_s // 60:,} known minutes lost" in page.content.decode()
    assert days[0] == "day,up_s,down_s,unknown_s,planned_s,before_start_s"
    assert len(days) == 91
    assert days[-4].split(",")[2] == "7200"


def test_days_before_the_start_are_neither_up_nor_down(client: Client):
    site = factories.make_site()
    site.started_on = timezone.now().date() - dt.timedelta(days=2)
    site.save()
    service = factories.make_hosting_service(site=site)
    make_heartbeats(site, service=service, days=2, down_h=0, silent_h=0)
    _sign_in(client, service)

    page = client.get("/hosting/uptime/")

    assert "was up all of" in page.content.decode()
    assert sum(day.before_start for day in page.context["days"]) == 87


def test_the_statement_shares_the_site_by_the_electricity_of_servers(client: Client):
    _factor()
    site = make_metered_site(facility=18, it=15, heat_handoff=9)
    service = make_feed(site, 10)
    make_feed(site, 5)
    _sign_in(client, service)

    page = client.get("/hosting/energy/")

    claims = {claim.key: claim for claim in page.context["claims"]}
    hours = _hours(service)
    assert claims["it_energy"].value == 10 * hours
    assert claims["emissions_location_based"].value == Decimal("4.8") * hours
    assert claims["pue"].value == Decimal("1.2")
    assert claims["erf"].value == Decimal("0.5")
    text = page.content.decode()
    assert "it does not reduce your own footprint" in text
    assert "No third party has checked this." in text
    assert "Interim: 1 month" in text
    for word in ("green", "clean", "neutral"):
        assert word not in text.lower()
    # Fifteen kilowatts less one's own ten are the neighbour's.
    assert f"{15 * hours:,}" not in text
    assert f"{18 * hours:,}" not in text


def test_a_statement_without_a_factor_has_electricity_and_a_reason(client: Client):
    service = make_feed(make_metered_site(facility=18), 10)
    _sign_in(client, service)

    page = client.get("/hosting/energy/")

    claims = {claim.key: claim for claim in page.context["claims"]}
    assert claims["it_energy"].value == 10 * _hours(service)
    assert claims["emissions_location_based"].value is None
    assert "Not published: the emission factor for it is missing." in page.content.decode()


def test_too_little_measured_is_a_reason_and_no_figure(client: Client):
    service = make_feed(make_metered_site(facility=18), 10)
    service.site.started_on = dt.date(2020, 1, 1)
    service.site.save()
    _sign_in(client, service)

    answer = client.get("/hosting/energy/")
    rows = client.get("/hosting/energy/", {"format": "csv"}).getvalue().decode().splitlines()

    assert "of hours measured, 90% needed." in answer.content.decode()
    assert all(row.split(",")[1] == "" for row in rows[1:])


@pytest.mark.parametrize("year", ["1999", "3000", "x"])
def test_a_year_out_of_reach_is_not_there(client: Client, year: str):
    service = factories.make_hosting_service(site=factories.make_site())
    _sign_in(client, service)

    assert client.get("/hosting/energy/", {"year": year}).status_code == 404


def test_a_neighbours_service_is_not_there(client: Client):
    service = factories.make_hosting_service(site=factories.make_site())
    neighbours = factories.make_hosting_service(site=service.site)
    _sign_in(client, service)

    for page in PAGES[1:]:
        assert client.get(page, {"service": service.pk}).status_code == 200
        assert client.get(page, {"service": neighbours.pk}).status_code == 404
    assert neighbours.name not in client.get("/hosting/").content.decode()


def test_a_tenant_without_servers_is_told_what_will_come(client: Client):
    tenant = factories.make_hosting_service(site=factories.make_site()).tenant
    tenant.hosting_services.all().delete()
    client.force_login(factories.make_user(stakeholder=tenant))

    for page in PAGES:
        assert "No servers are hosted for you yet" in client.get(page).content.decode()


@pytest.mark.parametrize(("page", "cost"), list(zip(PAGES, (13, 14, 27), strict=True)))
def test_a_page_costs_the_same_for_many_services(
    client: Client, django_assert_num_queries, page: str, cost: int
):
    service = make_feed(make_metered_site(), 1)
    make_heartbeats(service.site, service=service, days=2, down_h=0, silent_h=0)
    _sign_in(client, service)
    client.get(page, {"service": service.pk})

    with django_assert_num_queries(cost):
        client.get(page, {"service": service.pk})
    for _ in range(5):
        site = make_metered_site(operator=service.site.operator)
        make_feed(site, 1, tenant=service.tenant)
    with django_assert_num_queries(cost):
        client.get(page, {"service": service.pk})
