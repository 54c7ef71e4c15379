"""
From one sum to another in steps: what made the difference.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from portal.charts._axis import Scale, nice_ticks
from portal.charts._pen import NOTHING, Chart, Extreme, Number, Pen, Svg, text_width

Say = Callable[[Number], str]
_ROW, _BAR, _TOP = 30.0, 18.0, 6.0


@dataclass(frozen=True, slots=True)
class Step:
    """
    One step: its name, and by how much it raises or lowers the sum.
    """

    name: str
    value: Number


def waterfall(
    *, start: Step, steps: Sequence[Step], end: str, number: Say, label: str = "",
    document: bool = False, width: float = 760,
) -> Chart:  # fmt: skip
    """
    Draw the sum at the start, each step from where the one before ended, and the sum at the end:
    start and steps together. Phones have each name above its bar.
    """
    reached = float(start.value)
    bars: list[tuple[str, float, float, str, str]] = [
        (start.name, 0.0, reached, "it", number(start.value))
    ]
    for step in steps:
        after = reached + float(step.value)
        tone = "heat" if step.value > 0 else "water"
        sign = "+" if step.value > 0 else ""
        bars.append((step.name, reached, after, tone, sign + number(step.value)))
        reached = after
    total = sum((step.value for step in steps), start=start.value)
    bars.append((end, 0.0, reached, "it", number(total)))
    wide = _draw(bars, width, "ch only-wide", label, document, beside=True)
    narrow = NOTHING
    if not document:
        narrow = _draw(bars, 320, "ch only-narrow", label, document, beside=False)
    most = max(steps, key=lambda step: abs(float(step.value)), default=None)
    return Chart(
        wide=wide, narrow=narrow, total=total,
        highest=None if most is None else Extreme(most.name, most.value),
    )  # fmt: skip


def _draw(
    bars: Sequence[tuple[str, float, float, str, str]], width: float, style: str, label: str,
    document: bool, *, beside: bool,
) -> Svg:  # fmt: skip
    row = _ROW if beside else _ROW + 16
    pen = Pen(width, _TOP + row * len(bars), document)
    left = max(text_width(name) for name, *_ in bars) + 12 if beside else 0.0
    room = max(text_width(said) for *_, said in bars) + 8
    edges = [edge for _, a, b, _, _ in bars for edge in (a, b)]
    ticks = nice_ticks(min(edges), max(edges))
    # A scale across: its "top" is the right edge.
    scale = Scale(ticks, width - room, left)
    zero = scale.at(0.0) if ticks[0] <= 0 <= ticks[-1] else left
    pen.line("base", zero, 0, zero, pen.height)
    for place, (name, start, end, tone, said) in enumerate(bars):
        top = _TOP + place * row + (0 if beside else 16)
        pen.text("tick", 0, top + 13 if beside else top - 4, name)
        low, high = sorted((scale.at(start), scale.at(end)))
        pen.rect(f"f-{tone}", low, top, max(high - low, 1.0), _BAR, f"{name}: {said}")
        pen.text("val", high + 5, top + 14, said)
        if place + 1 < len(bars):
            at = scale.at(end)
            pen.line("grid", at, top + _BAR, at, top + row)
    return pen.finish(style, label)
