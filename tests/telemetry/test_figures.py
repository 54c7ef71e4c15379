"""
PUE, ERF and their energies: what counts, when there is no figure, and who sees what.
"""

import datetime as dt
from decimal import Decimal

import pytest

from sites.access import STRANGER, Kind, Role, Viewer
from sites.domain import local_month
from sites.models import Site, Stakeholder
from telemetry import queries
from telemetry.domain.kpi import Reason
from telemetry.models import Channel, Installation, Meter, MeteringPoint
from tests import factories
from tests.factories_telemetry import load, make_channel

pytestmark = pytest.mark.django_db

Boundary = MeteringPoint.Boundary
MARCH, OCTOBER = dt.date(2025, 3, 1), dt.date(2025, 10, 1)


def _viewer(stakeholder: Stakeholder) -> Viewer:
    return Viewer(1, stakeholder.pk, Kind(stakeholder.kind), Role.ADMIN)


def _figures(site: Site, first: dt.date, last: dt.date | None = None) -> queries.SiteFigures:
    return queries.site_figures(
        viewer=_viewer(site.operator), site_ids=[site.pk], first_month=first,
        last_month=last or first,
    )[site.pk]  # fmt: skip


def _measured_site(**kilowatts: float) -> tuple[Site, dict[str, Channel]]:
    site = factories.make_site()
    channels = {}
    for boundary, kw in kilowatts.items():
        channels[boundary] = make_channel(site=site, boundary=Boundary(boundary))
        load(channels[boundary], local_month(2025, 3, site.timezone), kw)
    return site, channels


def test_a_month_of_743_hours_gives_the_figures_of_its_powers():
    site, channels = _measured_site(facility=24, it=20, heat_handoff=12)

    figures = _figures(site, MARCH)

    assert figures.pue.value == Decimal("1.2")
    assert figures.erf.value == Decimal("0.5")
    assert figures.pue.coverage == 1
    assert figures.pue.interim
    assert figures.pue.months == 1
    assert figures.facility is not None
    assert figures.facility.kwh == 24 * 743
    assert figures.heat is not None
    assert figures.heat.kwh == 12 * 743
    assert figures.facility_basis == "facility"
    assert {(i.role, i.channel_id) for i in figures.inputs} == {
        ("facility", channels["facility"].pk),
        ("it", channels["it"].pk),
        ("heat", channels["heat_handoff"].pk),
    }


def test_without_a_facility_meter_it_is_it_and_cooling_and_it_is_the_feeds():
    site, _ = _measured_site(cooling=4)
    for kw in (12, 8):
        feed = make_channel(site=site, boundary=Boundary.TENANT_FEED)
        load(feed, local_month(2025, 3, site.timezone), kw)

    figures = _figures(site, MARCH)

    assert figures.pue.value == Decimal("1.2")
    assert figures.facility_basis == "it_and_cooling"
    assert figures.it_basis == "tenant_feeds"
    assert figures.erf.value is None
    assert figures.erf.reason is Reason.NO_METER


def test_energies_are_added_and_ratios_are_not_averaged():
    site, channels = _measured_site(facility=24, it=20)
    october = local_month(2025, 10, site.timezone)
    load(channels["facility"], october, 3)
    load(channels["it"], october, 2)

    figures = _figures(site, MARCH, OCTOBER)

    # Six months in between have no reading.
    assert figures.pue.value is None
    assert figures.pue.reason is Reason.LOW_COVERAGE
    assert figures.pue.months == 2
    assert figures.pue.numerator_kwh == 24 * 743 + 3 * 745
    assert figures.pue.denominator_kwh == 20 * 743 + 2 * 745


@pytest.mark.parametrize(("hours", "reason"), [(74, None), (75, Reason.LOW_COVERAGE)])
def test_an_hour_counts_when_both_are_measured_and_ninety_percent_have_to(
    hours: int, reason: Reason | None
):
    site = factories.make_site()
    march = local_month(2025, 3, site.timezone)
    facility = make_channel(site=site, boundary=Boundary.FACILITY)
    it = make_channel(site=site, boundary=Boundary.IT)
    middle = march.start + dt.timedelta(hours=40)
    late = march.start + dt.timedelta(hours=hours)
    load(facility, march, 24, gaps=[(march.start, middle)])
    load(it, march, 20, gaps=[(middle, late)])

    figures = _figures(site, MARCH)

    assert figures.pue.coverage == Decimal(743 - hours) / 743
    assert figures.pue.numerator_kwh == 24 * (743 - hours)
    assert figures.pue.reason is reason
    assert figures.pue.value == (None if reason else Decimal("1.2"))
    assert figures.facility is not None
    assert figures.facility.kwh == 24 * (743 - 40)


def test_a_site_that_started_within_the_month_is_complete_from_its_first_day():
    site, _ = _measured_site(facility=24, it=20)
    Site.objects.filter(pk=site.pk).update(started_on=dt.date(2025, 3, 30))

    figures = _figures(Site.objects.get(pk=site.pk), dt.date(2025, 1, 1), MARCH)

    # The 30th has 23 hours.
    assert figures.pue.denominator_kwh == 20 * (23 + 24)
    assert figures.pue.coverage == 1
    assert figures.pue.months == 1
    before = _figures(Site.objects.get(pk=site.pk), dt.date(2025, 1, 1), dt.date(2025, 2, 1))
    assert before.pue.reason is Reason.NOT_STARTED


def test_a_pue_under_one_is_a_fault_of_the_data():
    site, _ = _measured_site(facility=18, it=20)

    assert _figures(site, MARCH).pue.value is None
    assert _figures(site, MARCH).pue.reason is Reason.IMPLAUSIBLE


def test_it_that_used_nothing_has_no_pue():
    site, _ = _measured_site(facility=18, it=0)

    assert _figures(site, MARCH).pue.reason is Reason.ZERO_DENOMINATOR


def test_a_hand_off_that_came_later_does_not_lower_the_coverage_before():
    site, _ = _measured_site(facility=24, it=20, heat_handoff=12)
    came = dt.datetime(2025, 3, 21, 8, tzinfo=dt.UTC)
    second = make_channel(site=site, boundary=Boundary.HEAT_HANDOFF)
    meter = Meter.objects.create(
        operator=site.operator, serial="later", make="test",
        max_power_kw=400,
    )  # fmt: skip
    Installation.objects.create(point=second.point, meter=meter, valid=(came, None))
    march = local_month(2025, 3, site.timezone)
    load(second, march, 6, gaps=[(march.start, came)])

    figures = _figures(site, MARCH)

    assert figures.heat is not None
    assert figures.heat.coverage == 1
    hours_after = (march.end - came) / dt.timedelta(hours=1)
    assert figures.heat.kwh == 12 * 743 + 6 * Decimal(hours_after)


def test_customers_get_ratios_and_strangers_and_neighbours_nothing():
    site, _ = _measured_site(facility=24, it=20)
    service = factories.make_hosting_service(site=site)
    neighbour = factories.make_hosting_service(site=factories.make_site())
    months = {"first_month": MARCH, "last_month": MARCH}

    own = queries.site_figures(viewer=_viewer(service.tenant), site_ids=[site.pk], **months)

    assert own[site.pk].pue.value == Decimal("1.2")
    assert own[site.pk].pue.numerator_kwh is None
    assert own[site.pk].facility is None
    assert own[site.pk].inputs == []
    for viewer in (STRANGER, _viewer(neighbour.tenant), _viewer(factories.make_stakeholder())):
        assert queries.site_figures(viewer=viewer, site_ids=[site.pk], **months) == {}
    assert queries.public_site_figures(site_ids=[site.pk], **months) == {}
    Site.objects.filter(pk=site.pk).update(is_public=True)
    public = queries.public_site_figures(site_ids=[site.pk], **months)
    assert public[site.pk].pue.value == Decimal("1.2")
    assert public[site.pk].pue.numerator_kwh is None


def test_many_sites_cost_what_one_costs(django_assert_num_queries):
    operator = factories.make_stakeholder()
    sites = [factories.make_site(operator=operator) for _ in range(12)]
    for site in sites:
        for boundary in (Boundary.FACILITY, Boundary.IT, Boundary.HEAT_HANDOFF):
            make_channel(site=site, boundary=boundary)
    viewer = _viewer(operator)

    for some in (sites[:1], sites):
        with django_assert_num_queries(5):
            found = queries.site_figures(
                viewer=viewer, site_ids=[site.pk for site in some],
                first_month=dt.date(2025, 1, 1), last_month=dt.date(2025, 12, 1),
            )  # fmt: skip
        assert len(found) == len(some)
        assert all(f.pue.reason is Reason.LOW_COVERAGE for f in found.values())


def _flow(site: Site, first: dt.date, last: dt.date) -> queries.EnergyFlow | None:
    return queries.energy_flow(
        viewer=_viewer(site.operator), site_id=site.pk, first_month=first, last_month=last
    )


def test_the_flow_of_a_site_balances_and_names_who_took_heat():
    site, channels = _measured_site(facility=24, it=20, heat_handoff=12)

    flow = _flow(site, MARCH, MARCH)

    assert flow is not None
    assert flow.facility_kwh == 24 * 743
    assert flow.it_kwh == 20 * 743
    assert flow.own_kwh == 0
    point = channels["heat_handoff"].point
    assert flow.heat == [(point.pk, point.name, Decimal(12 * 743))]
    assert flow.coverage == 1


def test_the_flow_is_of_the_newest_month_with_enough_where_the_year_lacks_hours():
    site, _ = _measured_site(facility=24, it=20, heat_handoff=12)

    flow = _flow(site, dt.date(2025, 2, 1), OCTOBER)

    assert flow is not None
    assert (flow.first_month, flow.last_month) == (MARCH, MARCH)


@pytest.mark.parametrize(
    "kilowatts",
    [
        {"facility": 24, "it": 20},
        {"facility": 20, "it": 24, "heat_handoff": 12},
        {"facility": 24, "it": 20, "heat_handoff": 30},
    ],
    ids=["no heat meter", "servers above all", "more heat than power"],
)
def test_there_is_no_flow_that_cannot_be(kilowatts: dict[str, float]):
    site, _ = _measured_site(**kilowatts)

    assert _flow(site, MARCH, MARCH) is None


def test_the_flow_is_not_for_customers_nor_for_other_operators():
    site, channels = _measured_site(facility=24, it=20, heat_handoff=12)
    building = channels["heat_handoff"].point.delivery_point
    assert building is not None

    for viewer in (_viewer(building.partner), _viewer(factories.make_site().operator), STRANGER):
        flow = queries.energy_flow(
            viewer=viewer, site_id=site.pk, first_month=MARCH, last_month=MARCH
        )
        assert flow is None
