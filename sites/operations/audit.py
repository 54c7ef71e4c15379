"""
The trail of writes: one row each, in the transaction of the write itself.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from django.db.models import Model

from sites.models import AuditEntry


def record(
    *,
    at: dt.datetime,
    by_id: int | None,
    operator_id: int | None,
    action: str,
    subject: str,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    """
    Add a row to the audit trail. `by_id` is the person, None for the system itself;
    `operator_id` the operator whose business it is, None where it is the person's own.
    Opens no transaction: call it inside the operation's.
    """
    AuditEntry.objects.create(
        at=at, by_id=by_id, operator_id=operator_id, action=action, subject=subject,
        before=before or {}, after=after or {},
    )  # fmt: skip


def record_all(
    *,
    at: dt.datetime,
    by_id: int | None,
    operator_id: int,
    action: str,
    after: Mapping[str, dict[str, Any]],
) -> None:
    """
    Do as `record` for many subjects of one action, with what each is after it.
    """
    AuditEntry.objects.bulk_create(
        AuditEntry(
            at=at, by_id=by_id, operator_id=operator_id, action=action, subject=subject,
            before={}, after=found,
        )
        for subject, found in after.items()
    )  # fmt: skip


def told(fields: Mapping[str, Any]) -> dict[str, str]:
    """
    Return the values of fields as the trail keeps them.
    """
    return {name: str(value) for name, value in fields.items()}


def changed(
    row: Model, fields: Mapping[str, Any], *, at: dt.datetime, by_id: int | None,
    operator_id: int, action: str, subject: str,
) -> None:  # fmt: skip
    """
    Save the fields of a row that differ, with a row of the trail; where none does, do nothing.
    """
    before = {name: getattr(row, name) for name in fields}
    differing = {name: value for name, value in fields.items() if before[name] != value}
    if not differing:
        return
    for name, value in differing.items():
        setattr(row, name, value)
    row.save(update_fields=list(differing))
    record(
        at=at, by_id=by_id, operator_id=operator_id, action=action, subject=subject,
        before=told({name: before[name] for name in differing}), after=told(differing),
    )  # fmt: skip
