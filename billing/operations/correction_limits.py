"""
How far back corrections are looked for.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from django.db import transaction

from billing.models import CorrectionLimit
from sites.operations import record


@transaction.atomic(durable=True)
def set_correction_limits(
    *, operator_id: int, limits: Mapping[str, tuple[int, str] | None], at: dt.datetime,
    by_id: int | None,
) -> None:  # fmt: skip
    """
    Set months and their source by country; None takes a country's limit away.
    """
    rows = CorrectionLimit.objects.select_for_update().filter(operator_id=operator_id)
    before = {row.country: f"{row.months}: {row.source}" for row in rows}
    for country, limit in limits.items():
        if limit is None:
            rows.filter(country=country).delete()
            continue
        CorrectionLimit.objects.update_or_create(
            operator_id=operator_id, country=country,
            defaults={"months": limit[0], "source": limit[1]},
        )  # fmt: skip
    record(
        at=at, by_id=by_id, operator_id=operator_id, action="correction limits set",
        subject="corrections", before=before,
        after={country: limit and f"{limit[0]}: {limit[1]}" for country, limit in limits.items()},
    )  # fmt: skip
