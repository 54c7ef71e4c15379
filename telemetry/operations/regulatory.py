"""
What an operator states for its reports.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from django.db import transaction

from sites.models import Site
from sites.operations import record
from telemetry.domain.regulatory import BY_SYMBOL, Origin
from telemetry.models import DeclaredFigure


class NotAsked(Exception):
    """
    No report asks the operator for this symbol.
    """


@transaction.atomic(durable=True)
def declare_figures(
    *, site_id: int, year: int, answers: Mapping[str, str], at: dt.datetime, by_id: int | None
) -> int:
    """
    Take the answers of a year and return how many are new; an empty one takes the answer back.

    :raises NotAsked: for a symbol that is metered, computed or unknown
    """
    for symbol in answers:
        if symbol not in BY_SYMBOL or BY_SYMBOL[symbol].origin is not Origin.DECLARED:
            raise NotAsked(symbol)
    site = Site.objects.select_for_update(of=("self",)).get(pk=site_id)
    open_rows = DeclaredFigure.objects.filter(site=site, year=year, superseded_at__isnull=True)
    held = {row.symbol: row for row in open_rows}
    before = {symbol: row.value for symbol, row in held.items()}
    changed = {s: v.strip() for s, v in answers.items() if v.strip() != before.get(s, "")}
    open_rows.filter(symbol__in=changed).update(superseded_at=at)
    DeclaredFigure.objects.bulk_create(
        DeclaredFigure(
            site=site, year=year, symbol=symbol, value=value, declared_at=at, declared_by_id=by_id
        )
        for symbol, value in changed.items()
        if value
    )
    if changed:
        record(
            at=at, by_id=by_id, operator_id=site.operator_id, action="figures declared",
            subject=f"{site.slug}/{year}", before={s: before.get(s, "") for s in changed},
            after=changed,
        )  # fmt: skip
    return len(changed)
