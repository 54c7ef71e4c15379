"""
Supply terms and what came of them in words and drawings, the same on every audience's pages.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

from django.utils.translation import gettext, gettext_lazy

from portal import charts
from portal.templatetags import portal as words
from telemetry.domain import supply
from telemetry.queries import CountedHeat

# In the order in which they are asked.
REASONS = {
    "rejected": gettext_lazy("rejected, the site was in bypass"),
    "partner": gettext_lazy("the customer’s side was closed"),
    "outside": gettext_lazy("outside the delivery times"),
    "cool": gettext_lazy("cooler than agreed"),
    "return": gettext_lazy("water came back hotter than agreed"),
    "meter": gettext_lazy("the meter’s verification had ended"),
    "estimated": gettext_lazy("estimated beyond the agreed share"),
}
_SHORT = {
    "rejected": gettext_lazy("Rejected"),
    "partner": gettext_lazy("Closed"),
    "outside": gettext_lazy("Out of hours"),
    "cool": gettext_lazy("Too cool"),
    "return": gettext_lazy("Return hot"),
    "meter": gettext_lazy("Meter"),
    "estimated": gettext_lazy("Estimated"),
}
# Of the reasons the largest get a layer of their own, the rest one together.
_TONES = ("lost", "elec", "water")


@dataclass(frozen=True, slots=True)
class TermsInWords:
    """
    Supply terms as sentences. `promise` is what is promised, `excluded` what does not count
    against it, `counting` which heat does not count.
    """

    times: list[str]
    closed: list[str]
    warmth: str
    amount: str
    promise: str
    excluded: list[str]
    counting: list[str]


def reason_in_words(reason: str, *, yours: bool = False) -> str:
    """
    Say why heat does not count; `yours`: to the customer.
    """
    if yours and reason == "partner":
        return gettext("your side was closed")
    return str(REASONS[reason])


def in_words(terms: Any, *, yours: bool = False) -> TermsInWords:
    """
    Say supply terms in words; `yours`: to the customer.
    """
    bands = [supply.Band(w.weekday, w.begins, w.ends) for w in terms.windows.all()]
    closures = [supply.Closure(c.first, c.last) for c in terms.closures.all()]
    return TermsInWords(
        times=supply.write_bands(bands) or [gettext("At all times")],
        closed=supply.write_closures(closures),
        warmth=_warmth(terms),
        amount=gettext("%s kW") % words.quantity(terms.contracted_kw),
        promise=_promise(terms),
        excluded=_excluded(terms, yours=yours),
        counting=_counting(terms, yours=yours),
    )


def _warmth(terms: Any) -> str:
    least, most = terms.supply_min_c, terms.supply_max_c
    if least is not None and most is not None:
        return gettext("%(least)s to %(most)s °C") % {
            "least": words.quantity(least), "most": words.quantity(most),
        }  # fmt: skip
    if least is not None:
        return gettext("At least %s °C") % words.quantity(least)
    if most is not None:
        return gettext("At most %s °C") % words.quantity(most)
    return gettext("No temperature is agreed")


def _promise(terms: Any) -> str:
    if terms.promised_percent is None:
        return gettext("No share of the time is promised")
    return gettext("Heat as agreed in %s%% of the delivery times") % words.quantity(
        terms.promised_percent
    )


def _excluded(terms: Any, *, yours: bool) -> list[str]:
    found = [
        gettext("work announced in time"),
        gettext("times in which your side was closed or at fault")
        if yours
        else gettext("times in which the customer’s side was closed or at fault"),
    ]
    if terms.return_max_c is not None:
        found.append(
            gettext("water coming back hotter than %s °C") % words.quantity(terms.return_max_c)
        )
    if terms.outdoor_min_c is not None:
        found.append(gettext("colder than %s °C outdoors") % words.quantity(terms.outdoor_min_c))
    if terms.call_metered:
        found.append(gettext("times in which no heat is called for"))
    return found


def _counting(terms: Any, *, yours: bool) -> list[str]:
    found = []
    for reason in REASONS:
        if reason == "estimated" and reason in terms.not_counted:
            found.append(
                gettext("estimated, where more than %s%% of a day is")
                % words.quantity(terms.estimated_percent)
            )
        elif reason == "rejected" or reason in terms.not_counted:
            found.append(reason_in_words(reason, yours=yours))
    return found


def not_counted_in_words(
    rows: Sequence[CountedHeat], *, yours: bool = False
) -> list[tuple[str, Decimal]]:
    """
    Return why heat did not count and how much of it, kWh, the most first.
    """
    sums: dict[str, Decimal] = {}
    for row in rows:
        for reason, kwh in row.not_counted.items():
            sums[reason] = sums.get(reason, Decimal(0)) + kwh
    return [
        (reason_in_words(reason, yours=yours), kwh)
        for reason, kwh in sorted(sums.items(), key=lambda p: -p[1])
    ]


def counted_drawing(
    rows: Sequence[CountedHeat], days: Sequence[dt.date], *, width: float = 760
) -> charts.Chart:
    """
    Draw the heat of days as columns: what counts, and on it what does not by reason.
    """
    by_day = {row.start: row for row in rows}
    sums: dict[str, Decimal] = {}
    for row in rows:
        for reason, kwh in row.not_counted.items():
            sums[reason] = sums.get(reason, Decimal(0)) + kwh
    most = sorted(sums, key=lambda reason: -sums[reason])
    alone = most if len(most) <= len(_TONES) else most[: len(_TONES) - 1]
    rest = [reason for reason in most if reason not in alone]
    parts = [charts.Part(gettext("Counts"), "heat")]
    parts += [
        charts.Part(str(_SHORT[reason]), tone) for reason, tone in zip(alone, _TONES, strict=False)
    ]
    if rest:
        parts.append(charts.Part(gettext("Other"), _TONES[-1]))

    def stack(day: dt.date) -> charts.Stack:
        row = by_day.get(day)
        title, label = words.day(day), str(day.day)
        if row is None:
            return charts.Stack(label, (None,) * len(parts), title)
        values = [row.counted_kwh, *(row.not_counted.get(r, Decimal(0)) for r in alone)]
        if rest:
            values.append(sum((row.not_counted.get(r, Decimal(0)) for r in rest), Decimal(0)))
        return charts.Stack(label, tuple(values), title)

    return charts.stacked_bars(
        [stack(day) for day in days], parts=parts, unit="kWh",
        number=partial(words.number, decimals=0), narrow_last=31, width=width,
    )  # fmt: skip
