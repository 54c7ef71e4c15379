"""
Whether heat was there as agreed: inside delivery windows, warm enough, enough of it, where called.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from telemetry.domain import kpi, spans
from telemetry.domain.spans import Span, Step

_HOUR_S = 3600


@dataclass(frozen=True, slots=True)
class Compliance:
    """
    Seconds of the delivery windows less what is excluded, and of those the bad and the unknown
    ones. Where nothing counts there is nothing to comply with.
    """

    window_s: int = 0
    excluded_s: int = 0
    bad_s: int = 0
    unknown_s: int = 0

    @property
    def base_s(self) -> int:
        return self.window_s - self.excluded_s

    @property
    def share(self) -> Decimal | None:
        """
        The share of the base that was not bad; None where the base is empty.
        """
        return kpi.divide(Decimal(self.base_s - self.bad_s), Decimal(self.base_s))


def compliance(
    *,
    windows: Iterable[Span],
    excluded: Iterable[Span],
    bad: Iterable[Span],
    known: Iterable[Span] | None = None,
) -> Compliance:
    """
    Return how much of the windows was kept. Overlapping bad minutes count once, excluded ones
    not at all; without `known` all time is known.
    """
    inside = spans.merged(windows)
    out = spans.common(inside, excluded)
    base = spans.without(inside, out)
    wrong = spans.common(base, bad)
    unknown = [] if known is None else spans.without(spans.without(base, wrong), known)
    return Compliance(
        window_s=spans.seconds(inside),
        excluded_s=spans.seconds(out),
        bad_s=spans.seconds(wrong),
        unknown_s=spans.seconds(unknown),
    )


def short_kw(*, contracted: Decimal, call: Decimal, delivered: Decimal) -> Decimal:
    """
    Return the kW that were called for within the contract and not delivered.
    """
    return max(Decimal(0), min(contracted, call) - delivered)


def shortfall_kwh(
    *,
    contracted: Decimal,
    called: Sequence[Step],
    delivered: Sequence[Step],
    within: Sequence[Span],
) -> Decimal:
    """
    Return the kWh called for within the contract and not delivered, over the time in which both
    are known. No call, no shortfall.
    """
    total = Decimal(0)
    for start, end, call in called:
        if call is None or not call:
            continue
        for from_, to, kw in delivered:
            if kw is None or to <= start or from_ >= end:
                continue
            missing = short_kw(contracted=contracted, call=call, delivered=kw)
            if missing:
                both = spans.common([(max(start, from_), min(end, to))], within)
                total += missing * spans.seconds(both) / _HOUR_S
    return total
