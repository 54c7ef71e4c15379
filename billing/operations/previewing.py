"""
What a run would bill, without storing anything.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from billing import queries
from billing.domain import rating
from billing.domain.money import vat_by_rate
from billing.domain.plausibility import Compared, Figures
from billing.models import Contract
from billing.operations.stretches import Due, Rated, rate_all
from sites.domain import local_days


@dataclass(frozen=True, slots=True)
class Preview:
    """
    What a contract's invoice would come to, beside the past; or why it would be held.
    """

    contract: Contract
    net: Decimal = Decimal(0)
    gross: Decimal = Decimal(0)
    lines: tuple[rating.RatedLine, ...] = ()
    compared: Compared | None = None
    held: str = ""


@dataclass(frozen=True, slots=True)
class Total:
    """
    What the invoices of one currency come to.
    """

    currency: str
    count: int
    net: Decimal
    gross: Decimal

    @property
    def vat(self) -> Decimal:
        return self.gross - self.net


def totals(previews: Iterable[Preview]) -> tuple[list[Total], int]:
    """
    Return the sums of previewed invoices by currency, and how many would be held.
    """
    held = 0
    found: dict[str, Total] = {}
    for one in previews:
        if one.held:
            held += 1
            continue
        currency = one.contract.currency
        so_far = found.get(currency, Total(currency, 0, Decimal(0), Decimal(0)))
        found[currency] = Total(
            currency, so_far.count + 1, so_far.net + one.net, so_far.gross + one.gross
        )
    return [found[currency] for currency in sorted(found)], held


def preview(*, contracts: Sequence[Contract], month: dt.date) -> list[Preview]:
    """
    Rate a month of contracts as a run does, in their order, and store nothing.
    """
    dues = []
    for contract in contracts:
        days = queries.billable_days(contract=contract, month=month)
        if days is not None:
            dues.append(Due(contract, *days))
    rated = rate_all(dues)
    now = {
        due.contract.pk: _figures(due, found)
        for due, found in zip(dues, rated, strict=True)
        if isinstance(found, Rated)
    }
    compared = queries.compared_with_past(month=month, now=now)
    return [
        _previewed(due, found, compared.get(due.contract.pk))
        for due, found in zip(dues, rated, strict=True)
    ]


def _figures(due: Due, found: Rated) -> tuple[Figures, Decimal | None]:
    lines = [line for _, line in found.lines]
    kwh = sum((line.quantity for line in lines if rating.is_energy(line.charge)), Decimal(0))
    net = sum((line.net for line in lines), Decimal(0))
    kw = max((part.terms.contracted_kw or Decimal(0) for part in found.parts), default=Decimal(0))
    hours = Decimal(round(local_days(due.first, due.end, due.contract.site.timezone).hours))
    most = kw * hours if kw and due.contract.delivery_point_id is not None else None
    return Figures(net, kwh, (due.end - due.first).days), most


def _previewed(due: Due, found: Rated | queries.Incomplete, compared: Compared | None) -> Preview:
    if isinstance(found, queries.Incomplete):
        return Preview(due.contract, held=str(found))
    lines = tuple(line for _, line in found.lines)
    taxes = vat_by_rate(lines).values()
    net = sum((base for base, _ in taxes), Decimal(0))
    gross = net + sum((tax for _, tax in taxes), Decimal(0))
    return Preview(due.contract, net, gross, lines, compared)
