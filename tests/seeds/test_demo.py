import datetime as dt
from decimal import Decimal
from pathlib import Path

import pytest

from billing import queries as bills
from billing.models import Invoice, Terms
from seeds import demo, loading
from seeds.portfolio import CUSTOMERS, PEOPLE, SITES
from sites.access import Kind, Role, Viewer
from sites.models import AuditEntry, Site, Stakeholder
from telemetry import queries as metering
from telemetry.models import (
    AttributeAllocation,
    Claim,
    Installation,
    MeteringPoint,
    OutsideCheck,
    Reading,
    RejectedReading,
    ReportingYear,
    Rollup,
    SiteBoundary,
)

DATA = Path(demo.__file__).parent / "data"
# A winter day after several closed months, so that a run crosses a year's end.
NOW = dt.datetime(2026, 3, 10, 9, 30, tzinfo=dt.UTC)


def test_every_file_has_its_source_and_all_are_small():
    files = [path for path in DATA.rglob("*") if path.suffix in {".gz", ".csv"}]
    stated = (DATA / "SOURCES.md").read_text()

    assert files
    for path in files:
        stem = path.name.replace("cbsugpu07", "cbsugpu05").replace("cbsugpu09", "cbsugpu05")
        assert stem in stated or "reference" in path.parts
    assert sum(path.stat().st_size for path in files) < 4_000_000


def test_the_portfolio_is_as_large_as_promised():
    kinds = [customer["kind"] for customer in CUSTOMERS]

    assert len(SITES) >= 3
    assert kinds.count(Kind.PARTNER) >= 4
    assert kinds.count(Kind.TENANT) >= 5
    assert len({site["country"] for site in SITES}) == 2
    assert len({site["timezone"] for site in SITES}) == 2
    assert any(len(roles) > 1 for _, _, roles, _ in PEOPLE)


@pytest.mark.parametrize(
    "today", [dt.date(2026, 11, 24), dt.date(2028, 2, 29), dt.date(2027, 1, 1)]
)
def test_every_series_reaches_today_whatever_the_date(today: dt.date):
    midnight = dt.datetime.combine(today, dt.time(), dt.UTC)
    for site in SITES:
        for feed in site["feeds"]:
            newest = max(s.values.index[-1] for s in loading.series_of(feed, today).values())
            assert newest >= midnight, feed.code


@pytest.mark.django_db(transaction=True)
def test_the_demo_bills_real_readings_and_a_second_start_changes_nothing(monkeypatch):
    # Four months instead of thirteen: the same path in less time.
    monkeypatch.setattr(loading, "MONTHS", 4)
    lines: list[str] = []

    first = demo.load(now=NOW, say=lines.append)
    second = demo.load(now=NOW, say=lines.append)

    assert first == second
    assert first.invoices > 20
    assert first.readings > 50_000
    assert not RejectedReading.objects.exists()
    assert Installation.objects.filter(valid__endswith__isnull=False).count() >= 1
    assert AuditEntry.objects.filter(action="contract made").count() == 12
    for number in (1, first.invoices):
        invoice = Invoice.objects.order_by("issued_at", "sequence")[number - 1]
        assert list(bills.differences(invoice=invoice)) == []
    for site in Site.objects.all():
        _heat_is_less_than_electricity(site)
    _the_nursery_meter_fits_its_volume()
    _what_is_green_has_content()


def _what_is_green_has_content() -> None:
    """
    Ratios are bounded, a year is reported, electricity is bought by month and by hour, everything
    is claimed once, and a bill knows which heat counts.
    """
    assert SiteBoundary.objects.count() == len(SITES)
    assert ReportingYear.objects.get().year == 2025
    assert AttributeAllocation.objects.filter(hour__isnull=False).exists()
    viewer = Viewer(1, Site.objects.earliest("pk").operator_id, Kind.OPERATOR, Role.ADMIN)
    last = dt.date(2026, 2, 1)
    found = {
        e.site.slug: e
        for e in metering.site_emissions(viewer=viewer, first_month=last, last_month=last)
    }
    whole = [e for e in found.values() if e.market_kg is not None]
    assert {e.site.slug for e in whole} == {"kiel-werftbahn", "leeds-canal-road"}
    assert any(e.rest == "residual" for e in whole)
    assert all(e.market_kg != e.footprint.kg for e in whole)
    hourly = found["kiel-werftbahn"].matched.hourly
    assert hourly is not None
    assert 0 < hourly < 1
    assert Claim.objects.filter(role="tenant").exists()
    assert OutsideCheck.objects.count() == 1
    assert Terms.objects.filter(details__qualified_heat=True).exists()


def _the_nursery_meter_fits_its_volume() -> None:
    point = MeteringPoint.objects.get(code="nursery")
    viewer = Viewer(1, point.site.operator_id, Kind.OPERATOR, Role.VIEWER)
    today = NOW.date()
    days = metering.heat_checks(
        viewer=viewer, point_id=point.pk, first=today - dt.timedelta(days=31), end=today
    )
    assert [day.check.verdict.value for day in days if day.check is not None] == ["ok"] * 31


def _heat_is_less_than_electricity(site: Site) -> None:
    def energy(month: dt.datetime, *boundaries: str) -> Decimal:
        rows = Rollup.objects.filter(
            grain="month", start_at=month, energy_kwh__isnull=False, channel__site=site,
            channel__point__boundary__in=boundaries, channel__quantity__in=["energy", "power"],
        )  # fmt: skip
        return sum((row.energy_kwh for row in rows if row.energy_kwh is not None), Decimal(0))

    months = Rollup.objects.filter(
        grain="month", channel__site=site, channel__point__boundary="tenant_feed", coverage=1
    )
    for month in set(months.values_list("start_at", flat=True)):
        heat = energy(month, "heat_handoff")
        assert heat < energy(month, "tenant_feed", "cooling"), (site, month)


@pytest.mark.django_db(transaction=True)
def test_later_starts_go_on_where_the_first_stopped():
    demo._make(NOW)
    newest = loading.load(anchor=NOW.date(), now=NOW, say=lambda text: None)
    later = loading.load(anchor=NOW.date(), now=NOW + dt.timedelta(hours=5), say=lambda text: None)

    assert newest > later > 20


@pytest.mark.django_db(transaction=True)
def test_another_operators_database_is_left_alone():
    Stakeholder.objects.create(
        kind=Kind.OPERATOR, name="Real", slug="real", country="DE", timezone="Europe/Berlin"
    )

    with pytest.raises(demo.NotTheDemo):
        demo.load(now=NOW, say=lambda text: None)

    assert not Reading.objects.exists()
    assert Stakeholder.objects.count() == 1
