"""
Emission factors and tenants' footprints: every gram is somebody's, and nothing is guessed.
"""

import datetime as dt
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from hypothesis import given
from hypothesis import strategies as st

from seeds import reference
from sites.access import STRANGER, Kind, Role, Viewer
from sites.domain import local_month
from sites.models import HostingService, Site, Stakeholder
from telemetry import operations, queries
from telemetry.domain import carbon, shares
from telemetry.domain.kpi import Reason
from telemetry.models import EmissionFactor, Installation, Meter, MeteringPoint
from tests import factories
from tests.factories_telemetry import LATER, load, make_channel

Boundary = MeteringPoint.Boundary
MARCH = dt.date(2025, 3, 1)
ROW = operations.FactorRow(
    carrier="electricity", region="DE", valid_from=dt.date(2025, 1, 1),
    valid_to=dt.date(2026, 1, 1), data_year=2024, kg_per_kwh=Decimal("0.342060"),
    basis="location-based", source="test", licence="test",
)  # fmt: skip

weights = st.lists(
    st.decimals(min_value=0, max_value=10**9, places=9, allow_nan=False), min_size=1, max_size=12
).filter(any)


def _viewer(stakeholder: Stakeholder) -> Viewer:
    return Viewer(1, stakeholder.pk, Kind(stakeholder.kind), Role.VIEWER)


def _factor(site: Site, day: dt.date) -> queries.Factor:
    return queries.Factors([site]).on(site=site, day=day)


def _footprints(viewer: Viewer, **more: Any) -> list[queries.Footprint]:
    return queries.tenant_footprint(viewer=viewer, first_month=MARCH, last_month=MARCH, **more)


def _site_with_tenants(*kilowatts: float) -> tuple[Site, list[HostingService]]:
    site = factories.make_site()
    march = local_month(2025, 3, site.timezone)
    facility = make_channel(site=site, boundary=Boundary.FACILITY)
    load(facility, march, 30)
    services = []
    for kw in kilowatts:
        feed = make_channel(site=site, boundary=Boundary.TENANT_FEED)
        load(feed, march, kw)
        assert feed.point.hosting_service is not None
        services.append(feed.point.hosting_service)
    return site, services


@given(st.integers(min_value=-(10**12), max_value=10**12), weights)
def test_shares_add_up_and_nobody_is_a_unit_off(units: int, given_weights: list[Decimal]):
    parts = shares.share_units(units, given_weights)

    assert sum(parts) == units
    total = sum(map(Fraction, given_weights))
    for part, weight in zip(parts, given_weights, strict=True):
        assert abs(part - units * Fraction(weight) / total) < 1


@given(weights, st.decimals(min_value=0, max_value=10**7, places=9))
def test_the_grams_of_tenants_are_the_grams_of_the_site(used: list[Decimal], facility: Decimal):
    factor = Decimal("0.342060")

    parts = carbon.parts_of_tenants(dict(enumerate(used)), facility, factor)

    assert abs(sum(part.grams for part in parts.values()) - facility * factor * 1000) <= Decimal(
        "0.5"
    )


def test_shares_of_nothing_are_refused():
    with pytest.raises(ValueError, match="more than zero"):
        shares.share_units(5, [Decimal(0), Decimal(0)])
    with pytest.raises(ValueError, match="at least zero"):
        shares.share_units(5, [Decimal(3), Decimal(-1)])
    with pytest.raises(ValueError, match="More kWh"):
        carbon.market_based(Decimal(1), [(Decimal(2), Decimal(0))], Decimal(1))


@pytest.mark.django_db
def test_tenants_carry_the_facility_by_their_it_energy():
    site, (large, small) = _site_with_tenants(12, 6)
    operations.load_emission_factors(rows=[ROW], at=LATER)

    (of_large,) = _footprints(_viewer(large.tenant))
    both = _footprints(_viewer(site.operator))

    assert of_large.it_kwh == 12 * 743
    assert of_large.facility_kwh == 20 * 743
    assert of_large.coverage == 1
    assert of_large.reason is None
    assert [factor.data_year for factor in of_large.factors] == [2024]
    assert [f.service_id for f in both] == sorted([large.pk, small.pk])
    total = (30 * 743 * ROW.kg_per_kwh).quantize(Decimal("0.001"))
    assert sum(f.kg or 0 for f in both) == total


@pytest.mark.django_db
def test_a_neighbour_and_a_stranger_get_nothing():
    _, (own, neighbours) = _site_with_tenants(12, 6)

    found = _footprints(_viewer(own.tenant), service_ids=[own.pk, neighbours.pk])

    assert [f.service_id for f in found] == [own.pk]
    assert _footprints(STRANGER) == []
    assert _footprints(_viewer(factories.make_stakeholder())) == []


@pytest.mark.django_db
def test_a_missing_factor_is_named_and_never_zero():
    site, (service,) = _site_with_tenants(12)

    (found,) = _footprints(_viewer(service.tenant))

    assert found.kg is None
    assert found.reason is Reason.NO_FACTOR
    assert found.facility_kwh == 30 * 743
    assert found.months[0].kg is None
    with pytest.raises(queries.FactorMissing, match="DE 2025-03-01"):
        queries.Factors([site]).on(site=site, day=MARCH)


@pytest.mark.django_db
def test_hours_without_a_neighbours_meter_count_for_nobody():
    site, (service,) = _site_with_tenants(12)
    operations.load_emission_factors(rows=[ROW], at=LATER)
    march = local_month(2025, 3, site.timezone)
    feed = make_channel(site=site, boundary=Boundary.TENANT_FEED)
    load(feed, march, 6, gaps=[(march.start, march.start + dt.timedelta(hours=100))])

    (found,) = _footprints(_viewer(service.tenant))

    assert found.kg is None
    assert found.it_kwh is None
    assert found.reason is Reason.LOW_COVERAGE
    assert found.coverage == Decimal(643) / 743


@pytest.mark.django_db
def test_a_tenant_who_came_later_lowers_nobodys_coverage():
    site, (service,) = _site_with_tenants(12)
    operations.load_emission_factors(rows=[ROW], at=LATER)
    march = local_month(2025, 3, site.timezone)
    came = march.end - dt.timedelta(hours=43)
    feed = make_channel(site=site, boundary=Boundary.TENANT_FEED)
    meter = Meter.objects.create(
        operator=site.operator, serial="later", make="test",
        max_power_kw=400,
    )  # fmt: skip
    Installation.objects.create(point=feed.point, meter=meter, valid=(came, None))
    load(feed, march, 12, gaps=[(march.start, came)])

    (found,) = _footprints(_viewer(service.tenant))

    assert found.coverage == 1
    # Alone for 700 hours, one of two equals for 43: shared by the energies of the month.
    assert found.it_kwh == 12 * 743
    assert found.facility_kwh == Decimal(30 * 743) * (12 * 743) / (12 * 743 + 12 * 43)


@pytest.mark.django_db
def test_footprints_cost_the_same_for_many(django_assert_num_queries):
    operator = factories.make_stakeholder()
    for _ in range(8):
        site = factories.make_site(operator=operator)
        make_channel(site=site, boundary=Boundary.FACILITY)
        make_channel(site=site, boundary=Boundary.TENANT_FEED)

    with django_assert_num_queries(7):
        found = queries.tenant_footprint(
            viewer=_viewer(operator), first_month=dt.date(2025, 1, 1), last_month=MARCH
        )

    assert len(found) == 8


@pytest.mark.django_db
def test_factors_are_superseded_and_never_edited():
    site = factories.make_site()
    assert operations.load_emission_factors(rows=[ROW], at=LATER) == 1
    assert operations.load_emission_factors(rows=[ROW], at=LATER) == 0
    corrected = operations.FactorRow(
        carrier="electricity", region="DE", valid_from=dt.date(2025, 1, 1),
        valid_to=dt.date(2027, 1, 1), data_year=2025, kg_per_kwh=Decimal("0.33"),
        basis="location-based", source="test", licence="test",
    )  # fmt: skip

    assert operations.load_emission_factors(rows=[corrected], at=LATER) == 1

    old = EmissionFactor.objects.get(superseded_at__isnull=False)
    assert old.kg_per_kwh == ROW.kg_per_kwh
    assert _factor(site, MARCH).kg_per_kwh == Decimal("0.33")
    with pytest.raises(IntegrityError, match="never edited"), transaction.atomic():
        EmissionFactor.objects.filter(superseded_at__isnull=True).update(kg_per_kwh=1)
    with pytest.raises(operations.FactorsOverlap, match="DE 2025-01-01"):
        operations.load_emission_factors(rows=[ROW, corrected], at=LATER)


@pytest.mark.django_db
def test_the_shipped_factors_load_once_and_name_their_licence():
    added = reference.load_emission_factors(at=LATER)

    assert added == EmissionFactor.objects.count() > 10
    assert reference.load_emission_factors(at=LATER) == 0
    for region, figure in (("GB", "0.177000"), ("DE", "0.342060")):
        factor = _factor(factories.make_site(country=region), dt.date(2026, 6, 1))
        assert factor.kg_per_kwh == Decimal(figure)
        assert factor.licence
        assert factor.source
    assert not EmissionFactor.objects.filter(basis="").exists()
