"""
Emissions on the operator's pages: three boxes, a negative result, years reported and restated.
"""

import datetime as dt
import hashlib
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from sites.access import Role
from sites.domain import local_month
from sites.models import Site
from telemetry import operations
from telemetry.documents.methods import VERSIONS, digest_of
from telemetry.domain.statement import METHOD
from telemetry.models import MeteringPoint, ReportingYear
from tests import factories
from tests.factories_hosting import last_month, make_feed, make_metered_site
from tests.factories_telemetry import load, make_channel

METHODS = Path(__file__).parents[2] / "templates" / "methods"


def test_a_method_that_was_used_is_never_edited():
    known = {
        "1.0": "a70309f64644e3673316df13a42065f6d99881fb5251f295e901c1ad70f2dd85",
        "1.1": "961677e147f9b4241c7615f7c312f6c21bd72561fcb4ef5b8eb7b4b5c252a1cb",
    }

    assert {v: digest_of(v) for v in VERSIONS} == known
    assert VERSIONS[-1] == METHOD
    assert digest_of("1.1") == hashlib.sha256((METHODS / "1.1.html").read_bytes()).hexdigest()


def _as(client: Client, site: Site, role: Role = Role.STAFF) -> Client:
    client.force_login(factories.make_user(stakeholder=site.operator, role=role))
    return client


def _factors(site: Site, kg: str, **more: Any) -> None:
    operations.load_emission_factors(
        rows=[
            operations.FactorRow(
                carrier="electricity", region=site.country, valid_from=dt.date(2015, 1, 1),
                valid_to=None, data_year=2024, kg_per_kwh=Decimal(kg), basis="CO2e",
                source="A table", licence="open",
            )
        ],
        at=timezone.now(), **more,
    )  # fmt: skip


def _site() -> Site:
    site = make_metered_site(facility=10)
    make_feed(site, 6)
    make_feed(site, 2)
    return site


@pytest.mark.django_db
def test_a_coal_grid_and_a_biomass_boiler_show_a_loss_on_the_page(client: Client):
    site = _site()
    heat = make_channel(site=site, boundary=MeteringPoint.Boundary.HEAT_HANDOFF)
    load(heat, last_month(site), 4)
    _factors(site, "0.615")
    assert heat.point.delivery_point is not None
    operations.set_counterfactual(
        delivery_point_id=heat.point.delivery_point.pk, first_day=site.started_on,
        at=timezone.now(), by_id=None, fuel="wood chips", fuel_kg_per_kwh=Decimal("0.02"),
        basis="ncv", efficiency=Decimal("0.85"), auxiliary_share=Decimal("0.3"), source="test",
        uncertainties=[Decimal("0.05")],
    )  # fmt: skip

    page = _as(client, site).get(f"/ops/statements/emissions/{site.slug}/").content.decode()

    assert "The heat caused more than it avoided." in page
    # Heat × (0.02 / 0.85 − 0.3 × 0.615), in full: no haircut makes a loss smaller.
    hours = Decimal(last_month(site).hours)
    loss = hours * 4 * (Decimal("0.3") * Decimal("0.615") - Decimal("0.02") / Decimal("0.85"))
    assert f"−{loss:.1f}" in page


@pytest.mark.django_db
def test_the_boxes_stand_side_by_side_and_no_page_adds_them_up(client: Client):
    site = _site()
    _factors(site, "0.4")

    page = _as(client, site).get(f"/ops/statements/emissions/{site.slug}/").content.decode()
    overview = client.get("/ops/statements/emissions/").content.decode()

    for box in ("Footprint", "How the electricity was bought", "What the heat avoided"):
        assert box in page
    assert "the rest by the grid: no residual mix is held" in page
    assert "Location-based" in overview
    assert site.name in overview
    csv = b"".join(client.get(f"/ops/statements/emissions/{site.slug}/?format=csv"))
    assert csv.count(b"\n") == 3
    overall = b"".join(client.get("/ops/statements/emissions/?format=csv"))
    # Neither the noise of a division nor a power of ten.
    assert not re.search(rb"\.\d{10}|E-\d", csv + overall)
    assert client.get("/ops/statements/emissions/?year=1999").status_code == 404
    assert client.get("/ops/statements/emissions/nowhere/").status_code == 404


@pytest.mark.django_db
def test_a_year_is_reported_and_restated_on_its_page(client: Client):
    site = factories.make_site()
    year = timezone.localdate().year - 1
    december = dt.date(year, 12, 1)
    site.started_on = december
    site.save()
    period = local_month(year, 12, site.timezone)
    load(make_channel(site=site, boundary=MeteringPoint.Boundary.FACILITY), period, 10)
    load(make_channel(site=site, boundary=MeteringPoint.Boundary.TENANT_FEED), period, 8)
    _factors(site, "0.4")
    _as(client, site)
    address = f"/ops/statements/years/{year}/"

    assert "is not reported yet" in client.get(address).content.decode()
    client.post(address, {"close": "1"})
    assert "stands as reported" in client.get(address).content.decode()
    client.post(address, {"restate": "1", "reason": "x"})
    assert ReportingYear.objects.count() == 1
    _factors(site, "0.5", operator_id=site.operator_id)
    due = client.get(address).content.decode()
    assert "has to be restated" in due
    assert "25.0%" in due
    assert "This field is required" in client.post(address, {"restate": "1"}).content.decode()
    client.post(address, {"restate": "1", "reason": "Our supplier's factor."})
    done = client.get(address).content.decode()
    assert "stands as reported" in done
    assert "replaced, kept" in done
    viewer = _as(Client(), site, Role.VIEWER)
    assert viewer.post(address, {"close": "1"}).status_code == 404


@pytest.mark.django_db
def test_a_reported_year_costs_the_same_for_many_sites(client: Client, django_assert_num_queries):
    operator, year = factories.make_stakeholder(), timezone.localdate().year - 1

    def add(country: str) -> None:
        site = factories.make_site(operator=operator, country=country)
        period = local_month(year, 12, site.timezone)
        for boundary in (
            MeteringPoint.Boundary.FACILITY, MeteringPoint.Boundary.TENANT_FEED,
            MeteringPoint.Boundary.HEAT_HANDOFF,
        ):  # fmt: skip
            load(make_channel(site=site, boundary=boundary), period, 8)
        site.started_on = dt.date(year, 12, 1)
        site.save()
        _factors(site, "0.4")
        for point in site.delivery_points.all():
            operations.set_counterfactual(
                delivery_point_id=point.pk, first_day=site.started_on, at=timezone.now(),
                by_id=None, fuel="gas", fuel_kg_per_kwh=Decimal("0.2"), basis="ncv",
                efficiency=Decimal("0.9"), uncertainties=[], source="test",
            )  # fmt: skip

    add("DE")
    operations.close_year(operator_id=operator.pk, year=year, at=timezone.now(), by_id=None)
    client.force_login(factories.make_user(stakeholder=operator))
    address = f"/ops/statements/years/{year}/"
    client.get(address)
    with django_assert_num_queries(30):
        client.get(address)
    for country in ("AT", "FR"):
        add(country)

    with django_assert_num_queries(30):
        page = client.get(address).content.decode()

    # Both new sites differ from nothing by all of it, each in four figures; the one that was
    # reported was measured throughout.
    assert page.count("100.0%") == 8 + 1


@pytest.mark.django_db
def test_everybody_reads_how_figures_are_made(client: Client):
    page = client.get("/methods/1.0/").content.decode()

    assert digest_of("1.0") in page
    assert client.get("/methods/9.9/").status_code == 404
