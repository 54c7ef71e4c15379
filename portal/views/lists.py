"""
The list pattern: columns that sort, pages, and CSV of everything the filter matches.

The query string holds the whole state of a list: filters by their own names, `sort` ("name" or
"-name") and `page`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Generic, TypeVar

from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, StreamingHttpResponse

from telemetry.documents.spreadsheet import stays_text

PER_PAGE = 50

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Column(Generic[Row]):
    """
    One column: its name in the query string and the CSV, its heading, the fields it sorts by,
    and its value in the CSV. A column without `sort` does not sort; one without `value` is not
    in the CSV; one without `label` is only there.
    """

    name: str
    label: str = ""
    sort: tuple[str, ...] = ()
    value: Callable[[Row], object] | None = None
    numeric: bool = False


@dataclass(frozen=True, slots=True)
class Heading:
    """
    A column's head as the page draws it. `next_sort` is what a press asks for.
    """

    label: str
    numeric: bool
    next_sort: str
    aria_sort: str


@dataclass(frozen=True, slots=True)
class Listing(Generic[Row]):
    """
    One page of a list with its headings.
    """

    headings: list[Heading]
    page: Page[Row]
    count: int


def _ordering(columns: Sequence[Column[Row]], sort: str) -> list[str]:
    column = next((c for c in columns if c.name == sort.removeprefix("-") and c.sort), None)
    if column is None:
        return []
    if not sort.startswith("-"):
        return list(column.sort)
    return [f.removeprefix("-") if f.startswith("-") else f"-{f}" for f in column.sort]


def sorted_rows(
    request: HttpRequest, rows: QuerySet[Any], columns: Sequence[Column[Row]]
) -> QuerySet[Any]:
    """
    Return the rows in the order the reader asked for, else as they come.
    """
    ordering = _ordering(columns, request.GET.get("sort", ""))
    # The key at the end makes pages stable where the column has equal values.
    return rows.order_by(*ordering, "pk") if ordering else rows


def listing(
    request: HttpRequest,
    rows: QuerySet[Any] | Sequence[Row],
    columns: Sequence[Column[Row]],
    *,
    default_sort: str = "",
    per_page: int = PER_PAGE,
) -> Listing[Row]:
    """
    Return the page the reader asked for. Rows that come as a sequence are sorted already.
    """
    if isinstance(rows, QuerySet):
        rows = sorted_rows(request, rows, columns)
    asked = request.GET.get("sort", "")
    sort = asked if _ordering(columns, asked) else default_sort
    pages = Paginator(rows, per_page)
    return Listing(
        headings=[_heading(column, sort) for column in columns if column.label],
        page=pages.get_page(request.GET.get("page")),
        count=pages.count,
    )


def _heading(column: Column[Row], sort: str) -> Heading:
    up, down = sort == column.name, sort == f"-{column.name}"
    return Heading(
        label=column.label,
        numeric=column.numeric,
        next_sort=(f"-{column.name}" if up else column.name) if column.sort else "",
        aria_sort="ascending" if up else "descending" if down else "",
    )


# Stored figures have as many decimals; a division leaves 28, and noise in most of them.
_NINTH = Decimal("1e-9")


def _cell(value: object) -> object:
    if isinstance(value, str):
        return stays_text(value)
    if isinstance(value, Decimal) and value.is_finite():
        exponent = value.as_tuple().exponent
        fine = isinstance(exponent, int) and exponent < -9
        return f"{value.quantize(_NINTH) if fine else value:f}"
    return "" if value is None else value


def csv_answer(
    rows: Iterable[Any], columns: Sequence[Column[Row]], *, filename: str
) -> StreamingHttpResponse:
    """
    Stream rows as CSV in UTF-8, with decimal points and instants in ISO 8601.
    """
    told = [(column.name, column.value) for column in columns if column.value]
    plain = rows.iterator(chunk_size=2000) if isinstance(rows, QuerySet) else iter(rows)

    def lines() -> Iterator[str]:
        buffer = io.StringIO()
        writer = csv.writer(buffer)
        writer.writerow([name for name, _ in told])
        for row in plain:
            writer.writerow([_cell(value(row)) for _, value in told])
            if buffer.tell() > 32_000:
                yield buffer.getvalue()
                buffer.seek(0)
                buffer.truncate()
        yield buffer.getvalue()

    answer = StreamingHttpResponse(lines(), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{filename}"'
    return answer
