"""
Where the energy went: bands between nodes in fixed columns, without an optimiser.

What goes into a node and does not come out is drawn as a remainder, never hidden.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from portal.charts._pen import NOTHING, Chart, Number, Pen, Svg, short, text_width

Say = Callable[[Number | None], str]

_WIDE, _NARROW = 1080.0, 320.0
_BODY, _TOP, _GAP, _NODE = 296.0, 10.0, 24.0, 12.0
# Room for the labels to the right of the last column.
_LABELS = 200.0
_LINE = 18.0
# Below half a kilowatt hour a node balances: its figures are rounded.
_BALANCED = 0.5


@dataclass(frozen=True, slots=True)
class Node:
    """
    A station of the energy; nodes of a column stand in the order given, the first on top.
    """

    key: str
    name: str
    tone: str
    column: int
    href: str = ""


@dataclass(frozen=True, slots=True)
class Flow:
    """
    An amount from one node to another; None where it was not measured.
    """

    source: str
    target: str
    value: Number | None
    tone: str = ""


@dataclass(slots=True)
class _Box:
    """
    A node with its place on the drawing.
    """

    node: Node
    value: float | None
    words: list[str]
    x: float = 0
    y: float = 0
    height: float = 0
    left: float = field(default=0)
    entered: float = field(default=0)


def _through(key: str, flows: Sequence[Flow]) -> tuple[list[Flow], list[Flow]]:
    return [f for f in flows if f.target == key], [f for f in flows if f.source == key]


def _amount(flows: Sequence[Flow]) -> float | None:
    if any(flow.value is None for flow in flows):
        return None
    return sum(float(flow.value or 0) for flow in flows)


def _remainders(
    nodes: Sequence[Node], flows: Sequence[Flow], name: str
) -> tuple[list[Node], list[Flow]]:
    """
    Return the nodes and flows needed so that every inner node balances.

    A node one of whose flows was not measured cannot be balanced and is left alone.
    """
    extra_nodes: list[Node] = []
    extra_flows: list[Flow] = []
    for node in nodes:
        into, out_of = _through(node.key, flows)
        entering, leaving = _amount(into), _amount(out_of)
        if not into or not out_of or entering is None or leaving is None:
            continue
        left_over = entering - leaving
        if abs(left_over) < _BALANCED:
            continue
        key = f"{node.key}-remainder"
        side = 1 if left_over > 0 else -1
        extra_nodes.append(Node(key, name, "lost", node.column + side))
        ends = (node.key, key) if left_over > 0 else (key, node.key)
        extra_flows.append(Flow(*ends, abs(left_over), "lost"))
    return extra_nodes, extra_flows


def _value(key: str, flows: Sequence[Flow]) -> float | None:
    into, out_of = _through(key, flows)
    known = [amount for side in (into, out_of) if side and (amount := _amount(side)) is not None]
    return max(known) if known else None


def _wrap(words: str, room: float) -> list[str]:
    lines: list[str] = []
    for word in words.split():
        if lines and text_width(f"{lines[-1]} {word}", 14) <= room:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _boxes(nodes: Sequence[Node], flows: Sequence[Flow]) -> tuple[list[_Box], float]:
    columns = max(node.column for node in nodes) + 1
    apart = (_WIDE - _LABELS - _NODE) / max(columns - 1, 1)
    room = dict.fromkeys(range(columns), apart - _NODE - 20)
    room[columns - 1] = _LABELS - 10
    boxes = [
        _Box(node, _value(node.key, flows), _wrap(node.name, room[node.column])) for node in nodes
    ]
    by_column = [[box for box in boxes if box.node.column == column] for column in range(columns)]
    sums = [sum(box.value or 0 for box in column) for column in by_column]
    gaps = [_GAP * max(len(column) - 1, 0) for column in by_column]
    scale = min(
        ((_BODY - gap) / total for total, gap in zip(sums, gaps, strict=True) if total), default=0
    )
    for column in by_column:
        y = _TOP
        for box in column:
            box.height = max(1.5, (box.value or 0) * scale)
            # A low node still needs the height of its label.
            slack = max(0.0, _label_height(box) - box.height - _GAP + 6)
            box.x, box.y = box.node.column * apart, y + slack / 2
            box.left = box.entered = box.y
            y += box.height + _GAP + slack
    return boxes, scale


def _label_height(box: _Box) -> float:
    return _LINE * (len(box.words) + (1 if box.height > 2 * _LINE else 0))


def _tone(flow: Flow, source: Node, target: Node) -> str:
    if flow.tone:
        return flow.tone
    # What comes in keeps its colour; further on a band shows what it becomes.
    return source.tone if source.column == 0 else target.tone


def _bands(
    pen: Pen, boxes: Sequence[_Box], flows: Sequence[Flow], scale: float, number: Say, unit: str
) -> None:
    place = {box.node.key: index for index, box in enumerate(boxes)}
    # Bands leave a node in the order of their targets and arrive in the order of their sources,
    # so that they do not cross without need.
    for flow in sorted(flows, key=lambda f: (place[f.source], place[f.target])):
        source, target = boxes[place[flow.source]], boxes[place[flow.target]]
        if flow.value is None:
            continue
        wide = float(flow.value) * scale
        x1, x2 = source.x + _NODE, target.x
        middle = short((x1 + x2) / 2)
        a, b = source.left, target.entered
        source.left += wide
        target.entered += wide
        d = (
            f"M{short(x1)} {short(a)}C{middle} {short(a)} {middle} {short(b)} {short(x2)} "
            f"{short(b)}V{short(b + wide)}C{middle} {short(b + wide)} {middle} "
            f"{short(a + wide)} {short(x1)} {short(a + wide)}Z"
        )
        hint = f"{source.node.name} – {target.node.name}: {number(flow.value)} {unit}"
        tone = _tone(flow, source.node, target.node)
        pen.path(f"band f-{tone}", d, hint)


def _label(pen: Pen, box: _Box, number: Say, ends: bool) -> None:
    # A loss in the middle may have the bands of its neighbours behind its label.
    style = "name halo" if ends else "name"
    x, value = box.x + _NODE + 8, number(box.value)
    alone = box.height > 2 * _LINE
    count = len(box.words) + alone
    y = box.y + box.height / 2 - _LINE * (count - 1) / 2 + 5
    for place, words in enumerate(box.words):
        last = place == len(box.words) - 1
        pen.text(style, x, y + _LINE * place, words, strong=value if last and not alone else "")
    if alone:
        pen.text(f"{style} v", x, y + _LINE * (count - 1), value)


def _draw_bars(boxes: Sequence[_Box], label: str, number: Say) -> Svg:
    pen = Pen(_NARROW, 40.0 * len(boxes))
    longest = max((box.value or 0 for box in boxes), default=0) or 1
    for place, box in enumerate(boxes):
        y = 40.0 * place
        pen.open_link(box.node.href)
        pen.text("name", 0, y + 14, box.node.name)
        pen.text("v", _NARROW, y + 14, number(box.value), "end")
        if box.value is None:
            pen.no_data(0, y + 20, _NARROW, 10)
        else:
            pen.rect(f"f-{box.node.tone}", 0, y + 20, max(1.5, box.value / longest * 320), 10)
        pen.close_link(box.node.href)
    return pen.finish("sk only-narrow", label)


def sankey(
    nodes: Sequence[Node],
    flows: Sequence[Flow],
    *,
    unit: str,
    number: Say,
    remainder: str,
    label: str = "",
    document: bool = False,
) -> Chart:
    """
    Draw flows between nodes; phones get labelled bars in the same order.

    A node whose inflow and outflow differ by half a unit or more gets a node named `remainder`,
    and the difference stands among the chart's `flows`. Order the nodes of a column so that
    nothing crosses: own sources on top, losses at the foot.

    :raises ValueError: if a flow names a node that is not there, or is negative
    """
    names = {node.key for node in nodes}
    if unknown := {key for f in flows for key in (f.source, f.target)} - names:
        raise ValueError(f"Flows name nodes that are not there: {', '.join(sorted(unknown))}.")
    if any(flow.value is not None and flow.value < 0 for flow in flows):
        raise ValueError("A flow cannot be negative; turn it round.")
    if any(node.href for node in nodes):
        label = ""
    more_nodes, more_flows = _remainders(nodes, flows, remainder)
    nodes, flows = [*nodes, *more_nodes], [*flows, *more_flows]
    boxes, scale = _boxes(nodes, flows)
    pen = Pen(_WIDE, max(box.y + max(box.height, _LINE) for box in boxes) + 14, document)
    _bands(pen, boxes, flows, scale, number, unit)
    leaving = {flow.source for flow in flows}
    for box in boxes:
        pen.open_link(box.node.href)
        pen.rect(f"f-{box.node.tone}", box.x, box.y, _NODE, box.height)
        _label(pen, box, number, ends=box.node.key not in leaving)
        pen.close_link(box.node.href)
    wide = pen.finish("sk only-wide", label)
    narrow = NOTHING if document else _draw_bars(boxes, label, number)
    said = {node.key: node.name for node in nodes}
    rows = tuple((said[flow.source], said[flow.target], flow.value) for flow in flows)
    return Chart(wide, narrow, missing=sum(f.value is None for f in flows), flows=rows)
