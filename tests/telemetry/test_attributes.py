"""
Energy attributes and claims: nothing is used or claimed twice, also by many at once.
"""

import datetime as dt
import threading
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sites.access import Kind, Role, Viewer
from sites.domain import local_month
from sites.models import HostingService, Site
from telemetry import operations, queries
from telemetry.models import (
    AttributeAllocation,
    AttributeLot,
    Claim,
    EmissionFactor,
    MeteringPoint,
)
from tests import factories
from tests.factories_telemetry import LATER, load, make_channel

MARCH, APRIL = dt.date(2025, 3, 1), dt.date(2025, 4, 1)
Boundary = MeteringPoint.Boundary
CANCELLED: dict[str, Any] = {
    "cancelled_on": APRIL,
    "proof_reference": "AIB 1",
    "at": LATER,
    "by_id": None,
}


def _lot(site: Site, kwh: int = 1000, *, cancelled: bool = True, number: str = "1-1000") -> int:
    lot = operations.add_lot(
        operator_id=site.operator_id, first_day=MARCH, end_day=dt.date(2025, 5, 1), at=LATER,
        by_id=None, kind="go", technology="wind", country="DE", plant="Nordermeldorf",
        registry="HKNR", registry_id=f"{site.pk} {number}", kwh=Decimal(kwh),
    )  # fmt: skip
    if cancelled:
        operations.cancel_lot(lot_id=lot.pk, **CANCELLED)
    return lot.pk


def _use(lot_id: int, site: Site, kwh: int, **more: Any) -> None:
    given: dict[str, Any] = {"service_id": None, "month": MARCH, **more}
    operations.allocate(
        lot_id=lot_id, site_id=site.pk, kwh=Decimal(kwh), at=LATER, by_id=None, **given
    )


def _viewer(site: Site) -> Viewer:
    return Viewer(1, site.operator_id, Kind.OPERATOR, Role.ADMIN)


def _used(site: Site, lot: int) -> Decimal:
    found: Any = queries.lots(viewer=_viewer(site)).get(pk=lot)
    return Decimal(found.used_kwh)


@pytest.mark.django_db
def test_a_lot_is_used_once():
    site = factories.make_site()
    lot = _lot(site)

    _use(lot, site, 700)
    with pytest.raises(operations.NotAllocated, match=r"has 300\.000 kWh left") as refused:
        _use(lot, site, 301)
    _use(lot, site, 300)

    assert refused.value.constraint == "a_lot_is_used_once"
    assert _used(site, lot) == 1000
    first = AttributeAllocation.objects.earliest("pk")
    operations.end_allocation(allocation_id=first.pk, at=LATER, by_id=None)
    _use(lot, site, 700, month=APRIL)


@pytest.mark.django_db
def test_what_stands_against_an_allocation_is_named():
    site, other = factories.make_site(), factories.make_site()
    lot, waiting = _lot(site), _lot(site, cancelled=False, number="2")

    for rule, use in {
        "only_cancelled_lots_are_allocated": lambda: _use(waiting, site, 1),
        "a_lot_counts_in_its_own_months": lambda: _use(lot, site, 1, month=dt.date(2025, 6, 1)),
        "a_lot_is_used_by_its_owner": lambda: _use(lot, other, 1),
        "an_allocation_names_a_service_of_its_site": lambda: _use(
            lot, site, 1, service_id=factories.make_hosting_service(site=other).pk
        ),
    }.items():
        with pytest.raises(operations.NotAllocated) as refused:
            use()
        assert refused.value.constraint == rule
    with pytest.raises(operations.NotAllocated):
        _lot(site)


@pytest.mark.django_db
def test_lots_and_allocations_are_never_edited():
    site = factories.make_site()
    lot = _lot(site)
    _use(lot, site, 5)
    factor = EmissionFactor.objects.create(
        carrier="electricity", region="DE", valid=(MARCH, APRIL), data_year=2025,
        kg_per_kwh=1, basis="x", source="x", licence="x",
    )  # fmt: skip

    for change in (
        lambda: AttributeLot.objects.update(kwh=2000),
        lambda: AttributeLot.objects.update(cancelled_on=MARCH),
        lambda: AttributeAllocation.objects.update(kwh=1),
        lambda: AttributeAllocation.objects.all().delete(),
        lambda: EmissionFactor.objects.filter(pk=factor.pk).update(kg_per_kwh=2),
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            change()


@pytest.mark.django_db
def test_displaced_heat_is_claimed_once():
    site = factories.make_site()
    partner = factories.make_delivery_point(site=site).partner
    tenant = factories.make_hosting_service(site=site).tenant

    def say(share: str, role: str = "partner", claimant: int = partner.pk) -> Claim:
        return operations.claim(
            site_id=site.pk, month=MARCH, lot_id=None, claimant_id=claimant, role=role,
            share=Decimal(share), at=LATER, by_id=None,
        )  # fmt: skip

    first = say("0.6")
    say("0.3", "operator", site.operator_id)
    with pytest.raises(operations.NotAllocated, match=r"a share of 0.1\d* is left"):
        say("0.2")
    with pytest.raises(operations.NotAllocated) as refused:
        say("0.1", "tenant", tenant.pk)
    assert refused.value.constraint == "tenants_claim_no_displaced_heat"
    operations.end_claim(claim_id=first.pk, at=LATER, by_id=None)
    say("0.7")
    own = Viewer(1, partner.pk, Kind.PARTNER, Role.VIEWER)
    assert queries.claims(viewer=own).filter(ended_at__isnull=True).count() == 1
    assert queries.claims(viewer=_viewer(factories.make_site())).count() == 0


@pytest.mark.django_db(transaction=True)
def test_many_who_claim_at_once_never_exceed_the_whole():
    site = factories.make_site()
    lot = _lot(site)
    claimants = [factories.make_delivery_point(site=site).partner_id for _ in range(8)]
    start = threading.Barrier(16)

    def one(n: int) -> None:
        start.wait()
        try:
            if n % 2:
                _use(lot, site, 300)
            else:
                operations.claim(
                    site_id=site.pk, month=MARCH, lot_id=None, claimant_id=claimants[n // 2],
                    role="partner", share=Decimal("0.3"), at=LATER, by_id=None,
                )  # fmt: skip
        except operations.NotAllocated:
            pass
        finally:
            connection.close()

    threads = [threading.Thread(target=one, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert AttributeAllocation.objects.count() == 3
    assert Claim.objects.count() == 3


@pytest.mark.django_db
@given(st.lists(st.integers(min_value=1, max_value=600), min_size=1, max_size=8))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_is_tried_a_lot_never_gives_more_than_it_has(wanted: list[int]):
    site = factories.make_site()
    lot = _lot(site)
    fits = 0
    for kwh in wanted:
        try:
            _use(lot, site, kwh)
            fits += kwh
        except operations.NotAllocated:
            assert fits + kwh > 1000

    assert _used(site, lot) == fits <= 1000


def _hosted() -> tuple[Site, HostingService, HostingService]:
    site = factories.make_site()
    march = local_month(2025, 3, site.timezone)
    load(make_channel(site=site, boundary=Boundary.FACILITY), march, 10)
    services = []
    for kw in (6, 2):
        feed = make_channel(site=site, boundary=Boundary.TENANT_FEED)
        load(feed, march, kw)
        assert feed.point.hosting_service is not None
        services.append(feed.point.hosting_service)
    operations.load_emission_factors(
        rows=[
            operations.FactorRow(
                carrier=carrier, region="DE", valid_from=dt.date(2025, 1, 1),
                valid_to=dt.date(2026, 1, 1), data_year=2024, kg_per_kwh=Decimal(kg),
                basis="test", source="test", licence="test",
            )
            for carrier, kg in (("electricity", "0.4"), ("electricity_residual", "0.7"))
        ],
        at=LATER,
    )  # fmt: skip
    return site, services[0], services[1]


def _bought(service: HostingService) -> queries.Purchase:
    viewer = Viewer(stakeholder_id=service.tenant_id, kind=Kind.TENANT)
    (footprint,) = queries.tenant_footprint(
        viewer=viewer, first_month=MARCH, last_month=MARCH, service_ids=[service.pk]
    )
    found = queries.purchases(
        footprints=[footprint], sites=[service.site], first_month=MARCH, last_month=MARCH
    ).get(service.pk)
    assert found is not None
    return found


@pytest.mark.django_db
def test_what_is_bought_covers_the_month_and_the_rest_has_the_residual_mix():
    site, mine, other = _hosted()
    lot = _lot(site, 100_000)
    _use(lot, site, 3000, service_id=mine.pk)
    # For the whole site: shared as the site's energy is, three quarters to one quarter.
    _use(lot, site, 400)

    bought, others = _bought(mine), _bought(other)

    used = Decimal(10 * 743) * 3 / 4
    assert bought.used_kwh == used
    assert bought.covered_kwh == 3300
    assert bought.kg == ((used - 3300) * Decimal("0.7")).quantize(Decimal("0.001"))
    assert bought.rest == "residual"
    assert others.covered_kwh == 100
    # Allocated to the month as a whole: nothing is known of the hours.
    assert bought.matched.matched_kwh == 0


@pytest.mark.django_db
def test_more_than_was_used_covers_no_more():
    site, mine, _ = _hosted()
    _use(_lot(site, 100_000), site, 90_000, service_id=mine.pk)

    bought = _bought(mine)

    assert bought.share == 1
    assert bought.kg == 0


@pytest.mark.django_db
def test_without_a_residual_mix_the_rest_has_the_mean_of_the_grid_and_that_is_said():
    _, mine, _ = _hosted()
    EmissionFactor.objects.filter(carrier="electricity_residual").update(superseded_at=LATER)

    bought = _bought(mine)

    assert bought.rest == "grid"
    assert bought.kg == (bought.used_kwh * Decimal("0.4")).quantize(Decimal("0.001"))
    assert bought.lots == ()


@pytest.mark.django_db
def test_an_hour_is_matched_by_what_was_produced_in_it():
    site, mine, _ = _hosted()
    begin = local_month(2025, 3, site.timezone).start
    hours = {begin + dt.timedelta(hours=n): Decimal(12 if n < 100 else 0) for n in range(743)}
    operations.allocate(
        lot_id=_lot(site, 100_000), site_id=site.pk, service_id=mine.pk, month=MARCH, hours=hours,
        at=LATER, by_id=None,
    )  # fmt: skip

    bought = _bought(mine)

    assert bought.matched.matched_kwh == 100 * 6
    assert bought.matched.hourly == Decimal(100) / Decimal(743)
    assert bought.matched.annual == Decimal(1200) / Decimal(6 * 743)
    assert bought.covered_kwh == 1200


@pytest.mark.django_db
def test_a_coal_grid_and_a_biomass_boiler_make_it_worse_and_that_is_shown():
    site = factories.make_site()
    heat = make_channel(site=site, boundary=Boundary.HEAT_HANDOFF)
    load(heat, local_month(2025, 3, site.timezone), 10)
    operations.load_emission_factors(
        rows=[
            operations.FactorRow(
                carrier="electricity", region="DE", valid_from=MARCH, valid_to=APRIL,
                data_year=2024, kg_per_kwh=Decimal("0.615"), basis="x", source="x", licence="x",
            )
        ],
        at=LATER,
    )  # fmt: skip
    assert heat.point.delivery_point is not None
    operations.set_counterfactual(
        delivery_point_id=heat.point.delivery_point.pk, first_day=MARCH, at=LATER, by_id=None,
        fuel="wood chips", fuel_kg_per_kwh=Decimal("0.02"), basis="ncv",
        efficiency=Decimal("0.85"), auxiliary_share=Decimal("0.3"), source="test",
        uncertainties=[Decimal("0.05")],
    )  # fmt: skip

    (found,) = queries.displaced(
        viewer=_viewer(site), site_id=site.pk, first_month=MARCH, last_month=MARCH
    )

    assert found.avoided is not None
    assert found.avoided.net_kg < 0
    # No haircut makes a loss smaller.
    assert found.avoided.claim_kg == found.avoided.net_kg
    neighbour = factories.make_delivery_point(site=site).partner
    seen = queries.displaced(
        viewer=Viewer(1, neighbour.pk, Kind.PARTNER, Role.VIEWER), site_id=site.pk,
        first_month=MARCH, last_month=MARCH,
    )  # fmt: skip
    assert [d.delivery_point.partner_id for d in seen] == [neighbour.pk]


@pytest.mark.django_db
def test_a_new_counterfactual_ends_the_old_one_on_its_day():
    site = factories.make_site()
    point = factories.make_delivery_point(site=site)
    common: dict[str, Any] = {
        "delivery_point_id": point.pk, "at": LATER, "by_id": None, "fuel_kg_per_kwh": Decimal(1),
        "basis": "ncv", "efficiency": Decimal(1), "source": "test",
    }  # fmt: skip
    operations.set_counterfactual(first_day=dt.date(2024, 1, 1), fuel="oil", **common)
    operations.set_counterfactual(first_day=APRIL, fuel="gas", **common)

    held = [
        (c.fuel, c.valid.lower, c.valid.upper)
        for c in queries.counterfactuals(viewer=_viewer(site))
    ]

    assert held == [("oil", dt.date(2024, 1, 1), APRIL), ("gas", APRIL, None)]


@pytest.mark.django_db
def test_a_bundle_bills_what_is_held_for_the_service():
    site, mine, other = _hosted()
    lot = _lot(site, 100_000)
    _use(lot, site, 3000, service_id=mine.pk)
    _use(lot, site, 500, service_id=other.pk)
    _use(lot, site, 700)

    held = queries.held_for_service(service_id=mine.pk, first=MARCH, end=APRIL)
    half = queries.held_for_service(service_id=mine.pk, first=MARCH, end=dt.date(2025, 3, 16))

    assert held == 3000
    assert half == Decimal(3000) * 15 / 31
