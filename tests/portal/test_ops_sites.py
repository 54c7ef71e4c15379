import datetime as dt
from decimal import Decimal

import pytest
from django.test import Client
from django.utils import timezone

from sites.domain import local_month
from sites.models import Site
from telemetry import operations as metering
from telemetry.models import Channel, MeteringPoint
from tests import factories
from tests.factories_telemetry import csv_of, ingest_csv, load, make_channel, make_heat_channel

pytestmark = pytest.mark.django_db


def _metered_until_now(channel: Channel, *, hours: int = 48) -> dt.datetime:
    """
    Give the channel hourly readings up to the last full hour, 20 kWh each.
    """
    now = timezone.now()
    last = now.replace(minute=0, second=0, microsecond=0)
    rows = [
        (channel.key, (last - dt.timedelta(hours=hours - n)).isoformat(), str(1000 + 20 * n))
        for n in range(hours + 1)
    ]
    ingest_csv(site=channel.site, body=csv_of(rows), received_at=now)
    metering.roll_up_channel(channel_id=channel.pk, at=now)
    return last


def _signed_in(client: Client, site: Site) -> None:
    client.force_login(factories.make_user(stakeholder=site.operator))


def test_the_fleet_shows_what_is_silent_first_and_no_zero_for_it(client: Client):
    channel = make_heat_channel()
    site = channel.site
    silent = make_heat_channel(site=factories.make_site(operator=site.operator)).site
    factories.make_site()
    _metered_until_now(channel)
    _signed_in(client, site)

    page = client.get("/ops/")
    rows = [row.site.pk for row in page.context["listing"].page]
    text = page.content.decode()

    assert set(rows) == {site.pk, silent.pk}
    assert "2 sites" in text
    assert "20.0" in text
    assert page.context["heat_kw"] == Decimal(20)
    assert page.context["listing"].count == 2


def test_the_fleet_costs_the_same_for_many_sites(client: Client, django_assert_max_num_queries):
    site = make_heat_channel().site
    _signed_in(client, site)
    client.get("/ops/")
    with django_assert_max_num_queries(QUERIES_OF_FLEET):
        client.get("/ops/")
    for _ in range(55):
        make_heat_channel(site=factories.make_site(operator=site.operator))
    with django_assert_max_num_queries(QUERIES_OF_FLEET):
        page = client.get("/ops/")

    assert page.context["listing"].count == 56


QUERIES_OF_FLEET = 24


def test_the_fleet_is_searched_filtered_sorted_and_told_as_csv(client: Client):
    site = factories.make_site()
    other = make_heat_channel(site=factories.make_site(operator=site.operator)).site
    partner = other.delivery_points.get().partner
    _signed_in(client, site)

    found = client.get("/ops/", {"search": partner.name}, headers={"HX-Request": "true"})
    nothing = client.get("/ops/", {"search": "no such place"})
    descending = client.get("/ops/", {"sort": "-site"})
    told = client.get("/ops/", {"format": "csv"}).getvalue().decode().splitlines()

    assert [row.site.pk for row in found.context["listing"].page] == [other.pk]
    assert "<html" not in found.content.decode()
    assert "Clear filters" in nothing.content.decode()
    names = [row.site.name for row in descending.context["listing"].page]
    assert names == sorted(names, key=str.lower, reverse=True)
    assert told[0] == "site,town,country,state,heat_kw,supply_c,last_reading"
    assert len(told) == 3


def test_a_site_shows_its_note_its_heat_and_its_points(client: Client):
    channel = make_heat_channel()
    _metered_until_now(channel)
    Site.objects.filter(pk=channel.site_id).update(data_note="Dates are shifted by 364 days.")
    _signed_in(client, channel.site)

    page = client.get(f"/ops/sites/{channel.site.slug}/")
    told = client.get(f"/ops/sites/{channel.site.slug}/", {"format": "csv"})
    text = page.content.decode()

    assert "Dates are shifted by 364 days." in text
    assert "Delivering" in text
    assert channel.point.name in text
    assert "No heartbeat is measured at this site." in text
    assert told.getvalue().decode().startswith("month,heat_kwh,coverage,quality")


def test_a_site_shows_where_its_energy_went_in_a_year_and_in_a_month(client: Client):
    site = factories.make_site()
    for boundary, kw in (("facility", 24), ("it", 20), ("heat_handoff", 12)):
        channel = make_channel(site=site, boundary=MeteringPoint.Boundary(boundary))
        load(channel, local_month(2025, 3, site.timezone), kw)
    _signed_in(client, site)
    address = f"/ops/sites/{site.slug}/"

    year = client.get(address).content.decode()
    march = client.get(address, {"month": "2025-03"}).content.decode()
    april = client.get(address, {"month": "2025-04"}).content.decode()

    # A year ago: too little of the last twelve months was measured.
    assert "Where the energy went" not in year
    assert "<strong>50 kWh</strong> were handed over as heat" in march
    assert "17,832" in march
    assert "Not shown for April 2025" in april
    assert "?month=2025-03#energy" in april


def test_a_point_shows_the_figure_of_its_channel(client: Client):
    channel = make_heat_channel()
    _metered_until_now(channel)
    _signed_in(client, channel.site)

    page = client.get(f"/ops/points/{channel.point_id}/", {"stretch": "7d"})

    assert page.status_code == 200
    assert page.context["totals"]["total"] == 960
    assert "960 kWh, peak 20.0 kW" in page.content.decode()
    assert f"/channels/{channel.pk}/series.json?start=" in page.context["series_url"]


def test_readings_are_listed_by_local_day_as_sent(client: Client):
    channel = make_heat_channel()
    _metered_until_now(channel)
    _signed_in(client, channel.site)

    page = client.get(f"/ops/points/{channel.point_id}/readings/", {"channel": "energy"})
    empty = client.get(f"/ops/points/{channel.point_id}/readings/", {"day": "2020-01-01"})

    assert page.context["listing"].count >= 1
    assert "No readings on this day." in empty.content.decode()


@pytest.mark.parametrize("query", ["?page=x", "?sort=--", "?state=zz", "?stretch=1", "?day=33"])
def test_what_is_not_understood_in_an_address_is_no_error(client: Client, query: str):
    channel = make_heat_channel()
    _signed_in(client, channel.site)
    point = f"/ops/points/{channel.point_id}/"

    answers = [client.get(address + query) for address in ("/ops/", point, f"{point}readings/")]

    assert [answer.status_code for answer in answers] == [200, 200, 200]
