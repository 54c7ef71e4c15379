"""
A month of a site's readings goes to a file: sealed, written, read back and compared, and only then
out of the database. Each step is one transaction and can be repeated; what was done is not undone
by a worker that dies.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import tempfile
from collections.abc import Callable
from typing import IO, cast

from django.db import IntegrityError, connection, transaction

from sites.models import Site, Stakeholder
from sites.operations import record
from telemetry import archive as files
from telemetry import queries
from telemetry.models import ArchivedChannel, ArchivedMonth
from telemetry.operations.issuer_keys import current_key, private_key
from telemetry.queries.archive import Hindrance

State = ArchivedMonth.State

# Who has looked where a reading lies just before it leaves has this long to read it.
GRACE = dt.timedelta(minutes=15)


class NotSealable(Exception):
    """
    Something stands against sealing a month.
    """

    def __init__(self, hindrances: list[Hindrance]) -> None:
        super().__init__(", ".join(hindrances))
        self.hindrances = hindrances


class NotArchived(Exception):
    """
    The month has no archive that is in use.
    """


@transaction.atomic(durable=True)
def seal_month(
    *, site_id: int, month: dt.date, at: dt.datetime, by_id: int | None
) -> ArchivedMonth:
    """
    Say that a month of a site is settled and goes to the archive. Where it is there already and
    readings came in since, it comes back whole and goes there again as the next revision.

    :raises NotSealable: if something stands against it
    :raises ArchiveUnreadable: if it is in the archive and cannot be had from there
    """
    site = Site.objects.select_for_update().get(pk=site_id)
    if hindrances := queries.archive_hindrances(site_id=site_id, month=month, at=at):
        raise NotSealable(hindrances)
    earlier = ArchivedMonth.objects.filter(site=site, month=month)
    there = earlier.exclude(state=State.REOPENED).first()
    if there is not None:
        _reopen(there, at=at, by_id=by_id)
    try:
        with transaction.atomic():
            archive = ArchivedMonth.objects.create(
                site=site, month=month, revision=earlier.count() + 1, sealed_at=at,
                sealed_by_id=by_id,
            )  # fmt: skip
    except IntegrityError as problem:
        if getattr(problem.__cause__, "diag", None) is None:
            raise
        name = problem.__cause__.diag.constraint_name  # type: ignore[union-attr]
        if name != "no_line_of_the_month_is_in_dispute":
            raise
        raise NotSealable([Hindrance.DISPUTE]) from None
    record(
        at=at, by_id=by_id, operator_id=site.operator_id, action="month sealed",
        subject=str(archive),
    )  # fmt: skip
    return archive


def _untold(done: int) -> None:
    pass


@transaction.atomic(durable=True)
def write_month(
    *, archive_id: int, at: dt.datetime, tell: Callable[[int], None] = _untold
) -> ArchivedMonth | None:
    """
    Write the file of a sealed month; None where another worker does, or it is done. `tell` is
    told how much is written, in per cent.

    :raises ArchiveUnreadable: if the place of the archive does not take the file
    """
    archive = _mine(archive_id, State.SEALED)
    if archive is None:
        return None
    start, end = queries.utc_month(archive.month)
    # What an attempt that did not agree left behind.
    archive.channels.all().delete()
    found = files.summaries(site_id=archive.site_id, start=start, end=end)
    if not found:
        raise NotSealable([Hindrance.NO_READINGS])
    name = f"{archive.site.slug}-{archive.month:%Y-%m}-r{archive.revision}.parquet"
    archive.path = f"{archive.site.slug}/{archive.month:%Y}/{name}"
    with tempfile.TemporaryFile() as opened:
        file = cast(IO[bytes], opened)
        all_rows = sum(one.rows for one in found)
        files.write_file(
            file, found, start=start, end=end, tell=lambda done: tell(100 * done // all_rows)
        )
        archive.bytes = file.tell()
        file.seek(0)
        archive.sha256 = hashlib.file_digest(file, "sha256").digest()  # type: ignore[arg-type]
        file.seek(0)
        files.put(archive.path, file)
    group = 0
    parts = []
    for one in found:
        parts.append(
            ArchivedChannel(
                archive=archive, channel_id=one.channel_id, rows=one.rows, sha256=one.sha256,
                first_at=one.first_at, last_at=one.last_at, first_group=group,
                groups=files.groups_of(one.rows),
            )
        )  # fmt: skip
        group += files.groups_of(one.rows)
    ArchivedChannel.objects.bulk_create(parts)
    archive.rows = all_rows
    archive.hot_bytes = _hot_bytes(archive.month, archive.rows)
    archive.state, archive.written_at, archive.problem = State.WRITTEN, at, ""
    archive.save()
    return archive


def _mine(archive_id: int, state: State) -> ArchivedMonth | None:
    """
    Lock an archive that is in a state, None where it is not or somebody else has it.
    """
    found = ArchivedMonth.objects.select_for_update(of=("self",), skip_locked=True)
    return found.select_related("site").filter(pk=archive_id, state=state).first()


def _hot_bytes(month: dt.date, rows: int) -> int:
    name = f"telemetry_reading_{month:%Y%m}"
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_total_relation_size(%s::regclass), count(*) FROM telemetry_reading"
            " WHERE at >= %s AND at < %s", [name, *queries.utc_month(month)]
        )  # fmt: skip
        size, all_rows = cursor.fetchone()
    return int(size * rows // all_rows)


@transaction.atomic(durable=True)
def verify_month(*, archive_id: int, at: dt.datetime) -> ArchivedMonth | None:
    """
    Read a written file back from its place, compare it with the database reading by reading, and
    sign its manifest; from then on readers use the file. None where another worker does, or it
    is done. Where readings came in meanwhile the month is written again.

    :raises ArchiveUnreadable: if the file cannot be had or is damaged
    """
    archive = _mine(archive_id, State.WRITTEN)
    if archive is None:
        return None
    parts = list(archive.channels.select_related("channel").order_by("first_group"))
    start, end = queries.utc_month(archive.month)
    with files.opened(archive.path, sha256=bytes(archive.sha256), what=str(archive)) as file:
        for part in parts:
            files.copy_to_table(file, part, what=str(archive))
            if not _is_the_same(part.channel_id, start, end):
                archive.problem = f"Readings of {part.channel.key} came in; it is written again."
    if not archive.problem and _total(archive, start, end) != archive.rows:
        archive.problem = "Readings of a further channel came in; it is written again."
    if archive.problem:
        archive.state = State.SEALED
        archive.save()
        return archive
    _sign(archive, parts, at)
    archive.state, archive.verified_at, archive.checked_at = State.VERIFIED, at, at
    archive.save()
    archive.channels.update(away=True, leaving_since=at)
    record(
        at=at, by_id=archive.sealed_by_id, operator_id=archive.site.operator_id,
        action="month archived", subject=str(archive),
        after={"path": archive.path, "rows": archive.rows, "sha256": archive.sha256.hex()},
    )  # fmt: skip
    return archive


_DIFFERENT = """
WITH hot AS (
  SELECT (extract(epoch FROM at) * 1000000)::bigint AS us, value, batch_id AS batch
  FROM telemetry_reading WHERE channel_id = %s AND at >= %s AND at < %s
)
SELECT EXISTS (SELECT FROM hot FULL JOIN archive_read r USING (us)
  WHERE (hot.value, hot.batch) IS DISTINCT FROM (r.value, r.batch))
"""


def _is_the_same(channel_id: int, start: dt.datetime, end: dt.datetime) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE archive_read")
        cursor.execute(_DIFFERENT, [channel_id, start, end])
        return not cursor.fetchone()[0]


def _total(archive: ArchivedMonth, start: dt.datetime, end: dt.datetime) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM telemetry_reading r JOIN telemetry_channel c"
            " ON c.id = r.channel_id WHERE c.site_id = %s AND r.at >= %s AND r.at < %s",
            [archive.site_id, start, end],
        )
        count: int = cursor.fetchone()[0]
    return count


def _sign(archive: ArchivedMonth, parts: list[ArchivedChannel], at: dt.datetime) -> None:
    operator_id = archive.site.operator_id
    # Manifests of one operator are signed one after the other, each naming the one before.
    Stakeholder.objects.select_for_update(of=("self",)).get(pk=operator_id)
    key = current_key(operator_id=operator_id, at=at)
    signed = ArchivedMonth.objects.filter(site__operator_id=operator_id).exclude(manifest="")
    before = signed.order_by("verified_at", "pk").values_list("manifest", flat=True).last()
    previous = hashlib.sha256(before.encode()).hexdigest() if before else ""
    archive.manifest = files.canonical(files.manifest_of(archive, parts, previous=previous))
    archive.signature = private_key(key).sign(archive.manifest.encode())
    archive.key = key
    files.put_text(f"{archive.path}.json", _beside(archive))


def _beside(archive: ArchivedMonth) -> str:
    """
    Return what lies beside the file: the manifest, its signature and the key to check it with.
    """
    public = bytes(archive.key.public).hex() if archive.key else ""
    content = {
        "manifest": json.loads(archive.manifest),
        "signature": bytes(archive.signature).hex(),
        "key": {"name": str(archive.key), "ed25519": public},
    }
    return files.canonical(content)


@transaction.atomic(durable=True)
def release_month(*, month: dt.date, at: dt.datetime, grace: dt.timedelta = GRACE) -> int:
    """
    Take what the archive has of a month out of the database, for all sites at once; return how
    many rows left. The first and last readings of each channel stay, since other months lean on
    them, and so does what is not exactly as archived.

    :raises django.db.OperationalError: if readers kept the table busy; try again then
    """
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '5s'")
        cursor.execute(_ALONE, [f"{month:%Y%m}"])
        cursor.execute(_LEAVING, [month, at - grace])
        leaving = cursor.fetchall()
        if not leaving:
            return 0
        start, end = queries.utc_month(month)
        span = {"start": start, "end": end, "month": month, "at": at}
        cursor.execute(_COUNTED, {**span, "channels": [channel for _, channel in leaving]})
        whole, changed = [], []
        for channel_id, more in cursor.fetchall():
            if more == 0:
                whole.append(channel_id)
            elif more > 0:
                # Late readings, beside all of the others.
                changed.append((channel_id, more))
        for channel_id, late in changed:
            cursor.execute(_STAYS, {**span, "channel": channel_id, "late": late})
        removed = 0
        if whole:
            removed = _replace(month, whole)
        cursor.execute(_LEFT, [[part_id for part_id, _ in leaving]])
        cursor.execute(_DROPPED, span)
    return removed


_ALONE = "SELECT pg_advisory_xact_lock(hashtext('telemetry_month'), %s::int)"
_LEAVING = """
SELECT c.id, c.channel_id FROM telemetry_archivedchannel c
JOIN telemetry_archivedmonth m ON m.id = c.archive_id
WHERE m.month = %s AND m.state IN ('verified', 'dropped') AND c.away AND c.leaving_since <= %s
ORDER BY c.id FOR UPDATE OF c
"""
_OF_MONTH = """
JOIN telemetry_archivedmonth m ON m.id = c.archive_id AND m.month = %(month)s
  AND m.state IN ('verified', 'dropped')
"""
# What left before has a few rows there, and is neither whole nor more.
_COUNTED = f"""
SELECT c.channel_id, n.rows - c.rows FROM telemetry_archivedchannel c
{_OF_MONTH}
CROSS JOIN LATERAL (SELECT count(*) AS rows FROM telemetry_reading r
  WHERE r.channel_id = c.channel_id AND r.at >= %(start)s AND r.at < %(end)s) n
WHERE c.channel_id = ANY(%(channels)s) AND c.away
"""  # noqa: S608 - constants of this module, here and below
_STAYS = f"""
WITH kept AS (
  UPDATE telemetry_archivedchannel a
  SET away = false, leaving_since = NULL, recalled_at = %(at)s, late = %(late)s
  FROM telemetry_archivedchannel c {_OF_MONTH}
  WHERE a.id = c.id AND c.channel_id = %(channel)s AND c.away
  RETURNING a.archive_id
)
UPDATE telemetry_archivedmonth SET late = greatest(late, %(late)s)
WHERE id IN (SELECT archive_id FROM kept)
"""  # noqa: S608
_LEFT = """
UPDATE telemetry_archivedchannel SET leaving_since = NULL WHERE id = ANY(%s) AND away
"""
_DROPPED = """
UPDATE telemetry_archivedmonth m SET state = 'dropped', dropped_at = %(at)s
WHERE m.month = %(month)s AND m.state = 'verified' AND NOT EXISTS (
  SELECT FROM telemetry_archivedchannel c
  WHERE c.archive_id = m.id AND c.leaving_since IS NOT NULL)
"""
# The first and last, of all and of those not zero, as sent and of those that still count.
_EDGES = """
INSERT INTO {next} (channel_id, at, value, batch_id)
SELECT DISTINCT e.* FROM unnest(%(channels)s::bigint[]) AS c(id)
CROSS JOIN LATERAL (
  {ends}
) e
"""
_END = """(SELECT channel_id, at, value, batch_id FROM {name} r
  WHERE channel_id = c.id {and_also} ORDER BY at {order} LIMIT 1)"""
_COUNTS = """AND NOT EXISTS (SELECT FROM telemetry_veevalue v
  WHERE v.channel_id = r.channel_id AND v.at = r.at AND v.superseded_at IS NULL)"""


def _replace(month: dt.date, whole: list[int]) -> int:
    """
    Put a partition in place of a month's that holds the ends of some channels and all of others.
    """
    name = f"telemetry_reading_{month:%Y%m}"
    ends = [
        _END.format(name=name, and_also=condition, order=order)
        for condition in ("", "AND value <> 0", _COUNTS, f"AND value <> 0 {_COUNTS}")
        for order in ("ASC", "DESC")
    ]
    edges = _EDGES.format(next=f"{name}_next", ends="\n  UNION\n  ".join(ends))
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {name}_next (LIKE telemetry_reading INCLUDING ALL)")
        cursor.execute(
            f"INSERT INTO {name}_next SELECT * FROM {name}"  # noqa: S608 - made from a date
            " WHERE channel_id <> ALL(%s)",
            [whole],
        )
        stayed = cursor.rowcount
        cursor.execute(edges, {"channels": whole})
        stayed += cursor.rowcount
        cursor.execute(f"SELECT count(*) FROM {name}")  # noqa: S608
        before: int = cursor.fetchone()[0]
        cursor.execute("SELECT telemetry_replace_partition(%s)", [month])
    left: int = before - stayed
    return left


@transaction.atomic(durable=True)
def restore_month(
    *, site_id: int, month: dt.date, at: dt.datetime, by_id: int | None
) -> ArchivedMonth:
    """
    Bring a month of a site back into the database for good. Its file stays where it is.

    :raises NotArchived: if the month is not in the archive
    :raises ArchiveUnreadable: if it cannot be had from there
    """
    archive = (
        ArchivedMonth.objects.select_for_update(of=("self",))
        .select_related("site")
        .filter(site_id=site_id, month=month)
        .exclude(state=State.REOPENED)
        .first()
    )
    if archive is None:
        raise NotArchived(f"{month:%Y-%m}")
    _reopen(archive, at=at, by_id=by_id)
    return archive


def _reopen(archive: ArchivedMonth, *, at: dt.datetime, by_id: int | None) -> None:
    away = list(archive.channels.filter(away=True).values_list("pk", flat=True))
    back = files.recall(archive_id=archive.pk, part_ids=away) if away else 0
    archive.channels.update(away=False, leaving_since=None, recalled_at=None)
    archive.state, archive.reopened_at = State.REOPENED, at
    archive.save(update_fields=["state", "reopened_at"])
    record(
        at=at, by_id=by_id, operator_id=archive.site.operator_id, action="month brought back",
        subject=str(archive), after={"rows": back},
    )  # fmt: skip


@transaction.atomic(durable=True)
def check_month(*, archive_id: int, at: dt.datetime, by_id: int | None) -> None:
    """
    Read the file of an archived month from end to end, with its manifest in the database and
    beside the file.

    :raises ArchiveUnreadable: if something is not as it was signed
    """
    archive = ArchivedMonth.objects.select_related("site", "key").get(
        pk=archive_id, state__in=ArchivedMonth.IN_USE
    )
    files.check_manifest(archive)
    if files.text_of(f"{archive.path}.json") != _beside(archive):
        raise files.ManifestAltered(
            f"{archive}: the manifest beside its file, {archive.path}.json, is not the signed one."
        )
    parts = archive.channels.select_related("channel").order_by("first_group")
    with files.opened(archive.path, sha256=bytes(archive.sha256), what=str(archive)) as file:
        for part in parts:
            files.copy_to_table(file, part, what=str(archive))
    ArchivedMonth.objects.filter(pk=archive_id).update(checked_at=at, problem="")
    record(
        at=at, by_id=by_id, operator_id=archive.site.operator_id, action="archive checked",
        subject=str(archive),
    )  # fmt: skip


@transaction.atomic(durable=True)
def note_archive_problem(*, archive_id: int, problem: str) -> None:
    """
    Keep why the last step of an archive did not come to its end.
    """
    ArchivedMonth.objects.filter(pk=archive_id).update(problem=problem[:500])


@transaction.atomic(durable=True)
def let_recalled_go(*, at: dt.datetime, unused_since: dt.datetime) -> int:
    """
    Let channels leave the database again that were brought back and that nobody asked for since
    an instant; return how many. Late readings keep a channel there until its month is sealed anew.
    """
    unused = ArchivedChannel.objects.filter(
        recalled_at__lt=unused_since, late=0, archive__state__in=ArchivedMonth.IN_USE
    )
    gone: int = unused.update(away=True, leaving_since=at, recalled_at=None)
    return gone
