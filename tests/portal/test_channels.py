"""
The figure of a channel: what it says, what its script is given, what is compared and drawn beside
it, and the files it hands out.
"""

import csv
import datetime as dt
import io
from decimal import Decimal
from typing import Any

import pytest
from django.db.models import Model
from django.test import Client
from pyarrow import parquet

from sites.domain import local_days
from telemetry.models import Channel, MeteringPoint
from tests import factories
from tests.factories_telemetry import add_channel, make_channel, make_heat_channel, send

pytestmark = pytest.mark.django_db

START = dt.datetime(2025, 12, 31, 23, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
JANUARY = {"first": "2026-01-01", "last": "2026-01-31"}


def _hourly(channel: Channel, *, start: dt.datetime = START, hours: int, kw: float = 20) -> None:
    send(channel, [(start + n * HOUR, 1000 + kw * n) for n in range(hours + 1)])


def _in(client: Client, stakeholder: Model | None) -> None:
    client.force_login(factories.make_user(stakeholder=stakeholder))  # type: ignore[arg-type]


@pytest.fixture
def heat(client: Client) -> Channel:
    channel = make_heat_channel()
    _hourly(channel, hours=24 * 31)
    _in(client, channel.site.operator)
    return channel


def _series(client: Client, channel: Channel, query: dict[str, Any]) -> dict[str, Any]:
    page = client.get(f"/channels/{channel.pk}/", query)
    answer = client.get(page.context["series_url"])
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def test_the_sentence_the_table_and_the_line_tell_the_same(client: Client, heat: Channel):
    page = client.get(f"/channels/{heat.pk}/", JANUARY)
    text = " ".join(page.content.decode().split())
    series = client.get(page.context["series_url"]).json()
    [line] = series["series"]

    assert "14,880 kWh, peak 20.0 kW on 1 Jan 2026, 00:00; 100.0% measured." in text
    assert sum(figure for _, figure in page.context["rows"]) == 14_880
    assert page.context["grain"] == "day"
    assert (series["unit"], series["zone"]) == ("kW", "Europe/Berlin")
    assert {value for value in line["v"] if value is not None} == {20.0}
    assert line["t"][0] == START.timestamp()
    assert line["v"][-1] is None


def test_zooming_asks_for_a_part_in_more_detail(client: Client, heat: Channel):
    address = client.get(f"/channels/{heat.pk}/", JANUARY).context["series_url"]
    begins = int(START.timestamp())

    far = client.get(f"{address}&points=100").json()["series"][0]["t"]
    near = client.get(f"{address}&points=100&from={begins}&to={begins + 7200}").json()

    assert far[1] - far[0] == 43_200
    assert near["range"] == [begins, begins + 7200]
    assert near["series"][0]["t"][:2] == [begins, begins + 3600]


def test_what_did_not_change_is_not_sent_again(client: Client, heat: Channel):
    address = client.get(f"/channels/{heat.pk}/", JANUARY).context["series_url"]
    first = client.get(address)

    again = client.get(address, headers={"If-None-Match": first["ETag"]})
    _hourly(heat, start=START + 24 * 40 * HOUR, hours=2)
    elsewhere = client.get(address, headers={"If-None-Match": first["ETag"]})
    send(heat, [(START + dt.timedelta(minutes=10), 1010)])
    changed = client.get(address, headers={"If-None-Match": first["ETag"]})

    assert (again.status_code, again.content) == (304, b"")
    assert elsewhere.status_code == 304
    assert changed.status_code == 200


def test_a_period_is_compared_with_the_one_before_and_the_year_before(
    client: Client, heat: Channel
):
    _hourly(heat, start=local_days(dt.date(2025, 1, 1), dt.date(2025, 1, 2), "Europe/Berlin").start,
            hours=24, kw=30)  # fmt: skip
    year = client.get(f"/channels/{heat.pk}/", {**JANUARY, "compare": "year"})
    drawn = client.get(year.context["series_url"]).json()["series"]
    february = {"first": "2026-02-01", "last": "2026-02-28"}
    before = client.get(f"/channels/{heat.pk}/", {**february, "compare": "previous"})

    assert year.context["before"]["total"] > 700
    assert [line.get("before", False) for line in drawn] == [False, True]
    assert drawn[1]["t"][0] == START.timestamp()
    assert drawn[1]["v"][0] == 30
    assert before.context["totals"] is None
    assert before.context["before"]["total"] == 13_440
    assert "The period before: 13,440 kWh" in " ".join(before.content.decode().split())


def test_channels_of_one_site_and_unit_are_drawn_together(client: Client, heat: Channel):
    beside = make_channel(site=heat.site, boundary=MeteringPoint.Boundary.IT)
    send(beside, [(START + n * HOUR, 35) for n in range(24)])
    warm = add_channel(point=heat.point, quantity=Channel.Quantity.SUPPLY)
    foreign = make_heat_channel()
    also = [str(beside.pk), str(warm.pk), str(foreign.pk), "x"]

    page = client.get(f"/channels/{heat.pk}/", {**JANUARY, "also": also})
    series = client.get(page.context["series_url"]).json()["series"]

    assert [other.pk for other, _ in page.context["beside"]] == [beside.pk]
    assert [line["label"] for line in series] == [
        f"{heat.point.name}, Energy", f"{beside.point.name}, Power",
    ]  # fmt: skip
    assert series[1]["v"][0] == 35
    assert series[0]["tone"] != series[1]["tone"]


def test_people_see_the_channels_of_their_own_scope(client: Client, heat: Channel):
    place = heat.point.delivery_point
    assert place is not None
    it = make_channel(site=heat.site, boundary=MeteringPoint.Boundary.IT)
    addresses = [
        client.get(f"/channels/{heat.pk}/", JANUARY).context["series_url"],
        f"/channels/{heat.pk}/",
        f"/channels/{heat.pk}/export?grain=day&start=0&end=99",
    ]
    own = []
    for stakeholder in (place.partner, factories.make_site().operator):
        _in(client, stakeholder)
        own.append([client.get(address).status_code for address in addresses])

    _in(client, place.partner)
    page = client.get(f"/channels/{heat.pk}/", {"also": it.pk})
    assert own == [[200, 200, 200], [404, 404, 404]]
    assert page.context["fitting"] == []
    assert page.context["beside"] == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"first": "2026-02-01", "last": "2026-01-01"}, "last"),
        ({"first": "0001-01-01", "last": "2026-01-01"}, "first"),
        ({"first": "1980-01-01", "last": "2026-01-01"}, "last"),
        ({"first": "tomorrow", "last": "2026-01-01"}, "first"),
    ],
)
def test_days_that_make_no_period_are_explained_beside_the_field(
    client: Client, heat: Channel, query: dict[str, str], field: str
):
    page = client.get(f"/channels/{heat.pk}/", query)
    text = page.content.decode()

    assert page.status_code == 200
    assert page.context["form"].errors[field]
    assert f'id="{field}-error"' in text
    assert f'value="{query["last"]}"' in text


@pytest.mark.parametrize("query", ["", "?start=1", "?start=9&end=3", "?start=nan&end=inf"])
def test_a_series_without_a_period_is_not_found(client: Client, heat: Channel, query: str):
    assert client.get(f"/channels/{heat.pk}/series.json{query}").status_code == 404
    assert client.get(f"/channels/{heat.pk}/export{query}").status_code == 404


def _export(client: Client, channel: Channel, grain: str, format: str) -> bytes:
    page = client.get(f"/channels/{channel.pk}/", JANUARY)
    [address] = [
        link for _, *links in page.context["exports"] for link in links
        if f"grain={grain}&" in link and link.endswith(format)
    ]  # fmt: skip
    answer = client.get(address)
    assert answer.status_code == 200
    assert answer.streaming
    assert f'.{format}"' in answer["Content-Disposition"]
    return b"".join(answer)


def test_a_file_says_what_the_page_says_in_csv_and_in_parquet(client: Client, heat: Channel):
    days = list(csv.DictReader(io.StringIO(_export(client, heat, "day", "csv").decode())))
    quarters = parquet.read_table(io.BytesIO(_export(client, heat, "quarter", "parquet")))
    readings = parquet.read_table(io.BytesIO(_export(client, heat, "readings", "parquet")))

    assert len(days) == 31
    assert sum(Decimal(day["energy_kwh"]) for day in days) == 14_880
    assert days[0]["local"] == "2026-01-01T00:00:00+01:00"
    assert quarters.num_rows == 31 * 96
    assert sum(kwh.as_py() for kwh in quarters["energy_kwh"]) == 14_880
    assert quarters["start_utc"][0].as_py() == START
    assert readings.num_rows == 31 * 24
    assert readings["value_as_sent"][1].as_py() == 1020
    assert quarters.schema.metadata[b"channel"] == heat.key.encode()
    # Nothing of a gap or of what is still to come.
    later = client.get(f"/channels/{heat.pk}/export?grain=hour&start=1999999999&end=2000099999")
    assert b"".join(later).decode().splitlines()[1:] == []


def test_the_page_costs_the_same_for_many_channels(
    client: Client, heat: Channel, django_assert_max_num_queries
):
    client.get(f"/channels/{heat.pk}/", JANUARY)
    for n in range(12):
        make_heat_channel(site=heat.site, code=f"h{n}")

    with django_assert_max_num_queries(12):
        client.get(f"/channels/{heat.pk}/", JANUARY)
