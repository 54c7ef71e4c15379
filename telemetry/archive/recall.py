"""
What a read needs of the archive comes back into its partition first, so that every statement
finds readings where they always were.

The first and last readings of each channel and month never leave (`telemetry.operations.archive`),
so that the nearest reading before or after an instant, the newest, and the span of a channel are
found without asking here. Whoever reads a stretch of readings calls `bring_back` first.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import IO

import pyarrow as pa
from django.db import connection, transaction

from telemetry.archive.errors import FileDamaged, ManifestAltered
from telemetry.archive.manifest import check_manifest
from telemetry.archive.place import opened
from telemetry.archive.rows import DIGEST, read_groups
from telemetry.models import ArchivedChannel, ArchivedMonth

Span = tuple[int, dt.datetime, dt.datetime]


def bring_back(
    channel_ids: Iterable[int], start: dt.datetime | None, end: dt.datetime | None
) -> None:
    """
    Bring back what the archive has of channels from `start` until `end`, both included; None
    there means all before or after.

    :raises ArchiveUnreadable: if it cannot be had
    """
    first = start or dt.datetime.min.replace(tzinfo=dt.UTC)
    last = end or dt.datetime.max.replace(tzinfo=dt.UTC)
    bring_back_each([(channel_id, first, last) for channel_id in channel_ids])


def bring_back_each(spans: Sequence[Span]) -> None:
    """
    The same for stretches of their own.

    :raises ArchiveUnreadable: if one of them cannot be had
    """
    if not spans:
        return
    channels, starts, ends = zip(*spans, strict=True)
    with connection.cursor() as cursor:
        cursor.execute(_NEEDED, [list(channels), list(starts), list(ends)])
        needed = cursor.fetchall()
    away: defaultdict[int, list[int]] = defaultdict(list)
    asked_again = []
    for archive_id, part_id, is_away in needed:
        if is_away:
            away[archive_id].append(part_id)
        else:
            asked_again.append(part_id)
    if asked_again:
        with connection.cursor() as cursor:
            cursor.execute(_ASKED_AGAIN, [asked_again])
    for archive_id, part_ids in sorted(away.items()):
        recall(archive_id=archive_id, part_ids=part_ids)


# Of what is back already only those that nobody asked for in the last hour, to note that
# somebody does.
_NEEDED = """
SELECT DISTINCT c.archive_id, c.id, c.away
FROM unnest(%s::bigint[], %s::timestamptz[], %s::timestamptz[]) AS w(channel_id, start_at, end_at)
JOIN telemetry_archivedchannel c ON c.channel_id = w.channel_id
  AND c.first_at <= w.end_at AND c.last_at >= w.start_at
  AND (c.away OR c.recalled_at < now() - interval '1 hour')
"""
_ASKED_AGAIN = """
UPDATE telemetry_archivedchannel SET recalled_at = now() WHERE id = ANY(%s) AND NOT away
"""


@transaction.atomic
def recall(*, archive_id: int, part_ids: Sequence[int]) -> int:
    """
    Bring channels of an archived month back into the database until nobody has asked for them for
    a while; return how many rows came back.

    :raises ArchiveUnreadable: if file or manifest is not as it was signed; nothing comes back then
    """
    archive = ArchivedMonth.objects.select_related("site", "key").get(pk=archive_id)
    with connection.cursor() as cursor:
        # Writers of the month first, then its rows: the order of whoever takes readings out.
        cursor.execute("SELECT telemetry_ensure_partition(%s)", [archive.month])
        parts = list(
            ArchivedChannel.objects.select_for_update(of=("self",))
            .filter(pk__in=part_ids, archive=archive, away=True)
            .select_related("channel")
            .order_by("first_group")
        )
        if not parts:
            return 0
        told = check_manifest(archive)
        for part in parts:
            if told.get(part.channel_id, {}).get("sha256") != bytes(part.sha256).hex():
                raise ManifestAltered(
                    f"{archive}: what the database says of {part.channel.key} is not what the"
                    " manifest says."
                )
        back = 0
        with opened(archive.path, sha256=bytes(archive.sha256), what=str(archive)) as file:
            for part in parts:
                copy_to_table(file, part, what=str(archive))
                cursor.execute(_TAKE_BACK, [part.channel_id])
                back += cursor.rowcount
        cursor.execute(_BACK, [[part.pk for part in parts]])
    return back


_BACK = """
UPDATE telemetry_archivedchannel SET away = false, leaving_since = NULL, recalled_at = now()
WHERE id = ANY(%s)
"""
# The first and last are there already.
_TAKE_BACK = """
INSERT INTO telemetry_reading (channel_id, at, value, batch_id)
SELECT %s, to_timestamp(us / 1e6::float8), value, batch FROM archive_read
ON CONFLICT DO NOTHING
"""
_READ_TABLE = """
DROP TABLE IF EXISTS pg_temp.archive_read;
CREATE TEMPORARY TABLE archive_read (us bigint, value numeric(24, 9), batch bigint) ON COMMIT DROP
"""
_READ_DIGEST = f"SELECT count(*), {DIGEST} FROM archive_read"  # noqa: S608


def copy_to_table(file: IO[bytes], part: ArchivedChannel, *, what: str) -> None:
    """
    Copy a channel's readings from a file to the temporary table archive_read (us, value, batch).

    :raises FileDamaged: if they are not those of the digest
    """
    groups = range(part.first_group, part.first_group + part.groups)
    with connection.cursor() as cursor:
        cursor.execute(_READ_TABLE)
        with cursor.copy("COPY archive_read FROM STDIN (FORMAT csv)") as copy:
            try:
                for piece in read_groups(file, groups):
                    copy.write(piece)
            except (pa.ArrowException, OSError, KeyError) as problem:
                raise FileDamaged(f"{what}: its file cannot be read: {problem}") from problem
        cursor.execute(_READ_DIGEST)
        rows, digest = cursor.fetchone()
    if rows != part.rows or bytes(digest) != bytes(part.sha256):
        raise FileDamaged(
            f"{what}: the file holds {rows} readings of {part.channel.key} that are not the"
            f" {part.rows} that were archived."
        )
