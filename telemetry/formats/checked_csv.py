"""
CSV files that people hand in to be looked at first: each row is read, or its fault named with the
remedy.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Generic, TypeVar

LARGEST = 1_000_000

Row = TypeVar("Row")
Cells = dict[str, str]


@dataclass(frozen=True, slots=True)
class Fault:
    """
    What is wrong: in which line of the file (1 is the head; 0 for the file as a whole), in which
    column, and what to write instead.
    """

    line: int
    column: str
    words: str


@dataclass(frozen=True, slots=True)
class Read(Generic[Row]):
    """
    The rows of a file with the lines they end on, and its faults; with any fault nothing of it
    may be taken.
    """

    rows: list[Row]
    faults: list[Fault]
    lines: list[int]


class Wrong(Exception):
    """
    A cell cannot be read; the text says what to write instead.
    """

    def __init__(self, column: str, words: str) -> None:
        super().__init__(words)
        self.column = column


@dataclass(frozen=True, slots=True)
class Shape(Generic[Row]):
    """
    What a file looks like: its columns, those that may be empty, those that hold decimals, how a
    row is made of its cells, and which two rows say the same thing (their places), if any do.
    """

    columns: tuple[str, ...]
    make: Callable[[Cells], Row]
    twice: Callable[[Sequence[Row]], tuple[int, int] | None]
    may_be_empty: Collection[str] = ()
    decimals: Collection[str] = ()


def read(data: bytes, shape: Shape[Row]) -> Read[Row]:
    """
    Read a file of at most 1 MB in UTF-8, its cells parted by commas or, with decimal commas, by
    semicolons.
    """
    if len(data) > LARGEST:
        return _unreadable(0, "The file is larger than 1 MB. Divide it.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return _unreadable(0, "The file is not UTF-8. Save it as CSV UTF-8.")
    separator = ";" if ";" in text.partition("\n")[0] else ","
    lines = csv.DictReader(io.StringIO(text), delimiter=separator, strict=True)
    given = [name.strip() for name in lines.fieldnames or []]
    missing = [name for name in shape.columns if name not in given]
    if missing:
        return _unreadable(1, f"Columns are missing: {', '.join(missing)}.", missing[0])
    lines.fieldnames = given
    found: Read[Row] = Read([], [], [])
    _read_lines(lines, shape, found, commas=separator == ";")
    if not found.rows and not found.faults:
        found.faults.append(Fault(0, "", "There is no row below the head."))
    pair = shape.twice(found.rows)
    if pair is not None:
        words = f"The same thing as line {found.lines[pair[0]]}. Keep one of them."
        found.faults.append(Fault(found.lines[pair[1]], shape.columns[0], words))
    return found


def _unreadable(line: int, words: str, column: str = "") -> Read[Row]:
    return Read([], [Fault(line, column, words)], [])


def _read_lines(
    lines: csv.DictReader[str], shape: Shape[Row], found: Read[Row], *, commas: bool
) -> None:
    try:
        for cells in lines:
            bare = {name: (cells[name] or "").strip() for name in shape.columns}
            if not any(bare.values()):
                continue
            if commas:
                # Where commas do not part cells they part decimals.
                bare |= {name: bare[name].replace(",", ".") for name in shape.decimals}
            try:
                if None in cells:
                    raise Wrong("", "There are more cells than columns. Quote texts with commas.")
                for name, cell in bare.items():
                    if not cell and name not in shape.may_be_empty:
                        raise Wrong(name, "It is empty. Each row names this.")
                found.rows.append(shape.make(bare))
                found.lines.append(lines.line_num)
            except Wrong as wrong:
                found.faults.append(Fault(lines.line_num, wrong.column, str(wrong)))
    except csv.Error as problem:
        words = f"The line cannot be read: {problem}."
        found.faults.append(Fault(lines.line_num, "", words))


def matching(cells: Cells, name: str, shape: re.Pattern[str], remedy: str) -> str:
    """
    Return a cell that has a shape.

    :raises Wrong: with the remedy, if it has not
    """
    if not shape.fullmatch(cells[name]):
        raise Wrong(name, remedy)
    return cells[name]


def short(cells: Cells, name: str, most: int) -> str:
    """
    Return a text of at most so many characters.

    :raises Wrong: if it is longer
    """
    if len(cells[name]) > most:
        raise Wrong(name, f"At most {most} characters fit.")
    return cells[name]


def one_of(cells: Cells, name: str, choices: Iterable[str]) -> str:
    """
    Return a cell that holds one of the choices.

    :raises Wrong: listing them, if it does not
    """
    known = list(choices)
    if cells[name] not in known:
        raise Wrong(name, f"Write one of {', '.join(known)}.")
    return cells[name]


def number(cells: Cells, name: str, *, below: int = 10_000_000, such_as: str = "0.363") -> Decimal:
    """
    Return a number below a bound on either side of zero.

    :raises Wrong: if it is none, or larger
    """
    try:
        value = Decimal(cells[name])
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or abs(value) >= below:
        raise Wrong(name, f"Write a number with a point, such as {such_as}.")
    return value


def day(cells: Cells, name: str) -> dt.date | None:
    """
    Return the day a cell names, None where it is empty.

    :raises Wrong: if it is written in another way
    """
    if not cells[name]:
        return None
    try:
        return dt.date.fromisoformat(cells[name])
    except ValueError:
        raise Wrong(name, "Write the day as 2026-01-31.") from None
