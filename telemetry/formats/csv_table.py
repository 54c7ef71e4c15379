"""
Bytes to numbered rows of cells, as a mapping describes the file. Streams in bounded memory.
"""

from __future__ import annotations

import csv
import io
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO

from telemetry.formats.csv_spec import ENCODINGS, Spec, codec_of
from telemetry.formats.frame import NotReadable

LINES_AT_ONCE = 4_000
# No meter's export has longer lines; a file without line ends must not fill the memory.
_LONGEST_LINE = 1 << 20


@dataclass(slots=True)
class Lines:
    """
    Some lines of the table with the line of the file that each begins on, counted from 1.
    """

    numbers: list[int]
    rows: list[list[str]]


class Table:
    """
    The header and the lines under it.

    :raises NotReadable: on making it or later, if the text is not as the mapping says
    """

    def __init__(self, stream: BinaryIO, spec: Spec) -> None:
        self._spec = spec
        self._text = io.TextIOWrapper(stream, encoding=codec_of(spec.encoding), newline="")
        self._last = 0
        try:
            self.header = self._head()
        except (UnicodeError, csv.Error) as problem:
            raise self._unreadable(problem) from None

    @property
    def width(self) -> int:
        """
        Return how many cells a line has by the header; 0 where there is none.
        """
        return len(self.header)

    def place(self, name: str) -> int:
        """
        Return where a column stands in a line.

        :raises NotReadable: if the file has no such column, or two
        """
        found = [n for n, known in enumerate(self.header) if known == name]
        if len(found) == 1:
            return found[0]
        if name.startswith("#") and name[1:].isdecimal() and int(name[1:]) > 0:
            return int(name[1:]) - 1
        if found:
            raise NotReadable(
                f"The column {name!r} stands in the header {len(found)} times;"
                f" name it by its place, such as #{found[0] + 1}."
            )
        shown = ", ".join(self.header[:20]) or "no header"
        raise NotReadable(f"The file has no column {name!r}. It has: {shown}.")

    def lines(self) -> Iterator[Lines]:
        """
        Yield the lines under the header, without blank ones, footers and those to skip.
        """
        waiting: deque[tuple[int, list[str]]] = deque()
        try:
            while rows := list(islice(self._reader, LINES_AT_ONCE)):
                lines = self._kept(self._numbered(rows))
                if self._spec.footer_lines:
                    waiting.extend(zip(lines.numbers, lines.rows, strict=True))
                    over = max(0, len(waiting) - self._spec.footer_lines)
                    taken = [waiting.popleft() for _ in range(over)]
                    lines = Lines([n for n, _ in taken], [row for _, row in taken])
                if lines.rows:
                    yield lines
        except (UnicodeError, csv.Error) as problem:
            raise self._unreadable(problem) from None

    def _head(self) -> list[str]:
        physical = self._physical()
        for _ in islice(physical, self._spec.skip_lines):
            pass
        self._last = self._spec.skip_lines
        self._reader = csv.reader(physical, delimiter=self._spec.separator)
        head = self._numbered(list(islice(self._reader, self._spec.header_lines))).rows
        if not head:
            return []
        names = head[min(self._spec.name_line, len(head)) - 1]
        return [name.strip() for name in names]

    def _physical(self) -> Iterator[str]:
        while line := self._text.readline(_LONGEST_LINE):
            if len(line) >= _LONGEST_LINE:
                raise NotReadable("A line is longer than a million characters.")
            yield line

    def _numbered(self, rows: list[list[str]]) -> Lines:
        first = self._last + 1
        self._last = self._spec.skip_lines + self._reader.line_num
        if self._last - first + 1 == len(rows):
            return Lines(list(range(first, self._last + 1)), rows)
        # A quoted cell runs over several lines.
        numbers = []
        for row in rows:
            numbers.append(first)
            first += 1 + sum(cell.count("\n") for cell in row)
        return Lines(numbers, rows)

    def _kept(self, lines: Lines) -> Lines:
        starts = self._spec.skip_starting_with
        if all(lines.rows) and not starts:
            return lines
        kept = [
            (number, row)
            for number, row in zip(lines.numbers, lines.rows, strict=True)
            if row and any(row) and not (starts and row[0].startswith(starts))
        ]
        return Lines([number for number, _ in kept], [row for _, row in kept])

    def _unreadable(self, problem: Exception) -> NotReadable:
        if isinstance(problem, UnicodeError):
            name = ENCODINGS[self._spec.encoding]
            return NotReadable(
                f"The file is not in {name} near line {self._last + 1}. Choose another encoding."
            )
        return NotReadable(f"Not readable as a table near line {self._last + 1}: {problem}.")
