"""
What a statement of a hosting service says: its figures, and the digests of what they rest on.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from django.db.models import Q

from sites.access import Kind, Viewer
from sites.domain import Period, local_days
from sites.models import HostingService
from telemetry.domain import kpi, statement
from telemetry.domain.carbon import Rest
from telemetry.domain.statement import Figure
from telemetry.models import AttributeAllocation, Channel, Statement
from telemetry.queries import jointly
from telemetry.queries.carbon import Footprint, tenant_footprint
from telemetry.queries.evidence import readings_digest
from telemetry.queries.figures import SiteFigures, site_figures
from telemetry.queries.kpis import site_kpis
from telemetry.queries.public import public_heat
from telemetry.queries.purchases import Purchase, match_hours, purchases
from telemetry.queries.quality import estimated_share
from telemetry.queries.series import MonthEnergy
from telemetry.queries.uptime import SubjectUptime, service_availability


@dataclass(frozen=True, slots=True)
class StatedInput:
    """
    A channel a statement rests on.
    """

    channel_id: int
    role: str
    readings: int
    sha256: bytes


@dataclass(frozen=True, slots=True)
class Stated:
    """
    The content of a statement as it stands now, and what stands against issuing it.
    """

    service: HostingService
    first_month: dt.date
    last_month: dt.date
    content: dict[str, Any]
    inputs: list[StatedInput]
    obstacles: list[statement.Obstacle]

    @property
    def period(self) -> Period:
        return period_of(self.service, self.first_month, self.last_month)


@dataclass(frozen=True, slots=True)
class MatchedHour:
    """
    One hour at the site: kWh used, and kWh of them produced in the same hour.
    """

    at: dt.datetime
    load_kwh: Decimal
    matched_kwh: Decimal


def period_of(service: HostingService, first_month: dt.date, last_month: dt.date) -> Period:
    """
    Return the local months as instants.
    """
    return local_days(first_month, _after(last_month), service.site.timezone)


def _after(month: dt.date) -> dt.date:
    return (month + dt.timedelta(days=32)).replace(day=1)


def statement_contents(
    *, service_ids: Iterable[int], first_month: dt.date, last_month: dt.date, now: dt.datetime
) -> list[Stated]:
    """
    Return what the services' statements over whole local months would say, as far as their own
    tenants may know it. For the portal itself; people see statements.
    """
    services = HostingService.objects.filter(pk__in=list(service_ids)).select_related(
        "site__operator", "tenant"
    )
    return [
        _stated(service, first_month, last_month, now)
        for service in services.order_by("site__name", "name")
    ]


def _stated(
    service: HostingService, first_month: dt.date, last_month: dt.date, now: dt.datetime
) -> Stated:
    tenant = Viewer(stakeholder_id=service.tenant_id, kind=Kind.TENANT)
    span: dict[str, Any] = {"first_month": first_month, "last_month": last_month}
    figures = site_figures(viewer=tenant, site_ids=[service.site_id], **span).get(service.site_id)
    footprints = tenant_footprint(viewer=tenant, service_ids=[service.pk], **span)
    uptimes = service_availability(
        viewer=tenant, service_ids=[service.pk], first=first_month, end=_after(last_month), now=now
    )
    heat = public_heat(site_id=service.site_id, **span)
    period = period_of(service, first_month, last_month)
    channels = _channels(service)
    bought = purchases(footprints=footprints, sites=[service.site], **span).get(service.pk)
    heat_estimated = _estimated(channels, "heat", period)
    told = [
        *_of_servers(footprints[0] if footprints else None, _estimated(channels, "feed", period)),
        *_of_purchase(bought, footprints[0] if footprints else None),
        _uptime(uptimes.get(service.pk)),
        *_of_site(figures, heat_estimated),
        _ref(service, span),
        _unless_estimated(_heat(service, heat), heat_estimated),
    ]
    inputs = [_input(channel, role, period) for role, channel in channels]
    return Stated(
        service=service, first_month=first_month, last_month=last_month,
        content=_content(
            service, first_month, last_month, told, _factors(footprints, bought), inputs
        ),
        inputs=inputs, obstacles=statement.obstacles(told),
    )  # fmt: skip


def _content(
    service: HostingService,
    first_month: dt.date,
    last_month: dt.date,
    figures: Sequence[Figure],
    factors: Sequence[str],
    inputs: Sequence[StatedInput],
) -> dict[str, Any]:
    return {
        "type": "HostingService",
        "name": service.name,
        "tenant": service.tenant.name,
        "site": f"{service.site.name}, {service.site.town}, {service.site.country}",
        "firstDay": first_month.isoformat(),
        "lastDay": (_after(last_month) - dt.timedelta(days=1)).isoformat(),
        "timeZone": service.site.timezone,
        "method": statement.METHOD,
        "figures": {figure.name: figure.as_stated() for figure in figures},
        "factors": list(factors),
        "digests": [
            {"role": i.role, "readings": str(i.readings), "sha256": i.sha256.hex()} for i in inputs
        ],
    }


def _factors(footprints: Sequence[Footprint], bought: Purchase | None) -> list[str]:
    used = [factor for footprint in footprints for factor in footprint.factors]
    if bought is not None and bought.residual is not None:
        used.append(bought.residual)
    told = [
        f"{f.region} {f.data_year}: {f.kg_per_kwh.normalize():f} kg/kWh, {f.basis}, {f.source}"
        for f in {f.id: f for f in used}.values()
    ]
    return [*told, *(bought.lots if bought else ())]


_RESTS = {
    Rest.SUPPLIER: "the supplier’s mix",
    Rest.RESIDUAL: "the residual mix",
    Rest.GRID: "the mean of the grid, as no residual mix is held",
}


def _of_purchase(bought: Purchase | None, footprint: Footprint | None) -> list[Figure]:
    """
    Return what is stated of how the electricity was bought. None of it stands against the
    statement: without attributes it is simply not stated.
    """
    if bought is None or footprint is None:
        return []
    rest = _RESTS[bought.rest]
    matched, known = bought.matched, bool(bought.lots)
    hours = known and matched.clean_kwh > 0
    return [
        Figure(
            "emissionsMarketBased", bought.kg, "kg",
            f"GHG Protocol scope 2, market-based; what no attribute covers by {rest}", 3,
            reason=None if bought.kg is not None else kpi.Reason.NO_FACTOR, gates=False,
        ),
        Figure(
            "renewableShare", bought.share if known else None, "1",
            "attributes allocated to these months, set against the use of the months", 4,
            reason=None if known else "no_attributes", gates=False,
        ),
        Figure(
            "hourlyMatch", matched.hourly if hours else None, "1",
            "attributes allocated to the hour, set against the servers’ use in it", 4,
            reason=None if hours else "no_hours", gates=False,
        ),
    ]  # fmt: skip


def _of_servers(footprint: Footprint | None, estimated: Decimal | None) -> list[Figure]:
    if footprint is None:
        return [_absent("serverElectricity", required=True), _absent("siteElectricityShare")]
    reason = footprint.reason
    # A missing factor takes away the emissions, not the electricity.
    energy_reason = None if reason is kpi.Reason.NO_FACTOR else reason
    months = len([m for m in footprint.months if m.it_kwh is not None])

    def figure(name: str, value: Decimal | None, basis: str, **more: Any) -> Figure:
        return Figure(
            name, value, more.pop("unit", "kWh"), basis, more.pop("places", 1),
            coverage=footprint.coverage, interim=months < kpi.MONTHS_OF_A_YEAR,
            reason=more.pop("reason", energy_reason), **more,
        )  # fmt: skip

    return [
        figure(
            "serverElectricity", footprint.it_kwh, "meter of the tenant’s feed",
            estimated=estimated, required=True,
        ),
        figure(
            "siteElectricityShare", footprint.facility_kwh,
            "the site’s energy shared by the tenants’ IT energy",
        ),
        figure(
            "emissionsLocationBased", footprint.kg,
            "GHG Protocol scope 2, location-based, shared as the site’s energy",
            unit="kg", places=3, reason=reason,
        ),
    ]  # fmt: skip


def _absent(name: str, *, required: bool = False) -> Figure:
    return Figure(name, None, "kWh", "no meter", 1, reason=kpi.Reason.NO_METER, required=required)


def _uptime(uptime: SubjectUptime | None) -> Figure:
    share = uptime.share if uptime else None
    reason = None
    if uptime is None or uptime.boundary is None:
        reason = kpi.Reason.NO_METER
    elif (uptime.coverage or 0) < kpi.PUBLISHED_FROM:
        share, reason = None, kpi.Reason.LOW_COVERAGE
    return Figure(
        "uptime", share, "1", "heartbeats: up / (up + down), announced work left out", 5,
        coverage=uptime.coverage if uptime else None, reason=reason,
        # Silence of a heartbeat is no fault of the energy meters.
        gates=False,
    )  # fmt: skip


def _of_site(figures: SiteFigures | None, estimated: Decimal | None) -> list[Figure]:
    pue = figures.pue if figures else kpi.without(kpi.Reason.NO_METER)
    erf = figures.erf if figures else kpi.without(kpi.Reason.NO_METER)
    return [
        Figure(
            "pue", pue.value, "1", "ISO/IEC 30134-2, EN 50600-4-2", 3, coverage=pue.coverage,
            reason=pue.reason, interim=pue.interim,
        ),
        _unless_estimated(
            Figure(
                "erf", erf.value, "1", "ISO/IEC 30134-6, EN 50600-4-6", 4, coverage=erf.coverage,
                reason=erf.reason, interim=erf.interim,
            ),
            estimated,
        ),
    ]  # fmt: skip


def _ref(service: HostingService, span: dict[str, Any]) -> Figure:
    """
    Return the renewable share of the whole site. It tells nothing of a neighbour's use: what is
    allocated is the operator's to know, and a share of a sum does not give it away.
    """
    operator = Viewer(stakeholder_id=service.site.operator_id, kind=Kind.OPERATOR)
    found = site_kpis(viewer=operator, site_ids=[service.site_id], **span)
    ref = found[0].ref if found else kpi.without(kpi.Reason.NO_METER)
    return Figure(
        "ref", ref.value, "1", "ISO/IEC 30134-3, EN 50600-4-3", 4,
        coverage=None if ref.value is None else ref.coverage, reason=ref.reason,
        interim=ref.interim, gates=False,
    )  # fmt: skip


def _unless_estimated(figure: Figure, estimated: Decimal | None) -> Figure:
    """
    Withhold a figure of the site's heat of which too much was estimated; the tenant's own
    figures do not rest on it.
    """
    too_much = estimated is not None and estimated > statement.ESTIMATED_AT_MOST
    if not too_much or figure.value is None:
        return replace(figure, estimated=estimated)
    return replace(figure, value=None, reason=statement.Held.ESTIMATED, estimated=None)


def _heat(service: HostingService, months: Sequence[MonthEnergy]) -> Figure:
    """
    Heat in kWh is told where everybody may know it: beside the ERF it tells the energy of the
    site, and so what a neighbour used.
    """
    basis = "heat meters where it leaves the site"
    months = [m for m in months if m.month >= service.site.started_on.replace(day=1)]
    if not service.site.is_public:
        return Figure("heatReused", None, "kWh", basis, 0, reason="not_public", gates=False)
    if not months or all(m.kwh is None for m in months):
        return Figure("heatReused", None, "kWh", basis, 0, reason=kpi.Reason.NO_METER)
    # Months weigh by their length only roughly the same; the gate is the ERF's own coverage.
    coverage = sum((m.coverage for m in months), Decimal(0)) / len(months)
    low = coverage < kpi.PUBLISHED_FROM
    total = sum((m.kwh for m in months if m.kwh is not None), Decimal(0))
    return Figure(
        "heatReused", None if low else total, "kWh", basis, 0, coverage=coverage,
        reason=kpi.Reason.LOW_COVERAGE if low else None, interim=len(months) < 12, gates=False,
    )  # fmt: skip


def _channels(service: HostingService) -> list[tuple[str, Channel]]:
    """
    Return the channels the figures are made of, each once, under the role that matters most.
    """
    found = jointly.energy_channels(site_ids=[service.site_id])
    given = jointly.facility_inputs(found)
    own = [c for c in given.feeds if c.service_id == service.pk]
    roles: dict[int, str] = {}
    for role, channels in (
        ("feed", own), ("facility", given.facility), ("it", given.it), ("heat", given.heat),
        ("neighbour", given.feeds),
    ):  # fmt: skip
        for channel in channels:
            roles.setdefault(channel.channel_id, role)
    beats = Channel.objects.filter(
        kind=Channel.Kind.HEARTBEAT, point__hosting_service_id=service.pk
    ).values_list("pk", flat=True)
    roles |= dict.fromkeys(beats, "uptime")
    channels_by_id = Channel.objects.in_bulk(roles)
    return [(roles[pk], channels_by_id[pk]) for pk in sorted(roles)]


def _estimated(
    channels: Sequence[tuple[str, Channel]], role: str, period: Period
) -> Decimal | None:
    shares = [
        estimated_share(channel_id=channel.pk, period=period)
        for its, channel in channels
        if its == role and channel.kind == Channel.Kind.REGISTER
    ]
    total = sum((share.total_kwh for share in shares), Decimal(0))
    estimated = sum((share.estimated_kwh for share in shares), Decimal(0))
    return kpi.divide(estimated, total)


def _input(channel: Channel, role: str, period: Period) -> StatedInput:
    digest = readings_digest(channel_id=channel.pk, key=channel.key, period=period)
    return StatedInput(channel.pk, role, digest.readings, digest.sha256)


def statement_hours(*, viewer: Viewer, statement_id: int) -> list[MatchedHour]:
    """
    Return the measured hours of a statement's months, local, with what of each was matched;
    nothing where no attribute is allocated by the hour or the viewer may not see it.
    """
    found = (
        Statement.objects.visible_to(viewer).select_related("service__site").get(pk=statement_id)
    )
    return _hours_of(found.service, found.first_month, found.last_month)


def service_hours(*, viewer: Viewer, service_id: int, last_month: dt.date) -> list[MatchedHour]:
    """
    Return the same of the newest month up to `last_month` for which anything is allocated by the
    hour; nothing where there is none or the viewer may not see the service.
    """
    service = HostingService.objects.visible_to(viewer).select_related("site").get(pk=service_id)
    newest = (
        AttributeAllocation.objects.filter(
            Q(service=service) | Q(service__isnull=True), site=service.site, hour__isnull=False,
            month__lte=last_month, ended_at__isnull=True,
        )
        .order_by("-month")
        .values_list("month", flat=True)
        .first()
    )  # fmt: skip
    return [] if newest is None else _hours_of(service, newest, newest)


def _hours_of(
    service: HostingService, first_month: dt.date, last_month: dt.date
) -> list[MatchedHour]:
    zone = zoneinfo.ZoneInfo(service.site.timezone)
    period = period_of(service, first_month, last_month)
    hours = match_hours(service_id=service.pk, period=period)
    if not any(hour.clean_kwh for _, hour in hours):
        return []
    return [MatchedHour(at.astimezone(zone), h.load_kwh, h.matched_kwh) for at, h in hours]
