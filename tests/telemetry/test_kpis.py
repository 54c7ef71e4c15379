"""
The ratios side by side: each with its coverage, and the portfolio by the weight of its energy.
"""

import datetime as dt
from decimal import Decimal

import pytest
from django.test import Client

from sites.access import Kind, Role, Viewer
from sites.domain import local_month
from sites.models import Site
from telemetry import operations, queries
from telemetry.domain.kpi import Reason
from telemetry.models import Channel, Installation, Meter, MeteringPoint, MeterRegister
from tests import factories
from tests.factories_telemetry import FOREVER, LATER, csv_of, ingest_csv, load, make_channel

pytestmark = pytest.mark.django_db

Boundary = MeteringPoint.Boundary
MARCH = dt.date(2025, 3, 1)


def _site(operator=None, **kilowatts: float) -> Site:
    site = factories.make_site(operator=operator)
    for boundary, kw in kilowatts.items():
        channel = make_channel(site=site, boundary=Boundary(boundary))
        load(channel, local_month(2025, 3, site.timezone), kw)
    return site


def _kpis(site: Site) -> list[queries.SiteKpis]:
    viewer = Viewer(1, site.operator_id, Kind.OPERATOR, Role.ADMIN)
    return queries.site_kpis(viewer=viewer, first_month=MARCH, last_month=MARCH)


def _factor(kg: str) -> None:
    row = operations.FactorRow(
        carrier="electricity", region="DE", valid_from=MARCH, valid_to=dt.date(2025, 4, 1),
        data_year=2024, kg_per_kwh=Decimal(kg), basis="x", source="x", licence="x",
    )  # fmt: skip
    operations.load_emission_factors(rows=[row], at=LATER)


def test_ratios_of_a_month():
    site = _site(facility=24, it=20, heat_handoff=12)
    _factor("0.363")
    lot = operations.add_lot(
        operator_id=site.operator_id, first_day=MARCH, end_day=dt.date(2025, 4, 1), at=LATER,
        by_id=None, kind="onsite", technology="solar", country="DE", plant="roof",
        registry_id="1", kwh=Decimal(100_000),
    )  # fmt: skip
    operations.allocate(
        lot_id=lot.pk, site_id=site.pk, service_id=None, month=MARCH, kwh=Decimal(12 * 743),
        at=LATER, by_id=None,
    )  # fmt: skip

    (found,) = _kpis(site)

    values = {name: ratio.value for name, ratio in found.all().items()}
    assert values["pue"] == Decimal("1.2")
    assert values["erf"] == Decimal("0.5")
    assert values["ere"] == Decimal("0.6")
    assert values["ref"] == Decimal("0.5")
    assert values["cue"] == Decimal("0.363") * Decimal("1.2")
    assert found.wue.reason is Reason.NO_METER
    assert found.cer.reason is Reason.NO_METER
    assert found.cue.coverage == 1


def test_water_and_cooling():
    site = _site(facility=24, it=20, cooling=1)
    march = local_month(2025, 3, site.timezone)
    cooling = MeteringPoint.objects.get(site=site, boundary=Boundary.COOLING)
    water = MeteringPoint.objects.create(
        site=site, boundary=Boundary.WATER, name="water", code="water"
    )
    for point, quantity, unit, end in (
        (water, Channel.Quantity.VOLUME, "m3", "42"),
        (cooling, Channel.Quantity.COOLING_ENERGY, "kWh", "14860"),
    ):
        meter = Meter.objects.create(
            operator=site.operator, serial=point.code, make="x", unit="kWh",
            max_power_kw=Decimal(400),
        )  # fmt: skip
        MeterRegister.objects.create(
            meter=meter, quantity=quantity, unit=unit, digits=8, max_an_hour=Decimal(5000)
        )
        Installation.objects.create(point=point, meter=meter, valid=FOREVER)
        register = Channel.objects.create(
            site=site, point=point, quantity=quantity, kind=Channel.Kind.REGISTER,
            key=f"{point.code}.{quantity}",
        )  # fmt: skip
        ends = ((march.start, "0"), (march.end, end))
        rows = [(register.key, at.isoformat(), value) for at, value in ends]
        assert ingest_csv(site=site, body=csv_of(rows)).accepted == 2
        operations.roll_up_channel(channel_id=register.pk, at=LATER)

    (found,) = _kpis(site)

    assert found.wue.value == Decimal(42) * 1000 / (20 * 743)
    assert found.cer.value == Decimal(14860) / 743


def test_a_missing_factor_and_missing_attributes_are_reasons():
    (found,) = _kpis(_site(facility=24, it=20))

    assert found.cue.reason is Reason.NO_FACTOR
    assert found.ref.reason is Reason.NO_ATTRIBUTES
    assert found.ere.value is None


def test_the_portfolio_is_weighted_by_energy():
    site = _site(facility=12, it=10)
    _site(operator=site.operator, facility=39, it=30)
    _site(operator=site.operator)

    together = queries.portfolio(_kpis(site))

    assert together["pue"] == (Decimal("1.2") * 12 + Decimal("1.3") * 39) / 51
    assert together["erf"] is None


def test_the_page_and_its_csv(client: Client, django_assert_max_num_queries):
    site = _site(facility=24, it=20, heat_handoff=12)
    for _ in range(3):
        _site(operator=site.operator, facility=24, it=20)
    client.force_login(factories.make_user(stakeholder=site.operator))

    with django_assert_max_num_queries(24):
        page = client.get("/ops/statements/ratios/?year=2025")
    csv = b"".join(client.get("/ops/statements/ratios/?year=2025&format=csv").streaming_content)  # type: ignore[attr-defined]

    assert page.status_code == 200
    assert site.name.encode() in page.content
    assert csv.count(b"\n") == 1 + 4 * 7
