"""
Rows are judged in columns: one quick look says whether all of many are well-formed, and only
where one is not are they judged one by one. What is well-formed goes to a temporary table.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import IO, NamedTuple

from django.db import connection

from telemetry import formats
from telemetry.domain.readings import all_plain, plain_value, utc_instant
from telemetry.models import Channel, ChannelAlias, RejectedReading

Reason = RejectedReading.Reason

# A gateway's clock may run ahead by this much before its readings are doubted.
FUTURE_TOLERANCE = dt.timedelta(minutes=5)
_STAMPS_KEPT = 200_000
# A clock that lost its battery begins in 1970; nothing was metered before.
_EARLIEST = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)


class Judged(NamedTuple):
    """
    Rows as PostgreSQL copies them, how many they are, and the others.
    """

    copied: str
    staged: int
    refused: list[Rejected]


class Rejected(NamedTuple):
    """
    A refused row; its texts can be tried again.
    """

    number: int
    field: str
    reason: Reason
    channel: str
    at: str
    value: str
    detail: str = ""


@dataclass
class Judge:
    """
    Says which rows are well-formed: a known channel, an instant since 1970 and no later than
    `latest`, a plain figure. Gathers the months that it met.

    Rows are copied as number, channel, microseconds since 1970 and value: PostgreSQL reads a
    whole number quicker than a time stamp.
    """

    # Keys of channels and their numbers as text.
    channels: dict[str | None, str]
    latest: dt.datetime
    months: set[tuple[int, int]] = field(default_factory=set)
    # The latest instant that was met, stored or refused.
    newest: dt.datetime = _EARLIEST
    # Many channels are read at the same instant, so each text is read once.
    _stamps: dict[Callable[[str], dt.datetime | None], dict[str | None, str | None]] = field(
        default_factory=dict
    )

    def judge(self, columns: formats.Columns) -> Judged:
        """
        Judge all rows at once where they are well-formed, else one by one.
        """
        return self.all_at_once(columns) or self.one_by_one(columns)

    def all_at_once(self, columns: formats.Columns) -> Judged | None:
        """
        Return the rows if every one is well-formed, else None.
        """
        ids = [*map(self.channels.get, columns.channels)]
        if columns.refused or None in ids or not all_plain(columns.values):
            return None
        stamps = self._stamps_of(columns)
        if None in stamps:
            return None
        rows = zip(map(str, columns.numbers), ids, stamps, columns.values, strict=True)
        lines = "\n".join(map("\t".join, rows))  # type: ignore[arg-type]
        return Judged(f"{lines}\n" if ids else "", len(ids), [])

    def one_by_one(self, columns: formats.Columns) -> Judged:
        """
        Sort the well-formed rows from the others and say what is wrong with those.
        """
        refused = [
            Rejected(number, row.field, Reason.UNREADABLE, "", "", row.text, row.detail)
            for number, row in columns.refused
        ]
        lines = []
        rows = map(formats.Row, columns.channels, columns.ats, columns.values)
        stamps = self._stamps_of(columns)
        for number, row, stamp in zip(columns.numbers, rows, stamps, strict=True):
            channel_id = self.channels.get(row.channel)
            plain = plain_value(row.value) if row.value else None
            if channel_id is not None and stamp is not None and plain is not None:
                lines.append(f"{number}\t{channel_id}\t{stamp}\t{plain}\n")
            else:
                refused.append(self._refused(number, row, columns.instant))
        return Judged("".join(lines), len(lines), refused)

    def _stamps_of(self, columns: formats.Columns) -> list[str | None]:
        known = self._stamps.setdefault(columns.instant, {})
        stamps = [*map(known.get, columns.ats)]
        if None not in stamps:
            return stamps
        # A long file must not fill the memory.
        if len(known) > _STAMPS_KEPT:
            known.clear()
        for text in set(columns.ats) - known.keys():
            known[text] = self._stamp(columns.instant(text) if text else None)
        return [*map(known.get, columns.ats)]

    def _stamp(self, instant: dt.datetime | None) -> str | None:
        if instant is None or instant < _EARLIEST:
            return None
        self.newest = max(self.newest, instant)
        if instant > self.latest:
            return None
        self.months.add((instant.year, instant.month))
        return str((instant - _EARLIEST) // _MICROSECOND)

    def _refused(
        self, number: int, row: formats.Row, read: Callable[[str], dt.datetime | None]
    ) -> Rejected:
        channel, at, value = row
        instant = read(at) if at else None
        # Kept in a form that can be read without knowing the format it came in.
        if instant is not None and read is not utc_instant:
            at = instant.isoformat()
        name, reason = self._why(row, instant)
        return Rejected(number, name, reason, channel or "", at or "", value or "")

    def _why(self, row: formats.Row, instant: dt.datetime | None) -> tuple[str, Reason]:
        for name, text in zip(formats.FIELDS, row, strict=True):
            if not text:
                return name, Reason.MISSING_FIELD
        if row.channel not in self.channels:
            return "channel", Reason.UNKNOWN_CHANNEL
        if instant is None or instant < _EARLIEST:
            return "at", Reason.BAD_INSTANT
        if instant > self.latest:
            return "at", Reason.FUTURE
        return "value", Reason.BAD_VALUE


@dataclass
class Staging:
    """
    The temporary table of one batch's well-formed rows, and the count of the others.
    """

    site_id: int
    received_at: dt.datetime
    staged: int = 0
    rejected: int = 0
    missing: int = 0
    skipped: int = 0
    months: set[tuple[int, int]] = field(default_factory=set)
    # Of rows that are not kept a second time: their numbers, and why they are refused still.
    left: dict[int, str] = field(default_factory=dict)
    # What meters said of themselves.
    heard: list[formats.Heard] = field(default_factory=list)
    learnt: list[formats.Learnt] = field(default_factory=list)
    # Some row has a time that had not come when it was received.
    is_ahead: bool = False

    def fill(
        self, batches: Iterable[formats.Columns], *, refused: IO[bytes] | None, batch_id: int
    ) -> None:
        """
        Copy what is well-formed to the table and write the rest to `refused`.
        """
        found = Channel.objects.filter(site_id=self.site_id).values_list("key", "pk")
        named = ChannelAlias.objects.filter(site_id=self.site_id).values_list("text", "channel_id")
        # A channel's own key goes before another's alias.
        channels: dict[str | None, str] = {name: str(pk) for name, pk in [*named, *found]}
        judge = Judge(channels, self.received_at + FUTURE_TOLERANCE, self.months)
        with connection.cursor() as cursor:
            cursor.execute(_STAGING_TABLE)
            with cursor.copy("COPY ingest_staged FROM STDIN") as copy:
                for columns in batches:
                    judged = judge.judge(columns)
                    copy.write(judged.copied)
                    self.staged += judged.staged
                    self.rejected += len(judged.refused)
                    self.missing += columns.missing
                    self.skipped += columns.skipped
                    self.heard += columns.heard
                    self.learnt += columns.learnt
                    if refused is None:
                        self.left.update(
                            (row.number, str(row.reason.label)) for row in judged.refused
                        )
                    else:
                        refused.writelines(_kept(batch_id, row) for row in judged.refused)
        self.is_ahead = judge.newest > self.received_at


def keep_refused(refused: IO[bytes]) -> None:
    """
    Copy what `Staging.fill` wrote to the rejected readings.
    """
    refused.seek(0)
    with connection.cursor() as cursor, cursor.copy(_REFUSED_COPY) as copy:
        while chunk := refused.read(1 << 16):
            copy.write(chunk)


def _kept(batch_id: int, row: Rejected) -> bytes:
    texts = "\t".join(map(_escaped, (row.channel, row.at, row.value, row.detail)))
    line = f"{batch_id}\t{row.number}\t{row.field}\t{row.reason.value}\t{texts}\n"
    # JSON can name half a character, which is no text to PostgreSQL.
    return line.encode(errors="replace")


def _escaped(text: str) -> str:
    kept = text[: formats.KEPT_TEXT].replace("\0", "")
    return kept.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


# Dropped at commit; a second batch in one transaction finds the first one's table.
_STAGING_TABLE = """
DROP TABLE IF EXISTS pg_temp.ingest_staged;
CREATE TEMPORARY TABLE ingest_staged (
  row bigint, channel_id bigint, us bigint, value numeric(24, 9)
) ON COMMIT DROP
"""
_REFUSED_COPY = """
COPY telemetry_rejectedreading
  (batch_id, row, field, reason, channel_text, at_text, value_text, detail) FROM STDIN
"""
