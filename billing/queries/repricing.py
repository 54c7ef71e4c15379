"""
Bills whose price rests on an index value that another one has taken the place of since.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery

from billing.domain import agreement, indexation, rating
from billing.models import Contract, IndexValue, Invoice, Terms
from billing.queries.pricing import CHARGE_OF_PRICE, priced_by_indices, published_values

Stored = dict[str, Any]
Values = Mapping[str, Mapping[dt.date, indexation.Published]]
# Looked back where neither contract nor country says otherwise: after three years most claims for
# payment lapse (such as BGB § 195).
LOOK_BACK_MONTHS = 36
# Of a contract and a price: what the newest month was billed at, and what it would be billed at.
_Running = dict[tuple[int, str], tuple[Decimal, Decimal]]


@dataclass(frozen=True, slots=True)
class ValueChange:
    """
    An index value that was billed from, and the one that counts instead.
    """

    series: str
    month: dt.date
    used: indexation.Published
    now: indexation.Published

    def __str__(self) -> str:
        kind = " (provisional)" if self.used.provisional else ""
        return (
            f"{self.series} {self.month:%B %Y}: {self.used.value.normalize():f}{kind},"
            f" now {self.now.value.normalize():f}"
        )


@dataclass(frozen=True, slots=True)
class PriceChange:
    """
    What of a billed stretch has another price now: its charge, both unit prices with their
    arithmetic, and what the billed quantity would come to more (less where negative), before VAT.
    """

    charge: str
    old: Decimal
    now: Decimal
    old_formula: str
    now_formula: str
    net: Decimal


@dataclass(frozen=True, slots=True)
class Repriced:
    """
    A document of a period whose prices are others now, with why.
    """

    invoice: Invoice
    values: list[ValueChange]
    prices: list[PriceChange]


def with_values_of_now(contract: Contract, stored: Stored) -> tuple[Stored, list[ValueChange]]:
    """
    Return what the indices of a kept stretch say with the values that count now, and which differ.
    A stretch without kept values has none to go by and gives nothing.
    """
    used, agreed = _used(stored), agreement.read(stored["model"], stored["details"])
    if not used:
        return {}, []
    newest = published_values(operator_id=contract.operator_id, wanted=used)
    return _repriced(contract, stored, agreed, used, newest)


def _used(stored: Stored) -> dict[str, dict[dt.date, indexation.Published]]:
    return {
        code: {
            dt.date.fromisoformat(month): indexation.Published.read(kept)
            for month, kept in rows.items()
        }
        for code, rows in stored.get("index_values", {}).items()
    }


def _repriced(
    contract: Contract, stored: Stored, agreed: agreement.Agreed, used: Values, newest: Values
) -> tuple[Stored, list[ValueChange]]:
    values: defaultdict[str, dict[dt.date, indexation.Published]] = defaultdict(dict)
    changes = []
    for code, rows in used.items():
        for month, was in rows.items():
            now = indexation.that_counts(
                was, newest.get(code, {}).get(month, was), corrects_finals=agreed.index_revised
            )
            values[code][month] = now
            if now.value != was.value:
                changes.append(ValueChange(code, month, was, now))
    return priced_by_indices(contract, agreed, _first_day(contract, stored), values), changes


def _first_day(contract: Contract, stored: Stored) -> dt.date:
    start = dt.datetime.fromisoformat(stored["instants"][0])
    return start.astimezone(zoneinfo.ZoneInfo(contract.site.timezone)).date()


def repriced(*, operator_id: int, today: dt.date, limits: Mapping[str, int]) -> list[Repriced]:
    """
    Return the documents whose prices are others now, oldest first, as far back as contract and
    country (`limits`, months) have it: a final value came for a provisional one, or what is agreed
    lets a revision correct. Where a clause counts from the price before, a correction goes on to
    the months after it.
    """
    revised = _revised(operator_id)
    if not revised:
        return []
    agreed = _agreed_by_index(operator_id, revised)
    found: list[Repriced] = []
    running: _Running = {}
    for invoice in _newest_documents(agreed):
        months = look_back(invoice.contract, limits)
        if months_between(invoice.period.local_days.upper, today) > months:
            continue
        change = _change(invoice, revised, running)
        if change is not None:
            found.append(change)
    return found


def _revised(operator_id: int) -> dict[str, dict[dt.date, indexation.Published]]:
    """
    Return the newest revision of each value that was revised.
    """
    found: defaultdict[str, dict[dt.date, indexation.Published]] = defaultdict(dict)
    rows = (
        IndexValue.objects.filter(index__operator_id=operator_id, revision__gt=0)
        .order_by("index_id", "month", "-revision")
        .distinct("index_id", "month")
        .values_list("index__code", "month", "value", "revision", "provisional")
    )
    for code, month, value, revision, provisional in rows:
        found[code][month] = indexation.Published(value.normalize(), revision, provisional)
    return found


def _agreed_by_index(operator_id: int, series: Iterable[str]) -> set[int]:
    """
    Return the contracts some of whose terms name one of the series.
    """
    wanted = set(series)
    rows = Terms.objects.filter(contract__operator_id=operator_id, details__has_key="index")
    return {
        contract_id
        for contract_id, clauses in rows.values_list("contract_id", "details__index")
        if wanted & {part["series"] for clause in clauses for part in clause["parts"]}
    }


def look_back(contract: Contract, limits: Mapping[str, int]) -> int:
    """
    Return for how many months after its end a bill of the contract is looked at.
    """
    country = limits.get(contract.site.country, LOOK_BACK_MONTHS)
    own = contract.look_back_months
    return max(contract.correction_months, country if own is None else own)


def months_between(first: dt.date, later: dt.date) -> int:
    """
    Return the whole calendar months from that of a day to that of a later one.
    """
    return (later.year - first.year) * 12 + later.month - first.month


def _newest_documents(contract_ids: Iterable[int]) -> Iterator[Invoice]:
    """
    Yield the newest issued document of each period, which says what the period is rated from; a
    period whose bill was taken back whole is rated from nothing.
    """
    issued: QuerySet[Invoice] = Invoice.objects.filter(status=Invoice.Status.ISSUED)
    newest = issued.filter(period=OuterRef("period")).order_by("-pk").values("pk")[:1]
    return (
        issued.filter(contract_id__in=contract_ids, pk=Subquery(newest))
        .select_related("contract__site", "contract__operator", "customer", "period")
        .order_by("period__local_days", "contract__reference")
        .iterator(chunk_size=200)
    )


def _change(invoice: Invoice, revised: Values, running: _Running) -> Repriced | None:
    """
    Compare a document with what it would be rated at now; `running` is moved on by it.
    """
    contract = invoice.contract
    changed: list[ValueChange] = []
    prices: list[PriceChange] = []
    moved: _Running = {}
    for stored in invoice.inputs:
        if "index_values" not in stored:
            continue
        agreed = agreement.read(stored["model"], stored["details"])
        if not _touched(stored, agreed, revised):
            continue
        fresh, changes = _repriced(contract, stored, agreed, _used(stored), revised)
        for name, held in fresh["before"].items():
            billed, now = running.get((contract.pk, name), (None, None))
            if now is not None and billed == Decimal(held):
                fresh["before"][name] = str(now)
        changed += changes
        prices += _compared(contract, stored, stored | fresh, moved)
    running |= moved
    return Repriced(invoice, changed, prices) if prices else None


def _touched(stored: Stored, agreed: agreement.Agreed, revised: Values) -> bool:
    kept = stored["index_values"]
    return any(item.clause.counts_from_before for item in agreed.index) or any(
        month.isoformat() in kept.get(code, {}) for code, rows in revised.items() for month in rows
    )


def _compared(
    contract: Contract, stored: Stored, fresh: Stored, moved: _Running
) -> Iterator[PriceChange]:
    was = {line.charge: line for line in rating.rate([rating.stretch(stored)])}
    now = {line.charge: line for line in rating.rate([rating.stretch(fresh)])}
    for name, charge in CHARGE_OF_PRICE.items():
        if name in fresh["indices"] and charge in now and charge in was:
            billed, rated = (
                indexation.price_of_line(lines[charge].unit_price, stored["details"])
                for lines in (was, now)
            )
            moved[contract.pk, name] = billed, rated
    for charge, line in now.items():
        old = was.get(charge)
        if old is not None and (old.unit_price, old.quantity) != (line.unit_price, line.quantity):
            yield PriceChange(
                charge, old.unit_price, line.unit_price, old.note or old.formula,
                line.note or line.formula, line.net - old.net,
            )  # fmt: skip
