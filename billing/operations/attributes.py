"""
Which lots cover the attributes that a line bills.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from billing import queries
from billing.models import AttributeUse, InvoiceLine

ATTRIBUTE = "attribute"


def name_lots(*, service_id: int | None, lines: Iterable[InvoiceLine]) -> None:
    """
    Note for each line of attributes which lots cover it, those allocated first before the others,
    within the caller's transaction. A trigger refuses what another bill holds already.
    """
    for line in lines:
        if line.charge != ATTRIBUTE or line.quantity <= 0 or service_id is None:
            continue
        month = queries.month_of(line)
        left = line.quantity
        uses = []
        for lot_id, kwh in queries.unbilled_attributes(service_id=service_id, month=month):
            part = min(left, kwh)
            if part > 0:
                uses.append(
                    AttributeUse(
                        line=line, lot_id=lot_id, service_id=service_id, month=month, kwh=part
                    )
                )
                left -= part
        AttributeUse.objects.bulk_create(uses)
        if left > Decimal(0):
            # Cannot be: what is billed is taken from the same allocations. Fail, not guess.
            raise ValueError(f"{left} kWh of attributes have no lot.")
