"""
Saved column mappings, and uploads that are imported by them.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db import transaction

from sites.operations import record
from telemetry.formats.csv_spec import spec_of
from telemetry.models import ColumnMapping


@transaction.atomic(durable=True)
def save_mapping(
    *, operator_id: int, code: str, name: str, spec: Any, at: dt.datetime, by_id: int | None
) -> ColumnMapping:
    """
    Make a column mapping of an operator, or change the one of that code. Readings that came
    by it before stay as they are.

    :raises BadMapping: if `spec` is not what `telemetry.formats.csv_spec` reads
    """
    plain = spec_of(spec).as_json()
    old = (
        ColumnMapping.objects.select_for_update()
        .filter(operator_id=operator_id, code=code)
        .first()
    )  # fmt: skip
    if old is not None and (old.name, old.spec) == (name, plain):
        return old
    mapping, _ = ColumnMapping.objects.update_or_create(
        operator_id=operator_id, code=code,
        defaults={"name": name, "spec": plain, "changed_at": at, "changed_by_id": by_id},
    )  # fmt: skip
    record(
        at=at, by_id=by_id, operator_id=operator_id, action="column mapping saved",
        subject=code, before=old.spec if old is not None else None,
        after={"name": name, **plain},
    )  # fmt: skip
    return mapping
