"""
Service credits from heartbeats: in whole minutes, and of all time where much of it is unknown.
"""

import datetime as dt
from collections.abc import Callable
from decimal import Decimal

import pytest

from billing import operations, queries
from billing.models import Contract, Terms
from sites.domain import local_month
from telemetry.domain.availability import Uptime
from telemetry.domain.service_levels import minutes_of
from telemetry.models import Channel, MeteringPoint
from tests import factories
from tests.factories_billing import JANUARY
from tests.factories_telemetry import LATER, make_channel, make_heat_channel, send

D = Decimal
OF_2025 = (dt.date(2025, 1, 1), None)
Says = Callable[[int], int | None]


def _credited(says: Says, *, target: str) -> Decimal | None:
    """
    Bill a January whose heartbeat says something each hour, None for nothing, and return the
    service credit; 2 % of 1,000 a half point below the target.
    """
    heat = make_heat_channel()
    service = factories.make_hosting_service(site=heat.site)
    period = local_month(2026, 1, heat.site.timezone)
    beat = make_channel(
        site=heat.site, boundary=MeteringPoint.Boundary.TENANT_FEED, service=service,
        quantity=Channel.Quantity.HEARTBEAT,
    )  # fmt: skip
    hours = [(n, says(n)) for n in range(round(period.hours))]
    send(beat, [(period.start + n * dt.timedelta(hours=1), v) for n, v in hours if v is not None])
    contract = Contract.objects.create(
        operator=heat.site.operator, customer=service.tenant, site=heat.site,
        hosting_service=service, reference="H-1", currency="EUR", valid=OF_2025,
    )  # fmt: skip
    Terms.objects.create(
        contract=contract, valid=OF_2025, version=1, model="fixed", vat_rate=19, contracted_kw=10,
        price_per_kw=100,
        details={"service_credit": {"target": target, "step": "0.5", "per_step": "2"}},
    )  # fmt: skip
    invoice = operations.bill_contract(
        contract_id=contract.pk, month=JANUARY, at=LATER, issue=True
    )  # fmt: skip
    assert invoice is not None, queries.parked_reason(contract_id=contract.pk, month=JANUARY)
    nets = {line.charge: line.net for line in invoice.lines.order_by("position")}
    assert nets["standing"] == D("1000.00")
    return nets.get("service_credit")


@pytest.mark.django_db
def test_a_service_credit_comes_from_the_heartbeats():
    # 724 of 744 hours are 97.31 %: one full half point below 98.
    assert _credited(lambda n: 0 if n < 20 else 1, target="98") == D("-20.00")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("silent_h", "credit"), [(7, None), (8, D("-20.00"))], ids=["0.9 % unknown", "1.1 % unknown"]
)
def test_much_unknown_time_counts_as_down_for_credits(silent_h: int, credit: Decimal | None):
    assert _credited(lambda n: None if n < silent_h else 1, target="99.5") == credit


def test_minutes_add_up_to_the_time_in_service():
    uptime = Uptime(up_s=100 * 60 - 95, down_s=90, unknown_s=5, planned_s=3600)

    assert minutes_of(uptime) == {"up": 98, "down": 2, "unknown": 0}
