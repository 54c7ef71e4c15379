"""
The quality workbench: the queue, a finding, edits with a second person, thresholds, shares.
"""

import csv
import datetime as dt
import zoneinfo

import pytest
from django.db.models import F
from django.test import Client

from billing import operations as billing
from sites.access import Role
from telemetry import operations
from telemetry.models import Channel, Decision, Finding, Rollup, RuleSetting
from tests.factories import make_user
from tests.factories_billing import JANUARY, make_contract, meter_january
from tests.factories_quality import AT, make_edit, make_finding
from tests.factories_telemetry import LATER, csv_of, ingest_csv, make_heat_channel, send

HOUR = dt.timedelta(hours=1)

pytestmark = pytest.mark.django_db(transaction=True)


def _sign_in(client: Client, channel: Channel, role: Role = Role.ADMIN) -> None:
    client.force_login(make_user(stakeholder=channel.site.operator, role=role))


def _gap(lost: range = range(49, 72)) -> tuple[Channel, Finding]:
    """
    Make a heat register that is silent for most of a day.
    """
    channel = make_heat_channel()
    first = dt.datetime(2026, 2, 1, 23, tzinfo=dt.UTC)
    rows = [(first + n * HOUR, 1000.0 + 5 * n) for n in range(240) if n not in lost]
    send(channel, rows)
    return channel, channel.findings.get(rule="gap")


def test_the_queue_shows_what_needs_somebody_the_gravest_first(client: Client):
    channel = make_heat_channel()
    make_finding(channel, severity=3, rule="gap")
    grave = make_finding(channel, severity=1, rule="sum", at=AT - HOUR)
    Finding.objects.create(
        channel=channel, rule="flat", span=(AT, AT + HOUR), severity=1, detail="Over",
        proposal="none", state="gone", found_at=LATER,
    )  # fmt: skip
    _sign_in(client, channel)

    page = client.get("/ops/quality/").content.decode()

    assert "1 grave finding is open" in page
    assert page.index("Power and register disagree") < page.index("Readings missing</a>")
    assert "Does not change</a>" not in page
    assert f'href="/ops/quality/{grave.pk}/"' in page


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", 3), ("?severity=1", 1), ("?rule=gap", 1), ("?search=nothing", 0), ("?state=gone", 1),
        ("?state=any", 4), ("?search=heat.energy", 3), ("?severity=x&rule=y", 3),
    ],
)  # fmt: skip
def test_filters_narrow_the_queue_and_its_csv(client: Client, query: str, count: int):
    channel = make_heat_channel()
    for n, rule in enumerate(("gap", "sum", "iqr"), 1):
        make_finding(channel, severity=n, rule=rule, at=AT + n * HOUR)
    gone = make_finding(channel, severity=2, rule="flat")
    Finding.objects.filter(pk=gone.pk).update(state="gone")
    _sign_in(client, channel)

    answer = client.get(f"/ops/quality/{query}{'&' if query else '?'}format=csv")
    body = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]
    rows = list(csv.DictReader(body.splitlines()))

    assert len(rows) == count
    if rows:
        assert rows[0]["channel"] == "heat.energy"
        assert dt.datetime.fromisoformat(rows[0]["from"]).tzinfo is not None


def test_a_proposal_is_shown_with_its_effect_before_it_counts(client: Client):
    channel, gap = _gap()
    _sign_in(client, channel)

    page = client.get(f"/ops/quality/{gap.pk}/").content.decode()

    assert "in the shape of like days" in page
    assert "it does not count as estimated" in page
    assert "February 2026" in page
    assert "Readings as they were sent" in page
    assert not channel.vee_values.exists()
    seen = page.split('name="seen" value="')[1].split('"')[0]
    answer = client.post(f"/ops/quality/{gap.pk}/", {"step": "accept", "seen": seen})
    gap.refresh_from_db()
    assert answer.status_code == 302
    assert gap.state == "accepted"
    assert channel.vee_values.count() == 23


def test_an_effect_names_the_issued_bill_it_touches(client: Client):
    channel = make_heat_channel()
    meter_january(channel)
    invoice = billing.bill_contract(
        contract_id=make_contract(channel).pk, month=JANUARY, at=LATER, issue=True
    )
    assert invoice is not None
    _sign_in(client, channel)
    last = channel.readings.order_by("at").first()
    assert last is not None
    at = last.at.astimezone(zoneinfo.ZoneInfo(channel.site.timezone))

    page = client.post(
        f"/ops/quality/edits/new/?channel={channel.pk}",
        {
            "start": f"{at - HOUR:%Y-%m-%dT%H:%M}", "end": f"{at + 2 * HOUR:%Y-%m-%dT%H:%M}",
            "how": "values", "reason": "Photo of the dial", "look": "",
            "values": f"{last.at.isoformat()} {last.value - 100}",
        },
    ).content.decode()  # fmt: skip

    assert invoice.number in page
    assert "a correction follows" in page
    assert not Decision.objects.exists()


def test_an_edit_is_proposed_approved_by_another_and_taken_back(client: Client):
    channel, gap = _gap()
    _sign_in(client, channel)
    answer = client.post(
        f"/ops/quality/edits/new/?finding={gap.pk}",
        {
            "start": "2026-02-04T00:00", "end": "2026-02-05T00:00", "how": "values",
            "values": "2026-02-04 12:00 1300", "reason": "Photo of the dial", "save": "",
        },
    )  # fmt: skip
    decision = Decision.objects.get()
    assert answer.headers["Location"] == f"/ops/quality/edits/{decision.pk}/"
    own = client.get(f"/ops/quality/edits/{decision.pk}/").content.decode()
    assert "somebody else has to approve it" in own
    alone = client.post(f"/ops/quality/edits/{decision.pk}/", {"step": "approve"})
    assert alone.status_code == 422
    assert "A second person has to approve it." in alone.content.decode()

    _sign_in(client, channel)
    queue = client.get("/ops/quality/edits/?state=proposed").content.decode()
    assert "1 edit waits for a second person" in queue
    client.post(f"/ops/quality/edits/{decision.pk}/", {"step": "approve"})
    operations.roll_up_channel(channel_id=channel.pk, at=LATER)
    decision.refresh_from_db()
    assert decision.state == "in_force"
    assert Rollup.objects.filter(channel=channel, quality="edited", grain="hour").exists()
    # The point's page and the customer's show edited hours too.
    assert client.get(f"/ops/points/{channel.point_id}/?stretch=12m").status_code == 200

    client.post(f"/ops/quality/edits/{decision.pk}/", {"step": "undo", "reason": "Other meter"})
    undo = Decision.objects.get(source="undo")
    _sign_in(client, channel)
    client.post(f"/ops/quality/edits/{undo.pk}/", {"step": "approve"})
    decision.refresh_from_db()
    gap.refresh_from_db()
    assert (decision.state, gap.state) == ("superseded", "open")


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"reason": ""}, "This field is required"),
        ({"end": "2026-02-03T00:00"}, "It must lie after the beginning."),
        ({"end": "2040-02-03T00:00"}, "That time has not come yet."),
        ({"values": ""}, "Type at least one line."),
        ({"values": "yesterday 5"}, "Line 1: begin with a time"),
        ({"values": "2026-02-04 12:00 1,5"}, "is no number"),
        ({"values": "2026-02-04 12:00 1 000"}, "one value a line"),
        ({"values": "2026-02-04 12:00 1e400"}, "is no value of a meter"),
        ({"values": "2026-02-09 12:00 5"}, "Line 1 lies outside the time above."),
        ({"values": "2026-02-04 12:00 5\n2026-02-04 12:00 6"}, "Line 2 repeats a time."),
    ],
)
def test_an_edit_that_does_not_hold_says_why_and_keeps_what_was_typed(
    client: Client, given: dict[str, str], error: str
):
    channel, gap = _gap()
    _sign_in(client, channel)
    fields = {
        "start": "2026-02-04T00:00", "end": "2026-02-05T00:00", "how": "values",
        "values": "2026-02-04 12:00 1300", "reason": "Photo", "save": "", **given,
    }  # fmt: skip

    answer = client.post(f"/ops/quality/edits/new/?finding={gap.pk}", fields)

    page = answer.content.decode()
    assert answer.status_code == 422
    assert error in page
    assert fields["values"].split("\n")[0] in page
    assert not Decision.objects.exists()


def test_several_are_decided_at_once_and_others_stay_with_a_reason(client: Client):
    channel = make_heat_channel()
    keys = [make_finding(channel, rule=rule).pk for rule in ("high_low", "iqr")]
    exchange = make_finding(channel, rule="reset", proposal="exchange")
    _sign_in(client, channel)

    page = client.post(
        "/ops/quality/?sort=-rule", {"step": "accept", "finding": [*keys, exchange.pk]}, follow=True
    )
    # The filter and the order stay.
    assert page.redirect_chain == [("/ops/quality/?sort=-rule", 302)]
    assert "2 findings accepted." in page.content.decode()
    assert "Record the exchange of the meter" in page.content.decode()
    no_reason = client.post("/ops/quality/", {"step": "dismiss", "finding": [exchange.pk]})
    assert no_reason.status_code == 422
    assert "Say why the readings are right." in no_reason.content.decode()
    assert f'value="{exchange.pk}" checked' in no_reason.content.decode()
    none = client.post("/ops/quality/", {"step": "accept"})
    assert (none.status_code, "Choose at least one finding." in none.content.decode()) == (
        422,
        True,
    )

    states = dict(Finding.objects.values_list("pk", "state"))
    assert [states[key] for key in [*keys, exchange.pk]] == ["accepted", "accepted", "open"]


def test_who_may_only_look_decides_nothing(client: Client):
    channel, gap = _gap()
    _sign_in(client, channel, Role.VIEWER)

    page = client.get(f"/ops/quality/{gap.pk}/").content.decode()
    client.post(f"/ops/quality/{gap.pk}/", {"step": "accept"})

    assert "Accept the proposal" not in page
    assert client.get(f"/ops/quality/edits/new/?finding={gap.pk}").status_code == 404
    client.post("/ops/quality/", {"step": "accept", "finding": [gap.pk]})
    gap.refresh_from_db()
    assert gap.state == "open"


def test_another_operators_findings_are_not_there(client: Client):
    _, gap = _gap()
    client.force_login(make_user(stakeholder=make_heat_channel(code="other").site.operator))

    assert client.get(f"/ops/quality/{gap.pk}/").status_code == 404
    assert client.post(f"/ops/quality/{gap.pk}/", {"step": "accept"}).status_code == 404
    assert client.get(f"/ops/quality/edits/new/?finding={gap.pk}").status_code == 404


def test_contradictions_are_listed_beside_what_was_kept(client: Client):
    channel = make_heat_channel()
    for value in ("5", "6"):
        ingest_csv(site=channel.site, body=csv_of([(channel.key, AT.isoformat(), value)]))
    _sign_in(client, channel)

    page = client.get(f"/ops/quality/{channel.findings.get(rule='dup').pk}/").content.decode()

    assert "Sent later" in page


def test_thresholds_are_set_and_ended_and_the_past_stays(client: Client):
    channel = make_heat_channel()
    _sign_in(client, channel)
    fields = {
        "place": f"channel-{channel.pk}", "since": "2026-01-10T10:00", "enabled": "on",
        "hours": "4", "reason": "Fast meter",
    }  # fmt: skip

    refused = client.post("/ops/quality/rules/new/?rule=flat", {**fields, "hours": "0"})
    assert refused.status_code == 422
    assert "must be from 0.25 to 47" in refused.content.decode()
    client.post("/ops/quality/rules/new/?rule=flat", fields)
    setting = RuleSetting.objects.get()
    # Ten o'clock in Berlin.
    assert setting.valid.lower == dt.datetime(2026, 1, 10, 9, tzinfo=dt.UTC)
    assert setting.thresholds == {"hours": 4}
    assert "Fast meter" in client.get("/ops/quality/rules/").content.decode()
    twice = client.post("/ops/quality/rules/new/?rule=flat", fields)
    assert "Another setting begins then or later" in twice.content.decode()

    client.post(f"/ops/quality/rules/{setting.pk}/end/")
    assert "Fast meter" not in client.get("/ops/quality/rules/").content.decode()
    assert "Fast meter" in client.get("/ops/quality/rules/?past=on").content.decode()


@pytest.mark.parametrize("rule", ["time", "dup", "limit", "gap", "share", "zero"])
def test_each_rule_has_a_form_that_can_be_sent_as_it_stands(client: Client, rule: str):
    channel = make_heat_channel()
    _sign_in(client, channel)
    form = client.get(f"/ops/quality/rules/new/?rule={rule}").context["form"]
    given = {
        name: field.initial
        for name, field in form.fields.items()
        if field.initial is not None and field.initial is not False
    }

    answer = client.post(
        f"/ops/quality/rules/new/?rule={rule}",
        {**given, "place": f"site-{channel.site_id}", "since": "2026-01-10T10:00", "reason": "x"},
    )

    assert answer.status_code == 302, answer.content.decode()


def test_the_share_of_estimates_has_limits_that_can_be_set(client: Client):
    channel = make_heat_channel()
    meter_january(channel)
    Rollup.objects.filter(channel=channel, grain="month").update(
        estimated_kwh=Rollup.objects.get(channel=channel, grain="month").energy_kwh / 20  # type: ignore[operator]
    )
    _sign_in(client, channel)
    address = "/ops/quality/shares/?when=2026-01"
    assert "A person looks" in client.get(address).content.decode()

    operations.set_rule(
        site_id=channel.site_id, rule="share", since=AT, reason="Contract", at=LATER, by_id=None,
        thresholds={"review_percent": 1, "block_percent": 4},
    )  # fmt: skip

    page = client.get(address).content.decode()
    assert "Waits" in page
    assert "limits 1% and 4%" in page


def test_single_keys_can_be_switched_off(client: Client):
    channel, gap = _gap()
    _sign_in(client, channel)
    assert "workbench.js" in client.get(f"/ops/quality/{gap.pk}/").content.decode()

    client.post("/settings/keys/", {"keys": "off"})

    page = client.get(f"/ops/quality/{gap.pk}/").content.decode()
    assert "workbench.js" not in page
    assert "Keys are switched off" in page


def test_many_findings_cost_what_few_cost(client: Client, django_assert_max_num_queries):
    channel, gap = _gap()
    for n in range(30):
        make_finding(channel, at=AT + n * HOUR)
        make_edit(channel) if n == 0 else None
    _sign_in(client, channel)

    with django_assert_max_num_queries(12):
        page = client.get("/ops/quality/").content.decode()
    assert page.count("Unusual day</a>") >= 30
    with django_assert_max_num_queries(40):
        client.get(f"/ops/quality/{gap.pk}/")
    with django_assert_max_num_queries(12):
        client.get("/ops/quality/edits/")
    with django_assert_max_num_queries(12):
        client.get("/ops/quality/rules/")
    with django_assert_max_num_queries(14):
        client.get("/ops/quality/shares/?when=2026-02")


def test_what_is_held_leads_to_the_findings(client: Client):
    channel = make_heat_channel()
    meter_january(channel)
    make_contract(channel)
    operations.set_rule(
        site_id=channel.site_id, rule="share", since=AT, reason="Strict", at=LATER, by_id=None,
        thresholds={"review_percent": 0, "block_percent": 1},
    )  # fmt: skip
    Rollup.objects.filter(channel=channel, grain="hour").update(estimated_kwh=F("energy_kwh") / 2)
    run = billing.start_run(
        operator_id=channel.site.operator_id, month=JANUARY, issue=True, at=LATER, by_id=None
    )
    while billing.bill_next(run_id=run.pk, at=LATER):
        pass
    _sign_in(client, channel)

    page = client.get(f"/ops/billing/{run.pk}/").content.decode()

    (item,) = run.items.all()
    assert "more than 1% cannot be billed" in item.reason
    assert f"/ops/quality/?site={channel.site_id}" in page
