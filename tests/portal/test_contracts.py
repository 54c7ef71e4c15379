"""
Contracts made, changed, priced and ended on pages.
"""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from billing import operations
from billing.models import Contract, Terms
from sites.access import Role
from telemetry.models import Channel, LossPolicy, MeteringPoint
from tests import factories
from tests.billing.test_price_models import _index
from tests.factories_billing import make_contract
from tests.factories_telemetry import LATER, make_heat_channel

pytestmark = pytest.mark.django_db


def _client(channel: Channel, role: Role = Role.BILLING) -> Client:
    client = Client()
    client.force_login(factories.make_user(stakeholder=channel.site.operator, role=role))
    return client


def _made(channel: Channel, **more: Any) -> dict[str, Any]:
    point = channel.point.delivery_point
    assert point is not None
    return {
        "subject": f"heat-{point.pk}", "reference": "N-7", "currency": "EUR",
        "first_day": "2026-03-01", "payment_days": "14", "correction_months": "12", **more,
    }  # fmt: skip


def test_a_contract_is_made_as_a_draft_changed_and_ended():
    channel = make_heat_channel()
    client = _client(channel)

    wrong = client.post("/ops/contracts/new/", _made(channel, last_day="2026-02-01")).content
    made = client.post("/ops/contracts/new/", _made(channel, pilot_until="2026-08-31"))
    again = client.post("/ops/contracts/new/", _made(channel)).content.decode()

    contract = Contract.objects.get()
    assert b"The last day is before the first." in wrong
    assert b'value="N-7"' in wrong
    assert made.headers["Location"] == f"/ops/contracts/{contract.pk}/terms/new/"
    assert "There is another contract N-7." in again
    assert (contract.status, contract.customer) == ("draft", channel.point.delivery_point.partner)  # type: ignore[union-attr]
    edit = f"/ops/contracts/{contract.pk}/edit/"
    assert 'value="2026-03-01"' in client.get(edit).content.decode()
    client.post(edit, _made(channel, reference="N-8", pilot_until="2026-08-31", pilot_converts="y"))
    contract.refresh_from_db()
    assert (contract.reference, contract.pilot_converts) == ("N-8", True)

    _terms(contract, channel)
    client.post(f"/ops/contracts/{contract.pk}/start/")
    early = client.post(f"/ops/contracts/{contract.pk}/end/", {"last_day": "2025-01-01"}).content
    assert b"begins on 01 March 2026" in early
    conditions = {"payment_days": "30", "correction_months": "24", "pilot_until": ""}
    client.post(edit, conditions)
    client.post(f"/ops/contracts/{contract.pk}/end/", {"last_day": "2026-12-31"})
    contract.refresh_from_db()
    assert (contract.payment_days, contract.status) == (30, "ended")
    assert client.get(edit).status_code == 404


def _terms(contract: Contract, channel: Channel) -> None:
    operations.add_terms(
        contract_id=contract.pk, first_day=contract.valid.lower, model="usage", at=LATER,
        by_id=None, metering_point=channel.point, price_per_kwh=Decimal("0.08"), vat_rate=19,
    )  # fmt: skip


def test_a_viewer_reads_contracts_and_makes_none():
    channel = make_heat_channel()
    contract = make_contract(channel)
    client = _client(channel, Role.VIEWER)

    assert client.get("/ops/contracts/new/").status_code == 404
    assert client.get(f"/ops/contracts/{contract.pk}/terms/new/").status_code == 404
    text = client.get(f"/ops/contracts/{contract.pk}/").content.decode()
    assert "New terms" not in text


def _draft(channel: Channel) -> Contract:
    contract = make_contract(channel)
    contract.terms.all().delete()
    Contract.objects.filter(pk=contract.pk).update(status="draft")
    return contract


USAGE = {"first_day": "2025-01-01", "vat_category": "S", "vat_rate": "19"}


def _post(client: Client, contract: Contract, model: str, **given: Any) -> str:
    answer = client.post(
        f"/ops/contracts/{contract.pk}/terms/new/?model={model}",
        {"save": "1", **USAGE, **given}, follow=True,
    )  # fmt: skip
    return answer.content.decode()


def test_usage_terms_with_tiers_minimum_and_a_tiered_remedy():
    channel = make_heat_channel()
    client, contract = _client(channel), _draft(channel)
    given: dict[str, Any] = {
        "metering_point": channel.point_id, "tiers-rows": "3", "tiers-0-up_to": "5000",
        "tiers-0-price": "0.052", "tiers-1-price": "0.043", "tiers_by_volume": "",
        "tiers_per_year": "y", "minimum_kwh": "9000", "minimum_price": "0.04",
        "hold_unverified": "y", "contact": "Hotline", "repair_h": "48", "credit": "tiers",
        "credits-rows": "2", "credits-0-at_least": "98", "credits-0-credit": "0",
        "credits-1-at_least": "0", "credits-1-credit": "20", "credit_cap": "15",
    }  # fmt: skip

    text = _post(client, contract, "usage", **given)

    assert "Energy in tiers a year, per kWh: up to 5,000 kWh €0.052; above €0.043" in text
    assert "A fault is mended within 48 hours." in text
    terms = Terms.objects.get()
    assert terms.details == {
        "tiers": [{"up_to": "5000", "price": "0.052"}, {"up_to": None, "price": "0.043"}],
        "tiers_per_year": True, "minimum_kwh": "9000", "minimum_price": "0.04",
        "hold_unverified": True, "service_level": {"repair_h": 48, "contact": "Hotline"},
        "service_credit": {
            "cap": "15",
            "tiers": [{"at_least": "98", "credit": "0"}, {"at_least": "0", "credit": "20"}],
        },
    }  # fmt: skip
    # An amendment starts from what holds.
    again = client.get(f"/ops/contracts/{contract.pk}/terms/new/?model=usage").content.decode()
    for shown in ('value="5000"', 'value="0.043"', 'value="Hotline"', 'value="2025-01-02"'):
        assert shown in again


def test_mistakes_in_terms_stand_beside_their_fields_and_nothing_is_lost():
    channel = make_heat_channel()
    client, contract = _client(channel), _draft(channel)
    point = {"metering_point": channel.point_id}

    nothing = _post(client, contract, "usage", **point)
    tiers = _post(client, contract, "usage", **point, **{
        "tiers-rows": "2", "tiers-0-up_to": "500", "tiers-0-price": "0.05",
        "tiers-1-up_to": "400", "tiers-1-price": "0.04",
    })  # fmt: skip
    bands = _post(client, contract, "usage", **point, price_per_kwh="0.1", **{
        "bands-rows": "1", "bands-0-name": "night", "bands-0-price": "0.05",
        "bands-0-first_hour": "22", "bands-0-end_hour": "6",
    })  # fmt: skip
    stranger = _post(client, contract, "usage", metering_point="999", price_per_kwh="0.1")
    half = _post(client, contract, "usage", **point, price_per_kwh="0.1", contracted_kw="30")

    assert "Usage states a price per kWh, tiers or bands" in nothing
    assert "Exactly the last tier is without end." in tiers
    assert 'value="400"' in tiers
    assert "Split it at midnight." in bands
    assert 'value="night"' in bands
    assert "Select a valid choice" in stranger
    assert "A standing charge has both kW and a price" in half
    assert not Terms.objects.exists()
    terms = {"fixed": "contracted_kw", "savings": "baseline", "host": "first_day"}
    for model, field in terms.items():
        assert f'id="id_{field}"' in _post(client, contract, model, first_day="")
    assert client.get(f"/ops/contracts/{contract.pk}/terms/new/?model=bundle").status_code == 404


def test_rows_come_and_go_by_the_server_and_keep_what_was_typed():
    channel = make_heat_channel()
    client, contract = _client(channel), _draft(channel)
    address = f"/ops/contracts/{contract.pk}/terms/new/?model=usage"
    typed = {
        "tiers-rows": "2", "tiers-0-up_to": "500", "tiers-1-up_to": "abc", "vat_rate": "7",
        "bands-rows": "1", "bands-0-name": "night",
    }  # fmt: skip

    more = client.post(address, {**typed, "rows": "add tiers"}).content.decode()
    fewer = client.post(address, {**typed, "rows": "drop tiers 0"}).content.decode()

    assert 'name="tiers-rows" value="3"' in more
    for kept in ('value="500"', 'value="abc"', 'value="7"', 'value="night"'):
        assert kept in more
    assert 'name="tiers-rows" value="1"' in fewer
    assert 'value="500"' not in fewer
    assert 'value="abc"' in fewer
    assert "There is a problem" not in more + fewer


CLAUSE = {
    "contracted_kw": "30", "price_per_kw": "14.5", "covers": "standby", "kw-fixed": "0.2",
    "kw-reference": "-1,1,", "kw-places": "4", "kw-collar": "5", "kw-part-rows": "2",
    "kw-part-0-series": "wages", "kw-part-0-weight": "0.4", "kw-part-0-base": "118.2",
    "kw-part-1-series": "power", "kw-part-1-weight": "0.4", "kw-part-1-base": "96.40",
}  # fmt: skip


def test_a_clause_shows_its_arithmetic_while_it_is_typed_and_must_add_up():
    channel = make_heat_channel()
    client, contract = _client(channel), _draft(channel)
    _index(contract, "wages", m202412="121.7")
    _index(contract, "power", m202412="88.10")
    check = f"/ops/contracts/{contract.pk}/terms/new/?model=fixed&check=1"

    def now(**given: str) -> str:
        return client.post(
            check, {**USAGE, **CLAUSE, **given}, headers={"HX-Request": "true"}
        ).content.decode()

    assert "14.5 × (0.2 + 0.4 × 121.7 / 118.2 + 0.4 × 88.1 / 96.4)" in now()
    assert "14.1724" in now()
    assert "the parts add up to 1.1." in now(**{"kw-fixed": "0.3"})
    assert "<html" not in now()
    wrong = _post(client, contract, "fixed", **CLAUSE | {"kw-fixed": "0.3"})
    assert "must add up to 1, not 1.1" in wrong
    blank = _post(client, contract, "fixed", **CLAUSE | {"kw-part-0-base": ""})
    assert "wages ÷ 121.7" in blank
    details = Terms.objects.get().details
    assert details["covers"] == "standby"
    assert details["index"][0]["collar"] == "0.05"
    later = now(first_day="2025-06-01")
    assert "The price index wages for May 2025 is not entered." in later


def test_overlapping_terms_are_explained_and_the_newest_can_be_withdrawn():
    channel = make_heat_channel()
    client, contract = _client(channel), _draft(channel)
    fixed = {"contracted_kw": "30", "price_per_kw": "5", "covers": "standby"}
    _post(client, contract, "fixed", **fixed)
    _post(client, contract, "fixed", **fixed | {"first_day": "2025-06-01"})

    text = _post(client, contract, "fixed", **fixed | {"first_day": "2025-03-01"})

    assert "Version 2 holds from 01 June 2025 on, and terms cannot overlap." in text
    assert 'value="2025-03-01"' in text
    newest = Terms.objects.get(version=2)
    client.post(f"/ops/contracts/{contract.pk}/terms/{newest.pk}/withdraw/")
    assert Terms.objects.get().valid.upper is None


def test_points_say_their_losses():
    channel = make_heat_channel()
    client, contract = _client(channel), _draft(channel)
    MeteringPoint.objects.filter(pk=channel.point_id).update(boundary="heat_source")
    assert channel.point.delivery_point is not None
    LossPolicy.objects.create(
        delivery_point=channel.point.delivery_point, valid=(dt.date(2025, 1, 1), None),
        method="percent", loss_percent=Decimal("3.20"),
    )  # fmt: skip

    text = client.get(f"/ops/contracts/{contract.pk}/terms/new/?model=usage").content.decode()

    assert "(less 3.2% for losses)" in text


def test_the_pages_cost_the_same_for_many(django_assert_num_queries: Any):
    channel = make_heat_channel()
    client = _client(channel)
    contract = make_contract(channel)
    for number in range(5):
        make_contract(channel, reference=f"M-{number}")
    client.get("/ops/contracts/")

    with django_assert_num_queries(13):
        client.get(f"/ops/contracts/{contract.pk}/terms/new/")
    with django_assert_num_queries(11):
        client.get(f"/ops/contracts/{contract.pk}/")
