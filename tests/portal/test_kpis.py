"""
Ratios on pages: months, registers, thresholds, and what is declared of the boundary.
"""

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from seeds import reference as shipped
from sites.access import Role
from sites.models import Site
from telemetry import operations
from telemetry.models import MeteringPoint, MonthFigures, SiteBoundary
from tests import factories
from tests.factories_hosting import last_month, make_feed, make_metered_site
from tests.factories_telemetry import load, make_channel

pytestmark = pytest.mark.django_db


def _site() -> Site:
    site = make_metered_site(facility=12, it=10)
    make_feed(site, 8)
    heat = make_channel(site=site, boundary=MeteringPoint.Boundary.HEAT_HANDOFF)
    load(heat, last_month(site), 3)
    return site


def _as(client: Client, site: Site, role: Role = Role.STAFF) -> Client:
    client.force_login(factories.make_user(stakeholder=site.operator, role=role))
    return client


def test_a_site_shows_its_months_with_their_registers(client: Client):
    site = _site()
    page = _as(client, site).get(f"/ops/statements/ratios/{site.slug}/")
    text = page.content.decode()

    months = page.context["months"]
    assert [cells[0]["text"] for _, cells in months] == ["1.20"]
    assert [cells[2]["text"] for _, cells in months] == ["0.250"]
    assert "Interim: under 12 months" in text
    assert "The category of the PUE is not declared." in text
    point = page.context["kpis"].figures.inputs[0].point_id
    assert f"/ops/points/{point}/readings/" in text
    csv = b"".join(client.get(f"/ops/statements/ratios/{site.slug}/?format=csv"))
    assert csv.count(b"\n") == 8


def test_thresholds_of_the_law_and_drafts_only_when_asked(client: Client):
    shipped.load_kpi_rules(at=timezone.now())
    site = _site()
    address = f"/ops/statements/ratios/{site.slug}/"

    law = _as(client, site).get(address).content.decode()
    drafts = client.get(address + "?drafts=1").content.decode()

    assert "at most 1.2" in law
    assert "at most 1.3" not in law
    assert "at most 1.3" in drafts
    assert "Draft, not law" in drafts


def test_a_boundary_is_declared_and_the_one_before_is_kept(client: Client):
    site = _site()
    address = f"/ops/statements/ratios/{site.slug}/"
    form = {"valid_from": "2026-01-01", "it_category": "2", "heat_pump": "outside", "note": ""}
    _as(client, site)

    wrong = client.post(address, form | {"valid_from": "soon"})
    client.post(address, form)
    client.post(address, form | {"it_category": "1"})

    assert "There is a problem" in wrong.content.decode()
    page = client.get(address).content.decode()
    assert "Category 1: output of the UPS" in page
    assert "Outside: its electricity is not" in page
    assert SiteBoundary.objects.filter(superseded_at__isnull=False).count() == 1
    assert _as(Client(), site, Role.VIEWER).post(address, form).status_code == 404


def test_figures_of_a_month_are_kept_once_and_superseded_by_a_correction():
    site = _site()
    period = last_month(site)
    month = (period.start + (period.end - period.start) / 2).date().replace(day=1)
    given: dict[str, Any] = {"site_id": site.pk, "month": month, "at": timezone.now()}

    assert operations.keep_ratios(**given)
    assert not operations.keep_ratios(**given)
    assert operations.keep_emissions(**given)
    load(make_channel(site=site, boundary=MeteringPoint.Boundary.FACILITY), period, 1)
    assert operations.keep_ratios(**given)

    rows = MonthFigures.objects.filter(kind="ratios").order_by("pk")
    assert [row.content["pue"]["value"] for row in rows] == ["1.200000", "1.300000"]
    assert [row.superseded_at is None for row in rows] == [False, True]


def test_the_list_of_ratios_has_a_row_a_site(client: Client):
    site = _site()

    page = _as(client, site, Role.VIEWER).get("/ops/statements/ratios/").content.decode()

    assert f"/ops/statements/ratios/{site.slug}/" in page
    assert "PUE of all sites: 1.20" in page
