"""
What the demo's operator declares and reports: how its ratios are bounded, the mix its electricity
has without certificates, answers for authorities, a check by a third party, a reported year. All of
it is made up, and says so.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from decimal import Decimal

import typst

from sites.models import Site
from telemetry import operations
from telemetry.models import OutsideCheck, ReportingYear, SiteBoundary

_MADE_UP = "made up for the demo"
_ANSWERS = {
    "OWNER": "Nordhaven Edge, Schwedenkai 4, 24103 Kiel", "LAU": "01002000", "TYPE": "co-hosting",
    "RED-EL": "N+1", "RED-COOL": "N+1", "S-DC": "420", "S-CR": "260", "E-DC-BG": "0",
    "GRID": "none", "C-BTG": "0", "W-IN-POT": "0", "T-IN": "27", "REFRIGERANT": "none",
    "CDD": "0",
}  # fmt: skip
_HEAT_ANSWERS = {
    "WH-ADDRESS": "Werftbahnstraße 8, 24143 Kiel", "WH-BESIDES": "310000",
    "WH-AVAILABLE": "all year, except two days of service in May",
    "WH-TEMPERATURE": "supply 40 to 60 °C by set-point", "WH-PRESSURE": "fixed, 4 bar",
    "WH-FEED-IN": "0 to 100 % by a valve, within 15 minutes", "WH-COMPANY-USE": "9400000",
}  # fmt: skip


def declare(*, now: dt.datetime) -> None:
    """
    Declare how each site's ratios are bounded and which mix electricity without certificates has;
    once.
    """
    if SiteBoundary.objects.exists():
        return
    sites = list(Site.objects.order_by("slug"))
    for site in sites:
        operations.declare_boundary(
            site_id=site.pk, valid_from=site.started_on, it_category=2, heat_pump="none",
            own_production_sold=False, note=f"Measured at the feeds of the tenants; {_MADE_UP}",
            at=now, by_id=None,
        )  # fmt: skip
    operations.load_emission_factors(
        rows=[_residual(region, kg) for region, kg in (("DE", "0.7"), ("GB", "0.35"))],
        at=now, operator_id=sites[0].operator_id,
    )  # fmt: skip


def _residual(region: str, kg_per_kwh: str) -> operations.FactorRow:
    return operations.FactorRow(
        carrier="electricity_residual", region=region, valid_from=dt.date(2025, 1, 1),
        valid_to=None, data_year=2025, kg_per_kwh=Decimal(kg_per_kwh), gas="co2",
        published=f"{kg_per_kwh} kg/kWh", basis="residual mix",
        source=f"{_MADE_UP}; the real one stands in AIB, European Residual Mixes",
        licence="none: no figure of AIB, whose data need its leave",
    )  # fmt: skip


def report(*, newest: dt.date, now: dt.datetime) -> None:
    """
    Answer for one site what authorities ask, attach a third party's report to a public one, and
    report the year that is over; once.
    """
    if OutsideCheck.objects.exists():
        return
    year = now.year - 1
    large = Site.objects.filter(country="DE").order_by("-rated_it_kw", "pk").last()
    public = Site.objects.public().order_by("pk").first()
    if large is not None:
        operations.declare_figures(
            site_id=large.pk, year=year, answers=_ANSWERS | _HEAT_ANSWERS, at=now, by_id=None
        )
    if public is not None:
        operations.add_outside_check(
            site_id=public.pk, file_name="report.pdf", file=_paper(public), at=now, by_id=None,
            checker="Aire Valley Assurance (made up for the demo)",
            scope="Meters, electricity, PUE and ERF; limited assurance",
            first_month=max(public.started_on, newest - dt.timedelta(days=330)).replace(day=1),
            last_month=newest, checked_on=now.date() - dt.timedelta(days=3),
        )  # fmt: skip
    # A young demo may have no month of last year measured whole.
    with contextlib.suppress(operations.NotClosed):
        if not ReportingYear.objects.exists():
            operations.close_year(
                operator_id=Site.objects.earliest("pk").operator_id, year=year, at=now, by_id=None
            )


def _paper(site: Site) -> bytes:
    text = f"= Report made up for the demo\nNobody checked {site.name}: this paper shows a place."
    return bytes(typst.compile(text.encode(), format="pdf"))
