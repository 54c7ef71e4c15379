"""
Kept rows once more, after what kept them out was mended.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import connection, transaction
from django.db.models import Q

from telemetry import formats, queries
from telemetry.domain.conversion import UnlikeUnits, conversion
from telemetry.models import IngestBatch, RejectedReading
from telemetry.operations.ingest import STAGED, IngestResult, close, mark_dirty, take_over
from telemetry.operations.quality_ingest import note_conflicts
from telemetry.operations.staging import Staging

Reason = RejectedReading.Reason


@transaction.atomic(durable=True)
def replay_rejected(*, site_id: int, received_at: dt.datetime, by_id: int | None) -> IngestResult:
    """
    Try the kept rows of a site again, after a channel was mapped or a meter got its key, say. What
    is stored now is marked with the new batch; the rest stays as it is, a telegram with what is
    wrong with it now.
    """
    kept = _Kept(site_id)
    for row in _waiting(site_id):
        kept.add(row)
    batch = IngestBatch.objects.create(
        site_id=site_id, by_id=by_id, source=IngestBatch.Source.REPLAY, format="kept",
        received_at=received_at, sha256=b"",
    )  # fmt: skip
    staging = Staging(site_id=site_id, received_at=received_at)
    # The rows are kept already: what is refused again is not written a second time.
    staging.fill([kept.columns()], refused=None, batch_id=batch.pk)
    accepted, conflicting = take_over(batch_id=batch.pk, staging=staging, kept=True)
    # A telegram of which a value cannot be stored goes on waiting.
    waits = {pk: why for pk, why in staging.left.items() if pk in kept.told}
    with connection.cursor() as cursor:
        cursor.execute(_RESOLVE, {"batch": batch.pk, "waits": list(waits)})
        cursor.execute(_NOW_IN_CONFLICT)
    _say_why({**waits, **{pk: refused.detail for pk, refused in kept.refused}}, kept.told)
    if conflicting:
        note_conflicts(batch_id=batch.pk, at=received_at)
    if accepted:
        mark_dirty(batch_id=batch.pk, at=received_at, all_new=accepted == staging.staged)
    return close(
        batch, sha256=hashlib.sha256(repr(kept.rows).encode(errors="replace")).digest(),
        staging=staging, accepted=accepted, conflicting=conflicting,
    )  # fmt: skip


def _waiting(site_id: int) -> Any:
    once_more = [known.name for known in formats.FORMATS.values() if known.again is not None]
    final = Q(reason=Reason.CONFLICT) | Q(reason=Reason.UNREADABLE) & ~Q(
        batch__format__in=once_more
    )
    return (
        RejectedReading.objects.select_for_update(of=("self",))
        .filter(batch__site_id=site_id, resolved_by__isnull=True)
        .exclude(final)
        .order_by("pk")
        .values_list(
            "pk", "reason", "channel_text", "at_text", "value_text", "detail", "batch__format",
            "batch__received_at",
        )
    )  # fmt: skip


@dataclass
class _Kept:
    """
    The kept rows of a site as they read now. `told` are those that are kept as they came, by
    their number with what was wrong with them.
    """

    site_id: int
    rows: list[tuple[int, formats.Row]] = field(default_factory=list)
    refused: list[tuple[int, formats.Refused]] = field(default_factory=list)
    told: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._units = queries.units_of_channels(site_id=self.site_id)
        self._readers: dict[str, Callable[[str, dt.datetime], formats.Again]] = {}

    def add(self, row: Any) -> None:
        pk, reason, channel, at, value, detail, name, received_at = row
        if reason != Reason.UNREADABLE:
            self.rows.append((pk, _in_own_unit(formats.Row(channel, at, value), self._units)))
            return
        self.told[pk] = detail
        found = self._reader(name)(value, received_at)
        if isinstance(found, formats.Refused):
            self.refused.append((pk, found))
        else:
            self.rows += [(pk, formats.Row(*texts)) for texts in found]

    def _reader(self, name: str) -> Callable[[str, dt.datetime], formats.Again]:
        if name not in self._readers:
            again = formats.FORMATS[name].again
            assert again is not None  # noqa: S101 - `_waiting` asks for no others
            self._readers[name] = again(self.site_id)
        return self._readers[name]

    def columns(self) -> formats.Columns:
        return formats.Columns(
            [pk for pk, _ in self.rows],
            [row.channel for _, row in self.rows],
            [row.at for _, row in self.rows],
            [row.value for _, row in self.rows],
            self.refused,
        )


def _say_why(details: Mapping[int, str], before: Mapping[int, str]) -> None:
    changed = [
        RejectedReading(pk=pk, detail=why) for pk, why in details.items() if before[pk] != why
    ]
    RejectedReading.objects.bulk_update(changed, ["detail"], batch_size=1000)


def _in_own_unit(row: formats.Row, units: Mapping[str, Sequence[str]]) -> formats.Row:
    """
    Convert a figure that was kept with its unit, since its channel was not known then.
    """
    figure, space, unit = (row.value or "").partition(" ")
    wanted = units.get(row.channel or "", ())
    if not space or len(wanted) != 1:
        return row
    try:
        convert = conversion(unit, wanted[0])
    except UnlikeUnits:
        return row
    return row._replace(value=convert(figure) if convert else figure)


# A kept telegram gives several readings: it is stored when they all are.
_RESOLVE = f"""
UPDATE telemetry_rejectedreading k SET resolved_by_id = %(batch)s
FROM (
  SELECT s.row FROM {STAGED} JOIN telemetry_reading r USING (channel_id, at)
  WHERE s.row <> ALL(%(waits)s::bigint[])
  GROUP BY s.row HAVING bool_and(r.value = s.value)
) stored
WHERE k.id = stored.row
"""  # noqa: S608 - constants of this module, here and below
_NOW_IN_CONFLICT = f"""
UPDATE telemetry_rejectedreading k SET field = 'value', reason = 'conflict', detail = ''
FROM {STAGED} JOIN telemetry_reading r USING (channel_id, at)
WHERE k.id = s.row AND r.value <> s.value
"""  # noqa: S608
