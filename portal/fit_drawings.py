"""
How a baseline fits, as drawings: the search for its base temperature, and its line through the
bills.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from django.utils.translation import gettext

from billing.domain import balance_point
from billing.queries import FittedPeriod
from portal import charts
from portal.templatetags import portal as words


@dataclass(frozen=True, slots=True)
class BaseSearch:
    """
    The base temperatures that were tried, the chosen one, those that fit about as well, and a
    drawing where there is more than one.
    """

    tried: Sequence[balance_point.Candidate]
    chosen: balance_point.Candidate
    low: float
    high: float
    chart: charts.Chart | None

    @property
    def at_edge(self) -> bool:
        """
        Whether a temperature beyond those tried might fit better.
        """
        ends = (self.tried[0].base_temperature, self.tried[-1].base_temperature)
        return len(self.tried) > 1 and self.chosen.base_temperature in ends


def base_search(tried: Sequence[balance_point.Candidate]) -> BaseSearch:
    """
    Return a search for the page.
    """
    chosen = balance_point.chosen(tried)
    low, high = balance_point.as_good(tried)
    able = [one for one in tried if one.fit is not None and not one.refused]
    degrees = partial(words.number, decimals=1)
    dots = [
        charts.Dot(
            one.base_temperature, one.fit.cv_rmse * 100,
            f"{degrees(one.base_temperature)} °C: {words.percent(one.fit.cv_rmse)}",
        )
        for one in able
        if one.fit is not None
    ]  # fmt: skip
    chart = charts.scatter(
        dots, x_unit=gettext("Base temperature, °C"), y_unit=gettext("CV(RMSE), %"),
        x_number=words.number, y_number=degrees, line=[(dot.x, dot.y) for dot in dots],
        mark=charts.Mark(chosen.base_temperature, f"{degrees(chosen.base_temperature)} °C"),
    )  # fmt: skip
    return BaseSearch(tried, chosen, low, high, chart if len(dots) > 1 else None)


def signature_drawing(
    base: float, slope: float, periods: Sequence[FittedPeriod]
) -> charts.Chart | None:
    """
    Draw the use a day of each bill over its degree days a day, and through them a baseline of
    `base` kWh a day and `slope` kWh a degree day; None without bills.
    """
    if not periods:
        return None
    dots = [charts.Dot(p.degree_days / p.days, p.use_kwh / p.days, _title(p)) for p in periods]
    far = max(dot.x for dot in dots)
    return charts.scatter(
        dots, x_unit=gettext("Degree days a day, K"), y_unit=gettext("kWh a day"),
        x_number=words.number, y_number=words.number, line=[(0.0, base), (far, base + slope * far)],
    )  # fmt: skip


def _title(period: FittedPeriod) -> str:
    use = f"{words.number(period.use_kwh)} kWh"
    if period.first is None or period.last is None:
        return use
    return f"{words.day(period.first)} – {words.day(period.last)}: {use}"
