"""
How far a heat meter may err: EN 1434 and directive 2014/32/EU, annex VI.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Range(enum.StrEnum):
    """
    Whether a point of work lies where the meter's error is limited at all.
    """

    WITHIN = "within"
    OUT_OF_RANGE = "OUT_OF_RANGE"


# Per accuracy class the flow sensor's error, per cent: base + slope · qp/q, at most 5.
_FLOW_ERROR = {1: (1.0, 0.01), 2: (2.0, 0.02), 3: (3.0, 0.05)}
_MOST_FLOW_ERROR = 5.0
# In service a meter may err twice as much (Germany: MessEV § 22 (2)); not to be exploited.
IN_SERVICE = 2.0


@dataclass(frozen=True, slots=True)
class PermissibleError:
    """
    Per cent of the energy: flow sensor, pair of temperature sensors, calculator. All None out
    of range, where no limit is defined.
    """

    flow: float | None
    temperatures: float | None
    calculator: float | None
    flag: Range = Range.WITHIN

    @property
    def total(self) -> float | None:
        if self.flow is None or self.temperatures is None or self.calculator is None:
            return None
        return self.flow + self.temperatures + self.calculator

    @property
    def in_service(self) -> float | None:
        return None if self.total is None else self.total * IN_SERVICE


def permissible_error(
    *, accuracy_class: int, dt_min: float, dt: float, qp: float, q: float, qi: float | None = None
) -> PermissibleError:
    """
    Return the greatest permissible error of a meter for new ones: `dt_min` the smallest and `dt`
    the present temperature difference, K; `qp` nominal, `qi` smallest and `q` present flow, m³/h.
    """
    if dt < dt_min or q <= 0 or (qi is not None and q < qi):
        return PermissibleError(None, None, None, Range.OUT_OF_RANGE)
    base, slope = _FLOW_ERROR[accuracy_class]
    return PermissibleError(
        flow=min(base + slope * qp / q, _MOST_FLOW_ERROR),
        temperatures=0.5 + 3 * dt_min / dt,
        calculator=0.5 + dt_min / dt,
    )
