"""
What a heat customer reads of the promise and of the heat that counts.
"""

import datetime as dt

import pytest
from django.test import Client

from billing import operations
from billing.models import Terms
from telemetry.models import Channel
from tests import factories
from tests.factories_billing import JANUARY, make_contract, meter_month
from tests.factories_heat import agree, count_up, gauge, place_of, settle
from tests.factories_telemetry import LATER, make_heat_channel, send

pytestmark = pytest.mark.django_db(transaction=True)


def _last_month() -> dt.datetime:
    """
    Return the first of the month before in UTC, in which the site's days begin an hour or two
    earlier.
    """
    first = dt.datetime.now(dt.UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (first - dt.timedelta(days=1)).replace(day=1)


def _heated(client: Client) -> Channel:
    register = make_heat_channel()
    start = _last_month() + dt.timedelta(days=9)
    count_up(register, start, 48, step_min=60)
    supply = gauge(register, Channel.Quantity.SUPPLY)
    send(supply, [(start + dt.timedelta(hours=h), 50 if h == 30 else 60) for h in range(48)])
    now = dt.datetime.now(dt.UTC)
    agree(register, first_day=start.date() + dt.timedelta(days=1), at=now, bands="")
    settle(register, now)
    client.force_login(factories.make_user(stakeholder=place_of(register).partner))
    return register


def test_a_customer_reads_what_counts_and_how_it_was_kept(client: Client):
    _heated(client)
    month = f"{_last_month():%Y-%m}"

    home = client.get("/heat/").content.decode()
    assert "Heat on time in" in home
    assert "agreed 98%" in home
    usage = client.get(f"/heat/usage/?month={month}").content.decode()
    assert "188 of 192 kWh count" in usage
    assert "4.0 kWh: cooler than agreed" in usage
    csv = client.get(f"/heat/usage/?month={month}&format=csv&of=counted")
    lines = b"".join(csv.streaming_content).decode().splitlines()  # type: ignore[attr-defined]
    assert lines[0].startswith("day,metered_kwh,counted_kwh,not_counted_kwh")
    temperature = client.get("/heat/temperature/").content.decode()
    assert "Heat on time by month" in temperature
    agreement = client.get("/heat/agreement/").content.decode()
    assert "At least 55 °C" in agreement
    assert "your side was closed" in agreement
    assert "customer’s side" not in agreement
    assert "too cool 60 min" in agreement


def test_a_bill_without_the_heat_that_does_not_count_agrees_with_the_usage(client: Client):
    register = make_heat_channel()
    contract = make_contract(register)
    Terms.objects.update(details={"qualified_heat": True})
    meter_month(register, JANUARY)
    at = dt.datetime(2026, 2, 2, tzinfo=dt.UTC)
    agree(register, first_day=JANUARY, at=at, bands="Mon-Sun 00:00-12:00")
    settle(register, at)
    bill = operations.bill_contract(contract_id=contract.pk, month=JANUARY, at=LATER, issue=True)
    assert bill is not None
    client.force_login(factories.make_user(stakeholder=contract.customer))

    page = client.get("/heat/usage/?month=2026-01").content.decode()
    assert "Sum of days 1,860 kWh, of which 930 kWh do not count. On your bill 930 kWh." in page
    assert "They agree." in page


def test_without_terms_the_page_says_so(client: Client):
    register = make_heat_channel()
    client.force_login(factories.make_user(stakeholder=place_of(register).partner))

    page = client.get("/heat/agreement/").content.decode()
    assert "Nothing is agreed today" in page
    assert "Heat on time" not in client.get("/heat/").content.decode()
