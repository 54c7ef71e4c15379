"""
Months of contracts cut into stretches of one price each, with all they are rated from.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from billing import queries
from billing.domain import agreement, indexation, rating
from billing.models import Contract, Terms
from sites.domain import Period, local_days
from telemetry import queries as metering


@dataclass(frozen=True, slots=True)
class Part:
    """
    A stretch of a period under one version of the terms, as it is kept and as it is rated.
    """

    terms: Terms
    instants: Period
    stored: dict[str, Any]
    energy: metering.MeteredEnergy | None

    def lines(self) -> list[rating.RatedLine]:
        return rating.rate([rating.stretch(self.stored)])


@dataclass(frozen=True, slots=True)
class Rated:
    """
    A period of a contract with its lines, each beside the stretch it was rated from.
    """

    parts: list[Part]
    lines: list[tuple[Part, rating.RatedLine]]


@dataclass(frozen=True, slots=True)
class Due:
    """
    A contract and the local days of one month to bill, the last one excluded.
    """

    contract: Contract
    first: dt.date
    end: dt.date


@dataclass(frozen=True, slots=True)
class _Cut:
    terms: Terms
    instants: Period
    first: dt.date
    end: dt.date


def rate_all(dues: Sequence[Due]) -> list[Rated | queries.Incomplete]:
    """
    Rate many contracts over days of one month, in their order; what is not complete comes as the
    error instead, saying what is missing. Nothing is stored.
    """
    if not dues:
        return []
    terms = queries.terms_of(
        contract_ids=[due.contract.pk for due in dues], month=dues[0].first.replace(day=1)
    )
    cuts = [_cut(due, terms[due.contract.pk]) for due in dues]
    wanted = [
        (cut.terms, cut.instants)
        for pieces in cuts
        if not isinstance(pieces, queries.Incomplete)
        for cut in pieces
    ]
    energies = iter(queries.metered_all(wanted=wanted))
    return [_rated(due, pieces, energies) for due, pieces in zip(dues, cuts, strict=True)]


def _cut(due: Due, terms: Sequence[Terms]) -> list[_Cut] | queries.Incomplete:
    """
    Cut the days where the terms change.
    """
    pieces: list[_Cut] = []
    reached = due.first
    for version in terms:
        starts = max(due.first, version.valid.lower)
        ends = due.end if version.valid.upper is None else min(due.end, version.valid.upper)
        if starts >= ends:
            continue
        if starts != reached:
            break
        instants = local_days(starts, ends, due.contract.site.timezone)
        pieces.append(_Cut(version, instants, starts, ends))
        reached = ends
    if reached != due.end:
        return queries.Incomplete(f"No terms are agreed for {reached:%d %B %Y}.")
    return pieces


def _rated(
    due: Due,
    pieces: list[_Cut] | queries.Incomplete,
    energies: Iterator[metering.MeteredEnergy | queries.Incomplete | None],
) -> Rated | queries.Incomplete:
    if isinstance(pieces, queries.Incomplete):
        return pieces
    # All are taken before the first is looked at: the next contract's come after them.
    found = [(cut, next(energies)) for cut in pieces]
    parts: list[Part] = []
    for cut, energy in found:
        if isinstance(energy, queries.Incomplete):
            return energy
        try:
            stored = queries.priced(
                contract=due.contract, terms=cut.terms, instants=cut.instants, first=cut.first,
                end=cut.end, energy=energy,
            )  # fmt: skip
        except queries.Incomplete as gap:
            return gap
        except agreement.BadTerms as problem:
            return queries.Incomplete(f"Version {cut.terms.version} of the terms: {problem}")
        parts.append(Part(cut.terms, cut.instants, stored, energy))
    try:
        return Rated(parts, [(part, line) for part in parts for line in part.lines()])
    except indexation.IndexMissing as missing:
        return queries.Incomplete(f"The price index {missing} is not entered.")
