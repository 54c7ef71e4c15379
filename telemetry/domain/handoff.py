"""
Whether a building has heat, judged from what was last measured at its hand-off.
"""

from __future__ import annotations

import enum
from decimal import Decimal

_TENTH = Decimal("0.1")


class HeatState(enum.StrEnum):
    """
    What can be said of the heat at a hand-off.
    """

    # Water arrives as warm as was asked for.
    WARM = "warm"
    # Heat arrives, in water cooler than was asked for.
    COOL = "cool"
    # Water is cooler than was asked for and the last full hour brought no heat.
    NONE = "none"
    # The temperature is not measured; the last full hour brought heat.
    FLOWING = "flowing"
    # The temperature is not measured; the last full hour brought no heat, perhaps as none was
    # wanted.
    RESTING = "resting"
    # There were readings, but none fresh enough to judge by.
    UNSEEN = "unseen"
    NOT_STARTED = "not_started"


def heat_state(
    *, supply_c: Decimal | None, required_c: Decimal, hour_kwh: Decimal | None, started: bool
) -> HeatState:
    """
    Judge by fresh figures only: `supply_c` in °C and the heat of the last full hour in kWh, None
    where they are not known.
    """
    if supply_c is None:
        if hour_kwh is None:
            return HeatState.UNSEEN if started else HeatState.NOT_STARTED
        return HeatState.FLOWING if hour_kwh > 0 else HeatState.RESTING
    # As the page prints it, so that 55.0 is never called cooler than 55.
    if supply_c.quantize(_TENTH) >= required_c:
        return HeatState.WARM
    return HeatState.NONE if hour_kwh is not None and hour_kwh <= 0 else HeatState.COOL
