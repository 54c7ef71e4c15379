"""
Bars: heat per month beside the year before, and parts stacked on each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from portal.charts._axis import Scale, nice_ticks
from portal.charts._pen import NOTHING, Chart, Extreme, Number, Pen, Svg, text_width

Say = Callable[[Number | None], str]

_NARROW = 320.0
_HEIGHT, _TOP, _FOOT = 216.0, 30.0, 26.0
# Room at the head of a column for the mark of a part that is not known.
_UNKNOWN = 10.0


@dataclass(frozen=True, slots=True)
class Bar:
    """
    One month: its value, the part of it that is estimated, and the same month the year before.

    `label` stands under the bar ("Oct"), `title` names it in full ("October 2025").
    """

    label: str
    value: Number | None
    estimated: Number = 0
    before: Number | None = None
    title: str = ""
    href: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """
    One layer of stacked bars.
    """

    name: str
    tone: str


@dataclass(frozen=True, slots=True)
class Stack:
    """
    One column; its values stand in the order of the parts, None where not known.
    """

    label: str
    values: tuple[Number | None, ...]
    title: str = ""
    href: str = ""


@dataclass(frozen=True, slots=True)
class _Frame:
    """
    The axes of one drawing and where its columns stand.
    """

    pen: Pen
    scale: Scale
    left: float
    slot: float

    @property
    def floor(self) -> float:
        return self.scale.at(max(0.0, self.scale.ticks[0]))


def _frame(
    width: float, values: Sequence[Number], count: int, unit: str, number: Say, document: bool
) -> _Frame:
    pen = Pen(width, _HEIGHT, document)
    ticks = nice_ticks(min(0.0, *map(float, values), 0), max(0.0, *map(float, values), 0))
    scale = Scale(ticks, _TOP, _HEIGHT - _FOOT)
    left = max(text_width(number(tick)) for tick in ticks) + 8
    pen.text("tick", 0, 12, unit)
    for tick in ticks:
        height = scale.at(tick)
        pen.line("base" if tick == 0 else "grid", left, height, width, height)
        pen.text("tick", left - 6, height + 4, number(tick), "end")
    return _Frame(pen, scale, left, (width - left) / max(count, 1))


def _name(frame: _Frame, place: int, label: str, every: int, count: int) -> None:
    # Counted from the last column, which readers look for first.
    if (count - 1 - place) % every == 0:
        middle = frame.left + (place + 0.5) * frame.slot
        frame.pen.text("tick", middle, _HEIGHT - 6, label, "middle")


def _every(frame: _Frame, labels: Sequence[str]) -> int:
    widest = max((text_width(label) + 6 for label in labels), default=1)
    return max(1, -int(-widest // frame.slot))


def _month(frame: _Frame, place: int, bar: Bar, tone: str, hint: str) -> None:
    pen, scale, floor = frame.pen, frame.scale, frame.floor
    start, slot = frame.left + place * frame.slot, frame.slot
    wide = min(slot * (0.5 if bar.before is not None else 0.64), 44)
    x = start + (slot - wide - (wide / 2 if bar.before is not None else 0)) / 2
    if bar.before is not None:
        head = scale.at(float(bar.before))
        pen.rect("ly", x + wide, min(head, floor), wide / 2, abs(floor - head))
    if bar.value is None:
        pen.no_data(x, _TOP, wide, floor - _TOP, hint)
        return
    head = scale.at(float(bar.value))
    solid = scale.at(float(bar.value) - float(bar.estimated))
    if bar.estimated:
        pen.rect("ground", x, min(head, solid), wide, abs(solid - head), hint)
        pen.hatch(f"l-{tone}", x, min(head, solid), wide, abs(solid - head))
        pen.rect(f"l-{tone} thin", x, min(head, solid), wide, abs(solid - head))
    pen.rect(f"f-{tone}", x, min(solid, floor), wide, abs(floor - solid), hint)


def _draw_months(
    bars: Sequence[Bar],
    width: float,
    style: str,
    *,
    unit: str,
    number: Say,
    ticks: Say,
    label: str,
    tone: str,
    document: bool,
    no_data: str,
) -> Svg:
    known = [v for bar in bars for v in (bar.value, bar.before) if v is not None]
    frame = _frame(width, known, len(bars), unit, ticks, document)
    every = _every(frame, [bar.label for bar in bars])
    for place, bar in enumerate(bars):
        said = no_data if bar.value is None else f"{number(bar.value)} {unit}"
        frame.pen.open_link(bar.href)
        _month(frame, place, bar, tone, f"{bar.title or bar.label}: {said}")
        frame.pen.close_link(bar.href)
        _name(frame, place, bar.label, every, len(bars))
    if bars and (last := bars[-1]).value is not None:
        _write_last(frame, len(bars) - 1, last, number(last.value))
    return frame.pen.finish(style, label)


def _write_last(frame: _Frame, place: int, bar: Bar, words: str) -> None:
    highest = max(float(bar.value or 0), float(bar.before or 0), 0.0)
    half = text_width(words) / 2
    middle = frame.left + (place + 0.5) * frame.slot
    x = min(middle, frame.pen.width - half)
    frame.pen.text("val", x, frame.scale.at(highest) - 6, words, "middle")


def month_bars(
    bars: Sequence[Bar],
    *,
    unit: str,
    number: Say,
    label: str = "",
    tone: str = "heat",
    narrow_last: int = 6,
    document: bool = False,
    no_data: str = "no data",
    ticks: Say | None = None,
    width: float = 760,
) -> Chart:
    """
    Draw a bar a month: solid, its estimated part striped, the year before as an outline.

    A month without a value is a hatched slot. Phones get the last `narrow_last` months.

    `ticks` writes the numbers of the axis if they need fewer decimals than `number`; `width`
    is that of the wide drawing, for panels wider than a reader's.
    """
    if any(bar.href for bar in bars):
        label = ""

    def draw(shown: Sequence[Bar], across: float, style: str) -> Svg:
        return _draw_months(
            shown,
            across,
            style,
            unit=unit,
            number=number,
            ticks=ticks or number,
            label=label,
            tone=tone,
            document=document,
            no_data=no_data,
        )

    values = [(bar.title or bar.label, bar.value) for bar in bars]
    wide = draw(bars, width, "ch only-wide")
    narrow = NOTHING if document else draw(bars[-narrow_last:], _NARROW, "ch only-narrow")
    return summed(wide, narrow, values)


def summed(wide: Svg, narrow: Svg, values: Sequence[tuple[str, Number | None]]) -> Chart:
    """
    Return the chart with its highest, lowest and total value.
    """
    known = [Extreme(title, value) for title, value in values if value is not None]
    return Chart(
        wide,
        narrow,
        highest=max(known, key=lambda item: item.value, default=None),
        lowest=min(known, key=lambda item: item.value, default=None),
        total=sum((item.value for item in known), start=0),
        missing=len(values) - len(known),
    )


def _legend(pen: Pen, parts: Sequence[Part], right: float) -> None:
    x = right
    for part in parts:
        x -= text_width(part.name) + 12
        pen.rect(f"f-{part.tone}", x - 4, 3, 10, 10)
        pen.text("tick", x + 10, 12, part.name)
        x -= 16


def _stack(frame: _Frame, place: int, stack: Stack, parts: Sequence[Part], number: Say) -> None:
    wide = min(frame.slot * 0.7, 44)
    x = frame.left + place * frame.slot + (frame.slot - wide) / 2
    title = stack.title or stack.label
    known = [(part, value) for part, value in zip(parts, stack.values, strict=True)]
    if all(value is None for _, value in known):
        frame.pen.no_data(x, _TOP, wide, frame.floor - _TOP, title)
        return
    reached = 0.0
    for part, value in known:
        if value is None:
            continue
        head = frame.scale.at(reached + float(value))
        hint = f"{title}, {part.name}: {number(value)}"
        frame.pen.rect(f"f-{part.tone}", x, head, wide, frame.scale.at(reached) - head, hint)
        reached += float(value)
    if any(value is None for _, value in known):
        frame.pen.no_data(x, frame.scale.at(reached) - _UNKNOWN, wide, _UNKNOWN, title)


def stacked_bars(
    stacks: Sequence[Stack],
    *,
    parts: Sequence[Part],
    unit: str,
    number: Say,
    label: str = "",
    narrow_last: int = 12,
    document: bool = False,
    ticks: Say | None = None,
    width: float = 760,
) -> Chart:
    """
    Draw parts stacked on each other, the first at the foot; up to about 120 columns.

    A column of which a part is not known has a hatched head; one with nothing known is a hatched
    slot. Negative values do not stack and are refused.

    :raises ValueError: if a value is negative
    """
    if any(value is not None and value < 0 for stack in stacks for value in stack.values):
        raise ValueError("Stacked bars hold no negative values.")
    if any(stack.href for stack in stacks):
        label = ""
    values = [(stack.title or stack.label, _sum(stack)) for stack in stacks]

    def draw(shown: Sequence[Stack], across: float, style: str) -> Svg:
        heads = [sum(float(v) for v in stack.values if v is not None) for stack in shown]
        frame = _frame(across, heads, len(shown), unit, ticks or number, document)
        _legend(frame.pen, parts, across)
        every = _every(frame, [stack.label for stack in shown])
        for place, stack in enumerate(shown):
            frame.pen.open_link(stack.href)
            _stack(frame, place, stack, parts, number)
            frame.pen.close_link(stack.href)
            _name(frame, place, stack.label, every, len(shown))
        return frame.pen.finish(style, label)

    wide = draw(stacks, width, "ch only-wide")
    narrow = NOTHING if document else draw(stacks[-narrow_last:], _NARROW, "ch only-narrow")
    return summed(wide, narrow, values)


def _sum(stack: Stack) -> Number | None:
    known = [value for value in stack.values if value is not None]
    # A column with an unknown part has no sum: the part is not zero.
    return sum(known, start=0) if len(known) == len(stack.values) else None
