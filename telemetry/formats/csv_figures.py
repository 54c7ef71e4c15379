"""
One column of a mapped table: its cells to channels and figures in the channels' units.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import compress
from typing import Any, NamedTuple

from telemetry.domain.conversion import UnlikeUnits, conversion, unit_as_written
from telemetry.formats.csv_cells import Figure, figure_of, in_one
from telemetry.formats.csv_spec import PLACE, Spec, Value, places_in
from telemetry.formats.csv_table import Table
from telemetry.formats.frame import Columns, NotReadable, Refused

# Units by the key of a channel; several where the meters at its point differ.
Units = Mapping[str, Sequence[str]]


class _Reader(NamedTuple):
    """
    How cells of one channel and unit become figures: as they are where `figure` is None, and
    not at all where there is a problem.
    """

    figure: Figure | None
    problem: str = ""


class Figures:
    """
    Reads one column of figures.

    :raises NotReadable: if the file has no such column, or its unit is not one of the channel
    """

    def __init__(self, table: Table, spec: Spec, value: Value, units: Units) -> None:
        self._spec = spec
        self._value = value
        self._units = units
        self._place = table.place(value.column)
        self._unit_place = table.place(value.unit_column) if value.unit_column else None
        self._missing = frozenset({*spec.missing, *value.missing})
        self._plain = figure_of(spec.decimal, spec.thousands)
        self._key_places = [(name, table.place(name)) for name in places_in(value.channel)]
        self._keys: dict[tuple[str, ...], str | None] = {}
        self._readers: dict[tuple[str, str], _Reader] = {}
        self.widest = max(self._place, self._unit_place or 0)
        key = self._key(())
        if not self._key_places and key and value.unit:
            problem = self._reader(key, value.unit).problem
            if problem:
                raise NotReadable(f"Column {value.column!r}: {problem}")

    def read(
        self, numbers: list[int], rows: list[list[str]], instants: Sequence[str]
    ) -> Iterator[Columns]:
        """
        Yield the column's readings in some lines.
        """
        place, missing = self._place, self._missing
        cells = [row[place].strip() for row in rows]
        keys = self._keys_of(rows)
        there = [cell not in missing for cell in cells]
        listed = [key is not None for key in keys]
        blank, skipped = 0, listed.count(False)
        if skipped or not all(there):
            taken = [is_there and known for is_there, known in zip(there, listed, strict=True)]
            blank = listed.count(True) - taken.count(True)
            numbers, rows = list(compress(numbers, taken)), list(compress(rows, taken))
            cells, keys = list(compress(cells, taken)), list(compress(keys, taken))
            instants = list(compress(instants, taken))
        texts, problems = self._texts(keys, cells, rows)
        if problems:
            yield Columns([], [], [], [], [
                (numbers[n], Refused(problem, f"{keys[n]} {instants[n]} {cells[n]}", "value"))
                for n, problem in problems.items()
            ])  # fmt: skip
            taken = [n not in problems for n in range(len(texts))]
            numbers, keys = list(compress(numbers, taken)), list(compress(keys, taken))
            instants, texts = list(compress(instants, taken)), list(compress(texts, taken))
        yield Columns(numbers, keys, instants, texts, missing=blank, skipped=skipped)

    def _texts(
        self, keys: list[Any], cells: list[str], rows: list[list[str]]
    ) -> tuple[list[str], dict[int, str]]:
        """
        Return the figures, and what is wrong with which.
        """
        if self._unit_place is None and len(set(keys)) == 1:
            reader = self._reader(keys[0], self._value.unit)
            if reader.figure is None and not reader.problem:
                return cells, {}
            readers = [reader] * len(cells)
        else:
            units = self._units_of(rows)
            readers = [self._reader(key, unit) for key, unit in zip(keys, units, strict=True)]
        texts, problems = [], {}
        for n, ((figure, problem), cell) in enumerate(zip(readers, cells, strict=True)):
            text = None if problem else figure(cell) if figure else cell
            if text is None:
                problems[n] = problem or self._no_figure(cell)
            texts.append(text or "")
        return texts, problems

    def _no_figure(self, cell: str) -> str:
        sign = {".": "a decimal point", ",": "a decimal comma"}[self._spec.decimal]
        return f"{cell!r} is not a number with {sign}."

    def _units_of(self, rows: list[list[str]]) -> list[str]:
        place = self._unit_place
        if place is None:
            return [self._value.unit] * len(rows)
        return [row[place].strip() for row in rows]

    def _keys_of(self, rows: list[list[str]]) -> list[str | None]:
        if not self._key_places:
            return [self._key(())] * len(rows)
        places = [place for _, place in self._key_places]
        known = self._keys
        keys = []
        for row in rows:
            cells = tuple([row[place] for place in places])
            try:
                keys.append(known[cells])
            except KeyError:
                # A column that is no key at all would fill the memory.
                if len(known) > 100_000:
                    known.clear()
                key = known[cells] = self._key(cells)
                keys.append(key)
        return keys

    def _key(self, cells: tuple[str, ...]) -> str | None:
        named = {
            name: cell.strip() for (name, _), cell in zip(self._key_places, cells, strict=False)
        }
        text = PLACE.sub(lambda found: named.get(found[1], found[0]), self._value.channel)
        if not self._spec.channels:
            return text
        return self._spec.channels.get(text, None if self._spec.unlisted == "skip" else text)

    def _reader(self, key: str, unit: str) -> _Reader:
        try:
            return self._readers[key, unit]
        except KeyError:
            if len(self._readers) > 100_000:
                self._readers.clear()
            reader = self._readers[key, unit] = self._made(key, unit)
            return reader

    def _made(self, key: str, unit: str) -> _Reader:
        decimals = self._value.decimals
        if not unit:
            return _Reader(in_one(self._plain, None, decimals))
        wanted = self._units.get(key)
        if wanted is None:
            # Kept with its unit until the channel is known, so that it is converted then.
            plain = in_one(self._plain, None, decimals)
            shown = unit_as_written(unit)
            return _Reader(lambda cell: _with_unit(plain(cell) if plain else cell, shown))
        if len(wanted) != 1:
            told = " and ".join(wanted) or "no unit: install its meter or give it one"
            return _Reader(None, f"{unit} cannot be converted, since {key} has {told}.")
        try:
            return _Reader(in_one(self._plain, conversion(unit, wanted[0]), decimals))
        except UnlikeUnits:
            return _Reader(None, f"{unit} cannot be converted to {wanted[0]}, the unit of {key}.")


def _with_unit(figure: str | None, unit: str) -> str | None:
    return None if figure is None else f"{figure} {unit}"
