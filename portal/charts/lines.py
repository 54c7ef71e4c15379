"""
Lines over time for a few hundred points, with the gaps left open.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from zoneinfo import ZoneInfo

from portal.charts._axis import Say as SayDate
from portal.charts._axis import Scale, nice_ticks, time_ticks
from portal.charts._pen import NOTHING, Chart, Extreme, Number, Pen, Svg, short, text_width

Say = Callable[[Number | None], str]

_HEIGHT, _TOP, _FOOT = 260.0, 30.0, 26.0


@dataclass(frozen=True, slots=True)
class Point:
    """
    A value at an instant, None where there is none.
    """

    at: dt.datetime
    value: Number | None
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """
    One line; its name stands at its end when there are several.
    """

    name: str
    tone: str
    points: Sequence[Point]


@dataclass(frozen=True, slots=True)
class Limit:
    """
    A level drawn across the chart, such as an agreed temperature.
    """

    value: Number
    name: str


@dataclass(frozen=True, slots=True)
class _Plane:
    """
    Maps instants and values to the drawing.
    """

    pen: Pen
    scale: Scale
    start: dt.datetime
    end: dt.datetime
    left: float
    right: float

    def x(self, at: dt.datetime) -> float:
        share = (at - self.start) / (self.end - self.start)
        return self.left + share * (self.right - self.left)


def _unbroken(points: Sequence[Point], max_gap: dt.timedelta | None) -> Iterator[list[Point]]:
    """
    Cut the points where a value is missing and where they lie too far apart.
    """
    run: list[Point] = []
    for point in points:
        apart = bool(run) and max_gap is not None and point.at - run[-1].at > max_gap
        if run and (apart or point.value is None):
            yield run
            run = []
        if point.value is not None:
            run.append(point)
    if run:
        yield run


def _strokes(run: Sequence[Point]) -> Iterator[tuple[list[Point], bool]]:
    """
    Cut a run into strokes that are measured or estimated throughout; neighbours share a point.
    """
    for guessed, pairs in groupby(pairwise(run), lambda pair: any(p.estimated for p in pair)):
        joined = list(pairs)
        yield [joined[0][0], *(end for _, end in joined)], guessed


def _trace(plane: _Plane, run: Sequence[Point], step: bool) -> str:
    d = ""
    for place, point in enumerate(run):
        x, y = short(plane.x(point.at)), short(plane.scale.at(float(point.value or 0)))
        if place == 0:
            d = f"M{x} {y}"
        else:
            d += f"H{x}V{y}" if step else f"L{x} {y}"
    return d


def _draw_line(plane: _Plane, line: Line, step: bool, max_gap: dt.timedelta | None) -> None:
    for run in _unbroken(line.points, max_gap):
        if len(run) == 1:
            height = plane.scale.at(float(run[0].value or 0))
            plane.pen.dot(f"f-{line.tone}", plane.x(run[0].at), height)
        for stroke, guessed in _strokes(run):
            style = f"l-{line.tone} guess" if guessed else f"l-{line.tone}"
            plane.pen.path(style, _trace(plane, stroke, step))


def _end_names(plane: _Plane, lines: Sequence[Line]) -> None:
    ends = []
    for line in lines:
        last = next((p for p in reversed(line.points) if p.value is not None), None)
        if last is not None:
            ends.append((plane.scale.at(float(last.value or 0)), line))
    taken = float("-inf")
    for height, line in sorted(ends, key=lambda end: end[0]):
        # Names of lines that end close together move apart.
        taken = max(height + 4, taken + 16)
        plane.pen.rect(f"f-{line.tone}", plane.right + 6, taken - 10, 8, 10)
        plane.pen.text("tick", plane.right + 18, taken, line.name)


def _span(lines: Sequence[Line]) -> tuple[dt.datetime, dt.datetime] | None:
    instants = [point.at for line in lines for point in line.points]
    return (min(instants), max(instants)) if instants else None


def _plane(
    pen: Pen,
    lines: Sequence[Line],
    limits: Sequence[Limit],
    span: tuple[dt.datetime, dt.datetime],
    number: Say,
    from_zero: bool,
) -> _Plane:
    known = [float(p.value) for line in lines for p in line.points if p.value is not None]
    known += [float(limit.value) for limit in limits]
    known += [0.0] if from_zero or not known else []
    scale = Scale(nice_ticks(min(known), max(known)), _TOP, _HEIGHT - _FOOT)
    names = [line.name for line in lines] if len(lines) > 1 else []
    left = max(text_width(number(tick)) for tick in scale.ticks) + 8
    right = pen.width - max((text_width(name) + 20 for name in names), default=8)
    start, end = span
    if end <= start:
        end = start + dt.timedelta(hours=1)
    return _Plane(pen, scale, start, end, left, right)


def _axes(
    plane: _Plane, unit: str, number: Say, limits: Sequence[Limit], ticks: list[tuple[float, str]]
) -> None:
    pen = plane.pen
    pen.text("tick", 0, 12, unit)
    for tick in plane.scale.ticks:
        height = plane.scale.at(tick)
        foot = tick == plane.scale.ticks[0]
        pen.line("base" if foot else "grid", plane.left, height, plane.right, height)
        pen.text("tick", plane.left - 6, height + 4, number(tick), "end")
    for x, words in ticks:
        half = text_width(words) / 2
        pen.line("base", x, _HEIGHT - _FOOT, x, _HEIGHT - _FOOT + 5)
        centre = min(max(x, half), pen.width - half)
        pen.text("tick", centre, _HEIGHT - 6, words, "middle")
    for limit in limits:
        height = plane.scale.at(float(limit.value))
        pen.line("limit", plane.left, height, plane.right, height)


def _limit_names(plane: _Plane, limits: Sequence[Limit], lines: Sequence[Line]) -> None:
    """
    Write each limit's name above or below it where no line runs, from the left on.
    """
    drawn = [
        (plane.x(point.at), plane.scale.at(float(point.value)))
        for line in lines
        for point in line.points
        if point.value is not None
    ]
    for limit in limits:
        height = plane.scale.at(float(limit.value))
        wide = text_width(limit.name)
        room = max(int(plane.right - plane.left - wide - 12), 0)
        # Points stand apart, so a little is looked at on either side of the name.
        free = (
            (plane.left + 6 + step, below)
            for step in range(0, room + 1, 20)
            for below in (False, True)
            if not any(
                plane.left - 2 + step < x < plane.left + 14 + step + wide
                and (height < y < height + 22 if below else height - 20 < y < height)
                for x, y in drawn
            )
        )
        x, below = next(free, (plane.left + 6, False))
        plane.pen.text("val halo", x, height + (15 if below else -5), limit.name)


def line_chart(
    lines: Sequence[Line],
    *,
    zone: ZoneInfo,
    unit: str,
    number: Say,
    day: SayDate,
    month: SayDate,
    label: str = "",
    limits: Sequence[Limit] = (),
    step: bool = False,
    from_zero: bool = False,
    max_gap: dt.timedelta | None = None,
    ticks: Say | None = None,
    width: float = 760,
    start: dt.datetime | None = None,
    end: dt.datetime | None = None,
    document: bool = False,
) -> Chart:
    """
    Draw values over time; a gap stays a gap, estimated stretches are dashed.

    `step` holds each value until the next, as registers and set points do. Points farther apart
    than `max_gap` are not joined. Ticks are days and months of the site's zone.

    `ticks` writes the numbers of the axis if they need fewer decimals than `number`; `width`
    is that of the wide drawing, for panels wider than a reader's.

    :raises ValueError: if there are no points and no `start` and `end` either
    """
    found = _span(lines)
    if found is None and (start is None or end is None):
        raise ValueError("A chart without points needs its start and end.")
    write = ticks or number
    span = (start or (found or (None,))[0], end or (found or (None, None))[1])

    def draw(across: float, about: int, style: str) -> Svg:
        pen = Pen(across, _HEIGHT, document)
        plane = _plane(pen, lines, limits, span, write, from_zero)  # type: ignore[arg-type]
        times = time_ticks(plane.start, plane.end, zone=zone, day=day, month=month, about=about)
        _axes(plane, unit, write, limits, [(plane.x(at), words) for at, words in times])
        _limit_names(plane, limits, lines)
        for line in lines:
            _draw_line(plane, line, step, max_gap)
        if len(lines) > 1:
            _end_names(plane, lines)
        return pen.finish(style, label)

    wide = draw(width, round(width / 76), "ch only-wide")
    narrow = NOTHING if document else draw(320, 4, "ch only-narrow")
    return _summed(wide, narrow, lines, zone, day)


def _summed(wide: Svg, narrow: Svg, lines: Sequence[Line], zone: ZoneInfo, day: SayDate) -> Chart:
    points = [point for line in lines for point in line.points]
    known = [
        Extreme(day(point.at.astimezone(zone).date()), point.value)
        for point in points
        if point.value is not None
    ]
    return Chart(
        wide,
        narrow,
        highest=max(known, key=lambda item: item.value, default=None),
        lowest=min(known, key=lambda item: item.value, default=None),
        missing=len(points) - len(known),
    )
