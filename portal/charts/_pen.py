"""
The pen all charts are drawn with: shapes by tone, either by the page's classes or by attributes.

On a page a shape carries a class, so that it follows the theme. In a document there is no
stylesheet: the same shape carries the light colours as presentation attributes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from html import escape

Number = Decimal | float | int

TONES = frozenset({"elec", "solar", "it", "heat", "water", "lost"})

_SURFACE, _TEXT, _MUTED, _LINE, _STRONG = "#ffffff", "#12181f", "#505a65", "#d5dbe1", "#76808a"
_INK = {
    "elec": "#1860b9",
    "solar": "#ba8b28",
    "it": "#4a3270",
    "heat": "#b1480f",
    "water": "#299798",
    "lost": "#565b60",
}

# The light theme of portal/static/portal/css/tokens.css, for documents.
_ATTRIBUTES: dict[str, dict[str, str]] = {
    "axis": {"stroke": _LINE, "fill": "none"},
    "grid": {"stroke": _LINE, "fill": "none"},
    "base": {"stroke": _STRONG, "fill": "none"},
    "limit": {"stroke": _TEXT, "stroke-dasharray": "2 3", "fill": "none"},
    "ly": {"stroke": _STRONG, "fill": "none"},
    "hatch-bg": {"fill": "#e9edf1"},
    "hatch-line": {"stroke": _STRONG, "stroke-width": "1.6", "fill": "none"},
    "up": {"fill": "#1b6b3c"},
    "part": {"fill": "#855000"},
    "down": {"fill": "#b3261e"},
    "before": {"stroke": _STRONG, "fill": "none"},
    "today": {"stroke": _TEXT, "fill": "none"},
    "est-bg": {"fill": "#f0e8f8"},
    "est-line": {"stroke": "#6d3fa0", "stroke-width": "1.6", "fill": "none"},
    "ground": {"fill": _SURFACE},
    "tick": {"fill": _MUTED, "font-size": "13"},
    "val": {"fill": _TEXT, "font-size": "13", "font-weight": "600"},
    "name": {"fill": _TEXT, "font-size": "14"},
    "v": {"fill": _TEXT, "font-size": "14", "font-weight": "600"},
    "halo": {
        "stroke": _SURFACE,
        "stroke-width": "4",
        "stroke-linejoin": "round",
        "paint-order": "stroke",
    },
    "band": {"opacity": "0.34"},
    **{f"f-{tone}": {"fill": ink} for tone, ink in _INK.items()},
    **{
        f"l-{tone}": {"stroke": ink, "stroke-width": "2", "fill": "none"}
        for tone, ink in _INK.items()
    },
    "guess": {"stroke-dasharray": "5 4"},
    "thin": {"stroke-width": "1"},
}


class Svg(str):
    """
    Markup that templates print as it is: every text in it was escaped when it was drawn.
    """

    __slots__ = ()

    def __html__(self) -> str:
        return self


NOTHING = Svg()


@dataclass(frozen=True, slots=True)
class Extreme:
    """
    The highest or lowest item of a chart, for its sentence.
    """

    title: str
    value: Number


@dataclass(frozen=True, slots=True)
class Chart:
    """
    A drawing for wide and one for narrow screens, and what its sentence is made from.

    `missing` counts the items without a value; `flows` are the rows of a flow chart.
    """

    wide: Svg
    narrow: Svg = NOTHING
    highest: Extreme | None = None
    lowest: Extreme | None = None
    total: Number = 0
    missing: int = 0
    flows: tuple[tuple[str, str, Number | None], ...] = ()

    @property
    def svg(self) -> Svg:
        """
        Both drawings; the stylesheet shows one of them.
        """
        return Svg(self.wide + self.narrow)


def short(value: Number) -> str:
    """
    Write a coordinate with at most one decimal.
    """
    text = f"{float(value):.1f}"
    return text[:-2] if text.endswith(".0") else text


def text_width(text: str, size: int = 13) -> float:
    """
    Return about how wide a text is in the page's face.
    """
    return 0.56 * size * len(text)


@dataclass(slots=True)
class Pen:
    """
    Collects the shapes of one drawing.
    """

    width: float
    height: float
    document: bool = False
    shapes: list[str] = field(default_factory=list)

    def _element(self, tag: str, style: str, content: str = "", **attributes: object) -> str:
        given = {name.replace("_", "-"): value for name, value in attributes.items()}
        if not self.document:
            given = {"class": style, **given}
        else:
            for name in style.split():
                given = {**_ATTRIBUTES[name], **given}
        written = "".join(
            f' {name}="{short(value) if isinstance(value, float) else escape(str(value))}"'
            for name, value in given.items()
            if value != ""
        )
        return f"<{tag}{written}>{content}</{tag}>" if content else f"<{tag}{written}/>"

    def rect(
        self, style: str, x: float, y: float, width: float, height: float, title: str = ""
    ) -> None:
        """
        Draw a rectangle; its title shows under the pointer.
        """
        self.shapes.append(
            self._element(
                "rect",
                style,
                f"<title>{escape(title)}</title>" if title else "",
                x=float(x),
                y=float(y),
                width=float(width),
                height=float(height),
            )
        )

    def path(self, style: str, d: str, title: str = "", **attributes: object) -> None:
        """
        Draw a path.
        """
        hint = f"<title>{escape(title)}</title>" if title else ""
        self.shapes.append(self._element("path", style, hint, d=d, **attributes))

    def line(self, style: str, x1: float, y1: float, x2: float, y2: float) -> None:
        """
        Draw a straight line.
        """
        self.path(style, f"M{short(x1)} {short(y1)}L{short(x2)} {short(y2)}")

    def dot(self, style: str, x: float, y: float, title: str = "") -> None:
        """
        Draw a point of a line that has no neighbours.
        """
        hint = f"<title>{escape(title)}</title>" if title else ""
        self.shapes.append(self._element("circle", style, hint, cx=float(x), cy=float(y), r=2.5))

    def text(
        self, style: str, x: float, y: float, words: str, anchor: str = "", strong: str = ""
    ) -> None:
        """
        Write a text, and a strong one after it; anchor is "", "middle" or "end".
        """
        content = escape(words)
        if strong:
            content += " " + self._element("tspan", "v", escape(strong))
        self.shapes.append(
            self._element("text", style, content, x=float(x), y=float(y), text_anchor=anchor)
        )

    def hatch(
        self, style: str, x: float, y: float, width: float, height: float, step: float = 5
    ) -> None:
        """
        Fill a rectangle with slanted lines.

        Lines and not a pattern: a pattern needs an id, and one inside a hidden drawing is not
        painted.
        """
        right, bottom = x + width, y + height
        d, along = "", x + y + step / 2
        while along < right + bottom:
            x1, x2 = max(x, along - bottom), min(right, along - y)
            if x2 - x1 > 0.2:
                d += f"M{short(x1)} {short(along - x1)}L{short(x2)} {short(along - x2)}"
            along += step
        if d:
            self.path(style, d)

    def no_data(self, x: float, y: float, width: float, height: float, title: str = "") -> None:
        """
        Draw the grey hatch that stands for no data.
        """
        self.rect("hatch-bg", x, y, width, height, title)
        self.hatch("hatch-line", x, y, width, height)

    def open_link(self, href: str) -> None:
        """
        Begin a link around what follows; the table beside the drawing has it for the keyboard.
        """
        if href:
            self.shapes.append(f'<a href="{escape(href)}" tabindex="-1">')

    def close_link(self, href: str) -> None:
        """
        End the link.
        """
        if href:
            self.shapes.append("</a>")

    def finish(self, style: str, label: str) -> Svg:
        """
        Return the drawing, named by its label or hidden from screen readers without one.
        """
        voice = f'role="img" aria-label="{escape(label)}"' if label else 'aria-hidden="true"'
        size = f'viewBox="0 0 {short(self.width)} {short(self.height)}"'
        if self.document:
            head = (
                f'<svg xmlns="http://www.w3.org/2000/svg" {size} width="{short(self.width)}" '
                f'height="{short(self.height)}" font-family="IBM Plex Sans, Libertinus Serif">'
            )
        else:
            head = f'<svg class="{style}" {size} {voice}>'
        return Svg(head + "".join(self.shapes) + "</svg>")
