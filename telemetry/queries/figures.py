"""
PUE and ERF of sites with the energies behind them.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from sites.access import Kind, Viewer
from sites.models import Site
from telemetry.domain import kpi
from telemetry.queries import jointly
from telemetry.queries.jointly import EnergyChannel, FacilityInputs, JointMonth, Question


@dataclass(frozen=True, slots=True)
class Energy:
    """
    kWh over the measured hours; None with a reason where too little was measured.
    """

    kwh: Decimal | None
    coverage: Decimal
    reason: kpi.Reason | None


@dataclass(frozen=True, slots=True)
class Input:
    """
    A point a figure rests on, as "facility", "it" or "heat".
    """

    role: str
    point_id: int
    point_name: str
    channel_id: int


@dataclass(frozen=True, slots=True)
class SiteFigures:
    """
    The figures of a site. Customers get the ratios alone, since energies of the whole site tell
    what a neighbour used.

    `facility_basis` is "facility" for the facility's own meter or "it_and_cooling" for the sum;
    `it_basis` is "it" or "tenant_feeds".
    """

    site_id: int
    pue: kpi.Ratio
    erf: kpi.Ratio
    facility: Energy | None
    it: Energy | None
    heat: Energy | None
    facility_basis: str | None
    it_basis: str | None
    inputs: list[Input]


def site_figures(
    *, viewer: Viewer, site_ids: Iterable[int], first_month: dt.date, last_month: dt.date
) -> dict[int, SiteFigures]:
    """
    Return the figures of those of the sites that the viewer may see, over complete local months
    from `first_month` to `last_month`, both included.
    """
    sites = Site.objects.visible_to(viewer).filter(pk__in=list(site_ids))
    return _figures(
        list(sites),
        first_month=first_month,
        last_month=last_month,
        with_energies=viewer.kind is Kind.OPERATOR,
    )


def public_site_figures(
    *, first_month: dt.date, last_month: dt.date, site_ids: Iterable[int]
) -> dict[int, SiteFigures]:
    """
    Return the ratios of those of the sites whose operator shows them to everybody.
    """
    return _figures(
        list(Site.objects.public().filter(pk__in=list(site_ids))),
        first_month=first_month,
        last_month=last_month,
        with_energies=False,
    )


def _figures(
    sites: Sequence[Site], *, first_month: dt.date, last_month: dt.date, with_energies: bool
) -> dict[int, SiteFigures]:
    by_site: defaultdict[int, list[EnergyChannel]] = defaultdict(list)
    for channel in jointly.energy_channels(site_ids=[site.pk for site in sites]):
        by_site[channel.site_id].append(channel)
    asked: list[tuple[int, str]] = []
    questions: list[Question] = []
    inputs: dict[int, FacilityInputs] = {}
    for site in sites:
        given = inputs[site.pk] = jointly.facility_inputs(by_site[site.pk])
        spans = jointly.spans_of(site, first_month=first_month, last_month=last_month)
        for name, roles in _questions(given, with_energies=with_energies).items():
            asked.append((site.pk, name))
            questions.append(Question(roles, spans))
    answers = dict(zip(asked, jointly.joint_energy(questions), strict=True))
    return {
        site.pk: _one_site(
            site.pk,
            inputs[site.pk],
            {name: answers.get((site.pk, name)) for name in _NAMES},
            with_energies=with_energies,
        )
        for site in sites
    }


_NAMES = ("pue", "erf", "facility", "it", "heat")


def _questions(
    given: FacilityInputs, *, with_energies: bool
) -> dict[str, dict[str, list[EnergyChannel]]]:
    channels = {"facility": given.facility, "it": given.it, "heat": given.heat}
    wanted: dict[str, tuple[str, ...]] = {"pue": ("facility", "it"), "erf": ("heat", "facility")}
    if with_energies:
        wanted |= {"facility": ("facility",), "it": ("it",), "heat": ("heat",)}
    return {
        name: {role: channels[role] for role in roles}
        for name, roles in wanted.items()
        if all(channels[role] for role in roles)
    }


def _one_site(
    site_id: int,
    given: FacilityInputs,
    months: dict[str, list[JointMonth] | None],
    *,
    with_energies: bool,
) -> SiteFigures:
    pue, erf = months["pue"], months["erf"]
    no_meter = kpi.without(kpi.Reason.NO_METER)
    ratios = (
        no_meter if pue is None else kpi.pue(_joints(pue, "facility", "it")),
        no_meter if erf is None else kpi.erf(_joints(erf, "heat", "facility")),
    )
    if not with_energies:
        bare = [replace(r, numerator_kwh=None, denominator_kwh=None, joints=()) for r in ratios]
        return SiteFigures(
            site_id=site_id, pue=bare[0], erf=bare[1], facility=None, it=None, heat=None,
            facility_basis=given.facility_basis, it_basis=given.it_basis, inputs=[],
        )  # fmt: skip
    return SiteFigures(
        site_id=site_id,
        pue=ratios[0],
        erf=ratios[1],
        facility=_energy(months["facility"], "facility"),
        it=_energy(months["it"], "it"),
        heat=_energy(months["heat"], "heat"),
        facility_basis=given.facility_basis,
        it_basis=given.it_basis,
        inputs=[
            Input(role, channel.point_id, channel.point_name, channel.channel_id)
            for role, channels in (
                ("facility", given.facility),
                ("it", given.it),
                ("heat", given.heat),
            )
            for channel in channels
        ],
    )


def _joints(months: list[JointMonth], above: str, below: str) -> list[kpi.Joint]:
    return [
        kpi.Joint(m.of(above), m.of(below), m.measured_s, m.span.seconds, m.span.month)
        for m in months
    ]


def _energy(months: list[JointMonth] | None, role: str) -> Energy:
    if months is None:
        return Energy(None, Decimal(0), kpi.Reason.NO_METER)
    if not months:
        return Energy(None, Decimal(0), kpi.Reason.NOT_STARTED)
    share = kpi.coverage(sum(m.measured_s for m in months), sum(m.span.seconds for m in months))
    if share < kpi.PUBLISHED_FROM:
        return Energy(None, share, kpi.Reason.LOW_COVERAGE)
    return Energy(sum((m.of(role) for m in months), Decimal(0)), share, None)
