"""
What is lost between a meter at the source and the customer's side of the hand-off.
"""

from __future__ import annotations

import enum
import math
from decimal import Decimal


class LossMethod(enum.StrEnum):
    """
    How delivered heat follows from what was metered.
    """

    # The customer's side is metered: nothing to take off.
    SINK_METER = "sink_meter"
    # A constant power for every hour in which the pipe is warm, whether heat is wanted or not.
    CONST_KW = "const_kw"
    PERCENT = "percent"


def delivered(
    metered_kwh: Decimal,
    method: LossMethod,
    *,
    loss_kw: Decimal | None = None,
    warm_hours: Decimal | None = None,
    loss_share: Decimal | None = None,
) -> Decimal:
    """
    Return the kWh delivered, never less than nothing. A constant loss needs `loss_kw` and
    `warm_hours`, one in per cent `loss_share` (0.03 for 3 %).

    :raises ValueError: if the method's figures are not given
    """
    if method == LossMethod.SINK_METER:
        return max(metered_kwh, Decimal(0))
    if method == LossMethod.CONST_KW:
        if loss_kw is None or warm_hours is None:
            raise ValueError("A constant loss needs its power and the hours the pipe was warm.")
        return max(metered_kwh - loss_kw * warm_hours, Decimal(0))
    if loss_share is None:
        raise ValueError("A loss in per cent needs its share.")
    return max(metered_kwh * (1 - loss_share), Decimal(0))


def insulation_u(*, conductivity: float, inner_m: float, outer_m: float) -> float:
    """
    Return U of an insulated pipe in W/(m·K), of its insulation alone: conductivity in W/(m·K),
    inner and outer diameter of the insulation in m.
    """
    return 2 * math.pi * conductivity / math.log(outer_m / inner_m)


def pipe_loss_kw(
    *, u: float, supply_c: float, return_c: float, ground_c: float, length_m: float
) -> float:
    """
    Return the heat lost by supply and return pipe together, kW; U of one pipe in W/(m·K).
    """
    return u * (supply_c + return_c - 2 * ground_c) * length_m / 1000
