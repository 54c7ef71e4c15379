"""
Tenants' parts of the facility's energy and of its emissions.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Q

from sites.access import Kind, Viewer
from sites.models import HostingService, Site
from telemetry.domain import carbon, kpi
from telemetry.domain.reference import regions_of
from telemetry.models import EmissionFactor, ReportingYear
from telemetry.queries import jointly
from telemetry.queries.jointly import EnergyChannel, JointMonth, Question

ELECTRICITY = "electricity"


class FactorMissing(Exception):
    """
    No emission factor is held for a region and day.
    """


@dataclass(frozen=True, slots=True)
class Factor:
    """
    An emission factor as it was used: kg/kWh with what it is and where it comes from.
    """

    id: int
    kg_per_kwh: Decimal
    region: str
    data_year: int
    basis: str
    source: str
    licence: str
    gas: str


class Factors:
    """
    The factors for some sites, read once. An operator's own stand before the installation's, and
    in a year the operator has reported those it was reported with stand before all; with `frozen`
    False they do not.
    """

    def __init__(self, sites: Iterable[Site], *, frozen: bool = True) -> None:
        sites = list(sites)
        regions = {region for site in sites for region in regions_of(site.country)}
        operators = {site.operator_id for site in sites}
        self._frozen = {
            (year.operator_id, year.year): set(year.factor_ids)
            for year in (latest_years(operators) if frozen else [])
        }
        kept = {pk for held in self._frozen.values() for pk in held}
        self._rows = list(
            EmissionFactor.objects.filter(
                Q(superseded_at__isnull=True) | Q(pk__in=kept),
                Q(operator__isnull=True) | Q(operator__in=operators),
                region__in=regions,
            ).order_by("pk")
        )

    def on(self, *, site: Site, day: dt.date, carrier: str = ELECTRICITY) -> Factor:
        """
        :raises FactorMissing: if none is held for the day; there is no default
        """
        speaking = [
            row
            for row in self._rows
            if row.carrier == carrier
            and row.operator_id in (None, site.operator_id)
            and row.region in regions_of(site.country)
            and day in row.valid
        ]
        kept = self._frozen.get((site.operator_id, day.year), set())
        chosen = [row for row in speaking if row.pk in kept] or [
            row for row in speaking if row.superseded_at is None
        ]
        if not chosen:
            raise FactorMissing(f"{carrier} {site.country} {day}")
        nearness = regions_of(site.country)
        row = min(chosen, key=lambda r: (r.operator_id is None, nearness.index(r.region)))
        return Factor(
            id=row.pk, kg_per_kwh=row.kg_per_kwh, region=row.region, data_year=row.data_year,
            basis=row.basis, source=row.source, licence=row.licence, gas=row.gas,
        )  # fmt: skip

    def get(self, *, site: Site, day: dt.date, carrier: str = ELECTRICITY) -> Factor | None:
        """
        Return the factor of a day; None where none is held.
        """
        try:
            return self.on(site=site, day=day, carrier=carrier)
        except FactorMissing:
            return None


def latest_years(operator_ids: Iterable[int]) -> list[ReportingYear]:
    """
    Return what the operators reported of each year, as last restated.
    """
    return list(
        ReportingYear.objects.filter(
            operator_id__in=list(operator_ids), replaced_by__isnull=True
        ).order_by("-year")
    )


@dataclass(frozen=True, slots=True)
class FootprintMonth:
    """
    One month of a service. `kg` is in whole grams; the parts of all tenants of a site add up to
    the site's emissions exactly.
    """

    month: dt.date
    it_kwh: Decimal | None
    facility_kwh: Decimal | None
    kg: Decimal | None
    coverage: Decimal
    reason: kpi.Reason | None
    factor: Factor | None
    # The service's proportion of the tenants' IT energy.
    share: Decimal | None = None
    # Its part of what the site produced and used itself; None where nothing is produced.
    own_kwh: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Footprint:
    """
    A service's electricity and location-based emissions over some months, as far as they were
    measured; None with a reason where too little was, and no `kg` where a factor is missing.
    """

    service_id: int
    service_name: str
    tenant_name: str
    site_id: int
    site_name: str
    it_kwh: Decimal | None
    facility_kwh: Decimal | None
    kg: Decimal | None
    coverage: Decimal
    reason: kpi.Reason | None
    months: list[FootprintMonth]

    @property
    def factors(self) -> list[Factor]:
        """
        The factors used, each once, in order of use.
        """
        return list({m.factor.id: m.factor for m in self.months if m.factor}.values())


@dataclass(frozen=True, slots=True)
class SiteMonth:
    """
    A site's own month: `kg` are location-based, in whole grams.
    """

    month: dt.date
    facility_kwh: Decimal | None
    kg: Decimal | None
    coverage: Decimal
    factor: Factor | None
    own_kwh: Decimal | None


@dataclass(frozen=True, slots=True)
class SiteFootprint:
    """
    A site's electricity and location-based emissions, worked out from the whole and not from the
    tenants' parts, which are in `parts` and add up to it to the gram.
    """

    site: Site
    facility_kwh: Decimal | None
    own_kwh: Decimal | None
    kg: Decimal | None
    coverage: Decimal
    reason: kpi.Reason | None
    months: list[SiteMonth]
    parts: list[Footprint]

    @property
    def factors(self) -> list[Factor]:
        """
        The factors used, each once, in order of use.
        """
        return list({m.factor.id: m.factor for m in self.months if m.factor}.values())


def site_footprints(
    *,
    viewer: Viewer,
    first_month: dt.date,
    last_month: dt.date,
    site_ids: Iterable[int] | None = None,
    frozen: bool = True,
) -> list[SiteFootprint]:
    """
    Return the footprints of the operator's live sites with those of their services, by name.
    Energies of a whole site tell what a neighbour used, so nobody else gets any.
    """
    if viewer.kind is not Kind.OPERATOR:
        return []
    sites = Site.objects.visible_to(viewer).filter(phase=Site.Phase.LIVE)
    if site_ids is not None:
        sites = sites.filter(pk__in=list(site_ids))
    found = list(sites.select_related("operator").order_by("name", "pk"))
    services = HostingService.objects.visible_to(viewer).select_related("site", "tenant")
    by_site: defaultdict[int, list[HostingService]] = defaultdict(list)
    for service in services.filter(site__in=found).order_by("tenant__name", "name"):
        by_site[service.site_id].append(service)
    shares = _site_shares(found, first_month=first_month, last_month=last_month, frozen=frozen)
    return [
        _site_footprint(
            site, shares[site.pk], [_footprint(s, shares[site.pk]) for s in by_site[site.pk]]
        )
        for site in found
    ]


def _site_footprint(site: Site, shares: _SiteShares, parts: list[Footprint]) -> SiteFootprint:
    months = [_site_month(m) for m in shares.months]
    coverage = kpi.coverage(
        sum(m.joint.measured_s for m in shares.months),
        sum(m.joint.span.seconds for m in shares.months),
    )
    reason = None
    if not shares.months:
        reason = kpi.Reason.NO_METER
    elif coverage < kpi.PUBLISHED_FROM:
        reason = kpi.Reason.LOW_COVERAGE
    elif any(m.factor is None and m.joint.measured_s for m in shares.months):
        reason = kpi.Reason.NO_FACTOR
    known = reason in (None, kpi.Reason.NO_FACTOR)
    owned = [m.own_kwh for m in shares.months if m.own_kwh is not None]
    return SiteFootprint(
        site=site,
        facility_kwh=_sum(m.joint.of("facility") for m in shares.months) if known else None,
        own_kwh=_sum(owned) if owned and known else None,
        kg=_sum(_kg(m) for m in shares.months) if reason is None else None,
        coverage=coverage,
        reason=reason,
        months=months,
        parts=parts,
    )


def _kg(month: _SiteMonth) -> Decimal:
    if month.factor is None:
        return Decimal(0)
    grams = carbon.whole_grams(month.purchased_kwh, month.factor.kg_per_kwh)
    return Decimal(grams) / carbon.GRAMS_PER_KG


def _site_month(month: _SiteMonth) -> SiteMonth:
    coverage = kpi.coverage(month.joint.measured_s, month.joint.span.seconds)
    enough = coverage >= kpi.PUBLISHED_FROM
    return SiteMonth(
        month=month.joint.span.month,
        facility_kwh=month.joint.of("facility") if enough else None,
        kg=_kg(month) if enough and month.factor else None,
        coverage=coverage,
        factor=month.factor,
        own_kwh=month.own_kwh if enough else None,
    )


def tenant_footprint(
    *,
    viewer: Viewer,
    first_month: dt.date,
    last_month: dt.date,
    service_ids: Iterable[int] | None = None,
    frozen: bool = True,
) -> list[Footprint]:
    """
    Return the footprints of the services the viewer may see, over complete local months from
    `first_month` to `last_month`, both included.

    A service carries the facility's energy in the proportion of its IT energy among all tenants
    of the site. Hours in which the facility or any tenant of the site was not measured count
    for nobody. A year that was reported keeps its factors unless `frozen` is False.
    """
    visible = HostingService.objects.visible_to(viewer).select_related("site", "tenant")
    if service_ids is not None:
        visible = visible.filter(pk__in=list(service_ids))
    services = list(visible.order_by("site__name", "name"))
    sites = {service.site_id: service.site for service in services}
    shares = _site_shares(
        list(sites.values()), first_month=first_month, last_month=last_month, frozen=frozen
    )
    return [_footprint(service, shares[service.site_id]) for service in services]


@dataclass(frozen=True, slots=True)
class _SiteMonth:
    joint: JointMonth
    factor: Factor | None
    parts: dict[str, carbon.Part]
    own_kwh: Decimal | None

    @property
    def purchased_kwh(self) -> Decimal:
        return self.joint.of("facility") - (self.own_kwh or Decimal(0))


@dataclass(frozen=True, slots=True)
class _SiteShares:
    metered: frozenset[str]
    months: list[_SiteMonth]


# The roles that are the site's; the others are its services'.
_OF_SITE = frozenset({"facility", "own"})


def _role(service_id: int) -> str:
    return f"service {service_id}"


def _site_shares(
    sites: list[Site], *, first_month: dt.date, last_month: dt.date, frozen: bool
) -> dict[int, _SiteShares]:
    by_site: defaultdict[int, list[EnergyChannel]] = defaultdict(list)
    for channel in jointly.energy_channels(site_ids=[site.pk for site in sites]):
        by_site[channel.site_id].append(channel)
    questions = []
    for site in sites:
        given = jointly.facility_inputs(by_site[site.pk])
        roles: dict[str, list[EnergyChannel]] = {"facility": given.facility}
        if given.own:
            roles["own"] = given.own
        for feed in given.feeds:
            if feed.service_id is not None:
                roles.setdefault(_role(feed.service_id), []).append(feed)
        questions.append(
            Question(
                roles=roles,
                spans=jointly.spans_of(site, first_month=first_month, last_month=last_month),
                optional=frozenset(roles) - _OF_SITE,
            )
        )
    factors = Factors(sites, frozen=frozen)
    return {
        site.pk: _SiteShares(
            metered=question.optional if question.roles["facility"] else frozenset(),
            months=[
                _shared(site, month, factors) for month in months if question.roles["facility"]
            ],
        )
        for site, question, months in zip(
            sites, questions, jointly.joint_energy(questions), strict=True
        )
    }


def _shared(site: Site, month: JointMonth, factors: Factors) -> _SiteMonth:
    factor = factors.get(site=site, day=month.span.month)
    used = {role: kwh for role, kwh in month.kwh.items() if role not in _OF_SITE}
    own = month.of("own") if "own" in month.kwh else None
    parts = carbon.parts_of_tenants(
        used, month.of("facility"), factor.kg_per_kwh if factor else Decimal(0),
        purchased_kwh=month.of("facility") - (own or Decimal(0)),
    )  # fmt: skip
    return _SiteMonth(month, factor, parts, own)


def _footprint(service: HostingService, shares: _SiteShares) -> Footprint:
    role = _role(service.pk)
    site_months = shares.months if role in shares.metered else []
    coverage = kpi.coverage(
        sum(m.joint.measured_s for m in site_months),
        sum(m.joint.span.seconds for m in site_months),
    )
    reason = None
    if role not in shares.metered:
        reason = kpi.Reason.NO_METER
    elif not site_months:
        reason = kpi.Reason.NOT_STARTED
    elif coverage < kpi.PUBLISHED_FROM:
        reason = kpi.Reason.LOW_COVERAGE
    elif any(m.factor is None and m.joint.measured_s for m in site_months):
        reason = kpi.Reason.NO_FACTOR
    parts = [m.parts[role] for m in site_months if role in m.parts]
    known = reason in (None, kpi.Reason.NO_FACTOR)
    return Footprint(
        service_id=service.pk,
        service_name=service.name,
        tenant_name=service.tenant.name,
        site_id=service.site_id,
        site_name=service.site.name,
        it_kwh=_sum(m.joint.of(role) for m in site_months) if known else None,
        facility_kwh=_sum(part.facility_kwh for part in parts) if known else None,
        kg=_sum(part.kg for part in parts) if reason is None else None,
        coverage=coverage,
        reason=reason,
        months=[_month(role, m) for m in site_months],
    )


def _sum(figures: Iterable[Decimal]) -> Decimal:
    return sum(figures, Decimal(0))


_NO_PART = carbon.Part(facility_kwh=Decimal(0), grams=0)


def _month(role: str, site_month: _SiteMonth) -> FootprintMonth:
    joint, part = site_month.joint, site_month.parts.get(role, _NO_PART)
    coverage = kpi.coverage(joint.measured_s, joint.span.seconds)
    reason = None
    if coverage < kpi.PUBLISHED_FROM:
        reason = kpi.Reason.LOW_COVERAGE
    elif site_month.factor is None:
        reason = kpi.Reason.NO_FACTOR
    known = reason in (None, kpi.Reason.NO_FACTOR)
    tenants = [kwh for name, kwh in joint.kwh.items() if name not in _OF_SITE]
    share = kpi.divide(joint.of(role), _sum(tenants)) if known else None
    own = site_month.own_kwh
    return FootprintMonth(
        month=joint.span.month,
        it_kwh=joint.of(role) if known else None,
        facility_kwh=part.facility_kwh if known else None,
        kg=part.kg if reason is None else None,
        coverage=coverage,
        reason=reason,
        factor=site_month.factor,
        share=share,
        own_kwh=None if own is None or share is None else own * share,
    )
