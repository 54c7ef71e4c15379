"""
What a customer agreed to, for pages.
"""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from billing import queries
from sites.access import Viewer
from telemetry import queries as telemetry

# What holds today comes first, then what is to come.
_ORDER = {"held": 0, "coming": 1, "over": 2}
# A page shows so many contracts; customers have a handful.
_SHOWN = 50


def agreed(viewer: Viewer, *, delivery_point_id: int | None = None) -> list[tuple[Any, Any, Any]]:
    """
    Return the viewer's contracts that run or ran, or those about a delivery point, each with its
    terms in words and what is agreed about work at its site.
    """
    today = timezone.localdate()
    rows = queries.contracts(viewer=viewer, today=today).exclude(status="draft")
    if delivery_point_id is not None:
        rows = rows.filter(delivery_point=delivery_point_id)
    policies = telemetry.maintenance_policies(viewer=viewer)
    return [
        (
            contract,
            sorted(
                queries.terms_in_words(viewer=viewer, contract=contract, today=today),
                key=lambda terms: _ORDER[terms.state],
            ),
            policies.get(contract.site_id)
            or telemetry.maintenance_policy(viewer=viewer, site_id=contract.site_id),
        )
        for contract in rows[:_SHOWN]
    ]
