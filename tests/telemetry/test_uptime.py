"""
Heartbeats into uptime: unknown is not down, and nothing counts before a site was in service.
"""

import datetime as dt
from decimal import Decimal

import pytest

from sites.access import STRANGER, Kind, Role, Viewer
from sites.domain import Period, local_days
from sites.models import Site, Stakeholder
from telemetry import queries
from telemetry.domain import availability
from telemetry.domain.kpi import Reason
from telemetry.models import Channel, MeteringPoint, Rollup
from tests import factories
from tests.factories_telemetry import load, make_channel, send

pytestmark = pytest.mark.django_db

Boundary = MeteringPoint.Boundary
NOW = dt.datetime(2025, 4, 2, 10, 20, tzinfo=dt.UTC)
FIRST, END = dt.date(2025, 3, 29), dt.date(2025, 4, 1)


def _viewer(stakeholder: Stakeholder) -> Viewer:
    return Viewer(1, stakeholder.pk, Kind(stakeholder.kind), Role.ADMIN)


def _heartbeat(site: Site, boundary: Boundary = Boundary.FACILITY) -> Channel:
    return make_channel(
        site=site, boundary=boundary, quantity=Channel.Quantity.HEARTBEAT, interval_s=300
    )


def _uptime(site: Site, viewer: Viewer | None = None) -> queries.SubjectUptime:
    return queries.availability(
        viewer=viewer or _viewer(site.operator), site_ids=[site.pk], first=FIRST, end=END, now=NOW
    )[site.pk]


def test_an_hour_down_and_an_hour_unheard_of_are_told_apart():
    site = factories.make_site()
    beat = _heartbeat(site)
    period = local_days(FIRST, END, site.timezone)
    down = (period.start + dt.timedelta(hours=5), period.start + dt.timedelta(hours=6))
    silent = (period.start + dt.timedelta(hours=30), period.start + dt.timedelta(hours=31))
    load(beat, period, 1, gaps=[down, silent])
    load(beat, Period(*down), 0)

    uptime = _uptime(site)

    # Three days, of which the 30th has 23 hours.
    assert uptime.up_s == (71 - 2) * 3600
    assert uptime.down_s == 3600
    assert uptime.unknown_s == 3600
    assert uptime.share == Decimal(69) / 70
    assert uptime.coverage == Decimal(70) / 71
    assert uptime.boundary == "facility"
    beats = [
        (period.start + n * dt.timedelta(seconds=300), not down[0] <= at < down[1])
        for n in range(71 * 12)
        if not silent[0] <= (at := period.start + n * dt.timedelta(seconds=300)) < silent[1]
    ]
    pure = availability.uptime_of(
        beats, interval_s=300, start=period.start, end=period.end, service_start=period.start
    )
    assert (pure.up_s, pure.down_s, pure.unknown_s) == (uptime.up_s, uptime.down_s, 3600)


def test_days_before_start_are_before_start_and_the_clock_change_is_a_short_day():
    site = factories.make_site()
    Site.objects.filter(pk=site.pk).update(started_on=dt.date(2025, 3, 29))
    load(_heartbeat(site), local_days(FIRST, dt.date(2025, 4, 3), site.timezone), 1)

    strip = queries.uptime_days(viewer=_viewer(site.operator), site_id=site.pk, now=NOW)

    assert len(strip) == 90
    days = {day.day: day for day in strip}
    assert all(day.before_start == (day.day < FIRST) for day in strip)
    assert days[dt.date(2025, 3, 28)].share is None
    assert days[dt.date(2025, 3, 28)].reason is Reason.NOT_STARTED
    assert days[dt.date(2025, 3, 30)].up_s == 23 * 3600
    assert days[dt.date(2025, 3, 30)].unknown_s == 0
    assert days[dt.date(2025, 3, 31)].up_s == 24 * 3600
    assert strip[-1].day == dt.date(2025, 4, 2)
    assert strip[-1].unknown_s == 0
    uptime = _uptime(Site.objects.get(pk=site.pk))
    assert uptime.before_start_s == 0
    assert uptime.share == 1


def test_the_long_day_of_autumn_has_twenty_five_hours():
    site = factories.make_site()
    day = local_days(dt.date(2025, 10, 26), dt.date(2025, 10, 27), site.timezone)
    load(_heartbeat(site), day, 1)

    strip = queries.uptime_days(viewer=_viewer(site.operator), site_id=site.pk, now=day.end, days=2)

    assert [d.up_s for d in strip] == [25 * 3600, 0]
    assert [d.unknown_s for d in strip] == [0, 0]


def test_a_site_without_heartbeats_has_no_figure():
    site = factories.make_site()

    uptime = _uptime(site)

    assert uptime.share is None
    assert uptime.reason is Reason.LOW_COVERAGE
    assert uptime.coverage == 0
    assert uptime.unknown_s == 71 * 3600
    assert uptime.boundary is None


def test_a_tenant_sees_its_own_heartbeats_and_no_neighbours():
    site = factories.make_site()
    own = _heartbeat(site, Boundary.TENANT_FEED)
    neighbours = _heartbeat(site, Boundary.TENANT_FEED)
    period = local_days(FIRST, END, site.timezone)
    load(own, period, 1)
    load(neighbours, period, 0)
    service, other = own.point.hosting_service, neighbours.point.hosting_service
    assert service is not None
    assert other is not None
    tenant = _viewer(service.tenant)

    assert _uptime(site, tenant).share == 1
    assert _uptime(site, tenant).boundary == "tenant_feed"
    assert _uptime(site).share == Decimal("0.5")
    found = queries.service_availability(
        viewer=tenant, service_ids=[service.pk, other.pk], first=FIRST, end=END, now=NOW
    )
    assert list(found) == [service.pk]
    assert found[service.pk].share == 1
    for viewer in (STRANGER, _viewer(factories.make_stakeholder())):
        assert queries.uptime_days(viewer=viewer, site_id=site.pk, now=NOW) == []
        none = queries.availability(
            viewer=viewer, site_ids=[site.pk], first=FIRST, end=END, now=NOW
        )
        assert none == {}


def test_many_sites_cost_what_one_costs(django_assert_num_queries):
    operator = factories.make_stakeholder()
    sites = [factories.make_site(operator=operator) for _ in range(12)]
    for site in sites:
        _heartbeat(site)

    for some in (sites[:1], sites):
        with django_assert_num_queries(5):
            found = queries.availability(
                viewer=_viewer(operator), site_ids=[s.pk for s in some], first=FIRST, end=END,
                now=NOW,
            )  # fmt: skip
        assert len(found) == len(some)


def test_beats_off_the_second_leave_nothing_unknown_and_a_missed_one_does():
    site = factories.make_site()
    beat = _heartbeat(site)
    start = dt.datetime(2025, 3, 29, 10, tzinfo=dt.UTC)
    offsets = [0, 303, 598, 905, 1200, 1501, 1799, 2100, 2401, 3000, 3302, 3600]
    send(beat, [(start + dt.timedelta(seconds=s), 1) for s in offsets])

    hour = Rollup.objects.get(channel=beat, grain="hour", start_at=start)

    # Between 2401 and 3000 one beat is missing: it speaks for 300 of 599 seconds.
    assert hour.coverage == (Decimal(3600 - 299) / 3600).quantize(Decimal("1E-6"))
    assert hour.mean == 1
    assert hour.samples == 11


def test_a_mean_that_reaches_over_the_hour_is_cut_there():
    site = factories.make_site()
    power = make_channel(site=site, boundary=Boundary.IT, interval_s=1800)
    start = dt.datetime(2025, 3, 29, 10, 15, tzinfo=dt.UTC)
    send(power, [(start + n * dt.timedelta(minutes=30), kw) for n, kw in enumerate((10, 20, 40))])

    hours = Rollup.objects.filter(channel=power, grain="hour").order_by("start_at")

    assert [h.energy_kwh for h in hours] == [10, 25]
    assert [h.coverage for h in hours] == [Decimal("0.75"), Decimal("0.75")]
    day = Rollup.objects.get(channel=power, grain="day")
    assert day.energy_kwh == 35
    assert day.mean == round(Decimal(35) / Decimal("1.5"), 9)
    assert day.coverage == Decimal("0.0625")


def test_late_beats_give_what_timely_ones_would_have_given():
    site = factories.make_site()
    timely, late = _heartbeat(site), _heartbeat(site, Boundary.IT)
    start = dt.datetime(2025, 3, 29, 9, 58, tzinfo=dt.UTC)
    beats = [(start + n * dt.timedelta(seconds=300), n % 7 != 0) for n in range(60) if n % 11]
    send(timely, [(at, int(up)) for at, up in beats])
    send(late, [(at, int(up)) for at, up in beats[::2]])
    send(late, [(at, int(up)) for at, up in beats[1::2]])

    rows = [
        list(
            Rollup.objects.filter(channel=channel).order_by("grain", "start_at").values_list(
                "grain", "start_at", "mean", "coverage", "samples", "quality"
            )
        )
        for channel in (timely, late)
    ]  # fmt: skip
    assert rows[0] == rows[1]


def test_a_gauge_is_the_mean_of_what_was_read():
    site = factories.make_site()
    supply = make_channel(
        site=site, boundary=Boundary.HEAT_HANDOFF, quantity=Channel.Quantity.SUPPLY,
        interval_s=None,
    )  # fmt: skip
    start = dt.datetime(2025, 3, 29, 10, 10, tzinfo=dt.UTC)
    send(supply, [(start, 50), (start + dt.timedelta(minutes=20), 60)])

    hour = Rollup.objects.get(channel=supply, grain="hour")

    assert hour.mean == 55
    assert hour.minimum == 50
    assert hour.maximum == 60
    assert hour.energy_kwh is None


def test_the_worked_example_of_a_month_with_maintenance():
    # April: 120 minutes announced work, 50 down of which 20 within it, 90 unknown.
    figures = availability.figures(
        total_s=43_200 * 60, planned_s=120 * 60, down_s=30 * 60, unknown_s=90 * 60
    )

    assert figures.known is not None
    assert round(figures.known, 10) == Decimal("0.9993021633")
    assert figures.pessimistic is not None
    assert round(figures.pessimistic, 10) == Decimal("0.9972144847")
    assert figures.optimistic is not None
    assert round(figures.optimistic, 10) == Decimal("0.9993036212")
