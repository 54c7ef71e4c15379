"""
Emissions of sites by both methods, how the electricity was bought and what the heat avoided: three
things that are shown side by side and never added up. And what was reported of them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.db.backends.postgresql.psycopg_any import DateRange
from django.db.models import Q

from sites.access import Viewer
from sites.models import Site
from telemetry.domain import carbon
from telemetry.domain.matching_hours import Match, together
from telemetry.domain.reference import regions_of
from telemetry.models import EmissionFactor, ReportingYear, SiteBoundary
from telemetry.queries.carbon import ELECTRICITY, Footprint, SiteFootprint, site_footprints
from telemetry.queries.displaced import displaced_by_site
from telemetry.queries.figures import site_figures
from telemetry.queries.purchases import Purchase, purchases


@dataclass(frozen=True, slots=True)
class SiteEmissions:
    """
    A site over some months. The market-based figure is the sum of its services', since what one
    of them bought covers nobody else's use.
    """

    footprint: SiteFootprint
    bought: dict[int, Purchase]

    @property
    def site(self) -> Site:
        return self.footprint.site

    @property
    def parts(self) -> list[tuple[Footprint, Purchase | None]]:
        """
        The services with how their electricity was bought.
        """
        return [(part, self.bought.get(part.service_id)) for part in self.footprint.parts]

    @property
    def market_kg(self) -> Decimal | None:
        known = [b.kg for b in self.bought.values() if b.kg is not None]
        whole = bool(known) and len(known) == len(self.footprint.parts)
        return sum(known, Decimal(0)) if whole and self.footprint.reason is None else None

    @property
    def covered_kwh(self) -> Decimal:
        return sum((b.covered_kwh for b in self.bought.values()), Decimal(0))

    @property
    def share(self) -> Decimal | None:
        """
        The share of the electricity that attributes cover, or the site made and used itself.
        """
        used = sum((b.used_kwh for b in self.bought.values()), Decimal(0))
        return self.covered_kwh / used if used else None

    @property
    def matched(self) -> Match:
        return together(b.matched for b in self.bought.values())

    @property
    def rest(self) -> carbon.Rest | None:
        """
        Whose factor the rest has; None where nothing is left.
        """
        rests = [b.rest for b in self.bought.values() if b.residual is not None]
        return max(rests, key=list(carbon.Rest).index) if rests else None

    @property
    def lots(self) -> list[str]:
        return sorted({lot for b in self.bought.values() for lot in b.lots})


def site_emissions(
    *,
    viewer: Viewer,
    first_month: dt.date,
    last_month: dt.date,
    site_ids: Iterable[int] | None = None,
    frozen: bool = True,
) -> list[SiteEmissions]:
    """
    Return the emissions of the operator's live sites over complete local months, both included.
    A year that was reported keeps its factors unless `frozen` is False.
    """
    footprints = site_footprints(
        viewer=viewer, first_month=first_month, last_month=last_month, site_ids=site_ids,
        frozen=frozen,
    )  # fmt: skip
    bought = purchases(
        footprints=[part for of_site in footprints for part in of_site.parts],
        sites=[of_site.site for of_site in footprints],
        first_month=first_month, last_month=last_month, frozen=frozen,
    )  # fmt: skip
    return [
        SiteEmissions(
            of_site,
            {p.service_id: bought[p.service_id] for p in of_site.parts if p.service_id in bought},
        )
        for of_site in footprints
    ]


def live_site_ids(*, viewer: Viewer, slug: str) -> list[int]:
    """
    Return the key of one live site the viewer may see; empty for another.
    """
    rows = Site.objects.visible_to(viewer).filter(slug=slug, phase=Site.Phase.LIVE)
    return list(rows.values_list("pk", flat=True))


@dataclass(frozen=True, slots=True)
class YearFigures:
    """
    What of a year may be reported: figures by the site's slug, as text, with the set of factors
    in force.
    """

    figures: dict[str, dict[str, str | None]]
    factor_ids: list[int]


def figures_of_year(*, viewer: Viewer, year: int, frozen: bool) -> YearFigures:
    """
    Return the figures of a calendar year as they are known now.
    """
    span: dict[str, Any] = {
        "first_month": dt.date(year, 1, 1), "last_month": dt.date(year, 12, 1),
    }  # fmt: skip
    found = site_emissions(viewer=viewer, **span, frozen=frozen)
    site_ids = [e.site.pk for e in found]
    ratios = site_figures(viewer=viewer, site_ids=site_ids, **span)
    avoided = displaced_by_site(viewer=viewer, site_ids=site_ids, **span, frozen=frozen)
    figures: dict[str, dict[str, str | None]] = {}
    for emissions in found:
        heat = avoided[emissions.site.pk]
        claims = [d.avoided.claim_kg for d in heat if d.avoided is not None]
        whole = bool(claims) and len(claims) == sum(bool(d.heat_kwh) for d in heat)
        mine = ratios[emissions.site.pk]
        figures[emissions.site.slug] = {
            "facility_kwh": _text(emissions.footprint.facility_kwh, 1),
            "location_based_kg": _text(emissions.footprint.kg, 3),
            "market_based_kg": _text(emissions.market_kg, 3),
            "avoided_kg": _text(sum(claims, Decimal(0)), 3) if whole else None,
            "pue": _text(mine.pue.value, 3),
            "erf": _text(mine.erf.value, 4),
            "coverage": _text(emissions.footprint.coverage, 4),
        }
    return YearFigures(figures, _factor_set([e.site for e in found], year))


def _factor_set(sites: Iterable[Site], year: int) -> list[int]:
    """
    Return the factors of electricity in force on some day of the year for any of the sites.
    """
    sites = list(sites)
    rows = EmissionFactor.objects.filter(
        Q(operator__isnull=True) | Q(operator__in={site.operator_id for site in sites}),
        superseded_at__isnull=True, carrier__startswith=ELECTRICITY,
        region__in={region for site in sites for region in regions_of(site.country)},
        valid__overlap=DateRange(dt.date(year, 1, 1), dt.date(year + 1, 1, 1)),
    )  # fmt: skip
    return list(rows.order_by("pk").values_list("pk", flat=True))


def _text(value: Decimal | None, places: int) -> str | None:
    return None if value is None else f"{value:.{places}f}"


# Figures a change of which makes a restatement due; the others follow from them.
RESTATED = ("facility_kwh", "location_based_kg", "market_based_kg", "avoided_kg")


@dataclass(frozen=True, slots=True)
class Difference:
    """
    One reported figure beside what it would be now; `change` is the share of what was reported.
    """

    site: str
    figure: str
    reported: Decimal | None
    now: Decimal | None
    change: Decimal


@dataclass(frozen=True, slots=True)
class Reported:
    """
    A year as last reported, all its rows from the first on, and what differs now.
    """

    year: int
    rows: list[ReportingYear]
    differences: list[Difference] = field(default_factory=list)

    @property
    def latest(self) -> ReportingYear:
        return self.rows[-1]

    @property
    def largest(self) -> Decimal:
        return max((d.change for d in self.differences), default=Decimal(0))

    @property
    def restatement_due(self) -> bool:
        return self.largest > carbon.RESTATED_ABOVE


def reported_years(*, viewer: Viewer) -> list[Reported]:
    """
    Return the years the viewer's operator reported, newest first, each with its restatements.
    """
    by_year: dict[int, list[ReportingYear]] = {}
    rows = ReportingYear.objects.visible_to(viewer).select_related("closed_by")
    for row in rows.order_by("-year", "closed_at", "pk"):
        by_year.setdefault(row.year, []).append(row)
    return [Reported(year, held) for year, held in by_year.items()]


def reported_year(*, viewer: Viewer, year: int) -> Reported | None:
    """
    Return one reported year with what differs now; None where it was never reported.
    """
    held = next((r for r in reported_years(viewer=viewer) if r.year == year), None)
    if held is None:
        return None
    now = figures_of_year(viewer=viewer, year=year, frozen=False)
    return Reported(year, held.rows, differences(held.latest.figures, now.figures))


def differences(
    reported: Mapping[str, Mapping[str, str | None]], now: Mapping[str, Mapping[str, str | None]]
) -> list[Difference]:
    """
    Return the figures that differ from what was reported, the largest change first. A figure
    that came or went counts as a change of all of it.
    """
    found = []
    for site in sorted(reported.keys() | now.keys()):
        for figure in RESTATED:
            before = _number(reported.get(site, {}).get(figure))
            after = _number(now.get(site, {}).get(figure))
            if before == after:
                continue
            known = before is not None and after is not None
            change = carbon.differs(before or Decimal(0), after or Decimal(0))
            found.append(Difference(site, figure, before, after, change if known else Decimal(1)))
    return sorted(found, key=lambda d: -d.change)


def _number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def boundaries(*, viewer: Viewer, site_ids: Iterable[int]) -> dict[int, list[SiteBoundary]]:
    """
    Return what is declared of each site's ratios, the newest first.
    """
    rows = SiteBoundary.objects.visible_to(viewer).filter(
        site_id__in=list(site_ids), superseded_at__isnull=True
    )
    found: dict[int, list[SiteBoundary]] = {}
    for row in rows.order_by("-valid_from"):
        found.setdefault(row.site_id, []).append(row)
    return found
