"""
Sites, the points where heat is handed over, and what is hosted.
"""

import datetime as dt
from typing import Any

from django.db import transaction

from sites.models import DeliveryPoint, HostingService, Site
from sites.operations.audit import record


def _told(fields: dict[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in fields.items()}


@transaction.atomic(durable=True)
def create_site(
    *, operator_id: int, slug: str, at: dt.datetime, by_id: int | None, **fields: Any
) -> Site:
    """
    Make a site of an operator; `fields` are those of `Site`.
    """
    site = Site.objects.create(operator_id=operator_id, slug=slug, **fields)
    record(
        at=at, by_id=by_id, operator_id=operator_id, action="site created", subject=slug,
        after=_told(fields),
    )  # fmt: skip
    return site


@transaction.atomic(durable=True)
def add_delivery_point(
    *, site_id: int, slug: str, at: dt.datetime, by_id: int | None, **fields: Any
) -> DeliveryPoint:
    """
    Make a hand-off of heat at a site; `fields` are those of `DeliveryPoint`.
    """
    point = DeliveryPoint.objects.create(site_id=site_id, slug=slug, **fields)
    record(
        at=at, by_id=by_id, operator_id=point.site.operator_id, action="delivery point added",
        subject=f"{point.site.slug}/{slug}", after=_told(fields),
    )  # fmt: skip
    return point


@transaction.atomic(durable=True)
def add_hosting_service(
    *, site_id: int, slug: str, at: dt.datetime, by_id: int | None, **fields: Any
) -> HostingService:
    """
    Make a hosting service at a site; `fields` are those of `HostingService`.
    """
    service = HostingService.objects.create(site_id=site_id, slug=slug, **fields)
    record(
        at=at, by_id=by_id, operator_id=service.site.operator_id, action="hosting service added",
        subject=f"{service.site.slug}/{slug}", after=_told(fields),
    )  # fmt: skip
    return service
