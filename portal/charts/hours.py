"""
A map of hours: one column a day, one row an hour of the day.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from portal.charts._pen import NOTHING, Chart, Pen, Svg

_WIDE, _NARROW, _HIGH = 720.0, 320.0, 12.0


@dataclass(frozen=True, slots=True)
class HourCell:
    """
    One hour at its place, days and hours counted from 0; `share` from 0 to 1, None where it is
    not known. Where clocks go back the later of two hours is drawn.
    """

    day: int
    hour: int
    share: float | None


def hour_map(
    cells: Sequence[HourCell], *, label: str = "", tone: str = "solar", document: bool = False
) -> Chart:
    """
    Draw hours as boxes filled from the foot as far as their share goes, so that they differ in
    shape and not only in colour; what is not known is hatched.
    """
    placed = {(cell.day, cell.hour): cell for cell in cells}
    days = max((day for day, _ in placed), default=0) + 1

    def draw(across: float, style: str) -> Svg:
        slot = across / days
        pen = Pen(across, 24 * _HIGH, document)
        for cell in placed.values():
            _box(pen, cell, cell.day * slot, slot * 0.86, tone)
        return pen.finish(style, label)

    narrow = NOTHING if document else draw(_NARROW, "hours only-narrow")
    return Chart(draw(_WIDE, "hours only-wide"), narrow)


def _box(pen: Pen, cell: HourCell, x: float, wide: float, tone: str) -> None:
    y, high = cell.hour * _HIGH, _HIGH * 0.86
    if cell.share is None:
        pen.no_data(x, y, wide, high)
        return
    pen.rect("hatch-bg", x, y, wide, high)
    filled = max(0.0, min(1.0, cell.share)) * high
    if filled > 0:
        pen.rect(f"f-{tone}", x, y + high - filled, wide, filled)
