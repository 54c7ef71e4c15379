"""
The energy behind delivered heat: waste heat, and the electricity that lifts and moves it.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class HeatMix:
    """
    kWh of heat handed over, and kWh of electricity that heat pumps and pumps took for it. The
    electricity of the servers belongs to computing (cut-off; domain reference, section 6.4).
    """

    delivered_kwh: Decimal
    uplift_kwh: Decimal

    @property
    def electricity(self) -> Decimal:
        """
        Return the share of electricity in the energy behind the heat, at most 1.
        """
        return min(self.uplift_kwh / self.delivered_kwh, Decimal(1))

    def kg_per_kwh(self, grid: Decimal) -> Decimal:
        """
        Return EF_heat = E_uplift × EF_el / Q in kg per kWh of heat, for a grid's kg per kWh.
        """
        return self.uplift_kwh * grid / self.delivered_kwh
