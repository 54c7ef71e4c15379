"""
Sites, the points where heat is handed over, and what is hosted.
"""

import datetime as dt
from typing import Any

from django.db import transaction

from sites.models import DeliveryPoint, HostingService, Site
from sites.operations.audit import changed, record, told
from sites.operations.slugs import with_free_slug


class NameTaken(Exception):
    """
    The operator has a site of that name.
    """


@transaction.atomic(durable=True)
def create_site(
    *, operator_id: int, at: dt.datetime, by_id: int | None, slug: str = "", **fields: Any
) -> Site:
    """
    Make a site of an operator; `fields` are those of `Site`. Without a `slug` one is made from
    the name.

    :raises NameTaken: if the operator has a site of that name
    """
    _require_free(operator_id, fields["name"])
    site = with_free_slug(
        slug or fields["name"],
        lambda free: Site.objects.create(operator_id=operator_id, slug=free, **fields),
    )
    record(
        at=at, by_id=by_id, operator_id=operator_id, action="site created", subject=site.slug,
        after=told(fields),
    )  # fmt: skip
    return site


@transaction.atomic(durable=True)
def edit_site(*, site_id: int, at: dt.datetime, by_id: int | None, **fields: Any) -> None:
    """
    Change what is said of a site. Triggers keep its time zone once there are readings, and its
    currency once there are contracts.

    :raises NameTaken: if the operator has another site of that name
    """
    site = Site.objects.select_for_update(no_key=True).get(pk=site_id)
    _require_free(site.operator_id, fields.get("name", ""), but=site_id)
    changed(
        site, fields, at=at, by_id=by_id, operator_id=site.operator_id,
        action="site changed", subject=site.slug,
    )  # fmt: skip


def _require_free(operator_id: int, name: str, but: int = 0) -> None:
    if Site.objects.filter(operator=operator_id, name=name).exclude(pk=but).exists():
        raise NameTaken(name)


@transaction.atomic(durable=True)
def add_delivery_point(
    *, site_id: int, at: dt.datetime, by_id: int | None, slug: str = "", **fields: Any
) -> DeliveryPoint:
    """
    Make a hand-off of heat at a site; `fields` are those of `DeliveryPoint`.
    """
    point = with_free_slug(
        slug or fields["name"],
        lambda free: DeliveryPoint.objects.create(site_id=site_id, slug=free, **fields),
    )
    record(
        at=at, by_id=by_id, operator_id=point.site.operator_id, action="delivery point added",
        subject=f"{point.site.slug}/{point.slug}", after=told(fields),
    )  # fmt: skip
    return point


@transaction.atomic(durable=True)
def edit_delivery_point(
    *, delivery_point_id: int, at: dt.datetime, by_id: int | None, **fields: Any
) -> None:
    """
    Change what is said of a hand-off of heat; whom it serves stays.
    """
    point = DeliveryPoint.objects.select_related("site").get(pk=delivery_point_id)
    changed(
        point, fields, at=at, by_id=by_id, operator_id=point.site.operator_id,
        action="delivery point changed", subject=f"{point.site.slug}/{point.slug}",
    )  # fmt: skip


@transaction.atomic(durable=True)
def add_hosting_service(
    *, site_id: int, at: dt.datetime, by_id: int | None, slug: str = "", **fields: Any
) -> HostingService:
    """
    Make a hosting service at a site; `fields` are those of `HostingService`.
    """
    service = with_free_slug(
        slug or fields["name"],
        lambda free: HostingService.objects.create(site_id=site_id, slug=free, **fields),
    )
    record(
        at=at, by_id=by_id, operator_id=service.site.operator_id, action="hosting service added",
        subject=f"{service.site.slug}/{service.slug}", after=told(fields),
    )  # fmt: skip
    return service


@transaction.atomic(durable=True)
def edit_hosting_service(
    *, hosting_service_id: int, at: dt.datetime, by_id: int | None, **fields: Any
) -> None:
    """
    Change what is said of a hosting service; whose it is stays.
    """
    service = HostingService.objects.select_related("site").get(pk=hosting_service_id)
    changed(
        service, fields, at=at, by_id=by_id, operator_id=service.site.operator_id,
        action="hosting service changed", subject=f"{service.site.slug}/{service.slug}",
    )  # fmt: skip
