"""
Pages of alarms: what the operator sees, what a mistake in a form says, and what it costs.
"""

import datetime as dt
from decimal import Decimal

import pytest
from django.test import Client

from telemetry import operations
from telemetry.models import Alarm, AlarmRule, AlarmSilence, EscalationContact, MeteringPoint
from tests import factories
from tests.factories_alarms import make_alarm
from tests.factories_telemetry import LATER, make_channel, make_heat_channel

pytestmark = pytest.mark.django_db


def _signed_in(client: Client) -> Alarm:
    alarm = make_alarm(make_heat_channel())
    client.force_login(factories.make_user(stakeholder=alarm.site.operator))
    return alarm


def _page(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_list_filters_and_counts_in_the_navigation(client: Client):
    alarm = _signed_in(client)

    assert "heat: energy" in _page(client, "/ops/alarms/?state=live&kind=no_data&search=silen")
    assert "No alarms match." in _page(client, "/ops/alarms/?kind=rate")
    assert '<span class="badge">1<' in _page(client, "/ops/meters/")
    lines = b"".join(client.get("/ops/alarms/?format=csv")).decode().splitlines()
    assert lines[0].startswith("place,rule,site,severity,since,state")
    assert lines[1].startswith(f"heat: energy,Silent,{alarm.site.name},act,")


def test_an_alarm_is_taken_noted_and_closed_with_a_reason(client: Client):
    alarm = _signed_in(client)
    address = f"/ops/alarms/{alarm.pk}/"

    client.post(address, {"step": "take", "text": "I drive there"})
    refused = client.post(address, {"step": "close", "text": ""})
    client.post(address, {"step": "close", "text": "Fuse"})

    assert "Say what it was." in refused.content.decode()
    assert [e.step for e in alarm.entries.order_by("pk")] == ["opened", "taken", "resolved"]
    page = _page(client, address)
    assert "I drive there" in page
    assert "Fuse" in page
    assert "badge" not in page
    client.post(address, {"step": "take"})
    assert alarm.entries.count() == 3


def test_several_are_taken_at_once_and_never_another_operators(client: Client):
    others = make_alarm(make_heat_channel())
    own = _signed_in(client)

    none = client.post("/ops/alarms/take/?kind=no_data", follow=True)
    assert none.redirect_chain == [("/ops/alarms/?kind=no_data", 302)]
    assert "Choose at least one alarm." in none.content.decode()
    client.post("/ops/alarms/take/", {"alarm": [own.pk, others.pk]})

    states = dict(Alarm.objects.values_list("pk", "state"))
    assert states == {own.pk: "acknowledged", others.pk: "open"}


def test_a_rule_says_next_to_the_field_what_does_not_fit(client: Client):
    alarm = _signed_in(client)
    site = alarm.site
    gauge = make_channel(site=site, boundary=MeteringPoint.Boundary.IT, interval_s=None)
    given = {
        "site": site.pk, "kind": "above", "name": "Too hot", "severity": "act", "delay_min": 5,
    }  # fmt: skip

    refused = client.post("/ops/alarms/rules/new/", given).content.decode()
    inside_out = client.post(
        "/ops/alarms/rules/new/",
        {**given, "channel": gauge.pk, "set_level": 10, "clear_level": 11},
    ).content.decode()
    made = client.post(
        "/ops/alarms/rules/new/", {**given, "channel": gauge.pk, "set_level": 10, "clear_level": 8}
    )

    assert "This kind of rule needs a channel." in refused
    assert "This kind of rule needs a level." in refused
    assert 'value="Too hot"' in refused
    assert "It must not lie above the level." in inside_out
    assert made.status_code == 302
    rule = AlarmRule.objects.get(name="Too hot")
    assert (rule.channel, rule.delay_s, rule.clear_level) == (gauge, 300, Decimal(8))
    client.post(
        f"/ops/alarms/rules/{rule.pk}/",
        {"name": "Hot", "severity": "watch", "set_level": 12, "clear_level": 9, "delay_min": 1},
    )
    client.post(f"/ops/alarms/rules/{rule.pk}/end/")
    rule.refresh_from_db()
    assert (rule.name, rule.set_level, rule.delay_s) == ("Hot", Decimal(12), 60)
    assert rule.ended_at is not None


def test_contacts_and_silences_are_typed_in_and_removed(client: Client):
    alarm = _signed_in(client)
    site = alarm.site

    contact = {"site": site.pk, "name": "Day", "email": "day@x.example", "after_min": 10}
    client.post("/ops/alarms/contacts/", contact)
    twice = client.post("/ops/alarms/contacts/", contact).content.decode()
    client.post(
        "/ops/alarms/silences/",
        {"site": site.pk, "start": "2040-07-01T10:00", "end": "2040-07-01T12:00", "reason": "Fair"},
    )

    assert "This address is told already." in twice
    silence = AlarmSilence.objects.get(reason="Fair")
    # The site is in Berlin, two hours ahead in July.
    assert silence.span.lower == dt.datetime(2040, 7, 1, 8, tzinfo=dt.UTC)
    found = EscalationContact.objects.get(email="day@x.example")
    client.post(f"/ops/alarms/contacts/{found.pk}/end/")
    client.post(f"/ops/alarms/silences/{silence.pk}/end/")
    assert not EscalationContact.objects.filter(email="day@x.example", ended_at=None).exists()
    assert not AlarmSilence.objects.filter(reason="Fair").exists()


def test_many_alarms_cost_what_one_costs(client: Client, django_assert_max_num_queries):
    alarm = _signed_in(client)
    for n in range(20):
        make_heat_channel(site=alarm.site, code=f"h{n}")
    operations.add_alarm_rule(
        site_id=alarm.site_id, name="All", kind="no_data", limit=30, at=LATER, by_id=None
    )
    operations.find_alarms(at=LATER + dt.timedelta(hours=3))

    with django_assert_max_num_queries(12):
        page = _page(client, "/ops/alarms/")
    assert page.count("h19: energy") >= 1
