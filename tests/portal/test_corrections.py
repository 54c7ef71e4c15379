"""
The list of documents that would be others now, and how far back it looks.
"""

import datetime as dt
from decimal import Decimal

import pytest
from django.test import Client
from django.utils import timezone

from billing import operations
from billing.models import CorrectionLimit, Invoice, PriceIndex, Terms
from sites.access import Role
from tests import factories
from tests.factories_billing import make_contract, meter_month
from tests.factories_telemetry import LATER, make_heat_channel

pytestmark = pytest.mark.django_db


def test_a_final_index_value_puts_its_bills_on_the_list(client: Client):
    month = (timezone.localdate().replace(day=1) - dt.timedelta(days=1)).replace(day=1)
    channel = make_heat_channel()
    meter_month(channel, month)
    contract = make_contract(channel)
    clause = {
        "price": "price_per_kwh", "base_price": "0.06", "fixed": "0.5", "start": 0,
        "parts": [{"series": "gas", "weight": "0.5", "base": "100"}],
    }  # fmt: skip
    Terms.objects.filter(contract=contract).update(details={"index": [clause]})
    index = operations.add_index(
        operator_id=contract.operator_id, code="gas", name="Gas", source="Office", basis="",
        at=LATER, by_id=None,
    )  # fmt: skip
    operations.enter_index_value(
        index_id=index.pk, month=month, value=Decimal(100), provisional=True, published_on=None,
        at=LATER, by_id=None,
    )  # fmt: skip
    made = operations.bill_contract(contract_id=contract.pk, month=month, at=LATER, issue=True)
    assert made is not None
    client.force_login(factories.make_user(stakeholder=contract.operator, role=Role.ADMIN))

    told = client.post(
        f"/ops/contracts/indices/{PriceIndex.objects.get().pk}/value/",
        {"month": f"{month:%Y-%m}", "value": "120", "save": "1"}, follow=True,
    ).content.decode()  # fmt: skip
    page = client.get("/ops/money/corrections/").content.decode()
    table = client.get("/ops/money/corrections/?format=csv").getvalue().decode()

    assert "1 issued bill was made from another value" in told
    assert "billed at 100, provisional; the final value is 120" in page
    assert "0.06 × (0.5 + 0.5 × 100 / 100)" in page
    assert "0.06 × (0.5 + 0.5 × 120 / 100) = 0.06 × 1.100000, rounded 0.0660" in page
    assert "now 120" in table
    client.post(
        "/ops/money/corrections/issue/",
        {"which": "all", "reason": "Final index value of gas"},
    )
    run = made.contract.operator.billing_runs.get(kind="correct")
    while operations.bill_next(run_id=run.pk, at=timezone.now()):
        pass
    assert Invoice.objects.get(corrects=made).reason == "Final index value of gas"
    assert "Every document says" in client.get("/ops/money/corrections/").content.decode()


def test_how_far_back_is_set_by_country_with_its_source(client: Client):
    site = factories.make_site()
    client.force_login(factories.make_user(stakeholder=site.operator, role=Role.ADMIN))
    address, country = "/ops/money/corrections/limits/", site.country

    refused = client.post(address, {f"months_{country}": "24"})
    assert "Name what says so." in refused.content.decode()
    client.post(address, {f"months_{country}": "24", f"source_{country}": "AVBFernwärmeV § 21"})

    assert CorrectionLimit.objects.get().months == 24
    page = client.get("/ops/money/corrections/").content.decode()
    assert "24 months (AVBFernwärmeV § 21)" in page
    client.post(address, {f"months_{country}": "", f"source_{country}": ""})
    assert not CorrectionLimit.objects.exists()
