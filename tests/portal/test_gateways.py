"""
The pages of gateways: a token shown once, what arrives, and names that find their channel.
"""

import re

import pytest
from django.test import Client

from sites.access import Role
from telemetry import operations, tasks
from telemetry.models import ChannelAlias, Gateway, Reading, RejectedReading
from telemetry.queries.gateways import likely_quantity
from tests import factories
from tests.factories_telemetry import LATER, csv_of, ingest_csv, make_heat_channel

pytestmark = pytest.mark.django_db


def _client(operator: object, role: Role = Role.ADMIN) -> Client:
    client = Client()
    client.force_login(factories.make_user(stakeholder=operator, role=role))  # type: ignore[arg-type]
    return client


def test_a_gateway_is_made_and_its_token_shown_once():
    site = make_heat_channel().site
    client = _client(site.operator)

    made = client.post("/ops/gateways/new/", {"site": site.pk, "name": "boiler room"})
    text = made.content.decode()
    token = re.search(r"wg_[\w-]{40,}", text)

    assert token is not None
    assert "no-store" in made["Cache-Control"]
    found = operations.gateway_of_token(token[0])
    assert found is not None
    assert "heat.energy" in text
    page = client.get(f"/ops/gateways/{found.pk}/").content.decode()
    assert token[0] not in page
    assert "YOUR_TOKEN" in page
    again = client.post("/ops/gateways/new/", {"site": site.pk, "name": "boiler room"})
    assert "has a gateway of that name" in again.content.decode()


def test_a_renewed_token_ends_the_old_one_and_a_revoked_gateway_sends_nothing():
    site = make_heat_channel().site
    gateway, token = operations.create_gateway(site_id=site.pk, name="box", at=LATER, by_id=None)
    client = _client(site.operator)

    text = client.post(f"/ops/gateways/{gateway.pk}/renew/").content.decode()
    renewed = re.search(r"wg_[\w-]{40,}", text)
    assert renewed is not None
    assert operations.gateway_of_token(token) is None
    assert operations.gateway_of_token(renewed[0]) is not None
    client.post(f"/ops/gateways/{gateway.pk}/revoke/")
    assert operations.gateway_of_token(renewed[0]) is None
    assert "box" in client.get("/ops/gateways/?revoked=on").content.decode()


def test_an_unknown_name_is_suggested_mapped_and_its_readings_stored():
    channel = make_heat_channel()
    gateway, _ = operations.create_gateway(
        site_id=channel.site_id, name="box", at=LATER, by_id=None
    )
    rows = [("boiler.kwh_total", f"2026-01-01T0{n}:00:00Z", str(n)) for n in range(3)]
    ingest_csv(site=channel.site, body=csv_of(rows))
    client = _client(channel.site.operator)

    text = client.get(f"/ops/gateways/{gateway.pk}/").content.decode()
    assert "boiler.kwh_total" in text
    # The name speaks of energy, so the register is chosen beforehand.
    assert f'<option value="{channel.pk}" selected>' in text
    client.post(
        f"/ops/gateways/{gateway.pk}/name/", {"text": "boiler.kwh_total", "channel": channel.pk}
    )
    assert ChannelAlias.objects.get().channel == channel
    tasks.replay_site(site_id=channel.site_id, by_id=None)

    assert Reading.objects.filter(channel=channel).count() == 3
    assert not RejectedReading.objects.filter(resolved_by__isnull=True).exists()
    # From now on the name is known.
    more = ingest_csv(
        site=channel.site, body=csv_of([("boiler.kwh_total", "2026-01-02T00:00:00Z", "9")])
    )
    assert more.accepted == 1


def test_who_may_only_look_makes_nothing_and_others_see_nothing():
    channel = make_heat_channel()
    gateway, _ = operations.create_gateway(
        site_id=channel.site_id, name="box", at=LATER, by_id=None
    )
    viewer = _client(channel.site.operator, Role.VIEWER)

    assert viewer.get("/ops/gateways/new/").status_code == 404
    assert "New token" not in viewer.get(f"/ops/gateways/{gateway.pk}/").content.decode()
    assert viewer.post(f"/ops/gateways/{gateway.pk}/revoke/").status_code == 404
    stranger = _client(factories.make_stakeholder())
    assert stranger.get(f"/ops/gateways/{gateway.pk}/").status_code == 404
    assert Gateway.objects.filter(revoked_at__isnull=True).exists()


@pytest.mark.parametrize(
    ("name", "quantity"),
    [
        ("kessel.vorlauf", "supply"), ("pool.return_temp", "return"), ("x.power_kw", "power"),
        ("wmz1.energie", "energy"), ("alive", "heartbeat"), ("t17", ""),
    ],
)  # fmt: skip
def test_what_a_name_speaks_of(name: str, quantity: str):
    assert likely_quantity(name) == quantity
