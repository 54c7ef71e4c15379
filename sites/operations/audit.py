"""
The trail of writes: one row each, in the transaction of the write itself.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Any

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
