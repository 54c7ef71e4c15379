"""
Readings in: rows are checked as they stream, copied to a staging table, and taken over by
set-based statements. All or nothing per batch; the same batch twice changes nothing.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO, BinaryIO, cast

from django.db import connection, transaction

from telemetry import formats
from telemetry.archive import ArchiveUnreadable, recall
from telemetry.models import ArchivedMonth, Gateway, IngestBatch, RejectedReading
from telemetry.operations.meter_profiles import keep_layouts
from telemetry.operations.meter_status import note_statuses
from telemetry.operations.quality_ingest import note_clocks, note_conflicts
from telemetry.operations.staging import FUTURE_TOLERANCE, Staging, keep_refused

Reason = RejectedReading.Reason


@dataclass(frozen=True, slots=True)
class IngestResult:
    """
    What became of a batch: every row is in exactly one of the four counts. Fields that stand
    for no reading, and rows left out by agreement, are no rows.
    """

    batch_id: int
    rows: int
    accepted: int
    duplicate: int
    conflicting: int
    rejected: int
    missing: int = 0
    skipped: int = 0


@transaction.atomic(durable=True)
def ingest(
    *,
    site_id: int,
    stream: formats.Source,
    format: str,
    source: IngestBatch.Source,
    received_at: dt.datetime,
    gateway_id: int | None = None,
    name: str = "",
    options: Mapping[str, str] | None = None,
    by_id: int | None = None,
) -> IngestResult:
    """
    Store the readings of one delivery, which is in one of `formats.FORMATS`.

    :raises formats.NotReadable: if the body is not of its format; nothing is stored then
    """
    batch = IngestBatch.objects.create(
        site_id=site_id, gateway_id=gateway_id, source=source, format=format, name=name[:200],
        received_at=received_at, sha256=b"", options=dict(options or {}), by_id=by_id,
    )  # fmt: skip
    digest = _Digesting(stream)
    delivery = formats.Delivery(site_id, received_at, options or {})
    columns = formats.FORMATS[format].parse(
        cast(BinaryIO, io.BufferedReader(digest, 1 << 16)), delivery
    )
    staging = Staging(site_id=site_id, received_at=received_at)
    with tempfile.SpooledTemporaryFile(max_size=1 << 22) as refused:
        staging.fill(columns, refused=cast(IO[bytes], refused), batch_id=batch.pk)
        keep_refused(cast(IO[bytes], refused))
    accepted, conflicting = take_over(batch_id=batch.pk, staging=staging)
    if accepted < staging.staged:
        _keep_conflicts(batch_id=batch.pk)
        if conflicting:
            note_conflicts(batch_id=batch.pk, at=received_at)
    note_statuses(staging.heard, latest=received_at + FUTURE_TOLERANCE)
    keep_layouts(staging.learnt)
    if staging.is_ahead:
        note_clocks(batch_id=batch.pk, at=received_at)
    if accepted:
        mark_dirty(batch_id=batch.pk, at=received_at, all_new=accepted == staging.staged)
    if gateway_id is not None:
        Gateway.objects.filter(pk=gateway_id).update(last_seen_at=received_at)
    return close(
        batch, sha256=digest.sha256.digest(), staging=staging, accepted=accepted,
        conflicting=conflicting,
    )  # fmt: skip


@transaction.atomic(durable=True)
def keep_unreadable(
    *, site_id: int, gateway_id: int, format: str, source: IngestBatch.Source, bodies: list[bytes],
    why: str, received_at: dt.datetime,
) -> int:  # fmt: skip
    """
    Keep deliveries of which nothing can be made, with the reason, where the sender cannot be told;
    return the batch.
    """
    batch = IngestBatch.objects.create(
        site_id=site_id, gateway_id=gateway_id, source=source, format=format,
        received_at=received_at, sha256=hashlib.sha256(b"".join(bodies)).digest(),
        row_count=len(bodies), rejected=len(bodies),
    )  # fmt: skip
    RejectedReading.objects.bulk_create(
        RejectedReading(
            batch=batch,
            row=number,
            field="row",
            reason=Reason.UNREADABLE,
            detail=why,
            value_text=body[: formats.KEPT_TEXT].decode("utf-8", "replace").replace("\0", ""),
        )
        for number, body in enumerate(bodies, start=1)
    )
    return batch.pk


class _Digesting(io.RawIOBase):
    """
    A stream that hashes what is read from it.
    """

    def __init__(self, stream: formats.Source) -> None:
        self.stream = stream
        self.sha256 = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        data = self.stream.read(len(buffer))
        self.sha256.update(data)
        buffer[: len(data)] = data
        return len(data)


def take_over(*, batch_id: int, staging: Staging, kept: bool = False) -> tuple[int, int]:
    """
    Move the staged rows to the readings; return how many were new and how many contradict
    what is stored. `kept`: rows that cannot be stored need not be kept, since they are.
    """
    with connection.cursor() as cursor:
        months = [dt.date(year, month, 1) for year, month in sorted(staging.months)]
        for month in months:
            cursor.execute("SELECT telemetry_ensure_partition(%s)", [month])
        archived = _bring_back_staged(batch_id, staging, months, kept=kept)
        cursor.execute(_TAKE_OVER, [batch_id])
        accepted = cursor.rowcount
        if archived and accepted:
            cursor.execute(_COUNT_LATE, {"batch": batch_id, "archives": archived})
        if accepted == staging.staged:
            return accepted, 0
        # What follows joins; a plan made without figures of the table could take ages.
        cursor.execute("ANALYZE ingest_staged")
        cursor.execute(_COUNT_CONFLICTS)
        return accepted, cursor.fetchone()[0]


def _bring_back_staged(
    batch_id: int, staging: Staging, months: Sequence[dt.date], *, kept: bool
) -> list[int]:
    """
    Bring back what the archive has of the staged channels and months, so that late readings meet
    what they repeat or contradict; return the archives. Where the archive cannot be read, the
    rows are refused and kept until it can.
    """
    archived = list(
        ArchivedMonth.objects.filter(
            site_id=staging.site_id, month__in=months, state__in=ArchivedMonth.IN_USE
        ).values_list("pk", flat=True)
    )
    if archived:
        with connection.cursor() as cursor:
            cursor.execute(_STAGED_AWAY, [archived])
            needed = cursor.fetchall()
        for archive_id, part_ids in needed:
            try:
                recall(archive_id=archive_id, part_ids=part_ids)
            except ArchiveUnreadable as problem:
                with connection.cursor() as cursor:
                    told = {"batch": batch_id, "parts": part_ids, "detail": str(problem)}
                    cursor.execute(_SET_ASIDE.format(keep="NOT" if kept else ""), told)
                    count = cursor.fetchone()[0]
                staging.staged -= count
                staging.rejected += count
    return archived


def _keep_conflicts(*, batch_id: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_KEEP_CONFLICTS, [batch_id])


def mark_dirty(*, batch_id: int, at: dt.datetime, all_new: bool) -> None:
    # Where every staged row was stored, nobody needs to look up which were.
    sql = _MARK_DIRTY.format(staged=STAGED, stored="" if all_new else _STORED_NOW)
    with connection.cursor() as cursor:
        cursor.execute(sql, {"batch": batch_id, "at": at})


def close(
    batch: IngestBatch, *, sha256: bytes, staging: Staging, accepted: int, conflicting: int
) -> IngestResult:
    batch.sha256 = sha256
    batch.row_count = staging.staged + staging.rejected
    batch.accepted = accepted
    batch.conflicting = conflicting
    batch.duplicate = staging.staged - accepted - conflicting
    batch.rejected = staging.rejected
    batch.missing = staging.missing
    batch.skipped = staging.skipped
    batch.save()
    return IngestResult(
        batch_id=batch.pk, rows=batch.row_count, accepted=accepted, duplicate=batch.duplicate,
        conflicting=conflicting, rejected=batch.rejected, missing=batch.missing,
        skipped=batch.skipped,
    )  # fmt: skip


# Exact to the microsecond for the two centuries and a half after 1970.
STAGED = """
(SELECT row, channel_id, to_timestamp(us / 1e6::float8) AS at, value FROM ingest_staged) s
"""
# DO NOTHING also takes the first of several equal rows within the batch.
_TAKE_OVER = f"""
INSERT INTO telemetry_reading (channel_id, at, value, batch_id)
SELECT channel_id, at, value, %s FROM {STAGED}
ON CONFLICT DO NOTHING
"""  # noqa: S608 - all parts are constants of this module, here and below
_CONFLICTS = f"""
FROM {STAGED} JOIN telemetry_reading r USING (channel_id, at) WHERE r.value <> s.value
"""
_COUNT_CONFLICTS = f"SELECT count(*) {_CONFLICTS}"
_KEEP_CONFLICTS = f"""
INSERT INTO telemetry_rejectedreading
  (batch_id, row, field, reason, channel_text, at_text, value_text, detail)
SELECT %s, s.row, 'value', 'conflict', c.key,
  to_char(s.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), trim_scale(s.value)::text,
  ''
FROM (SELECT s.* {_CONFLICTS}) s JOIN telemetry_channel c ON c.id = s.channel_id
"""  # noqa: S608
_STAGED_MONTHS = f"""
SELECT s.channel_id, date_trunc('month', s.at AT TIME ZONE 'UTC')::date AS month, count(*) AS n
FROM {STAGED}
"""  # noqa: S608
_STAGED_AWAY = f"""
SELECT c.archive_id, array_agg(c.id)
FROM ({_STAGED_MONTHS} GROUP BY 1, 2) s
JOIN telemetry_archivedmonth m ON m.month = s.month AND m.id = ANY(%s)
JOIN telemetry_archivedchannel c ON c.archive_id = m.id AND c.channel_id = s.channel_id AND c.away
GROUP BY 1 ORDER BY 1
"""  # noqa: S608
_SET_ASIDE = """
WITH gone AS (
  DELETE FROM ingest_staged s
  USING telemetry_archivedchannel c JOIN telemetry_archivedmonth m ON m.id = c.archive_id
  WHERE c.id = ANY(%(parts)s) AND s.channel_id = c.channel_id
    AND date_trunc('month', to_timestamp(s.us / 1e6::float8) AT TIME ZONE 'UTC')::date = m.month
  RETURNING s.*
), kept AS (
  INSERT INTO telemetry_rejectedreading
    (batch_id, row, field, reason, channel_text, at_text, value_text, detail)
  SELECT %(batch)s, s.row, 'at', 'archive', c.key,
    to_char(to_timestamp(s.us / 1e6::float8) AT TIME ZONE 'UTC',
      'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    trim_scale(s.value)::text, %(detail)s
  FROM gone s JOIN telemetry_channel c ON c.id = s.channel_id
  WHERE {keep} true
)
SELECT count(*) FROM gone
"""
_COUNT_LATE = f"""
WITH late AS (
  {_STAGED_MONTHS} JOIN telemetry_reading r
    ON r.channel_id = s.channel_id AND r.at = s.at AND r.batch_id = %(batch)s
  GROUP BY 1, 2
), of_channel AS (
  UPDATE telemetry_archivedchannel c SET late = c.late + late.n
  FROM late JOIN telemetry_archivedmonth m ON m.month = late.month AND m.id = ANY(%(archives)s)
  WHERE c.archive_id = m.id AND c.channel_id = late.channel_id
)
UPDATE telemetry_archivedmonth m SET late = m.late + s.n
FROM (SELECT month, sum(n) AS n FROM late GROUP BY 1) s
WHERE m.month = s.month AND m.id = ANY(%(archives)s)
"""  # noqa: S608
_STORED_NOW = (
    "JOIN telemetry_reading r ON r.channel_id = s.channel_id AND r.at = s.at"
    " AND r.batch_id = %(batch)s"
)
# A new reading changes every local hour from its predecessor's to its successor's. Runs of
# neighbouring hours are marked together.
_MARK_DIRTY = """
WITH fresh AS (
  SELECT s.channel_id, date_bin('1 hour', s.at, 'epoch') AS hour, min(s.at) AS first_at,
    max(s.at) AS last_at
  FROM {staged} {stored}
  GROUP BY 1, 2
), numbered AS (
  SELECT *, CASE WHEN hour <= lag(hour) OVER w + interval '1 hour' THEN 0 ELSE 1 END AS starts
  FROM fresh WINDOW w AS (PARTITION BY channel_id ORDER BY hour)
), islands AS (
  SELECT *, sum(starts) OVER (PARTITION BY channel_id ORDER BY hour) AS island FROM numbered
), runs AS (
  SELECT channel_id, min(first_at) AS first_at, max(last_at) AS last_at
  FROM islands GROUP BY channel_id, island
)
INSERT INTO telemetry_dirtyrange (channel_id, span, marked_at)
SELECT r.channel_id,
  tstzrange(
    date_bin('1 hour', coalesce(before.at, r.first_at), hours.origin),
    -- The reading after it is only an end; a last one begins an hour of its own.
    date_bin('1 hour', coalesce(after.at - interval '1 microsecond', r.last_at), hours.origin)
      + interval '1 hour'
  ),
  %(at)s
FROM runs r
JOIN telemetry_channel c ON c.id = r.channel_id JOIN sites_site s ON s.id = c.site_id
-- Hours are those of the site's wall clock.
CROSS JOIN LATERAL (SELECT '2000-01-01'::timestamp AT TIME ZONE s.timezone AS origin) hours
LEFT JOIN LATERAL (
  SELECT at FROM telemetry_reading p WHERE p.channel_id = r.channel_id AND p.at < r.first_at
  ORDER BY p.at DESC LIMIT 1
) before ON true
LEFT JOIN LATERAL (
  SELECT at FROM telemetry_reading n WHERE n.channel_id = r.channel_id AND n.at > r.last_at
  ORDER BY n.at LIMIT 1
) after ON true
"""
