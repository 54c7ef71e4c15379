"""
Charts and the figures of this moment, for those who may see them.
"""

import datetime as dt
import itertools
from decimal import Decimal

import pytest

from sites.access import STRANGER, Kind, Role, Viewer
from sites.domain import Period, local_month
from sites.models import Site, Stakeholder
from telemetry import queries
from telemetry.models import Channel, MeteringPoint
from tests import factories
from tests.factories_telemetry import add_channel, load, make_channel, make_heat_channel, send

pytestmark = pytest.mark.django_db

Boundary, Quantity = MeteringPoint.Boundary, Channel.Quantity
NOW = dt.datetime(2025, 6, 3, 10, 20, tzinfo=dt.UTC)
MONTHS = {"first_month": dt.date(2025, 2, 1), "last_month": dt.date(2025, 4, 1)}


def _viewer(stakeholder: Stakeholder) -> Viewer:
    return Viewer(1, stakeholder.pk, Kind(stakeholder.kind), Role.VIEWER)


def _state(site: Site, viewer: Viewer | None = None) -> queries.SiteState:
    return queries.site_states(viewer=viewer or _viewer(site.operator), now=NOW)[site.pk]


def test_every_month_is_there_and_a_gap_is_not_a_zero():
    site = factories.make_site()
    it = make_channel(site=site, boundary=Boundary.IT)
    load(it, local_month(2025, 3, site.timezone), 10)

    found = queries.monthly_energy(viewer=_viewer(site.operator), point_ids=[it.point_id], **MONTHS)

    assert [m.month.month for m in found[it.point_id]] == [2, 3, 4]
    assert [m.kwh for m in found[it.point_id]] == [None, 7430, None]
    assert [m.coverage for m in found[it.point_id]] == [0, 1, 0]
    assert [m.quality for m in found[it.point_id]] == ["missing", "actual", "missing"]
    stranger = queries.monthly_energy(viewer=STRANGER, point_ids=[it.point_id], **MONTHS)
    assert stranger == {}


def test_a_boundary_is_the_sum_of_its_points_and_says_what_is_missing():
    site = factories.make_site()
    for kw, month in ((10, 3), (5, 3), (5, 4)):
        feed = make_channel(site=site, boundary=Boundary.TENANT_FEED)
        load(feed, local_month(2025, month, site.timezone), kw)

    found = queries.boundary_energy(
        viewer=_viewer(site.operator), site_ids=[site.pk], boundary=Boundary.TENANT_FEED, **MONTHS
    )

    assert [m.kwh for m in found] == [None, 15 * 743, 5 * 720]
    assert [m.quality for m in found] == ["missing"] * 3
    assert [round(m.coverage, 9) for m in found] == [
        0,
        Decimal("0.666666667"),
        Decimal("0.333333333"),
    ]
    service = feed.point.hosting_service
    assert service is not None
    own = queries.boundary_energy(
        viewer=_viewer(service.tenant), site_ids=[site.pk], boundary=Boundary.TENANT_FEED, **MONTHS
    )
    assert [m.kwh for m in own] == [None, None, 5 * 720]
    assert own[2].quality == "actual"


@pytest.mark.parametrize(
    ("grain", "count", "hours"), [("hour", 743, 1), ("day", 31, 23), ("month", 1, 743)]
)
def test_a_series_fills_its_gaps_and_lives_with_clock_changes(grain: str, count: int, hours: int):
    site = factories.make_site()
    march = local_month(2025, 3, site.timezone)
    it = make_channel(site=site, boundary=Boundary.IT)
    tenth = march.start + dt.timedelta(days=9)
    load(it, march, 10, gaps=[(tenth, tenth + dt.timedelta(days=1))])

    series = queries.energy_series(
        viewer=_viewer(site.operator), channel_id=it.pk, grain=grain, period=march
    )

    assert len(series) == count
    assert series[0].start_at == march.start
    assert series[-1].end_at == march.end
    assert all(a.end_at == b.start_at for a, b in itertools.pairwise(series))
    assert min((p.end_at - p.start_at) / dt.timedelta(hours=1) for p in series) == hours
    missing = [p for p in series if p.kwh is None]
    assert len(missing) == {"hour": 24, "day": 1, "month": 0}[grain]
    assert sum(p.kwh or 0 for p in series) == 10 * (743 - 24)
    assert not queries.energy_series(viewer=STRANGER, channel_id=it.pk, grain=grain, period=march)


def test_hours_begin_with_the_sites_own_hour():
    site = factories.make_site(timezone="Asia/Kolkata")
    it = make_channel(site=site, boundary=Boundary.IT)
    start = dt.datetime(2025, 3, 1, 18, 30, tzinfo=dt.UTC)
    send(it, [(start, 7)])

    series = queries.energy_series(
        viewer=_viewer(site.operator), channel_id=it.pk, grain="hour",
        period=Period(start - dt.timedelta(minutes=30), start + dt.timedelta(hours=2)),
    )  # fmt: skip

    assert [p.kwh for p in series] == [7, None]
    assert series[0].start_at == start


def test_last_values_are_the_newest_and_never_stale():
    site = factories.make_site()
    heat = make_heat_channel(site=site)
    supply = add_channel(point=heat.point, quantity=Quantity.SUPPLY)
    back = add_channel(point=heat.point, quantity=Quantity.RETURN)
    minutes = dt.timedelta(minutes=1)
    send(supply, [(NOW - 30 * minutes, 60), (NOW - 20 * minutes, 61), (NOW + minutes, 99)])
    send(back, [(NOW - dt.timedelta(days=3), 40)])

    found = queries.last_values(viewer=_viewer(site.operator), point_ids=[heat.point_id], now=NOW)

    assert list(found) == [heat.point_id]
    assert found[heat.point_id] == {
        "supply": queries.LastValue(NOW - 20 * minutes, Decimal(61), "")
    }
    assert queries.last_values(viewer=STRANGER, point_ids=[heat.point_id], now=NOW) == {}


def test_what_a_site_does_now():
    operator = factories.make_stakeholder()
    sites = [factories.make_site(operator=operator) for _ in range(4)]
    delivering, idle, silent, planned = sites
    Site.objects.filter(pk=planned.pk).update(started_on=dt.date(2025, 6, 4))
    hours = [NOW.replace(minute=0) - dt.timedelta(hours=n) for n in (3, 2, 1, 0)]
    heat = make_heat_channel(site=delivering)
    send(heat, [(at, 100 + 20 * n) for n, at in enumerate(hours)])
    send(add_channel(point=heat.point, quantity=Quantity.SUPPLY), [(NOW, 58)])
    send(make_heat_channel(site=idle), [(at, 100) for at in hours])
    long_ago = dt.datetime(2024, 11, 5, 9, tzinfo=dt.UTC)
    send(make_heat_channel(site=silent), [(long_ago - dt.timedelta(hours=2), 5), (long_ago, 6)])

    states = queries.site_states(viewer=_viewer(operator), now=NOW)

    assert [states[site.pk].state for site in sites] == [
        "delivering", "idle", "no_data", "not_started",
    ]  # fmt: skip
    now = states[delivering.pk]
    assert now.heat_kw == 20
    assert now.heat_hour == hours[2]
    assert now.last_reading_at == NOW
    assert now.supply_c == 58
    assert not now.heat_partial
    assert states[idle.pk].heat_kw == 0
    assert states[silent.pk].heat_kw is None
    assert states[silent.pk].last_reading_at == long_ago


def test_one_silent_hand_off_of_two_is_said():
    site = factories.make_site()
    hours = [NOW.replace(minute=0) - dt.timedelta(hours=n) for n in (1, 0)]
    spoken = make_heat_channel(site=site, code="one")
    send(spoken, [(at, 100 + 20 * n) for n, at in enumerate(hours)])
    make_heat_channel(site=site, code="two")

    assert _state(site).heat_kw == 20
    assert _state(site).heat_partial
    point = spoken.point.delivery_point
    assert point is not None
    partner = _state(site, _viewer(point.partner))
    assert partner.heat_kw == 20
    assert not partner.heat_partial
    stranger = queries.site_states(viewer=_viewer(factories.make_stakeholder()), now=NOW)
    assert stranger == {}


def test_states_of_many_sites_cost_what_one_costs(django_assert_num_queries):
    operator = factories.make_stakeholder()
    sites = [factories.make_site(operator=operator) for _ in range(10)]
    for site in sites:
        make_heat_channel(site=site)

    for some in (sites[:1], sites):
        with django_assert_num_queries(3):
            found = queries.site_states(
                viewer=_viewer(operator), now=NOW, site_ids=[site.pk for site in some]
            )
        assert len(found) == len(some)
