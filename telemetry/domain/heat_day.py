"""
One stretch of delivery windows under one agreement: what of it is excluded, what was bad and why,
and how much heat was missing (domain reference, heat SLA).
"""

from __future__ import annotations

import bisect
import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from telemetry.domain import heat_sla, spans
from telemetry.domain.spans import Span, Step


@dataclass(frozen=True, slots=True)
class Agreed:
    """
    The limits of an agreement, °C and kW; None: not agreed.
    """

    contracted_kw: Decimal
    supply_min_c: Decimal | None = None
    supply_max_c: Decimal | None = None
    return_max_c: Decimal | None = None
    outdoor_min_c: Decimal | None = None
    call_metered: bool = False


@dataclass(frozen=True, slots=True)
class Measured:
    """
    What was measured, °C and kW, as figures that hold over stretches. None: not measured at all,
    unlike an empty list, of which nothing arrived.
    """

    supply_c: Sequence[Step] | None = None
    return_c: Sequence[Step] | None = None
    outdoor_c: Sequence[Step] | None = None
    available_kw: Sequence[Step] | None = None
    called_kw: Sequence[Step] | None = None
    delivered_kw: Sequence[Step] = ()

    def within(self, start: dt.datetime, end: dt.datetime) -> Measured:
        """
        Return the figures that reach into [start, end).
        """

        def cut(figures: Sequence[Step] | None) -> Sequence[Step] | None:
            if figures is None:
                return None
            first = bisect.bisect_right(figures, start, key=lambda step: step[1])
            return figures[first : bisect.bisect_left(figures, end, key=lambda step: step[0])]

        return Measured(
            cut(self.supply_c), cut(self.return_c), cut(self.outdoor_c), cut(self.available_kw),
            cut(self.called_kw), cut(self.delivered_kw) or (),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Events:
    """
    Planned work, times in which the customer's side was closed, and outages of ours.
    """

    planned: Sequence[Span] = ()
    partner: Sequence[Span] = ()
    outages: Sequence[Span] = ()


@dataclass(frozen=True, slots=True)
class HeatKept:
    """
    Seconds of the windows, those excluded by the first reason that applies, and of the rest those
    that were bad or are not known; why they were bad may overlap.
    """

    window_s: int = 0
    planned_s: int = 0
    partner_s: int = 0
    return_s: int = 0
    outdoor_s: int = 0
    bad_s: int = 0
    unknown_s: int = 0
    cool_s: int = 0
    hot_s: int = 0
    short_s: int = 0
    outage_s: int = 0
    shortfall_kwh: Decimal | None = field(default=None)


def kept(
    windows: Iterable[Span], *, agreed: Agreed, measured: Measured, events: Events
) -> HeatKept:
    """
    Judge the windows. Where a call is measured only the time with a call can be bad; time whose
    call is not known while the heat was not as agreed is unknown.
    """
    inside = spans.merged(windows)
    excluded = _excluded(inside, agreed, measured, events)
    out = [span for part in excluded.values() for span in part]
    base = spans.without(inside, out)
    wrong = _wrong(agreed, measured, events)
    idle, unheard = _without_call(base, agreed, measured)
    off = [span for part in wrong.values() for span in part]
    bad = spans.without(off, [*idle, *unheard])
    known = [
        *spans.without(_known(base, agreed, measured, events), spans.common(off, unheard)),
        *idle,
    ]
    found = heat_sla.compliance(windows=inside, excluded=out, bad=bad, known=known)
    counted = spans.common(base, bad)
    return HeatKept(
        window_s=found.window_s,
        **{f"{name}_s": spans.seconds(part) for name, part in excluded.items()},
        bad_s=found.bad_s,
        unknown_s=found.unknown_s,
        **{f"{name}_s": spans.seconds(spans.common(counted, part)) for name, part in wrong.items()},
        shortfall_kwh=_shortfall(base, agreed, measured),
    )


def _excluded(
    inside: list[Span], agreed: Agreed, measured: Measured, events: Events
) -> dict[str, list[Span]]:
    hot_back = spans.where(measured.return_c or (), None, agreed.return_max_c)
    cold_out = spans.where(measured.outdoor_c or (), agreed.outdoor_min_c, None)
    reasons = {
        "planned": events.planned, "partner": events.partner, "return": hot_back,
        "outdoor": cold_out,
    }  # fmt: skip
    left, found = inside, {}
    for name, part in reasons.items():
        found[name] = spans.common(left, part)
        left = spans.without(left, part)
    return found


def _wrong(agreed: Agreed, measured: Measured, events: Events) -> dict[str, list[Span]]:
    return {
        "cool": spans.where(measured.supply_c or (), agreed.supply_min_c, None),
        "hot": spans.where(measured.supply_c or (), None, agreed.supply_max_c),
        "short": spans.where(measured.available_kw or (), agreed.contracted_kw, None),
        "outage": spans.merged(events.outages),
    }


def _times(figures: Iterable[Step]) -> list[Span]:
    return spans.merged((start, end) for start, end, value in figures if value is not None)


def _without_call(
    base: list[Span], agreed: Agreed, measured: Measured
) -> tuple[list[Span], list[Span]]:
    """
    Return when nothing was called for, and when the call is not known.
    """
    if not agreed.call_metered:
        return [], []
    called = measured.called_kw or ()
    idle = spans.merged((start, end) for start, end, kw in called if kw is not None and kw <= 0)
    return idle, spans.without(base, _times(called))


def _known(base: list[Span], agreed: Agreed, measured: Measured, events: Events) -> list[Span]:
    known = base
    if agreed.supply_min_c is not None or agreed.supply_max_c is not None:
        known = spans.common(known, _times(measured.supply_c or ()))
    if measured.available_kw is not None:
        known = spans.common(known, _times(measured.available_kw))
    return spans.merged([*known, *events.outages])


def _shortfall(base: list[Span], agreed: Agreed, measured: Measured) -> Decimal | None:
    if not agreed.call_metered or measured.called_kw is None:
        return None
    return heat_sla.shortfall_kwh(
        contracted=agreed.contracted_kw, called=measured.called_kw,
        delivered=measured.delivered_kw, within=base,
    )  # fmt: skip
