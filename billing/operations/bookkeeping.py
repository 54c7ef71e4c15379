"""
Setting up an operator's books.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.forms.models import model_to_dict

from billing.domain.bookkeeping import RevenueKey, Target
from billing.models import Bookkeeping, RevenueAccount
from sites.operations import record


@transaction.atomic(durable=True)
def keep_books(
    *, operator_id: int, settings: Mapping[str, Any], revenue: Mapping[RevenueKey, Target],
    at: dt.datetime, by_id: int | None,
) -> None:  # fmt: skip
    """
    Set the accounts of an operator's books. Kinds of revenue that are not named keep theirs; one
    with an empty account loses it.
    """
    before = Bookkeeping.objects.select_for_update().filter(operator_id=operator_id).first()
    row, _ = Bookkeeping.objects.update_or_create(operator_id=operator_id, defaults=dict(settings))
    for key, target in revenue.items():
        named: dict[str, Any] = {
            "operator_id": operator_id, "model": key.model, "vat_category": key.vat_category,
            "vat_rate": key.vat_rate,
        }  # fmt: skip
        if target.account:
            RevenueAccount.objects.update_or_create(
                **named, defaults={"account": target.account, "tax_key": target.tax_key}
            )
        else:
            RevenueAccount.objects.filter(**named).delete()
    record(
        at=at, by_id=by_id, operator_id=operator_id, action="books set up", subject="accounts",
        before=model_to_dict(before) if before else None,
        after={
            **model_to_dict(row),
            **{f"{k.model} {k.vat_category} {k.vat_rate}": t.account for k, t in revenue.items()},
        },
    )  # fmt: skip
