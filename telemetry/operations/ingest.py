"""
Readings in: rows are checked as they stream, copied to a staging table, and taken over by
set-based statements. All or nothing per batch; the same batch twice changes nothing.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import IO, BinaryIO

from django.db import connection, transaction

from telemetry import formats
from telemetry.domain.readings import plain_value, utc_instant
from telemetry.models import Channel, Gateway, IngestBatch, RejectedReading

Reason = RejectedReading.Reason

# A gateway's clock may run ahead by this much before its readings are doubted.
FUTURE_TOLERANCE = dt.timedelta(minutes=5)
_CHUNK = 20_000
_TEXT_LIMIT = 200
_INSTANTS_KEPT = 200_000


@dataclass(frozen=True, slots=True)
class IngestResult:
    """
    What became of a batch: every row is in exactly one of the four counts.
    """

    batch_id: int
    rows: int
    accepted: int
    duplicate: int
    conflicting: int
    rejected: int


@transaction.atomic(durable=True)
def ingest(
    *,
    site_id: int,
    stream: BinaryIO,
    format: str,
    source: IngestBatch.Source,
    received_at: dt.datetime,
    gateway_id: int | None = None,
    name: str = "",
) -> IngestResult:
    """
    Store the readings of one delivery.

    :raises formats.NotReadable: if the body is not of its format; nothing is stored then
    """
    batch = IngestBatch.objects.create(
        site_id=site_id, gateway_id=gateway_id, source=source, format=format, name=name[:200],
        received_at=received_at, sha256=b"",
    )  # fmt: skip
    digest = _Digesting(stream)
    rows = formats.FORMATS[format](io.BufferedReader(digest, 1 << 16))
    staging = _Staging(site_id=site_id, latest=received_at + FUTURE_TOLERANCE)
    with tempfile.SpooledTemporaryFile(max_size=1 << 22) as refused:
        staged = staging.fill(enumerate(rows, start=1), refused=refused, batch_id=batch.pk)
        _keep_refused(refused)
    accepted, conflicting = _take_over(batch_id=batch.pk, staged=staged, months=staging.months)
    if accepted < staged:
        _keep_conflicts(batch_id=batch.pk)
    if accepted:
        _mark_dirty(batch_id=batch.pk, at=received_at, all_new=accepted == staged)
    if gateway_id is not None:
        Gateway.objects.filter(pk=gateway_id).update(last_seen_at=received_at)
    return _close(
        batch, sha256=digest.sha256.digest(), staged=staged, accepted=accepted,
        conflicting=conflicting, rejected=staging.rejected,
    )  # fmt: skip


@transaction.atomic(durable=True)
def replay_rejected(*, site_id: int, received_at: dt.datetime, by_id: int | None) -> IngestResult:
    """
    Try the kept rows of a site again, after a channel was mapped, say. What is stored now is
    marked with the new batch; the rest stays as it is.
    """
    waiting = (
        RejectedReading.objects.select_for_update()
        .filter(batch__site_id=site_id, resolved_by__isnull=True)
        .exclude(reason=Reason.CONFLICT)
        .order_by("pk")
        .values_list("pk", "channel_text", "at_text", "value_text")
    )
    rows = [(pk, formats.Row(*texts)) for pk, *texts in waiting]
    batch = IngestBatch.objects.create(
        site_id=site_id, by_id=by_id, source=IngestBatch.Source.REPLAY, format="kept",
        received_at=received_at, sha256=b"",
    )  # fmt: skip
    staging = _Staging(site_id=site_id, latest=received_at + FUTURE_TOLERANCE)
    # The rows are kept already: what is refused again is not written a second time.
    staged = staging.fill(rows, refused=None, batch_id=batch.pk)
    accepted, conflicting = _take_over(batch_id=batch.pk, staged=staged, months=staging.months)
    with connection.cursor() as cursor:
        cursor.execute(_RESOLVE, [batch.pk])
        cursor.execute(_NOW_IN_CONFLICT)
    if accepted:
        _mark_dirty(batch_id=batch.pk, at=received_at, all_new=accepted == staged)
    return _close(
        batch, sha256=hashlib.sha256(repr(rows).encode()).digest(), staged=staged,
        accepted=accepted, conflicting=conflicting, rejected=staging.rejected,
    )  # fmt: skip


class _Digesting(io.RawIOBase):
    """
    A stream that hashes what is read from it.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream
        self.sha256 = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        data = self.stream.read(len(buffer))
        self.sha256.update(data)
        buffer[: len(data)] = data
        return len(data)


@dataclass
class _Staging:
    """
    The temporary table of one batch's well-formed rows, and the count of the others.
    """

    site_id: int
    latest: dt.datetime
    rejected: int = 0
    months: set[dt.date] = field(default_factory=set)
    _instants: dict[str, str | Reason] = field(default_factory=dict)

    def fill(
        self,
        rows: Iterable[tuple[int, formats.Row]],
        *,
        refused: IO[bytes] | None,
        batch_id: int,
    ) -> int:
        """
        Copy what is well-formed to the table, write the rest to `refused`, return the count
        of the copied.
        """
        channels = dict(Channel.objects.filter(site_id=self.site_id).values_list("key", "pk"))
        staged = 0
        with connection.cursor() as cursor:
            cursor.execute(_STAGING_TABLE)
            with cursor.copy(_STAGING_COPY) as copy:
                for lines in self._checked(rows, channels, refused, batch_id):
                    copy.write("".join(lines))
                    staged += len(lines)
            if staged:
                cursor.execute("ANALYZE ingest_staged")
        return staged

    def _checked(
        self,
        rows: Iterable[tuple[int, formats.Row]],
        channels: dict[str, int],
        refused: IO[bytes] | None,
        batch_id: int,
    ) -> Iterator[list[str]]:
        lines: list[str] = []
        instants = self._instants
        for number, row in rows:
            channel, at, value = row
            channel_id = channels.get(channel) if channel else None
            instant = (instants.get(at) or self._instant(at)) if at else Reason.MISSING_FIELD
            plain = plain_value(value) if value else None
            # Reason is a str too, so the well-formed are told by their class.
            if channel_id is not None and plain is not None and type(instant) is str:
                lines.append(f"{number}\t{channel_id}\t{instant}\t{plain}\n")
                if len(lines) == _CHUNK:
                    yield lines
                    lines = []
                continue
            self.rejected += 1
            if refused is not None:
                field_name, reason = _why(row, channel_id, instant)
                texts = "\t".join(_escaped(text) for text in row)
                refused.write(
                    f"{batch_id}\t{number}\t{field_name}\t{reason.value}\t{texts}\n".encode()
                )
        yield lines

    def _instant(self, text: str) -> str | Reason:
        instant = utc_instant(text)
        known: str | Reason
        if instant is None:
            known = Reason.BAD_INSTANT
        elif instant > self.latest:
            known = Reason.FUTURE
        else:
            known = instant.isoformat()
            self.months.add(instant.date().replace(day=1))
        # Many channels are read at the same instant; a long file must not fill the memory.
        if len(self._instants) >= _INSTANTS_KEPT:
            self._instants.clear()
        self._instants[text] = known
        return known


def _why(row: formats.Row, channel_id: int | None, instant: str | Reason) -> tuple[str, Reason]:
    for name, text in zip(formats.FIELDS, row, strict=True):
        if not text:
            return name, Reason.MISSING_FIELD
    if channel_id is None:
        return "channel", Reason.UNKNOWN_CHANNEL
    if isinstance(instant, Reason):
        return "at", instant
    return "value", Reason.BAD_VALUE


def _escaped(text: str | None) -> str:
    kept = (text or "")[:_TEXT_LIMIT].replace("\0", "")
    return kept.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


def _keep_refused(refused: IO[bytes]) -> None:
    refused.seek(0)
    with connection.cursor() as cursor, cursor.copy(_REFUSED_COPY) as copy:
        while chunk := refused.read(1 << 16):
            copy.write(chunk)


def _take_over(*, batch_id: int, staged: int, months: set[dt.date]) -> tuple[int, int]:
    """
    Move the staged rows to the readings; return how many were new and how many contradict
    what is stored.
    """
    with connection.cursor() as cursor:
        for month in sorted(months):
            cursor.execute("SELECT telemetry_ensure_partition(%s)", [month])
        cursor.execute(_TAKE_OVER, [batch_id])
        accepted = cursor.rowcount
        if accepted == staged:
            return accepted, 0
        cursor.execute(_COUNT_CONFLICTS)
        return accepted, cursor.fetchone()[0]


def _keep_conflicts(*, batch_id: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_KEEP_CONFLICTS, [batch_id])


def _mark_dirty(*, batch_id: int, at: dt.datetime, all_new: bool) -> None:
    # Where every staged row was stored, nobody needs to look up which were.
    stored = "" if all_new else _STORED_NOW
    with connection.cursor() as cursor:
        cursor.execute(_MARK_DIRTY.replace("{stored}", stored), {"batch": batch_id, "at": at})


def _close(
    batch: IngestBatch, *, sha256: bytes, staged: int, accepted: int, conflicting: int,
    rejected: int,
) -> IngestResult:  # fmt: skip
    batch.sha256 = sha256
    batch.row_count = staged + rejected
    batch.accepted = accepted
    batch.conflicting = conflicting
    batch.duplicate = staged - accepted - conflicting
    batch.rejected = rejected
    batch.save()
    return IngestResult(
        batch_id=batch.pk, rows=batch.row_count, accepted=accepted, duplicate=batch.duplicate,
        conflicting=conflicting, rejected=rejected,
    )  # fmt: skip


# Dropped at commit; a second batch in one transaction finds the first one's table.
_STAGING_TABLE = """
DROP TABLE IF EXISTS pg_temp.ingest_staged;
CREATE TEMPORARY TABLE ingest_staged (
  row bigint, channel_id bigint, at timestamptz, value numeric(24, 9)
) ON COMMIT DROP
"""
_STAGING_COPY = "COPY ingest_staged FROM STDIN"
_REFUSED_COPY = """
COPY telemetry_rejectedreading
  (batch_id, row, field, reason, channel_text, at_text, value_text) FROM STDIN
"""
# DO NOTHING also takes the first of several equal rows within the batch.
_TAKE_OVER = """
INSERT INTO telemetry_reading (channel_id, at, value, batch_id)
SELECT channel_id, at, value, %s FROM ingest_staged
ON CONFLICT DO NOTHING
"""
_CONFLICTS = """
FROM ingest_staged s JOIN telemetry_reading r USING (channel_id, at) WHERE r.value <> s.value
"""
_COUNT_CONFLICTS = f"SELECT count(*) {_CONFLICTS}"
_KEEP_CONFLICTS = f"""
INSERT INTO telemetry_rejectedreading
  (batch_id, row, field, reason, channel_text, at_text, value_text)
SELECT %s, s.row, 'value', 'conflict', c.key,
  to_char(s.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), trim_scale(s.value)::text
FROM (SELECT s.* {_CONFLICTS}) s JOIN telemetry_channel c ON c.id = s.channel_id
"""  # noqa: S608 - both halves are constants of this module
_RESOLVE = """
UPDATE telemetry_rejectedreading k SET resolved_by_id = %s
FROM ingest_staged s JOIN telemetry_reading r USING (channel_id, at)
WHERE k.id = s.row AND r.value = s.value
"""
_NOW_IN_CONFLICT = """
UPDATE telemetry_rejectedreading k SET field = 'value', reason = 'conflict'
FROM ingest_staged s JOIN telemetry_reading r USING (channel_id, at)
WHERE k.id = s.row AND r.value <> s.value
"""
_STORED_NOW = (
    "JOIN telemetry_reading r ON r.channel_id = s.channel_id AND r.at = s.at"
    " AND r.batch_id = %(batch)s"
)
# A new reading changes every local hour from its predecessor's to its successor's. Runs of
# neighbouring hours are marked together. Half hours, since some zones are half an hour off.
_MARK_DIRTY = """
WITH fresh AS (
  SELECT s.channel_id, date_bin('1 hour', s.at, 'epoch') AS hour, min(s.at) AS first_at,
    max(s.at) AS last_at
  FROM ingest_staged s {stored}
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
    date_bin('30 minutes', coalesce(before.at, r.first_at), 'epoch'),
    date_bin('30 minutes', coalesce(after.at, r.last_at), 'epoch') + interval '30 minutes'
  ),
  %(at)s
FROM runs r
LEFT JOIN LATERAL (
  SELECT at FROM telemetry_reading p WHERE p.channel_id = r.channel_id AND p.at < r.first_at
  ORDER BY p.at DESC LIMIT 1
) before ON true
LEFT JOIN LATERAL (
  SELECT at FROM telemetry_reading n WHERE n.channel_id = r.channel_id AND n.at > r.last_at
  ORDER BY n.at LIMIT 1
) after ON true
"""
