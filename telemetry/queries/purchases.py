"""
How the electricity of services was bought: by which attributes, by what is left without any, and
what of it was made in the same hour.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import Q, Sum

from sites.domain import Period, local_days
from sites.models import Site
from telemetry.domain import carbon
from telemetry.domain.matching_hours import Hour, Match, match, of_sums
from telemetry.models import AttributeAllocation, SiteBoundary
from telemetry.queries.carbon import ELECTRICITY, Factor, Factors, Footprint
from telemetry.queries.reference import Rules

# Carriers of the factors of electricity that no attribute covers, the nearest first.
_RESTS = {
    carbon.Rest.SUPPLIER: "electricity_supplier",
    carbon.Rest.RESIDUAL: "electricity_residual",
    carbon.Rest.GRID: ELECTRICITY,
}
# Own production is not bought; then certificates, contracts, and what the supplier says.
_NEAREST = ("onsite", "go", "rego", "ppa", "tariff")


@dataclass(frozen=True, slots=True)
class Purchase:
    """
    How the electricity of a service was bought over some months: kWh used with its share of the
    site, kWh of them covered by attributes or produced at the site and used there (`own_kwh`, by
    meter), kg by the market-based method, and what is matched in the same hour. `residual` is the
    factor of the rest and `rest` whose it is: where months differ, the farthest.
    """

    used_kwh: Decimal
    covered_kwh: Decimal
    own_kwh: Decimal
    kg: Decimal | None
    matched: Match
    residual: Factor | None
    rest: carbon.Rest
    lots: tuple[str, ...]

    @property
    def share(self) -> Decimal | None:
        return self.covered_kwh / self.used_kwh if self.used_kwh > 0 else None


def purchases(
    *,
    footprints: Sequence[Footprint],
    sites: Iterable[Site],
    first_month: dt.date,
    last_month: dt.date,
    frozen: bool = True,
) -> dict[int, Purchase]:
    """
    Return how the electricity of the footprints was bought, by service; those whose energy is not
    known are left out. Attributes cover the month they are allocated to and no other; more than
    was used covers no more. However many there are, the statements are the same few.
    """
    by_id = {site.pk: site for site in sites}
    known = [f for f in footprints if f.facility_kwh is not None]
    held = _held(known, first_month, last_month)
    rests = Rests(by_id.values(), frozen=frozen)
    sold = Sold(by_id.values())
    matched = _matched(known, by_id, first_month, last_month)
    return {
        f.service_id: _purchase(
            f, by_id[f.site_id], held[f.service_id], rests, sold, matched[f.service_id]
        )
        for f in known
    }


Part = tuple[Decimal, Decimal, str]


def _purchase(
    footprint: Footprint,
    site: Site,
    held: dict[dt.date, list[Part]],
    rests: Rests,
    sold: Sold,
    matched: Match,
) -> Purchase:
    kg, covered_kwh, own_kwh, named = Decimal(0), Decimal(0), Decimal(0), dict[str, None]()
    factor, whose, complete = None, carbon.Rest.SUPPLIER, True
    months = [m for m in footprint.months if m.facility_kwh is not None]
    for month in months:
        made = Decimal(0) if sold.at(site, month.month) else month.own_kwh or Decimal(0)
        # What the site made and used itself was not bought, and a meter says how much it was.
        used = (month.facility_kwh or Decimal(0)) - made
        given = held.get(month.month, [])
        if month.own_kwh is not None:
            given = [part for part in given if not part[2].startswith("onsite ")]
        parts = _within(given, used)
        bought_kwh = sum((kwh for kwh, _, _ in parts), Decimal(0))
        own_kwh, covered_kwh = own_kwh + made, covered_kwh + bought_kwh + made
        named |= dict.fromkeys(name for _, _, name in parts)
        found, its = rests.on(site, month.month) if used > bought_kwh else (None, whose)
        if used > bought_kwh and found is None:
            complete = False
            continue
        factor, whose = found or factor, max(whose, its, key=list(carbon.Rest).index)
        bought = [(kwh, kg_per_kwh) for kwh, kg_per_kwh, _ in parts]
        kg += carbon.market_based(used, bought, found.kg_per_kwh if found else Decimal(0))
    return Purchase(
        used_kwh=sum((m.facility_kwh or Decimal(0) for m in months), Decimal(0)),
        covered_kwh=covered_kwh,
        own_kwh=own_kwh,
        kg=kg.quantize(Decimal("0.001")) if complete else None,
        matched=matched,
        residual=factor,
        rest=whose,
        lots=tuple(named),
    )


class Sold:
    """
    Whether, in a month, the guarantees of what a site produced were sold: then it counts as
    electricity without attributes.
    """

    def __init__(self, sites: Iterable[Site]) -> None:
        self._rows = list(
            SiteBoundary.objects.filter(site__in=list(sites), superseded_at__isnull=True).order_by(
                "valid_from"
            )
        )

    def at(self, site: Site, month: dt.date) -> bool:
        """
        Return what was declared last for the month.
        """
        held = [r for r in self._rows if r.site_id == site.pk and r.valid_from <= month]
        return held[-1].own_production_sold if held else False


def _held(
    footprints: Sequence[Footprint], first_month: dt.date, last_month: dt.date
) -> dict[int, dict[dt.date, list[Part]]]:
    """
    Return by service and month the kWh allocated to it, its part of those of the whole site among
    them, with factor and name of each lot, in the order of the market-based method.
    """
    services = [f.service_id for f in footprints]
    rows: list[Any] = list(
        AttributeAllocation.objects.filter(
            Q(service_id__in=services) | Q(service__isnull=True),
            site_id__in={f.site_id for f in footprints}, ended_at__isnull=True,
            month__range=(first_month, last_month),
        )
        .values(
            "site_id", "month", "service_id", "lot_id", "lot__kind", "lot__registry_id",
            "lot__kg_per_kwh",
        )
        .annotate(total=Sum("kwh"))
        .order_by("month", "lot_id", "service_id")
    )  # fmt: skip
    held: dict[int, dict[dt.date, list[Part]]] = {}
    for footprint in footprints:
        shares = {m.month: m.share for m in footprint.months if m.share is not None}
        mine: defaultdict[dt.date, list[Part]] = defaultdict(list)
        for row in rows:
            its_service = row["service_id"]
            if row["site_id"] != footprint.site_id:
                continue
            if its_service is not None and its_service != footprint.service_id:
                continue
            kwh = row["total"]
            if its_service is None:
                kwh *= shares.get(row["month"], Decimal(0))
            name = f"{row['lot__kind']} {row['lot__registry_id']}"
            mine[row["month"]].append((kwh, row["lot__kg_per_kwh"], name))
        for parts in mine.values():
            parts.sort(key=lambda part: _NEAREST.index(part[2].split()[0]))
        held[footprint.service_id] = mine
    return held


def _within(parts: Sequence[Part], used: Decimal) -> list[Part]:
    """
    Return the parts up to what was used, those in front before the others.
    """
    taken: list[Part] = []
    left = used
    for kwh, factor, name in parts:
        part = min(kwh, left)
        if part > 0:
            taken.append((part, factor, name))
            left -= part
    return taken


class Rests:
    """
    The factors of electricity without attributes at some sites.
    """

    def __init__(self, sites: Iterable[Site], *, frozen: bool) -> None:
        self._factors = Factors(sites, frozen=frozen)

    def on(self, site: Site, day: dt.date) -> tuple[Factor | None, carbon.Rest]:
        """
        Return the nearest factor that is held for a day and whose it is.
        """
        for rest, carrier in _RESTS.items():
            found = self._factors.get(site=site, day=day, carrier=carrier)
            if found is not None:
                return found, rest
        return None, carbon.Rest.GRID


def _matched(
    footprints: Sequence[Footprint],
    sites: dict[int, Site],
    first_month: dt.date,
    last_month: dt.date,
) -> defaultdict[int, Match]:
    """
    Compare each service's own electricity with the attributes allocated to it hour by hour, over
    the hours in which its meter was read. What is allocated to a month as a whole matches no
    hour: when it was produced is not known.
    """
    end = (last_month + dt.timedelta(days=32)).replace(day=1)
    spans = {pk: local_days(first_month, end, site.timezone) for pk, site in sites.items()}
    shares = Rules(sites.values())
    found: defaultdict[int, Match] = defaultdict(
        lambda: of_sums(Decimal(0), Decimal(0), Decimal(0))
    )
    if not footprints:
        return found
    asked = [(f.service_id, spans[f.site_id].start, spans[f.site_id].end) for f in footprints]
    its_site = {f.service_id: sites[f.site_id] for f in footprints}
    with connection.cursor() as cursor:
        cursor.execute(_LOADS, [*map(list, zip(*asked, strict=True)), False])
        for service_id, _, load, clean, matched in cursor.fetchall():
            # The grid's carbon-free share is a mean of its year, the same in each hour.
            share = shares.value(its_site[service_id], "grid.cfe_share", on=last_month)
            found[service_id] = of_sums(load, clean, matched, grid_share=share)
    return found


def match_hours(*, service_id: int, period: Period) -> list[tuple[dt.datetime, Hour]]:
    """
    Return the measured hours of a service with its load and what is allocated to each, in order.
    """
    with connection.cursor() as cursor:
        cursor.execute(_LOADS, [[service_id], [period.start], [period.end], True])
        return [(at, Hour(load, clean)) for _, at, load, clean, _ in cursor.fetchall()]


def hourly_match(*, service_id: int, period: Period) -> Match:
    """
    Compare one service's electricity with what is allocated to it by the hour.
    """
    return match(hour for _, hour in match_hours(service_id=service_id, period=period))


# What is allocated by the hour to the whole site is its services' by what they use in the hour.
_LOADS = """
WITH asked AS (
  SELECT q.*, h.site_id FROM unnest(%s::bigint[], %s::timestamptz[], %s::timestamptz[])
    AS q(service, begins, ends) JOIN sites_hostingservice h ON h.id = q.service
), span AS (
  SELECT site_id, min(begins) AS begins, max(ends) AS ends FROM asked GROUP BY 1
), allocated AS MATERIALIZED (
  SELECT a.site_id, a.service_id AS service, a.hour, sum(a.kwh) AS kwh
  FROM telemetry_attributeallocation a JOIN span s USING (site_id)
  WHERE a.hour >= s.begins AND a.hour < s.ends AND a.ended_at IS NULL GROUP BY 1, 2, 3
), feed AS MATERIALIZED (
  SELECT p.site_id, p.hosting_service_id AS service, r.start_at, sum(r.energy_kwh) AS kwh
  FROM span s JOIN telemetry_meteringpoint p USING (site_id)
  JOIN LATERAL (SELECT id FROM telemetry_channel c WHERE c.point_id = p.id
    AND c.quantity IN ('energy', 'power') AND c.kind IN ('register', 'interval')
    ORDER BY c.quantity LIMIT 1) c ON true
  JOIN telemetry_rollup r ON r.channel_id = c.id AND r.grain = 'hour'
    AND r.start_at >= s.begins AND r.start_at < s.ends
  WHERE p.boundary = 'tenant_feed' AND r.coverage = 1 AND r.energy_kwh IS NOT NULL
    AND r.quality NOT IN ('missing', 'suspect')
    AND EXISTS (SELECT 1 FROM allocated a WHERE a.site_id = p.site_id)
  GROUP BY 1, 2, 3
), part AS (
  -- One pass over both: joined freely, a wrong guess of how many rows there are costs seconds.
  SELECT site_id, service, start_at AS at, kwh, 0 AS own, 0 AS shared FROM feed
  UNION ALL
  SELECT site_id, service, hour, NULL, CASE WHEN service IS NULL THEN 0 ELSE kwh END,
    CASE WHEN service IS NULL THEN kwh ELSE 0 END FROM allocated
), each_hour AS (
  SELECT site_id, service, at, sum(kwh) AS kwh, sum(own) AS own, sum(shared) AS shared
  FROM part GROUP BY 1, 2, 3
), load AS (
  SELECT service, at, kwh,
    own + coalesce(sum(shared) OVER w * kwh / nullif(sum(kwh) OVER w, 0), 0) AS clean
  FROM each_hour WINDOW w AS (PARTITION BY site_id, at)
)
SELECT service, CASE WHEN %s THEN at END, sum(kwh), sum(clean), sum(least(kwh, clean))
FROM load JOIN asked q USING (service)
WHERE kwh IS NOT NULL AND at >= q.begins AND at < q.ends
GROUP BY 1, 2 ORDER BY 2
"""
