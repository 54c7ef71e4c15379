"""
Values over a quantity that is not time: dots, a line through them, and a place that is named.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from portal.charts._axis import Scale, nice_ticks
from portal.charts._pen import NOTHING, Chart, Number, Pen, Svg, short, text_width
from portal.charts.bars import summed

Say = Callable[[Number | None], str]

_NARROW = 320.0
_HEIGHT, _TOP, _FOOT = 240.0, 30.0, 44.0


@dataclass(frozen=True, slots=True)
class Dot:
    """
    A value at a place of the axis along the foot.
    """

    x: float
    y: float
    title: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """
    A place of the axis along the foot that is named.
    """

    x: float
    name: str


def scatter(
    dots: Sequence[Dot],
    *,
    x_unit: str,
    y_unit: str,
    x_number: Say,
    y_number: Say,
    line: Sequence[tuple[float, float]] = (),
    mark: Mark | None = None,
    label: str = "",
    tone: str = "heat",
    document: bool = False,
    width: float = 760,
) -> Chart:
    """
    Draw dots, the line over them, and a mark from foot to head. Both axes begin near the lowest
    value.

    :raises ValueError: if there are no dots
    """
    if not dots:
        raise ValueError("A chart needs dots.")

    def draw(across: float, about: int, style: str) -> Svg:
        pen = Pen(across, _HEIGHT, document)
        heights = [dot.y for dot in dots] + [y for _, y in line]
        places = [dot.x for dot in dots] + [x for x, _ in line]
        scale = Scale(nice_ticks(min(heights), max(heights)), _TOP, _HEIGHT - _FOOT)
        foot = nice_ticks(min(places), max(places), about)
        left = max(text_width(y_number(tick)) for tick in scale.ticks) + 8
        right = across - text_width(x_number(foot[-1])) / 2 - 2

        def along(x: float) -> float:
            return left + (x - foot[0]) / (foot[-1] - foot[0]) * (right - left)

        pen.text("tick", 0, 12, y_unit)
        for tick in scale.ticks:
            height = scale.at(tick)
            pen.line("base" if tick == scale.ticks[0] else "grid", left, height, right, height)
            pen.text("tick", left - 6, height + 4, y_number(tick), "end")
        for tick in foot:
            pen.line("base", along(tick), _HEIGHT - _FOOT, along(tick), _HEIGHT - _FOOT + 5)
            pen.text("tick", along(tick), _HEIGHT - _FOOT + 19, x_number(tick), "middle")
        pen.text("tick", right, _HEIGHT - 4, x_unit, "end")
        if line:
            d = "L".join(f"{short(along(x))} {short(scale.at(y))}" for x, y in line)
            pen.path(f"l-{tone}", f"M{d}")
        for dot in dots:
            pen.dot(f"f-{tone}", along(dot.x), scale.at(dot.y), dot.title)
        if mark is not None:
            pen.line("limit", along(mark.x), _TOP, along(mark.x), _HEIGHT - _FOOT)
            half = text_width(mark.name) / 2
            middle = min(max(along(mark.x), left + half), across - half)
            pen.text("val halo", middle, _TOP - 6, mark.name, "middle")
        return pen.finish(style, label)

    wide = draw(width, 8, "ch only-wide")
    narrow = NOTHING if document else draw(_NARROW, 4, "ch only-narrow")
    return summed(wide, narrow, [(dot.title, dot.y) for dot in dots])
