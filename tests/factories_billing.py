"""
Contracts with a metered month for tests.
"""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal

from billing import operations
from billing.models import Contract, Invoice, Terms
from sites.domain import local_month
from sites.models import HostingService
from telemetry import operations as metering
from telemetry.models import Channel, MeteringPoint
from tests.factories_telemetry import (
    LATER,
    csv_of,
    ingest_csv,
    make_channel,
    make_heat_channel,
)

JANUARY = dt.date(2026, 1, 1)


def meter_month(
    channel: Channel,
    month: dt.date,
    *,
    hours: int | None = None,
    per_hour: str = "2.5",
    register: str = "1000",
) -> None:
    """
    Give the channel hourly readings of a local month, rising evenly from a register.
    """
    period = local_month(month.year, month.month, channel.site.timezone)
    count = round(period.hours) if hours is None else hours
    rows = [
        (
            channel.key,
            (period.start + n * dt.timedelta(hours=1)).isoformat(),
            str(Decimal(register) + n * Decimal(per_hour)),
        )
        for n in range(count + 1)
    ]
    ingest_csv(site=channel.site, body=csv_of(rows))
    metering.roll_up_channel(channel_id=channel.pk, at=LATER)


def meter_january(channel: Channel, *, hours: int = 744, per_hour: str = "2.5") -> None:
    """
    Give the channel hourly readings of January 2026, rising evenly.
    """
    meter_month(channel, JANUARY, hours=hours, per_hour=per_hour)


def make_contract(channel: Channel, *, reference: str = "C-1", usage: bool = True) -> Contract:
    """
    Make a heat contract from 2025 on: usage with a standing charge, or a fixed fee.
    """
    point = channel.point.delivery_point
    assert point is not None
    contract = Contract.objects.create(
        operator=channel.site.operator, customer=point.partner, site=channel.site,
        delivery_point=point, reference=reference, currency="EUR",
        valid=(dt.date(2025, 1, 1), None),
    )  # fmt: skip
    Terms.objects.create(
        contract=contract, valid=(dt.date(2025, 1, 1), None), version=1,
        model="usage" if usage else "fixed",
        contracted_kw=30, price_per_kw=Decimal("4.00"),
        price_per_kwh=Decimal("0.0616") if usage else None,
        metering_point=channel.point if usage else None,
        vat_rate=19,
    )  # fmt: skip
    return contract


def make_contracts(channels: Sequence[Channel], name: str, count: int) -> None:
    """
    Make contracts as `make_contract` does, many at once, in turn on the channels.
    """
    like = make_contract(channels[0], reference=f"{name}-0")
    terms = Terms.objects.get(contract=like)
    made = []
    for n in range(1, count):
        like.pk, like.reference = None, f"{name}-{n}"
        point = channels[n % len(channels)].point.delivery_point
        assert point is not None
        like.delivery_point, like.customer = point, point.partner
        made.append(Contract(**{f.attname: getattr(like, f.attname) for f in like._meta.fields}))
    Contract.objects.bulk_create(made, batch_size=1000)
    agreed = []
    for n, contract in enumerate(made, start=1):
        terms.pk, terms.contract_id = None, contract.pk
        terms.metering_point_id = channels[n % len(channels)].point_id
        agreed.append(Terms(**{f.attname: getattr(terms, f.attname) for f in terms._meta.fields}))
    Terms.objects.bulk_create(agreed, batch_size=1000)


def make_feed(service: HostingService, kwh_an_hour: str) -> Channel:
    """
    Give a hosting service a meter with an even January.
    """
    power = make_channel(
        site=service.site, boundary=MeteringPoint.Boundary.TENANT_FEED, service=service
    )
    channel = Channel.objects.create(
        site=service.site, point=power.point, quantity="energy", kind="register",
        key=f"{power.point.code}.energy",
    )  # fmt: skip
    heat = make_heat_channel(site=service.site, code=f"m{service.pk}")
    installed = heat.point.installations.get()
    installed.point = power.point
    installed.save()
    meter_month(channel, JANUARY, per_hour=kwh_an_hour)
    return channel


def meter_half_past(channel: Channel) -> None:
    """
    Readings at half past each hour, so that a month's edges are interpolated.
    """
    period = local_month(2026, 1, channel.site.timezone)
    rows = [
        (
            channel.key,
            (period.start + (2 * n - 1) * dt.timedelta(minutes=30)).isoformat(),
            str(n * 2),
        )
        for n in range(round(period.hours) + 2)
    ]
    ingest_csv(site=channel.site, body=csv_of(rows))
    metering.roll_up_channel(channel_id=channel.pk, at=LATER)


def send_late(channel: Channel, value: str) -> None:
    """
    Send the register at the very end of January after it was billed.
    """
    end = local_month(2026, 1, channel.site.timezone).end
    ingest_csv(site=channel.site, body=csv_of([(channel.key, end.isoformat(), value)]))
    metering.roll_up_channel(channel_id=channel.pk, at=LATER + dt.timedelta(days=1))


def make_prices(contract: Contract) -> None:
    """
    Give a contract's operator an index with a value, and the contract a baseline.
    """
    index = operations.add_index(
        operator_id=contract.operator_id, code="gas", name="Gas", source="Office",
        basis="2020 = 100", at=LATER, by_id=None,
    )  # fmt: skip
    operations.enter_index_value(
        index_id=index.pk, month=JANUARY, value=Decimal(100), provisional=True, published_on=None,
        at=LATER, by_id=None,
    )  # fmt: skip
    operations.state_baseline(
        contract_id=contract.pk, name="Boiler house", base_kwh=Decimal(85),
        slope_kwh=Decimal("18.4"), base_temperature=Decimal("15.5"), at=LATER, by_id=None,
        boiler_efficiency=Decimal("0.86"), fuel_price=Decimal("0.0689"),
        carbon_kg_per_kwh=Decimal("0.182"), carbon_price=Decimal(60),
    )  # fmt: skip


def make_debit_file(invoice: Invoice) -> None:
    """
    Give the invoice's customer a mandate and collect the invoice by direct debit.
    """
    seller = invoice.operator
    seller.iban, seller.creditor_id = "DE89370400440532013000", "DE98ZZZ09999999999"
    seller.save()
    operations.add_mandate(
        operator_id=seller.pk, customer_id=invoice.customer_id, reference="M-1", at=LATER,
        signed_on=JANUARY, account_name="Pool", iban=seller.iban, bic="", by_id=None,
    )  # fmt: skip
    assert invoice.due_on is not None
    operations.make_debit_file(
        operator_id=seller.pk, collect_on=invoice.due_on, at=LATER, by_id=None
    )
