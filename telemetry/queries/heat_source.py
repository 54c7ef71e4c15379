"""
What delivered heat is made of, and what it emits where it is delivered.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal

from sites.models import Site
from telemetry.domain.heat_mix import HeatMix
from telemetry.models import MeteringPoint
from telemetry.queries.carbon import Factor, Factors
from telemetry.queries.series import months_of_points


@dataclass(frozen=True, slots=True)
class HeatSource:
    """
    The heat of a site over a local month. `mix` is None where a meter of it was not there all
    the month; `uplift_metered` says whether the site meters heat pumps or pumps at all.
    """

    mix: HeatMix | None
    uplift_metered: bool
    factor: Factor | None


def heat_source(*, site: Site, month: dt.date) -> HeatSource:
    """
    Return what the heat delivered from a site in a local month was made of. For documents, which
    are about a site their reader is a customer of.
    """
    points = list(
        MeteringPoint.objects.filter(
            site=site,
            boundary__in=[MeteringPoint.Boundary.UPLIFT, MeteringPoint.Boundary.HEAT_HANDOFF],
        ).values_list("pk", "boundary")
    )
    uplift = [pk for pk, boundary in points if boundary == MeteringPoint.Boundary.UPLIFT]
    handed = [pk for pk, boundary in points if boundary != MeteringPoint.Boundary.UPLIFT]
    used, delivered = _whole(uplift, month), _whole(handed, month)
    mix = None
    if used is not None and delivered is not None and delivered > 0:
        mix = HeatMix(delivered, used)
    return HeatSource(mix, bool(uplift), Factors([site]).get(site=site, day=month))


def _whole(point_ids: list[int], month: dt.date) -> Decimal | None:
    """
    Return the kWh of some points together, 0 for none, None where one was not covered throughout.
    """
    found = dict(months_of_points(point_ids, [month]))
    total = Decimal(0)
    for point_id in point_ids:
        energy = found.get(point_id)
        if energy is None or energy.kwh is None or energy.coverage < 1:
            return None
        total += energy.kwh
    return total
