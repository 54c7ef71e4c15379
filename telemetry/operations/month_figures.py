"""
Figures of a month, kept as they were worked out.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from django.db import transaction

from sites.access import Kind, Viewer
from sites.models import Site
from telemetry.domain import statement
from telemetry.models import MonthFigures
from telemetry.queries.displaced import displaced
from telemetry.queries.emissions import site_emissions
from telemetry.queries.kpis import site_kpis


@transaction.atomic(durable=True)
def keep_ratios(*, site_id: int, month: dt.date, at: dt.datetime) -> bool:
    """
    Work the ratios of a site's month out and keep them; False where they are held already or the
    site is not in service.
    """
    site, viewer = _of(site_id)
    found = site_kpis(viewer=viewer, site_ids=[site_id], first_month=month, last_month=month)
    if not found:
        return False
    content = {
        name: {
            "value": _text(ratio.value),
            "coverage": _text(ratio.coverage),
            "reason": ratio.reason.value if ratio.reason else None,
        }
        for name, ratio in found[0].all().items()
    }
    return _keep(site, month, MonthFigures.Kind.RATIOS, content, at)


@transaction.atomic(durable=True)
def keep_emissions(*, site_id: int, month: dt.date, at: dt.datetime) -> bool:
    """
    Work the emissions of a site's month out, with what its heat avoided, and keep them; False as
    for the ratios.
    """
    site, viewer = _of(site_id)
    span: dict[str, Any] = {"first_month": month, "last_month": month}
    found = site_emissions(viewer=viewer, site_ids=[site_id], **span)
    if not found:
        return False
    (mine,) = found
    heat = displaced(viewer=viewer, site_id=site_id, **span)
    content = {
        "facility_kwh": _text(mine.footprint.facility_kwh),
        "location_based_kg": _text(mine.footprint.kg),
        "market_based_kg": _text(mine.market_kg),
        "covered_kwh": _text(mine.covered_kwh),
        "matched_kwh": _text(mine.matched.matched_kwh),
        "avoided_kg": [_text(d.avoided.claim_kg if d.avoided else None) for d in heat],
        "coverage": _text(mine.footprint.coverage),
        "reason": mine.footprint.reason.value if mine.footprint.reason else None,
        "factors": [factor.id for factor in mine.footprint.factors],
    }
    return _keep(site, month, MonthFigures.Kind.EMISSIONS, content, at)


def _of(site_id: int) -> tuple[Site, Viewer]:
    # Two runs of one month take turns here.
    site = Site.objects.select_for_update(of=("self",)).get(pk=site_id)
    return site, Viewer(stakeholder_id=site.operator_id, kind=Kind.OPERATOR)


def _text(value: Decimal | None) -> str | None:
    return None if value is None else f"{value.quantize(Decimal('0.000001')):f}"


def _keep(site: Site, month: dt.date, kind: str, content: dict[str, Any], at: dt.datetime) -> bool:
    sha256 = statement.digest({"method": statement.METHOD, **content})
    held = MonthFigures.objects.filter(
        site=site, month=month, kind=kind, superseded_at__isnull=True
    )
    if any(bytes(row.sha256) == sha256 for row in held):
        return False
    held.update(superseded_at=at)
    MonthFigures.objects.create(
        site=site, month=month, kind=kind, method=statement.METHOD, content=content,
        sha256=sha256, computed_at=at,
    )  # fmt: skip
    return True
