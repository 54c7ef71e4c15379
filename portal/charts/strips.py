"""
Strips of days: how much of each day was lost, and how good its readings are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from portal.charts._pen import NOTHING, Chart, Pen, Svg

_HEIGHT, _NARROW = 40.0, 320.0
# A share too small to see is still drawn this high: 3 pixels where the strip is scaled to 3/4.
_LEAST = 4.0
_TICK = 12.0


@dataclass(frozen=True, slots=True)
class UptimeDay:
    """
    One day in minutes: how long it was, and how much of it was lost, reduced or not observed.

    A day before the service started has `started=False`.
    """

    minutes: float
    lost: float = 0
    reduced: float = 0
    unknown: float = 0
    started: bool = True
    today: bool = False
    title: str = ""
    href: str = ""


@dataclass(frozen=True, slots=True)
class QualityCell:
    """
    One day and the worst flag of its readings: actual, scaled, edited, estimated, suspect,
    missing, or before when nothing was measured yet.
    """

    quality: str
    title: str = ""
    href: str = ""


def _share(part: float, whole: float) -> float:
    if part <= 0 or whole <= 0:
        return 0.0
    return max(_LEAST, min(1.0, part / whole) * _HEIGHT)


def _day(pen: Pen, day: UptimeDay, x: float, wide: float) -> None:
    if not day.started:
        pen.rect("before", x + 0.5, _HEIGHT - _TICK, wide - 1, _TICK - 0.5, day.title)
        return
    if day.minutes <= 0 or day.unknown >= day.minutes:
        pen.no_data(x, 0, wide, _HEIGHT, day.title)
    else:
        lost, reduced = _share(day.lost, day.minutes), _share(day.reduced, day.minutes)
        unknown = min(_share(day.unknown, day.minutes), _HEIGHT - _LEAST)
        reduced = min(reduced, _HEIGHT - lost)
        unknown = min(unknown, _HEIGHT - lost - reduced)
        height = _HEIGHT - lost - reduced - unknown
        if height > 0:
            pen.rect("up", x, unknown, wide, height, day.title)
        if unknown > 0:
            pen.no_data(x, 0, wide, unknown, day.title)
        if reduced > 0:
            pen.rect("part", x, _HEIGHT - lost - reduced, wide, reduced, day.title)
        if lost > 0:
            pen.rect("down", x, _HEIGHT - lost, wide, lost, day.title)
    if day.today:
        pen.rect("today", x - 0.5, 0.5, wide + 1, _HEIGHT - 1)


def _cell(pen: Pen, cell: QualityCell, x: float, wide: float) -> None:
    # The states differ in shape and not only in colour.
    match cell.quality:
        case "actual":
            pen.rect("up", x, 0, wide, _HEIGHT, cell.title)
        case "scaled" | "edited":
            pen.rect("up", x, _HEIGHT / 4, wide, _HEIGHT * 3 / 4, cell.title)
        case "estimated":
            pen.rect("est-bg", x, 0, wide, _HEIGHT, cell.title)
            pen.hatch("est-line", x, 0, wide, _HEIGHT, 4)
        case "suspect":
            pen.rect("part", x, _HEIGHT / 2, wide, _HEIGHT / 2, cell.title)
        case "missing":
            pen.no_data(x, 0, wide, _HEIGHT, cell.title)
        case "before":
            pen.rect("before", x + 0.5, _HEIGHT - _TICK, wide - 1, _TICK - 0.5, cell.title)
        case other:
            raise ValueError(f"No drawing for the quality {other!r}.")


def _strip(
    items: Sequence[UptimeDay | QualityCell],
    label: str,
    narrow_last: int,
    document: bool,
    width: float,
) -> Chart:
    if any(item.href for item in items):
        label = ""

    def draw(shown: Sequence[UptimeDay | QualityCell], across: float, style: str) -> Svg:
        pen = Pen(across, _HEIGHT, document)
        slot = across / max(len(shown), 1)
        wide = slot * 0.72
        for place, item in enumerate(shown):
            x = (place + 0.14) * slot
            pen.open_link(item.href)
            if isinstance(item, UptimeDay):
                _day(pen, item, x, wide)
            else:
                _cell(pen, item, x, wide)
            pen.close_link(item.href)
        return pen.finish(style, label)

    wide = draw(items, width, "strip only-wide")
    narrow = NOTHING if document else draw(items[-narrow_last:], _NARROW, "strip only-narrow")
    return Chart(wide, narrow)


def uptime_strip(
    days: Sequence[UptimeDay],
    *,
    label: str = "",
    narrow_last: int = 30,
    document: bool = False,
    width: float = 720,
) -> Chart:
    """
    Draw one bar a day; colour from the foot fills the share of the day that was lost.

    Not observed is hatched from the head, a day before the start is a hollow tick, today is
    outlined. Phones get the last `narrow_last` days.
    """
    chart = _strip(days, label, narrow_last, document, width)
    unobserved = sum(1 for day in days if day.started and day.unknown >= day.minutes)
    return replace(chart, missing=unobserved)


def quality_strip(
    cells: Sequence[QualityCell],
    *,
    label: str = "",
    narrow_last: int = 30,
    document: bool = False,
    width: float = 720,
) -> Chart:
    """
    Draw one cell a day: full measured, three quarters spread or edited, half to check, striped
    estimated, hatched missing, a hollow tick before the start.

    :raises ValueError: if a quality has no drawing
    """
    chart = _strip(cells, label, narrow_last, document, width)
    return replace(chart, missing=sum(1 for cell in cells if cell.quality == "missing"))
