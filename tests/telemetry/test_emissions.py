"""
Emissions of sites by both methods, own production, avoided emissions month by month, and years
that are reported, frozen and restated.
"""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from hypothesis import given
from hypothesis import strategies as st

from sites.access import Kind, Role, Viewer
from sites.domain import local_days, local_month
from sites.models import HostingService, Site
from telemetry import operations, queries
from telemetry.domain import carbon
from telemetry.domain.matching_hours import of_sums, together
from telemetry.models import MeteringPoint, ReportingYear, SiteBoundary
from telemetry.queries.emissions import differences
from tests import factories
from tests.factories_telemetry import LATER, load, make_channel

Boundary = MeteringPoint.Boundary
MARCH, APRIL = dt.date(2025, 3, 1), dt.date(2025, 4, 1)
YEAR = dt.date(2025, 1, 1), dt.date(2026, 1, 1)
MARCH_ALONE: dict[str, Any] = {"first_month": MARCH, "last_month": MARCH}
CLOSED = dt.datetime(2026, 2, 1, tzinfo=dt.UTC)


def _viewer(site: Site) -> Viewer:
    return Viewer(1, site.operator_id, Kind.OPERATOR, Role.ADMIN)


def _factors(*, at: dt.datetime = LATER, **kg: str) -> None:
    operations.load_emission_factors(
        rows=[
            operations.FactorRow(
                carrier=carrier, region="DE", valid_from=YEAR[0], valid_to=YEAR[1],
                data_year=2024, kg_per_kwh=Decimal(figure), basis="test", source="test",
                licence="test",
            )
            for carrier, figure in kg.items()
        ],
        at=at,
    )  # fmt: skip


def _site(*kilowatts: float, first: dt.date = MARCH, end: dt.date = APRIL) -> Site:
    site = factories.make_site()
    period = local_days(first, end, site.timezone)
    load(make_channel(site=site, boundary=Boundary.FACILITY), period, sum(kilowatts) * 1.25)
    for kw in kilowatts:
        load(make_channel(site=site, boundary=Boundary.TENANT_FEED), period, kw)
    return site


def _emissions(site: Site, **more: Any) -> queries.SiteEmissions:
    (found,) = queries.site_emissions(viewer=_viewer(site), **(MARCH_ALONE | more))
    return found


@pytest.mark.django_db
def test_the_parts_of_tenants_are_the_whole_to_the_gram():
    site = _site(7, 3, 1)
    _factors(electricity="0.3631")

    found = _emissions(site)

    grams = carbon.whole_grams(found.footprint.facility_kwh or Decimal(0), Decimal("0.3631"))
    assert found.footprint.kg == Decimal(grams) / 1000
    parts = [part.kg for part, _ in found.parts]
    assert None not in parts
    assert sum((kg for kg in parts if kg is not None), Decimal(0)) == found.footprint.kg
    # Nothing was bought: both methods give the same, each part rounded to the gram.
    assert found.market_kg is not None
    assert abs(found.market_kg - found.footprint.kg) <= Decimal("0.003")
    customer = Viewer(1, site.operator_id, Kind.TENANT, Role.ADMIN)
    assert queries.site_emissions(viewer=customer, **MARCH_ALONE) == []


@pytest.mark.django_db
def test_an_operator_with_a_suppliers_mix_uses_it_for_the_rest():
    site = _site(8)
    _factors(electricity="0.4", electricity_residual="0.7", electricity_supplier="0.5")

    found = _emissions(site)

    assert found.rest == "supplier"
    assert found.market_kg == Decimal("0.5") * (found.footprint.facility_kwh or 0)


def _roof(site: Site) -> None:
    period = local_month(2025, 3, site.timezone)
    load(make_channel(site=site, boundary=Boundary.GRID_IMPORT), period, 9)
    load(make_channel(site=site, boundary=Boundary.PV), period, 3)
    load(make_channel(site=site, boundary=Boundary.GRID_EXPORT), period, 1)
    load(make_channel(site=site, boundary=Boundary.TENANT_FEED), period, 8)


@pytest.mark.django_db
def test_what_a_roof_made_and_the_site_used_was_not_bought():
    site = factories.make_site()
    _roof(site)
    _factors(electricity="0.4", electricity_residual="0.7")

    found = _emissions(site)
    figures = queries.site_figures(viewer=_viewer(site), site_ids=[site.pk], **MARCH_ALONE)

    # Import + PV − export; of it import alone was bought.
    assert found.footprint.facility_kwh == 11 * 743
    assert found.footprint.own_kwh == 2 * 743
    assert found.footprint.kg == Decimal(9 * 743) * Decimal("0.4")
    assert found.market_kg == Decimal(9 * 743) * Decimal("0.7")
    assert found.share == Decimal(2) / 11
    assert figures[site.pk].facility_basis == "grid_and_own"
    assert figures[site.pk].pue.value == Decimal(11) / 8
    (kpis,) = queries.site_kpis(viewer=_viewer(site), **MARCH_ALONE)
    assert kpis.ref.value == Decimal(2) / 11
    assert kpis.cue.value == Decimal(9) * Decimal("0.4") / 8


@pytest.mark.django_db
def test_own_production_whose_guarantees_are_sold_has_the_residual_mix():
    site = factories.make_site()
    _roof(site)
    _factors(electricity="0.4", electricity_residual="0.7")
    operations.declare_boundary(
        site_id=site.pk, valid_from=YEAR[0], it_category=1, heat_pump="none",
        own_production_sold=True, note="", at=LATER, by_id=None,
    )  # fmt: skip

    found = _emissions(site)
    (kpis,) = queries.site_kpis(viewer=_viewer(site), **MARCH_ALONE)

    assert found.market_kg == Decimal(11 * 743) * Decimal("0.7")
    assert found.share == 0
    assert kpis.ref.value is None
    for change in (
        lambda: SiteBoundary.objects.update(own_production_sold=False),
        lambda: SiteBoundary.objects.all().delete(),
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            change()


def _heated(site: Site, *, residual: str = "0.7") -> Any:
    heat = make_channel(site=site, boundary=Boundary.HEAT_HANDOFF)
    load(heat, local_month(2025, 3, site.timezone), 10)
    _factors(electricity="0.363", electricity_residual=residual)
    assert heat.point.delivery_point is not None
    operations.set_counterfactual(
        delivery_point_id=heat.point.delivery_point.pk, first_day=YEAR[0], at=LATER, by_id=None,
        fuel="natural gas", fuel_kg_per_kwh=Decimal("0.20196"), basis="ncv",
        efficiency=Decimal("0.9"), auxiliary_share=Decimal("0.02"), source="test",
        uncertainties=[Decimal("0.05")],
    )  # fmt: skip
    return queries.displaced(viewer=_viewer(site), site_id=site.pk, **MARCH_ALONE)


@pytest.mark.django_db
def test_pumping_has_the_higher_of_the_two_factors():
    (found,) = _heated(factories.make_site())

    assert found.electricity.kg_per_kwh == Decimal("0.7")
    assert found.avoided.net_kg == pytest.approx(
        7430 * Decimal("0.20196") / Decimal("0.9") - 7430 * Decimal("0.02") * Decimal("0.7")
    )
    (other,) = _heated(factories.make_site(), residual="0.1")
    assert other.electricity.kg_per_kwh == Decimal("0.363")


@pytest.mark.django_db
def test_a_metered_heat_pump_stands_before_an_assumed_share():
    site = factories.make_site()
    march = local_month(2025, 3, site.timezone)
    load(make_channel(site=site, boundary=Boundary.UPLIFT), march, 3)
    load(make_channel(site=site, boundary=Boundary.HEAT_HANDOFF), march, 5)

    first, second = sorted(_heated(site), key=lambda d: d.avoided is None)

    assert first.auxiliary_metered
    # Ten of fifteen kW of heat carry two of three kW of the pump.
    assert first.auxiliary_kwh == Decimal(2 * 743)
    assert second.avoided is None


@given(
    st.lists(
        st.tuples(*[st.decimals(0, 10_000, places=3)] * 3), min_size=1, max_size=6
    )
)  # fmt: skip
def test_several_services_are_matched_as_their_sums(rows: list[tuple[Decimal, ...]]):
    each = [of_sums(load, clean, min(load, clean, part)) for load, clean, part in rows]

    found = together(each)

    assert found.load_kwh == sum(load for load, _, _ in rows)
    if found.load_kwh:
        assert found.hourly == found.matched_kwh / found.load_kwh
        assert 0 <= found.hourly <= 1


@pytest.mark.django_db
def test_attributes_of_an_hour_for_the_whole_site_are_shared_by_use():
    site = _site(6, 2)
    begin = local_month(2025, 3, site.timezone).start
    lot = operations.add_lot(
        operator_id=site.operator_id, first_day=MARCH, end_day=APRIL, at=LATER, by_id=None,
        kind="onsite", technology="solar", country="DE", plant="Roof", registry_id="roof",
        kwh=Decimal(100),
    )  # fmt: skip
    operations.allocate(
        lot_id=lot.pk, site_id=site.pk, service_id=None, month=MARCH,
        hours={begin: Decimal(4), begin + dt.timedelta(hours=1): Decimal(40)}, at=LATER, by_id=None,
    )  # fmt: skip

    found = _emissions(site)

    matched = sorted(b.matched.matched_kwh for b in found.bought.values())
    assert matched == [Decimal(1 + 2), Decimal(3 + 6)]
    assert found.matched.hourly == Decimal(12) / (8 * 743)


DECEMBER: dict[str, Any] = dict.fromkeys(("first_month", "last_month"), dt.date(2025, 12, 1))


def _closed() -> Site:
    site = _site(8, first=DECEMBER["first_month"], end=YEAR[1])
    # A site counts from its first day on, so one month is all of this year.
    site.started_on = DECEMBER["first_month"]
    site.save()
    _factors(electricity="0.4")
    operations.close_year(operator_id=site.operator_id, year=2025, at=CLOSED, by_id=None)
    return site


@pytest.mark.django_db
def test_a_reported_year_keeps_its_factors():
    site = _closed()
    later = CLOSED + dt.timedelta(days=1)
    _factors(at=later, electricity="0.41")

    frozen, free = _emissions(site, **DECEMBER), _emissions(site, frozen=False, **DECEMBER)

    assert frozen.footprint.factors[0].kg_per_kwh == Decimal("0.4")
    assert free.footprint.factors[0].kg_per_kwh == Decimal("0.41")
    held = queries.reported_year(viewer=_viewer(site), year=2025)
    assert held is not None
    assert held.largest == pytest.approx(Decimal("0.025"))
    assert not held.restatement_due
    with pytest.raises(operations.NotRestated, match="5 %"):
        operations.restate_year(
            operator_id=site.operator_id, year=2025, reason="new", at=later, by_id=None
        )


@pytest.mark.django_db
def test_a_restatement_keeps_both_figures():
    site = _closed()
    later = CLOSED + dt.timedelta(days=1)
    _factors(at=later, electricity="0.5")

    operations.restate_year(
        operator_id=site.operator_id, year=2025, reason="The factor was wrong.", at=later,
        by_id=None,
    )  # fmt: skip

    held = queries.reported_year(viewer=_viewer(site), year=2025)
    assert held is not None
    before, after = (Decimal(r.figures[site.slug]["location_based_kg"]) for r in held.rows)
    assert after / before == pytest.approx(Decimal("1.25"), rel=Decimal("1e-6"))
    assert held.differences == []
    assert _emissions(site, **DECEMBER).footprint.factors[0].kg_per_kwh == Decimal("0.5")
    for change in (
        lambda: ReportingYear.objects.update(figures={}),
        lambda: ReportingYear.objects.all().delete(),
        lambda: ReportingYear.objects.create(
            operator=factories.make_stakeholder(), year=2025, method="1", figures={},
            factor_ids=[], closed_at=later, replaces=held.latest, reason="x",
        ),
    ):  # fmt: skip
        with pytest.raises(IntegrityError), transaction.atomic():
            change()


@pytest.mark.django_db
def test_a_year_is_closed_once_and_not_before_its_end():
    site = _closed()

    with pytest.raises(operations.NotClosed, match="before"):
        operations.close_year(operator_id=site.operator_id, year=2025, at=CLOSED, by_id=None)
    with pytest.raises(operations.NotClosed, match="not over"):
        operations.close_year(operator_id=site.operator_id, year=2026, at=CLOSED, by_id=None)
    other = factories.make_site()
    with pytest.raises(operations.NotClosed, match="enough"):
        operations.close_year(operator_id=other.operator_id, year=2025, at=CLOSED, by_id=None)
    with pytest.raises(operations.NotRestated, match="never"):
        operations.restate_year(
            operator_id=other.operator_id, year=2025, reason="x", at=CLOSED, by_id=None
        )
    assert queries.reported_years(viewer=_viewer(other)) == []


def test_a_figure_that_came_or_went_is_a_change_of_all_of_it():
    held = {"a": {"location_based_kg": "100", "avoided_kg": None}}
    now = {"a": {"location_based_kg": "96.000", "avoided_kg": "-5"}, "b": {"facility_kwh": "1"}}

    found = differences(held, now)

    assert [(d.site, d.figure, d.change) for d in found] == [
        ("a", "avoided_kg", 1), ("b", "facility_kwh", 1),
        ("a", "location_based_kg", Decimal("0.04")),
    ]  # fmt: skip


@pytest.mark.django_db
def test_emissions_cost_the_same_for_many(django_assert_num_queries):
    operator = factories.make_stakeholder()
    for _ in range(6):
        site = factories.make_site(operator=operator)
        make_channel(site=site, boundary=Boundary.FACILITY)
        for _ in range(2):
            make_channel(site=site, boundary=Boundary.TENANT_FEED)
    assert HostingService.objects.count() == 12

    with django_assert_num_queries(12):
        found = queries.site_emissions(
            viewer=Viewer(1, operator.pk, Kind.OPERATOR, Role.ADMIN), **MARCH_ALONE
        )

    assert len(found) == 6
