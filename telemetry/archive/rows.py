"""
Readings of a month as Parquet: columns channel (its key), at (UTC), value (in the channel's own
unit) and batch (the delivery it came with), a row group for each channel, in order of time.

Instants and batches are delta-encoded, and so are values, as integers: decimals of one scale for
the whole file. With zstd on top, real readings take about three bytes each.
"""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from django.db import connection

# A channel of more rows, one a second, say, has several groups.
GROUP_ROWS = 1 << 20
_LEVEL = 9
# Decimals of more digits are no 64-bit integers.
_DIGITS_OF_INT64 = 18
_TEXT = [("us", pa.int64()), ("value", pa.decimal128(24, 9)), ("batch", pa.int64())]


@dataclass(frozen=True, slots=True)
class Summary:
    """
    What a channel has in a month: how many readings, the first and last, and their digest.

    The digest is SHA-256 over one line a reading in order of time,
    "<microseconds since 1970>|<value>|<batch>\\n", the value without trailing zeros.
    """

    channel_id: int
    key: str
    rows: int
    first_at: dt.datetime
    last_at: dt.datetime
    sha256: bytes
    # Digits after and before the point that its values need.
    scale: int
    digits: int


_US = "(extract(epoch FROM at) * 1000000)::bigint"
# What `Summary` says of the digest; `us`, `value` and `batch` are columns.
DIGEST = """
sha256(coalesce(string_agg(convert_to(us || '|' || trim_scale(value) || '|' || batch || E'\\n',
  'UTF8'), '' ORDER BY us), ''))
"""
_SUMMARIES = f"""
SELECT c.id, c.key, n.rows, n.first_at, n.last_at, n.sha256, n.scale, n.digits
FROM telemetry_channel c
CROSS JOIN LATERAL (
  SELECT count(*) AS rows, min(at) AS first_at, max(at) AS last_at, {DIGEST} AS sha256,
    max(scale(trim_scale(value))) AS scale,
    max(length(trunc(abs(value))::text)) AS digits
  FROM (
    SELECT at, {_US} AS us, value, batch_id AS batch FROM telemetry_reading
    WHERE channel_id = c.id AND at >= %(start)s AND at < %(end)s
  ) r
) n
WHERE c.site_id = %(site)s AND n.rows > 0
ORDER BY c.key
"""  # noqa: S608 - constants of this module, here and below
_COPY = f"""
COPY (
  SELECT {_US}, value, batch_id FROM telemetry_reading
  WHERE channel_id = {{channel}} AND at >= {{start}} AND at < {{end}} ORDER BY at
) TO STDOUT (FORMAT csv)
"""  # noqa: S608


def summaries(*, site_id: int, start: dt.datetime, end: dt.datetime) -> list[Summary]:
    """
    Return what each channel of a site has in the database between two instants, by key.
    """
    with connection.cursor() as cursor:
        cursor.execute(_SUMMARIES, {"site": site_id, "start": start, "end": end})
        return [
            Summary(pk, key, rows, first_at, last_at, bytes(sha256), scale, digits)
            for pk, key, rows, first_at, last_at, sha256, scale, digits in cursor.fetchall()
        ]


def write_file(
    file: IO[bytes],
    found: list[Summary],
    *,
    start: dt.datetime,
    end: dt.datetime,
    tell: Callable[[int], None],
) -> None:
    """
    Write the readings of channels between two instants as Parquet, and tell how many are done.
    """
    kind, encoding = _value_column(found)
    schema = pa.schema(
        [
            ("channel", pa.string()), ("at", pa.timestamp("us", "UTC")), ("value", kind),
            ("batch", pa.int64()),
        ]
    )  # fmt: skip
    # The stubs know use_dictionary as yes or no only.
    options: Any = {"use_dictionary": ["channel"]}
    with pq.ParquetWriter(
        file, schema, **options, compression="zstd", compression_level=_LEVEL,
        column_encoding={
            "at": "DELTA_BINARY_PACKED", "value": encoding, "batch": "DELTA_BINARY_PACKED",
        },
        store_decimal_as_integer=True, write_page_checksum=True,
    ) as writer:  # fmt: skip
        done = 0
        for summary in found:
            table = _rows_of(summary, start, end)
            writer.write_table(
                pa.table(
                    [
                        pa.repeat(pa.scalar(summary.key), len(table)),
                        table["us"].cast(pa.timestamp("us", "UTC")),
                        table["value"].cast(kind),
                        table["batch"],
                    ],
                    schema=schema,
                ),
                row_group_size=GROUP_ROWS,
            )
            done += len(table)
            tell(done)


def _value_column(found: list[Summary]) -> tuple[Any, str]:
    scale = max(summary.scale for summary in found)
    if scale + max(summary.digits for summary in found) <= _DIGITS_OF_INT64:
        return pa.decimal128(_DIGITS_OF_INT64, scale), "DELTA_BINARY_PACKED"
    return pa.decimal128(24, 9), "BYTE_STREAM_SPLIT"


def _rows_of(summary: Summary, start: dt.datetime, end: dt.datetime) -> Any:
    text = io.BytesIO()
    sql = _COPY.format(
        channel=int(summary.channel_id), start=f"'{start.isoformat()}'", end=f"'{end.isoformat()}'"
    )
    with connection.cursor() as cursor, cursor.copy(sql) as copy:
        for piece in copy:
            text.write(piece)
    text.seek(0)
    return pyarrow.csv.read_csv(
        text,
        read_options=pyarrow.csv.ReadOptions(column_names=[name for name, _ in _TEXT]),
        convert_options=pyarrow.csv.ConvertOptions(column_types=dict(_TEXT)),
    )


def groups_of(rows: int) -> int:
    """
    Return how many row groups a channel takes.
    """
    return -(-rows // GROUP_ROWS)


def read_groups(file: IO[bytes], groups: range) -> Iterator[bytes]:
    """
    Yield row groups of a file as lines of microseconds since 1970, value and batch.
    """
    parquet = pq.ParquetFile(file, page_checksum_verification=True)
    for group in groups:
        table = parquet.read_row_group(group, columns=["at", "value", "batch"])
        table = table.set_column(0, "at", table["at"].cast(pa.int64()))
        table = table.set_column(1, "value", table["value"].cast(pa.string()))
        text = io.BytesIO()
        pyarrow.csv.write_csv(
            table, text,
            pyarrow.csv.WriteOptions(include_header=False, quoting_style="none"),
        )  # fmt: skip
        yield text.getvalue()
