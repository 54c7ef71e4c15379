"""
Where a site's electricity went: servers, cooling, and heat to each customer, over the same hours.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal

from sites.access import Kind, Viewer
from sites.models import Site
from telemetry.domain import kpi
from telemetry.queries import jointly
from telemetry.queries.jointly import EnergyChannel, FacilityInputs, JointMonth, Question


@dataclass(frozen=True, slots=True)
class EnergyFlow:
    """
    kWh of whole local months from `first_month` to `last_month`, over the hours in which every
    meter was read. `own_kwh` is what the site produced itself, less what it fed in; `heat` is what
    each point (key, name) handed over.
    """

    first_month: dt.date
    last_month: dt.date
    coverage: Decimal
    facility_kwh: Decimal
    it_kwh: Decimal
    own_kwh: Decimal
    heat: list[tuple[int, str, Decimal]]

    @property
    def heat_kwh(self) -> Decimal:
        """
        All heat handed over.
        """
        return sum((kwh for _, _, kwh in self.heat), Decimal(0))


def energy_flow(
    *, viewer: Viewer, site_id: int, first_month: dt.date, last_month: dt.date
) -> EnergyFlow | None:
    """
    Return the flow of a site's energy over the months; where too few of their hours were measured,
    that of the newest single month with enough. None where no month has, where a meter lacks, and
    where figures contradict each other. Only for the operator: energies tell of customers.
    """
    site = Site.objects.visible_to(viewer).filter(pk=site_id).first()
    if site is None or viewer.kind is not Kind.OPERATOR:
        return None
    given = jointly.facility_inputs(jointly.energy_channels(site_ids=[site.pk]))
    if not (given.facility and given.it and given.heat):
        return None
    spans = jointly.spans_of(site, first_month=first_month, last_month=last_month)
    (months,) = jointly.joint_energy(
        [Question(_roles(given), spans, frozenset(_role(channel) for channel in given.heat))]
    )
    stretches = [months, *([month] for month in reversed(months))]
    enough = (some for some in stretches if some and _coverage(some) >= kpi.PUBLISHED_FROM)
    found = next(enough, None)
    return None if found is None else _plausible(_flow(found, given))


def _role(channel: EnergyChannel) -> str:
    return f"heat {channel.channel_id}"


def _roles(given: FacilityInputs) -> dict[str, list[EnergyChannel]]:
    return {
        "facility": given.facility,
        "it": given.it,
        **({"own": given.own} if given.own else {}),
        **{_role(channel): [channel] for channel in given.heat},
    }


def _coverage(months: list[JointMonth]) -> Decimal:
    return kpi.coverage(sum(m.measured_s for m in months), sum(m.span.seconds for m in months))


def _flow(months: list[JointMonth], given: FacilityInputs) -> EnergyFlow:
    def total(role: str) -> Decimal:
        return sum((month.of(role) for month in months), Decimal(0))

    return EnergyFlow(
        first_month=months[0].span.month,
        last_month=months[-1].span.month,
        coverage=_coverage(months),
        facility_kwh=total("facility"),
        it_kwh=total("it"),
        own_kwh=total("own"),
        heat=[(c.point_id, c.point_name, total(_role(c))) for c in given.heat],
    )


def _plausible(flow: EnergyFlow) -> EnergyFlow | None:
    # More out than in, or a part above the whole: a meter, unit or multiplier is wrong.
    fits = (
        0 < flow.it_kwh <= flow.facility_kwh
        and 0 <= flow.own_kwh <= flow.facility_kwh
        and flow.heat_kwh <= flow.facility_kwh
        and all(kwh >= 0 for _, _, kwh in flow.heat)
    )
    return flow if fits else None
