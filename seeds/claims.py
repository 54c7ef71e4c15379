"""
What the demo's buildings would have burned, and who claims which share of it and of the
electricity. The shares are made up.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from seeds.attributes import MONTHS, back
from sites.models import DeliveryPoint, Site, Stakeholder
from telemetry import operations
from telemetry.models import AttributeAllocation, Claim

# Shares of the displaced heat by site: heat customers, and what is left to the operator.
_HEAT = {
    "kiel-werftbahn": {"foerdebad": "0.72", "kita-moewennest": "0.08", "nordhaven-edge": "0.2"},
    "luebeck-roddenkoppel": {"wohnbau-trave": "0.8", "nordhaven-edge": "0.2"},
    "leeds-canal-road": {"canal-road-school": "0.9", "nordhaven-edge": "0.1"},
}
# Of what is allocated to all tenants of a site.
_SHARED = {
    "kiel-werftbahn": {"fjord-render": "0.5", "baltic-weather": "0.5"},
    "leeds-canal-road": {"tallow-software": "0.5", "pennine-archive": "0.5"},
}


def enter(*, newest: dt.date, now: dt.datetime) -> None:
    """
    Say what would have heated each building, and enter the claims of the last months; once.
    """
    if Claim.objects.exists():
        return
    for point in DeliveryPoint.objects.order_by("pk"):
        operations.set_counterfactual(
            delivery_point_id=point.pk, first_day=point.site.started_on, at=now, by_id=None,
            fuel="natural gas", fuel_kg_per_kwh=Decimal("0.20196"), basis="ncv",
            efficiency=Decimal("0.90"), auxiliary_share=Decimal("0.017"),
            uncertainties=[Decimal("0.03625"), Decimal("0.02"), Decimal("0.05")],
            source="Factor: Regulation (EU) 2018/2066, Annex VI. Boiler and pumping: assumed",
        )  # fmt: skip
    ids = dict(Stakeholder.objects.values_list("slug", "pk"))
    for site in Site.objects.order_by("slug"):
        for month in back(newest, MONTHS):
            if month >= site.started_on.replace(day=1):
                _month(site, month, ids, now)


def _month(site: Site, month: dt.date, ids: dict[str, int], now: dt.datetime) -> None:
    def claim(slug: str, role: str, share: str, lot_id: int | None = None) -> None:
        operations.claim(
            site_id=site.pk, month=month, lot_id=lot_id, claimant_id=ids[slug], role=role,
            share=Decimal(share), at=now, by_id=None,
        )  # fmt: skip

    for slug, share in _HEAT[site.slug].items():
        claim(slug, "operator" if ids[slug] == site.operator_id else "partner", share)
    used = AttributeAllocation.objects.filter(site=site, month=month)
    for lot_id, tenant in used.values_list("lot_id", "service__tenant__slug").distinct():
        shares = {tenant: "1"} if tenant else _SHARED[site.slug]
        for slug, share in shares.items():
            claim(slug, "tenant", share, lot_id)
