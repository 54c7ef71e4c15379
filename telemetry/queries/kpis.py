"""
The ratios of data centres side by side: ISO/IEC 30134 per site and for the portfolio.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from django.db import connection
from django.db.models import Sum

from sites.access import Viewer
from sites.models import Site
from telemetry.domain import kpi
from telemetry.models import AttributeAllocation, AttributeLot, SiteBoundary
from telemetry.queries import jointly
from telemetry.queries.carbon import FactorMissing, Factors
from telemetry.queries.emissions import boundaries
from telemetry.queries.figures import SiteFigures, site_figures
from telemetry.queries.jointly import Question
from telemetry.queries.purchases import Sold


@dataclass(frozen=True, slots=True)
class SiteKpis:
    """
    The ratios of one site over some months, each with coverage and reason, and the same of each
    month alone. `boundary` is what the operator declares of them, None where it declares nothing.
    """

    site: Site
    figures: SiteFigures
    ere: kpi.Ratio
    ref: kpi.Ratio
    cue: kpi.Ratio
    wue: kpi.Ratio
    cer: kpi.Ratio
    boundary: SiteBoundary | None
    by_month: list[tuple[dt.date, dict[str, kpi.Ratio]]]

    def all(self) -> dict[str, kpi.Ratio]:
        """
        Return the ratios by name, in the order of the standard's parts.
        """
        return _in_order(
            pue=self.figures.pue, ref=self.ref, erf=self.figures.erf, ere=self.ere, cer=self.cer,
            cue=self.cue, wue=self.wue,
        )  # fmt: skip


def _in_order(**ratios: kpi.Ratio) -> dict[str, kpi.Ratio]:
    return {name: ratios[name] for name in ("pue", "ref", "erf", "ere", "cer", "cue", "wue")}


def site_kpis(
    *,
    viewer: Viewer,
    first_month: dt.date,
    last_month: dt.date,
    site_ids: Iterable[int] | None = None,
) -> list[SiteKpis]:
    """
    Return the ratios of the viewer's sites by name, over complete local months from
    `first_month` to `last_month`, both included. Energies behind them are the operator's alone;
    customers get PUE, ERF and ERE.
    """
    live = Site.objects.visible_to(viewer).filter(phase=Site.Phase.LIVE)
    if site_ids is not None:
        live = live.filter(pk__in=list(site_ids))
    sites = list(live.select_related("operator").order_by("name", "pk"))
    keys = [site.pk for site in sites]
    span = {"first_month": first_month, "last_month": last_month}
    figures = site_figures(viewer=viewer, site_ids=keys, **span)
    emissions, own = _emissions(sites, first_month, last_month)
    bought = _allocated(keys, first_month, last_month, metered=own)
    water = _measured(sites, first_month, last_month, "water", ["volume"])
    removed = _measured(sites, first_month, last_month, "cooling", ["cooling_energy"])
    cooling = _measured(sites, first_month, last_month, "cooling", ["energy", "power"])
    declared = boundaries(viewer=viewer, site_ids=keys)
    span_months = jointly.months_between(first_month, last_month)
    return [
        _one_site(
            site, figures[site.pk], emissions.get(site.pk, kpi.without(kpi.Reason.NO_METER)),
            bought[site.pk], water.get(site.pk), removed.get(site.pk), cooling.get(site.pk),
            next(iter(declared.get(site.pk, [])), None), span_months,
        )
        for site in sites
    ]  # fmt: skip


def _one_site(
    site: Site,
    figures: SiteFigures,
    cue: kpi.Ratio,
    bought: dict[dt.date, Decimal],
    water: _Measured | None,
    removed: _Measured | None,
    cooling: _Measured | None,
    boundary: SiteBoundary | None,
    months: Sequence[dt.date],
) -> SiteKpis:
    pue, erf = figures.pue, figures.erf
    it = {j.month: j.denominator_kwh for j in pue.joints}

    def of_month(month: dt.date) -> dict[str, kpi.Ratio]:
        mine = _alone(kpi.pue, pue, month), _alone(kpi.erf, erf, month)
        return _in_order(
            pue=mine[0], erf=mine[1], ere=_ere(*mine), ref=_ref_of_month(pue, bought, month),
            cue=_alone(kpi.emissions_per_kwh, cue, month),
            wue=_wue_of_month(it.get(month), water, month),
            cer=_cer(_month_of(removed, month), _month_of(cooling, month)),
        )  # fmt: skip

    return SiteKpis(
        site=site,
        figures=figures,
        ere=_ere(pue, erf),
        ref=_ref(figures, sum(bought.values(), Decimal(0)) if bought else None),
        cue=cue,
        wue=_wue(figures, water),
        cer=_cer(removed, cooling),
        boundary=boundary,
        by_month=[(month, of_month(month)) for month in months if month in it],
    )


def _alone(
    form: Callable[[Iterable[kpi.Joint]], kpi.Ratio], ratio: kpi.Ratio, month: dt.date
) -> kpi.Ratio:
    mine = [joint for joint in ratio.joints if joint.month == month]
    return form(mine) if mine else kpi.without(ratio.reason or kpi.Reason.NO_METER)


def _ref_of_month(pue: kpi.Ratio, bought: dict[dt.date, Decimal], month: dt.date) -> kpi.Ratio:
    (joint,) = [j for j in pue.joints if j.month == month]
    if month not in bought:
        return kpi.without(kpi.Reason.NO_ATTRIBUTES)
    return kpi.ref(
        [replace(joint, numerator_kwh=bought[month], denominator_kwh=joint.numerator_kwh)]
    )


def _wue_of_month(it_kwh: Decimal | None, water: _Measured | None, month: dt.date) -> kpi.Ratio:
    used = _month_of(water, month)
    if used is None or it_kwh is None:
        return kpi.without(kpi.Reason.NO_METER)
    if used.coverage < kpi.PUBLISHED_FROM:
        return kpi.without(kpi.Reason.LOW_COVERAGE)
    return kpi.Ratio(kpi.wue(used.amount, it_kwh), used.amount, it_kwh, used.coverage, 1, None)


def portfolio(kpis: Sequence[SiteKpis]) -> dict[str, Decimal | None]:
    """
    Return each ratio of all sites together, weighted by the energy of the site (Regulation (EU)
    2024/1364, Annex IV). A site without a figure has no part in it.
    """
    found: dict[str, Decimal | None] = {}
    for name in ("pue", "ref", "erf", "wue"):
        pairs = [
            (ratio.value, k.figures.facility.kwh)
            for k in kpis
            if (ratio := k.all()[name]).value is not None
            and k.figures.facility is not None
            and k.figures.facility.kwh is not None
        ]
        found[name] = kpi.weighted_mean([v for v, _ in pairs], [w for _, w in pairs])
    return found


def _ere(pue: kpi.Ratio, erf: kpi.Ratio) -> kpi.Ratio:
    # (E_DC − E_REUSE) / E_IT = (1 − ERF) · PUE, so it is known where both are.
    lesser = min((pue, erf), key=lambda ratio: ratio.coverage)
    value = None
    if pue.value is not None and erf.value is not None:
        value = (1 - erf.value) * pue.value
    return kpi.Ratio(
        value, None, None, lesser.coverage, min(pue.months, erf.months), pue.reason or erf.reason
    )


def _ref(figures: SiteFigures, kwh: Decimal | None) -> kpi.Ratio:
    used = figures.facility
    if used is None or used.kwh is None:
        return kpi.without(used.reason or kpi.Reason.NO_METER if used else kpi.Reason.NO_METER)
    if kwh is None:
        return kpi.without(kpi.Reason.NO_ATTRIBUTES)
    value = kpi.divide(min(kwh, used.kwh), used.kwh)
    return kpi.Ratio(value, kwh, used.kwh, used.coverage, figures.pue.months, None)


def _wue(figures: SiteFigures, water: _Measured | None) -> kpi.Ratio:
    it = figures.it
    if water is None or it is None:
        return kpi.without(kpi.Reason.NO_METER)
    if it.kwh is None or water.coverage < kpi.PUBLISHED_FROM:
        return kpi.without(kpi.Reason.LOW_COVERAGE)
    value = kpi.wue(water.amount, it.kwh)
    return kpi.Ratio(
        value, water.amount, it.kwh, min(water.coverage, it.coverage), figures.pue.months, None
    )


def _cer(removed: _Measured | None, cooling: _Measured | None) -> kpi.Ratio:
    if removed is None or cooling is None:
        return kpi.without(kpi.Reason.NO_METER)
    coverage = min(removed.coverage, cooling.coverage)
    if coverage < kpi.PUBLISHED_FROM:
        return kpi.without(kpi.Reason.LOW_COVERAGE)
    value = kpi.divide(removed.amount, cooling.amount)
    reason = None if value is not None else kpi.Reason.ZERO_DENOMINATOR
    months = min(removed.months, cooling.months)
    return kpi.Ratio(value, removed.amount, cooling.amount, coverage, months, reason)


def _emissions(
    sites: Sequence[Site], first_month: dt.date, last_month: dt.date
) -> tuple[dict[int, kpi.Ratio], dict[int, dict[dt.date, Decimal]]]:
    """
    Return CUE by site: what was bought in each month by the factor of that month, over the hours
    in which facility and IT are both measured. And by month the kWh the site made and used
    itself, of the sites where that is metered and where its guarantees are not sold.
    """
    channels = defaultdict(list)
    for channel in jointly.energy_channels(site_ids=[site.pk for site in sites]):
        channels[channel.site_id].append(channel)
    asked, questions = [], []
    for site in sites:
        given = jointly.facility_inputs(channels[site.pk])
        if given.facility and given.it:
            asked.append(site)
            spans = jointly.spans_of(site, first_month=first_month, last_month=last_month)
            roles = {"facility": given.facility, "it": given.it}
            questions.append(Question(roles | ({"own": given.own} if given.own else {}), spans))
    factors, sold = Factors(sites), Sold(sites)
    found: dict[int, kpi.Ratio] = {}
    own: dict[int, dict[dt.date, Decimal]] = {}
    for site, months in zip(asked, jointly.joint_energy(questions), strict=True):
        if any("own" in m.kwh for m in months):
            own[site.pk] = {
                m.span.month: m.of("own")
                for m in months
                if "own" in m.kwh and not sold.at(site, m.span.month)
            }
        try:
            joints = [
                kpi.Joint(
                    (m.of("facility") - m.of("own"))
                    * factors.on(site=site, day=m.span.month).kg_per_kwh,
                    m.of("it"), m.measured_s, m.span.seconds, m.span.month,
                )
                for m in months
            ]  # fmt: skip
        except FactorMissing:
            found[site.pk] = kpi.without(kpi.Reason.NO_FACTOR)
            continue
        found[site.pk] = kpi.emissions_per_kwh(joints)
    return found, own


def _allocated(
    site_ids: Iterable[int],
    first_month: dt.date,
    last_month: dt.date,
    *,
    metered: dict[int, dict[dt.date, Decimal]],
) -> defaultdict[int, dict[dt.date, Decimal]]:
    """
    Return renewable kWh by site and month: what is allocated to it, and of its own production
    what a meter tells or else what is allocated.
    """
    rows = (
        AttributeAllocation.objects.filter(
            site_id__in=list(site_ids), month__range=(first_month, last_month),
            ended_at__isnull=True,
        )
        .exclude(lot__kind=AttributeLot.Kind.ONSITE, site_id__in=list(metered))
        .values_list("site_id", "month")
        .annotate(total=Sum("kwh"))
    )  # fmt: skip
    held: defaultdict[int, dict[dt.date, Decimal]] = defaultdict(dict)
    for site_id, month, kwh in rows:
        held[site_id][month] = kwh
    for site_id, made in metered.items():
        for month, kwh in made.items():
            held[site_id][month] = held[site_id].get(month, Decimal(0)) + kwh
    return held


@dataclass(frozen=True, slots=True)
class _Measured:
    amount: Decimal
    coverage: Decimal
    months: int
    by_month: dict[dt.date, _Measured]


def _month_of(measured: _Measured | None, month: dt.date) -> _Measured | None:
    return None if measured is None else measured.by_month.get(month)


def _measured(
    sites: Sequence[Site],
    first_month: dt.date,
    last_month: dt.date,
    boundary: str,
    quantities: list[str],
) -> dict[int, _Measured]:
    """
    Return what was counted at one boundary by site, of each point the first of the quantities it
    has; a month without a figure counts as not covered.
    """
    spans = {
        site.pk: jointly.spans_of(site, first_month=first_month, last_month=last_month)
        for site in sites
    }
    live = [(key, s[0].start, s[-1].end) for key, s in spans.items() if s]
    if not live:
        return {}
    found: defaultdict[int, dict[dt.date, _Measured]] = defaultdict(dict)
    with connection.cursor() as cursor:
        cursor.execute(_MEASURED, [*map(list, zip(*live, strict=True)), boundary, quantities])
        for key, month, amount, coverage in cursor.fetchall():
            found[key][month] = _Measured(amount, coverage, 1, {})
    return {
        key: _Measured(
            sum((m.amount for m in months.values()), Decimal(0)),
            sum((m.coverage for m in months.values()), Decimal(0)) / len(spans[key]),
            len(months), months,
        )
        for key, months in found.items()
    }  # fmt: skip


_MEASURED = """
SELECT s.id, (r.start_at AT TIME ZONE t.timezone)::date, sum(r.energy_kwh), min(r.coverage)
FROM unnest(%s::bigint[], %s::timestamptz[], %s::timestamptz[]) AS s(id, begins, ends)
JOIN sites_site t ON t.id = s.id
JOIN telemetry_meteringpoint p ON p.site_id = s.id AND p.boundary = %s
JOIN LATERAL (SELECT id FROM telemetry_channel c WHERE c.point_id = p.id
  AND c.quantity = ANY(%s) AND c.kind IN ('register', 'interval')
  ORDER BY c.quantity LIMIT 1) c ON true
JOIN telemetry_rollup r ON r.channel_id = c.id AND r.grain = 'month'
  AND r.start_at >= s.begins AND r.start_at < s.ends AND r.energy_kwh IS NOT NULL
GROUP BY 1, 2
"""
