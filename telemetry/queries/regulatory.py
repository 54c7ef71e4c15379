"""
Answers to the questions of regulators, from meters and what the operator stated.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db import connection

from sites.access import Viewer
from sites.domain import local_days
from sites.models import HostingService, Site
from telemetry.domain import regulatory
from telemetry.domain.regulatory import FIELDS, Field, Gap
from telemetry.models import Channel, DeclaredFigure, MeteringPoint
from telemetry.queries.attributes import renewable_by_kind
from telemetry.queries.carbon import FootprintMonth, tenant_footprint
from telemetry.queries.figures import SiteFigures, site_figures
from telemetry.queries.reference import Rules


@dataclass(frozen=True, slots=True)
class Answer:
    """
    One question with its answer and what is lacking; `note` says what a figure rests on.
    """

    field: Field
    value: str | None
    gap: Gap | None
    note: str = ""

    @property
    def number(self) -> Decimal | None:
        """
        The answer as a number; None where it is a text, or none.
        """
        return regulatory.as_number(self.value or "") if self.field.number else None


@dataclass(frozen=True, slots=True)
class Report:
    """
    A site's report of a calendar year. `mandatory`: from the IT power on that the rules in force at
    its end name; never where no rule is held for the country.
    """

    site: Site
    year: int
    answers: list[Answer]
    mandatory: bool

    @property
    def lacking(self) -> int:
        return sum(answer.gap is not None for answer in self.answers)


def eed_report(*, viewer: Viewer, site_id: int, year: int) -> Report | None:
    """
    Return a site's report after Delegated Regulation (EU) 2024/1364; None for a site the viewer
    may not see.
    """
    reports = eed_reports(viewer=viewer, year=year, site_ids=[site_id])
    return reports[0] if reports else None


def eed_reports(
    *, viewer: Viewer, year: int, site_ids: Iterable[int] | None = None
) -> list[Report]:
    """
    Return the reports of the viewer's sites, by name; figures are those of whole months of the
    year and need 90 % of its hours.
    """
    sites = Site.objects.visible_to(viewer).select_related("operator").order_by("name", "pk")
    if site_ids is not None:
        sites = sites.filter(pk__in=list(site_ids))
    found = list(sites)
    keys = [site.pk for site in found]
    first, last = dt.date(year, 1, 1), dt.date(year, 12, 1)
    figures = site_figures(viewer=viewer, site_ids=keys, first_month=first, last_month=last)
    said = stated(viewer=viewer, site_ids=keys, year=year)
    rules = Rules(found)
    water = _water(keys, year)
    warmth = warmth_of(found, year)
    for site_id, kinds in renewable_by_kind(site_ids=keys, year=year).items():
        # What is allocated in the portal is known better than what is stated.
        said[site_id] |= {
            "E-RES-GOO": f"{kinds.get('go', 0) + kinds.get('rego', 0):f}",
            "E-RES-PPA": f"{kinds.get('ppa', 0):f}",
            "E-RES-OS": f"{kinds.get('onsite', 0):f}",
        }
    return [
        _report(
            site,
            year,
            figures[site.pk],
            said[site.pk],
            water.get(site.pk),
            warmth.get(site.pk),
            rules.value(site, "eed.report.it_kw", on=dt.date(year, 12, 31)),
        )
        for site in found
    ]


def stated(*, viewer: Viewer, site_ids: Iterable[int], year: int) -> dict[int, dict[str, str]]:
    """
    Return what was stated of a year by site and symbol, as it stands.
    """
    said: dict[int, dict[str, str]] = {site_id: {} for site_id in site_ids}
    declared = DeclaredFigure.objects.visible_to(viewer).filter(
        site_id__in=list(said), year=year, superseded_at__isnull=True
    )
    for site_id, symbol, value in declared.values_list("site_id", "symbol", "value"):
        said[site_id][symbol] = value
    return said


def _report(
    site: Site,
    year: int,
    figures: SiteFigures,
    said: dict[str, str],
    water_m3: Decimal | None,
    warmth_c: Decimal | None,
    from_kw: Decimal | None,
) -> Report:
    told: dict[str, tuple[str | None, str]] = {symbol: (v, "") for symbol, v in said.items()}
    told |= _of_site(site)
    for symbol, energy in (
        ("E-DC", figures.facility), ("E-IT", figures.it), ("E-REUSE", figures.heat),
    ):  # fmt: skip
        note = f"{energy.coverage:.1%} of hours measured" if energy else ""
        told[symbol] = (as_text(energy.kwh if energy else None, 0), note)
    told["PUE"] = (as_text(figures.pue.value, 3), f"{figures.pue.months} months")
    told["ERF"] = (as_text(figures.erf.value, 4), f"{figures.erf.months} months")
    told["W-IN"] = (as_text(water_m3, 1), "")
    told["T-WH"] = (as_text(warmth_c, 1), "mean of hours, where it leaves the site")
    it, facility = figures.it, figures.facility
    if water_m3 is not None and it and it.kwh:
        told["WUE"] = (as_text(water_m3 / it.kwh * 1000, 4), "W-IN / E-IT")
    total = regulatory.renewable_total(said)
    told["E-RES-TOT"] = (as_text(total, 0), "GOO + PPA + OS")
    if total is not None and facility and facility.kwh:
        told["REF"] = (as_text(min(total / facility.kwh, Decimal(1)), 4), "E-RES-TOT / E-DC")
    mandatory = from_kw is not None and site.rated_it_kw >= from_kw
    return Report(site, year, answered(FIELDS, told), mandatory)


def answered(fields: Sequence[Field], told: Mapping[str, tuple[str | None, str]]) -> list[Answer]:
    """
    Return each field with its answer and note, and what is wrong with it.
    """
    lacking = regulatory.gaps({symbol: value for symbol, (value, _) in told.items()}, fields)
    answers = []
    for field in fields:
        value, note = told.get(field.symbol, (None, ""))
        answers.append(Answer(field, value, lacking.get(field.symbol), note))
    return answers


def _of_site(site: Site) -> dict[str, tuple[str | None, str]]:
    operator = site.operator
    contact = ", ".join(part for part in (operator.name, operator.email, operator.phone) if part)
    return {
        "NAME": (site.name, ""),
        "OPERATOR": (contact, ""),
        "TOWN": (f"{site.town}, {site.country}", ""),
        "START": (site.started_on.isoformat(), ""),
        "PD-IT": (as_text(site.rated_it_kw, 1), "rated"),
    }


def as_text(value: Decimal | None, places: int) -> str | None:
    """
    Return a number in plain digits, None for none.
    """
    return None if value is None else f"{value:.{places}f}"


def _water(site_ids: list[int], year: int) -> dict[int, Decimal]:
    """
    Return m³ by site where every month of the year in service was measured throughout.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _WATER,
            [site_ids, MeteringPoint.Boundary.WATER, Channel.Quantity.VOLUME, year, year],
        )
        return dict(cursor.fetchall())


# A rollup of volume holds m³ in the column of energy.
_WATER = """
SELECT c.site_id, sum(r.energy_kwh)
FROM telemetry_channel c JOIN telemetry_meteringpoint p ON p.id = c.point_id
JOIN sites_site s ON s.id = c.site_id
JOIN telemetry_rollup r ON r.channel_id = c.id AND r.grain = 'month'
WHERE c.site_id = ANY(%s) AND p.boundary = %s AND c.quantity = %s
  AND r.start_at >= make_timestamptz(%s, 1, 1, 0, 0, 0, s.timezone)
  AND r.start_at < make_timestamptz(%s + 1, 1, 1, 0, 0, 0, s.timezone)
GROUP BY 1 HAVING count(r.energy_kwh) >= 12 AND min(r.coverage) >= 0.9
"""


def warmth_of(sites: list[Site], year: int) -> dict[int, Decimal]:
    """
    Return the mean supply temperature by site over the hours of the year, each weighed by how
    much of it was measured, at the source where there is a thermometer and else at the hand-off.
    """
    spans = [local_days(dt.date(year, 1, 1), dt.date(year + 1, 1, 1), s.timezone) for s in sites]
    with connection.cursor() as cursor:
        cursor.execute(
            _WARMTH,
            [[s.pk for s in sites], [p.start for p in spans], [p.end for p in spans]],
        )
        return dict(cursor.fetchall())


_WARMTH = """
SELECT DISTINCT ON (site_id) site_id, mean FROM (
  SELECT c.site_id, p.boundary, sum(r.mean * r.coverage) / sum(r.coverage) AS mean
  FROM unnest(%s::bigint[], %s::timestamptz[], %s::timestamptz[]) AS s(id, begins, ends)
  JOIN telemetry_channel c ON c.site_id = s.id AND c.quantity = 'supply'
  JOIN telemetry_meteringpoint p ON p.id = c.point_id
    AND p.boundary IN ('heat_source', 'heat_handoff')
  JOIN telemetry_rollup r ON r.channel_id = c.id AND r.grain = 'day'
    AND r.start_at >= s.begins AND r.start_at < s.ends AND r.mean IS NOT NULL AND r.coverage > 0
  GROUP BY 1, 2) warmth
ORDER BY site_id, boundary = 'heat_handoff'
"""


@dataclass(frozen=True, slots=True)
class CustomerYear:
    """
    A customer's electricity of a year (EnEfG, section 15): its own meter and its share of the
    site, None with the reason where too little was measured.
    """

    service: HostingService
    year: int
    it_kwh: Decimal | None
    facility_kwh: Decimal | None
    coverage: Decimal
    reason: str | None
    months: list[FootprintMonth]


def customer_years(
    *, viewer: Viewer, year: int, service_ids: Iterable[int] | None = None
) -> list[CustomerYear]:
    """
    Return the year of each hosting service the viewer may see, or of some of them.
    """
    rows = HostingService.objects.visible_to(viewer).select_related("tenant", "site__operator")
    services = {s.pk: s for s in rows}
    footprints = tenant_footprint(
        viewer=viewer, first_month=dt.date(year, 1, 1), last_month=dt.date(year, 12, 1),
        service_ids=service_ids,
    )  # fmt: skip
    return [
        CustomerYear(
            service=services[f.service_id],
            year=year,
            it_kwh=f.it_kwh,
            facility_kwh=f.facility_kwh,
            coverage=f.coverage,
            # An emission factor has no part in this.
            reason=None if f.it_kwh is not None else str(f.reason or ""),
            months=f.months,
        )
        for f in footprints
    ]
