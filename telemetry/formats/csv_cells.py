"""
Cells to figures in plain notation: decimal comma, groups of thousands, rounding.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from telemetry.domain.conversion import Conversion, rounded

# What spreadsheets and loggers write for the same sign.
_SAME = {" ": "\u00a0\u202f\u2009", "'": "’"}

Figure = Callable[[str], str | None]


def figure_of(decimal: str, thousands: str) -> Figure | None:
    """
    Return what gives a cell's figure with a decimal point, or None for what is no figure in
    this notation; None itself where cells are plain already.

    A separator of thousands counts only between groups of three digits, so that 1.5 is never
    taken for 15.
    """
    if decimal == "." and not thousands:
        return None
    point, mark = re.escape(decimal), re.escape(thousands)
    groups = rf"\d{{1,3}}(?:{mark}\d{{3}})+|\d+" if thousands else r"\d+"
    figure = re.compile(
        rf"([+-]?)({groups})?(?:{point}(\d*))?([eE][+-]?\d{{1,3}})?", re.ASCII
    ).fullmatch  # fmt: skip

    def read(cell: str) -> str | None:
        for sign in _SAME.get(thousands, ""):
            cell = cell.replace(sign, thousands)
        found = figure(cell)
        if found is None:
            return None
        sign, whole, decimals, exponent = found.groups()
        if not whole and not decimals:
            return None
        whole = whole.replace(thousands, "") if whole and thousands else whole or "0"
        minus = "-" if sign == "-" else ""
        return f"{minus}{whole}{f'.{decimals}' if decimals else ''}{exponent or ''}"

    return read


def in_one(
    figure: Figure | None, conversion: Conversion | None, decimals: int | None
) -> Figure | None:
    """
    Return reading, converting and rounding in one step; None where nothing needs to be done.
    """
    steps: list[Figure] = [step for step in (figure, conversion) if step is not None]
    if decimals is not None:
        steps.append(lambda text: rounded(text, decimals))
    if not steps:
        return None
    if len(steps) == 1:
        return steps[0]

    def read(cell: str) -> str | None:
        text: str | None = cell
        for step in steps:
            if text is None:
                return None
            text = step(text)
        return text

    return read
