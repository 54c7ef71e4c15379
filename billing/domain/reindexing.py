"""
Whether the index values kept with a document give the means it was rated from.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from billing.domain import agreement, indexation


def differences(stored: Mapping[str, Any]) -> Iterator[str]:
    """
    Yield, in words, what the kept index values of a stretch do not give; nothing where none are
    kept.
    """
    if "index_values" not in stored:
        return
    values = {
        code: {
            dt.date.fromisoformat(month): indexation.Published.read(kept).value
            for month, kept in rows.items()
        }
        for code, rows in stored["index_values"].items()
    }
    month = dt.date.fromisoformat(stored["index_month"])
    for item in agreement.read(stored["model"], stored["details"]).index:
        for part in item.clause.parts:
            told = Decimal(stored["indices"][item.price][part.series])
            try:
                found = indexation.mean(
                    part.series, values.get(part.series, {}), item.reference.of(month)
                )
            except indexation.IndexMissing as missing:
                yield f"the index value {missing} is not kept"
                continue
            if found != told:
                yield f"the index {part.series} is {told:f}, its kept values give {found:f}"
