"""
A channel's figures as a file, written while it is sent: CSV or Parquet, in pieces.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
from django.http import StreamingHttpResponse
from pyarrow import parquet

from telemetry.queries import Told

_TYPES = {
    "time": pa.timestamp("us", tz="UTC"),
    "number": pa.decimal128(28, 11),
    "text": pa.dictionary(pa.int8(), pa.string()),
}
_TENTH_OF_NANO = Decimal("1e-11")


def csv_file(
    columns: Sequence[Told], lots: Iterable[list[tuple[Any, ...]]], *, zone: str, filename: str
) -> StreamingHttpResponse:
    """
    Stream rows as CSV in UTF-8 with decimal points and instants in ISO 8601; the first column is
    repeated by the clock of `zone`.
    """
    there = ZoneInfo(zone)

    def pieces() -> Iterator[str]:
        yield _lines([[columns[0].name, "local", *(column.name for column in columns[1:])]])
        for rows in lots:
            yield _lines([row[0], row[0].astimezone(there), *row[1:]] for row in rows)

    return _answer(pieces(), "text/csv; charset=utf-8", filename)


def _lines(rows: Iterable[Iterable[Any]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerows([_cell(value) for value in row] for row in rows)
    return buffer.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, dt.datetime):
        return value.isoformat()
    return f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)


def parquet_file(
    columns: Sequence[Told],
    lots: Iterable[list[tuple[Any, ...]]],
    *,
    about: dict[bytes | str, bytes | str],
    filename: str,
) -> StreamingHttpResponse:
    """
    Stream rows as Parquet (zstd); `about` goes to the file's own notes. Numbers are exact
    decimals.
    """
    schema = pa.schema(
        [pa.field(column.name, _TYPES[column.kind]) for column in columns], metadata=about
    )

    def pieces() -> Iterator[bytes]:
        sink = _Sink()
        with parquet.ParquetWriter(
            pa.PythonFile(sink, mode="w"), schema, compression="zstd"
        ) as writer:
            for rows in lots:
                arrays = [
                    pa.array([_exact(value) for value in values], schema.field(n).type)
                    for n, values in enumerate(zip(*rows, strict=True))
                ]
                writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
                yield sink.taken()
        yield sink.taken()

    return _answer(pieces(), "application/vnd.apache.parquet", filename)


def _exact(value: Any) -> Any:
    return value.quantize(_TENTH_OF_NANO) if isinstance(value, Decimal) else value


class _Sink(io.RawIOBase):
    """
    A file that is given away as it is written; a Parquet file is written from front to back.
    """

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        part = bytes(data)
        self._parts.append(part)
        self._size += len(part)
        return len(part)

    def tell(self) -> int:
        return self._size

    def taken(self) -> bytes:
        """
        Return what was written since the last time.
        """
        parts, self._parts = self._parts, []
        return b"".join(parts)


def _answer(pieces: Iterator[Any], content_type: str, filename: str) -> StreamingHttpResponse:
    answer = StreamingHttpResponse(pieces, content_type=content_type)
    answer["Content-Disposition"] = f'attachment; filename="{filename}"'
    return answer
