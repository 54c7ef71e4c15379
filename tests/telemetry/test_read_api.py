"""
Channels, readings and rollups as JSON and CSV, for those who may see them.
"""

import datetime as dt
from typing import Any

import pytest
import yaml
from django.test import Client

from sites.models import Stakeholder
from telemetry import operations
from telemetry.models import Channel
from tests import factories
from tests.factories_telemetry import LATER, csv_of, ingest_csv, make_heat_channel

pytestmark = pytest.mark.django_db

START = dt.datetime(2026, 1, 10, tzinfo=dt.UTC)


def _stamp(hours: int) -> str:
    return (START + dt.timedelta(hours=hours)).isoformat()


@pytest.fixture
def channel() -> Channel:
    channel = make_heat_channel()
    ingest_csv(
        site=channel.site,
        body=csv_of([(channel.key, _stamp(n), f"{1000 + n}.50") for n in range(50)]),
    )
    operations.roll_up_channel(channel_id=channel.pk, at=LATER)
    return channel


def _signed_in(client: Client, stakeholder: Stakeholder) -> Client:
    client.force_login(factories.make_user(stakeholder=stakeholder))
    return client


def _all_pages(client: Client, address: str) -> list[dict[str, Any]]:
    rows = []
    while address:
        answer = client.get(address)
        assert answer.status_code == 200
        rows += answer.json()["results"]
        address = answer.json()["next"]
    return rows


def test_channels_are_found_by_what_they_measure(
    client: Client, channel: Channel, django_assert_max_num_queries
):
    for n in range(20):
        make_heat_channel(site=channel.site, code=f"other-{n}")
    make_heat_channel(code="foreign")
    _signed_in(client, channel.site.operator)

    with django_assert_max_num_queries(5):
        every = client.get("/api/v1/channels/").json()
    found = client.get("/api/v1/channels/?key=heat.energy").json()["results"]

    assert every["count"] == 21
    assert found == [
        {"id": channel.pk, "site": channel.site.slug, "point": "heat", "boundary": "heat_handoff",
         "key": "heat.energy", "quantity": "energy", "kind": "register", "unit": "",
         "interval_s": None, "last_hour": "2026-01-12T00:00:00Z"}
    ]  # fmt: skip
    for query, count in (
        ("site=nowhere", 0), (f"site={channel.site.slug}&point=other-3", 1), ("quantity=power", 0),
    ):  # fmt: skip
        assert client.get(f"/api/v1/channels/?{query}").json()["count"] == count


def test_readings_are_those_of_the_range_page_by_page(client: Client, channel: Channel):
    place = channel.point.delivery_point
    assert place is not None
    _signed_in(client, place.partner)
    address = f"/api/v1/channels/{channel.pk}/readings"

    pages = _all_pages(client, f"{address}?limit=7")
    some = "start=2026-01-10T02:00:00Z&end=2026-01-10T05:00:00%2B01:00"
    part = _all_pages(client, f"{address}?{some}")

    assert len(pages) == 50
    assert pages == sorted(pages, key=lambda row: row["at"])
    assert part == [
        {"at": "2026-01-10T02:00:00Z", "value": "1002.5"},
        {"at": "2026-01-10T03:00:00Z", "value": "1003.5"},
    ]


def test_readings_stream_as_csv(client: Client, channel: Channel):
    _signed_in(client, channel.site.operator)

    answer: Any = client.get(f"/api/v1/channels/{channel.pk}/readings.csv?end=2026-01-10T02:00:00Z")

    assert answer["Content-Type"] == "text/csv"
    assert b"".join(answer.streaming_content).decode().splitlines() == [
        "at,value", "2026-01-10T00:00:00+00:00,1000.5", "2026-01-10T01:00:00+00:00,1001.5",
    ]  # fmt: skip


def test_rollups_come_by_resolution_and_range(
    client: Client, channel: Channel, django_assert_max_num_queries
):
    foreign = make_heat_channel(code="foreign")
    ingest_csv(
        site=foreign.site, body=csv_of([(foreign.key, _stamp(n), str(n)) for n in range(50)])
    )
    operations.roll_up_channel(channel_id=foreign.pk, at=LATER)
    _signed_in(client, channel.site.operator)
    hours = f"/api/v1/rollups/?resolution=hour&channel={channel.pk}&start=2026-01-10T05:00:00Z"

    with django_assert_max_num_queries(5):
        found = client.get(f"{hours}&end=2026-01-10T07:00:00Z").json()["results"]

    assert [(row["start_at"], row["energy_kwh"], row["coverage"]) for row in found] == [
        ("2026-01-10T05:00:00Z", "1", "1"), ("2026-01-10T06:00:00Z", "1", "1"),
    ]  # fmt: skip
    assert {row["channel"] for row in _all_pages(client, "/api/v1/rollups/?limit=2")} == {
        channel.pk
    }
    assert _all_pages(client, f"/api/v1/rollups/?channel={foreign.pk}") == []
    assert _all_pages(client, "/api/v1/rollups/?site=nowhere") == []
    assert len(_all_pages(client, f"/api/v1/rollups/?site={channel.site.slug}")) == 3


@pytest.mark.parametrize(
    "query",
    ["rollups/?resolution=minute", "rollups/?channel=x", "rollups/?start=yesterday",
     "rollups/?start=2026-01-02T00:00Z&end=2026-01-01T00:00Z", "channels/?site=a b",
     "channels/{pk}/readings?end=never", "channels/{pk}/readings.csv?start=2026-13-01",
     "channels/?key=%00", "rollups/?site=%00", "rollups/?channel=99999999999999999999"],
)  # fmt: skip
def test_what_is_not_understood_is_said(client: Client, channel: Channel, query: str):
    _signed_in(client, channel.site.operator)

    answer = client.get(f"/api/v1/{query.replace('{pk}', str(channel.pk))}")

    assert answer.status_code == 400
    assert answer.json()


def test_the_description_names_every_way_in_and_out(client: Client):
    described = yaml.safe_load(client.get("/api/schema/").content)

    ingest = described["paths"]["/api/v1/readings"]["post"]
    assert {"text/csv", "application/x-ndjson", "text/plain"} <= set(
        ingest["requestBody"]["content"]
    )
    rollups = described["paths"]["/api/v1/rollups/"]["get"]
    assert {"resolution", "channel", "start", "end", "cursor"} <= {
        parameter["name"] for parameter in rollups["parameters"]
    }
    for path in ("/api/v1/channels/", "/api/v1/channels/{id}/readings", "/api/v2/write", "/write"):
        assert path in described["paths"]
