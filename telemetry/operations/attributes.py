"""
Energy attributes and claims: entered, cancelled, allocated, ended; none is edited.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction
from django.db.backends.postgresql.psycopg_any import DateRange

from sites.models import DeliveryPoint, Site
from sites.operations import record, record_all
from telemetry.domain.attributes import LotRow
from telemetry.models import AttributeAllocation, AttributeLot, Claim, Counterfactual
from telemetry.queries.attributes import as_lot_row


class NotAllocated(Exception):
    """
    The database refused: the text says what is left or what stands against it, `constraint`
    names the rule.
    """

    def __init__(self, words: str, constraint: str) -> None:
        super().__init__(words)
        self.constraint = constraint


def _refused(problem: IntegrityError) -> NotAllocated:
    told: Any = getattr(problem.__cause__, "diag", None)
    words = getattr(told, "message_primary", None) or str(problem)
    return NotAllocated(words, getattr(told, "constraint_name", None) or "")


@transaction.atomic(durable=True)
def add_lot(
    *, operator_id: int, first_day: dt.date, end_day: dt.date, at: dt.datetime,
    by_id: int | None, **fields: Any,
) -> AttributeLot:  # fmt: skip
    """
    Enter a lot produced over the days [first_day, end_day); `fields` are those of the model.

    :raises NotAllocated: if the certificate is held already
    """
    lot = AttributeLot(
        operator_id=operator_id, produced=DateRange(first_day, end_day), created_at=at,
        created_by_id=by_id, **fields,
    )  # fmt: skip
    _enter(operator_id, [lot], at=at, by_id=by_id)
    return lot


@transaction.atomic(durable=True)
def add_lots(
    *, operator_id: int, rows: Sequence[LotRow], at: dt.datetime, by_id: int | None
) -> int:
    """
    Enter the lots of a file, all or none, and return how many; rows that are held as they stand
    are left out, so the same file again changes nothing.

    :raises NotAllocated: if numbers of one are held already with other figures or by others
    """
    held = set(
        map(
            as_lot_row,
            AttributeLot.objects.filter(
                operator_id=operator_id, registry_id__in=[row.registry_id for row in rows]
            ),
        )
    )
    lots = [_lot_of(row, operator_id, at, by_id) for row in rows if row not in held]
    _enter(operator_id, lots, at=at, by_id=by_id)
    return len(lots)


def _lot_of(row: LotRow, operator_id: int, at: dt.datetime, by_id: int | None) -> AttributeLot:
    return AttributeLot(
        operator_id=operator_id, kind=row.kind, technology=row.technology, country=row.country,
        plant=row.plant, registry=row.registry, registry_id=row.registry_id,
        produced=DateRange(row.first_day, row.last_day + dt.timedelta(days=1)), kwh=row.kwh,
        kg_per_kwh=row.kg_per_kwh, cancelled_on=row.cancelled_on,
        proof_reference=row.proof_reference, created_at=at, created_by_id=by_id,
    )  # fmt: skip


def _enter(
    operator_id: int, lots: Sequence[AttributeLot], *, at: dt.datetime, by_id: int | None
) -> None:
    try:
        with transaction.atomic():
            AttributeLot.objects.bulk_create(lots)
    except IntegrityError as problem:
        raise _refused(problem) from None
    record_all(
        at=at, by_id=by_id, operator_id=operator_id, action="attribute lot entered",
        after={str(lot): {"kwh": str(lot.kwh), "plant": lot.plant} for lot in lots},
    )  # fmt: skip


@transaction.atomic(durable=True)
def cancel_lot(
    *, lot_id: int, cancelled_on: dt.date, proof_reference: str, at: dt.datetime, by_id: int | None
) -> AttributeLot:
    """
    Note that the certificates were cancelled, with the registry's proof; from then on they count.

    :raises NotAllocated: if they were cancelled before
    """
    lot = AttributeLot.objects.select_for_update().get(pk=lot_id)
    if lot.cancelled_on is not None:
        raise NotAllocated("They were cancelled before.", "")
    lot.cancelled_on, lot.proof_reference = cancelled_on, proof_reference
    lot.save(update_fields=["cancelled_on", "proof_reference"])
    record(
        at=at, by_id=by_id, operator_id=lot.operator_id, action="attribute lot cancelled",
        subject=str(lot), after={"on": str(cancelled_on), "proof": proof_reference},
    )  # fmt: skip
    return lot


@transaction.atomic(durable=True)
def allocate(
    *,
    lot_id: int,
    site_id: int,
    service_id: int | None,
    month: dt.date,
    kwh: Decimal | None = None,
    hours: Mapping[dt.datetime, Decimal] | None = None,
    at: dt.datetime,
    by_id: int | None,
) -> list[AttributeAllocation]:
    """
    Use kWh of a lot at a site in a local month, or hour by hour; without a service for all of
    its tenants alike.

    :raises NotAllocated: if the lot has less left, is not cancelled, or is of other months
    """
    parts: list[tuple[dt.datetime | None, Decimal]] = [
        (hour, part) for hour, part in (hours or {}).items() if part > 0
    ]
    if kwh is not None:
        parts.append((None, kwh))
    common = {
        "lot_id": lot_id, "site_id": site_id, "service_id": service_id, "month": month,
        "created_at": at, "created_by_id": by_id,
    }  # fmt: skip
    try:
        with transaction.atomic():
            made = AttributeAllocation.objects.bulk_create(
                AttributeAllocation(hour=hour, kwh=part, **common) for hour, part in parts
            )
    except IntegrityError as problem:
        raise _refused(problem) from None
    site = Site.objects.get(pk=site_id)
    total = sum((part for _, part in parts), Decimal(0))
    record(
        at=at, by_id=by_id, operator_id=site.operator_id, action="attributes allocated",
        subject=f"{site.slug}/{month:%Y-%m}", after={"lot": lot_id, "kwh": str(total)},
    )  # fmt: skip
    return made


@transaction.atomic(durable=True)
def end_allocation(*, allocation_id: int, at: dt.datetime, by_id: int | None) -> None:
    """
    Take an allocation back; its kWh can be used elsewhere. What was stated with it is
    superseded.

    :raises NotAllocated: if it is on a standing bill
    """
    found = AttributeAllocation.objects.select_for_update(of=("self",)).get(pk=allocation_id)
    if found.ended_at is not None:
        return
    found.ended_at = at
    try:
        with transaction.atomic():
            found.save(update_fields=["ended_at"])
    except IntegrityError as problem:
        raise _refused(problem) from None
    record(
        at=at, by_id=by_id, operator_id=found.site.operator_id, action="allocation ended",
        subject=f"{found.site.slug}/{found.month:%Y-%m}", before={"kwh": str(found.kwh)},
    )  # fmt: skip


@transaction.atomic(durable=True)
def claim(
    *,
    site_id: int,
    month: dt.date,
    lot_id: int | None,
    claimant_id: int,
    role: str,
    share: Decimal,
    at: dt.datetime,
    by_id: int | None,
) -> Claim:
    """
    Enter who claims which share of the displaced heat of a month, or of a lot used there.

    :raises NotAllocated: if less than the share is left
    """
    try:
        with transaction.atomic():
            made = Claim.objects.create(
                site_id=site_id, month=month, lot_id=lot_id, claimant_id=claimant_id, role=role,
                share=share, created_at=at, created_by_id=by_id,
            )  # fmt: skip
    except IntegrityError as problem:
        raise _refused(problem) from None
    record(
        at=at, by_id=by_id, operator_id=made.site.operator_id, action="claim entered",
        subject=f"{made.site.slug}/{month:%Y-%m}", after={"share": str(share), "role": role},
    )  # fmt: skip
    return made


@transaction.atomic(durable=True)
def end_claim(*, claim_id: int, at: dt.datetime, by_id: int | None) -> None:
    """
    Take a claim back, so that another may be made.
    """
    found = Claim.objects.select_for_update(of=("self",)).get(pk=claim_id)
    if found.ended_at is not None:
        return
    found.ended_at = at
    found.save(update_fields=["ended_at"])
    record(
        at=at, by_id=by_id, operator_id=found.site.operator_id, action="claim ended",
        subject=f"{found.site.slug}/{found.month:%Y-%m}", before={"share": str(found.share)},
    )  # fmt: skip


@transaction.atomic(durable=True)
def set_counterfactual(
    *, delivery_point_id: int, first_day: dt.date, at: dt.datetime, by_id: int | None, **fields: Any
) -> Counterfactual:
    """
    Say what would have made a building's heat from a day on; what was said before ends there.
    """
    point = DeliveryPoint.objects.select_for_update(of=("self",)).get(pk=delivery_point_id)
    held = Counterfactual.objects.filter(delivery_point=point, superseded_at__isnull=True)
    for old in held.filter(valid__contains=first_day) | held.filter(
        valid__startswith__gte=first_day
    ):
        Counterfactual.objects.filter(pk=old.pk).update(superseded_at=at)
        if old.valid.lower is not None and old.valid.lower < first_day:
            old.pk, old.superseded_at, old.created_at = None, None, at
            old.valid = DateRange(old.valid.lower, first_day)
            old.save(force_insert=True)
    made = Counterfactual.objects.create(
        delivery_point=point, valid=DateRange(first_day, None), created_at=at, **fields
    )
    record(
        at=at, by_id=by_id, operator_id=point.site.operator_id, action="counterfactual set",
        subject=f"{point.site.slug}/{point.slug}", after={"fuel": made.fuel},
    )  # fmt: skip
    return made
