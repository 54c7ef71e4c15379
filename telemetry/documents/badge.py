"""
A plain picture a tenant may put on its own pages: one figure, its period, and whether it holds.
"""

from __future__ import annotations

import datetime as dt
from html import escape

from django.utils.translation import gettext

from telemetry.documents.words import rows
from telemetry.models import Statement

WIDTH, HEIGHT = 280, 64


def badge(*, statement: Statement, at: dt.datetime) -> str:
    """
    Return the badge of a shared statement as SVG: a plain rectangle, no seal, no leaf. Grey with
    "lapsed" once the statement no longer holds.
    """
    shown = next((row for row in rows(statement.content) if row.key == "erf"), None)
    content = statement.content
    holds = holds_at(statement, at)
    first = content["firstDay"][:7]
    last = content["lastDay"][:7]
    period = first if first == last else f"{first} – {last}"
    figure = shown.figure if shown and not shown.missing else "–"
    title = gettext("Heat reused at %s") % content["site"].split(",")[0]
    second = gettext("%(figure)s of the site’s energy, %(period)s") % {
        "figure": figure,
        "period": period,
    }
    if not holds:
        second = gettext("lapsed")
    ink = "#12181f" if holds else "#505a65"
    ground = "#ffffff" if holds else "#e6e8ea"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}"'
        f' viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
        f' aria-label="{escape(title)}: {escape(second)}">'
        f'<rect x="0.5" y="0.5" width="{WIDTH - 1}" height="{HEIGHT - 1}" fill="{ground}"'
        f' stroke="{ink}"/>'
        f'<g font-family="sans-serif" fill="{ink}">'
        f'<text x="12" y="22" font-size="12">{escape(title)}</text>'
        f'<text x="12" y="40" font-size="13" font-weight="600">{escape(second)}</text>'
        f'<text x="12" y="56" font-size="10">{escape(gettext("Evidence"))}: '
        f"{escape(statement.number)}</text></g></svg>"
    )


def holds_at(statement: Statement, at: dt.datetime) -> bool:
    """
    Say whether a statement is in force and not past its end.
    """
    return (
        statement.state == Statement.State.ISSUED
        and statement.valid_until is not None
        and at < statement.valid_until
    )
