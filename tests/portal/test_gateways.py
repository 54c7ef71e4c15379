"""
The pages of gateways: a token shown once, what arrives, and names that find their channel.
"""

import re
import subprocess
from pathlib import Path

import pytest
from django.test import Client, override_settings
from django.utils.html import escape
from pytest_django.live_server_helper import LiveServer

from portal.gateway_examples import examples
from sites.access import Role
from telemetry import operations, tasks
from telemetry.models import Channel, ChannelAlias, Gateway, Meter, Reading, RejectedReading
from telemetry.queries.gateways import likely_quantity
from tests import factories
from tests.factories_telemetry import LATER, csv_of, ingest_csv, make_heat_channel
from tests.telemetry.test_telegrams import MULTICAL

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


@pytest.mark.django_db(transaction=True)
def test_what_the_page_says_to_type_works_as_it_stands(live_server: LiveServer, tmp_path: Path):
    register = make_heat_channel(code="pool")
    Meter.objects.update(serial="77447744")
    Channel.objects.create(
        site=register.site, point=register.point, quantity="supply", kind="gauge",
        key="pool.supply", unit="°C",
    )  # fmt: skip
    client = _client(register.site.operator)
    (tmp_path / "telegrams.hex").write_text(MULTICAL)

    with override_settings(BASE_URL=live_server.url):
        made = client.post("/ops/gateways/new/", {"site": register.site_id, "name": "box"})
    # An example had better not begin with the register that is billed.
    for example in made.context["examples"][:3]:
        assert escape(example.code) in made.content.decode()
        done = subprocess.run(
            ["bash", "-c", f"{example.code} --fail -sS"], cwd=tmp_path,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, (example.code, done.stdout, done.stderr)

    keys = set(Reading.objects.values_list("channel__key", flat=True))
    assert keys == {"pool.supply", "pool.energy"}
    assert not RejectedReading.objects.exists()


def test_how_to_publish_follows_the_broker_and_its_topics():
    def told(url: str, topics: str = "warmgrid/{gateway}/{format}") -> str:
        found = examples(
            channels=[], gateway_id=7, token="", base="https://h", broker_url=url, topics=topics
        )[-1]
        return f"{found.hint} {found.code}"

    plain = told("mqtt://broker.example:1884")
    assert "-h broker.example -p 1884 -q 1" in plain
    assert "-t 'warmgrid/7/json'" in plain
    secure = told("mqtts://me:secret@broker.example")
    assert "-p 8883 --tls-use-os-certs -u 7 -P YOUR_PASSWORD" in secure
    assert "secret" not in secure
    assert "-t 'plant/7/x'" in told(
        "mqtt://b", "a/{gateway}/{channel},plant/{gateway}/x?format=json"
    )
    assert "No template" in told(
        "mqtt://b", "meters/+?gateway=7&format=json,x?gateway=8&format=json"
    )
    assert "No MQTT broker" in told("")


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
