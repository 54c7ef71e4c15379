"""
Native register units, exactly: energy in kWh, volume in m³, energy-volume in m³·°C.
"""

from decimal import Decimal
from fractions import Fraction

# 1 kWh = 3.6 MJ exactly; 1 Gcal = 1163 kWh (Kamstrup MULTICAL 602 technical description, p. 31).
# A pulse is worth its weight, which is the meter's multiplier.
KWH_PER_UNIT = {
    "Wh": Fraction(1, 1000),
    "kWh": Fraction(1),
    "MWh": Fraction(1000),
    "J": Fraction(1, 3_600_000),
    "kJ": Fraction(1, 3600),
    "MJ": Fraction(10, 36),
    "GJ": Fraction(10000, 36),
    "Mcal": Fraction(1163, 1000),
    "Gcal": Fraction(1163),
    "pulse": Fraction(1),
}
M3_PER_UNIT = {"m3": Fraction(1), "l": Fraction(1, 1000), "pulse": Fraction(1)}
# Kamstrup's E8 and E9 and other makes' "m3 x °C".
M3C_PER_UNIT = {"m3C": Fraction(1)}

ENERGY, VOLUME, ENERGY_VOLUME = "kWh", "m³", "m³·°C"
# By what a register counts: the unit that everything is told in, and the native ones.
BASE_UNITS = {ENERGY: KWH_PER_UNIT, VOLUME: M3_PER_UNIT, ENERGY_VOLUME: M3C_PER_UNIT}
REGISTER_BASE = {
    "energy": ENERGY,
    "cooling_energy": ENERGY,
    "volume": VOLUME,
    "e8": ENERGY_VOLUME,
    "e9": ENERGY_VOLUME,
}


class UnknownUnit(Exception):
    """
    The unit is not one such a register can have.
    """


def to_base(
    amount: Decimal, unit: str, multiplier: Decimal = Decimal(1), *, base: str = ENERGY
) -> Decimal:
    """
    Return a register difference in its native unit in the base unit, to nine decimals. This is
    the only place where it is converted, so nothing is rounded twice.

    :raises UnknownUnit: if the unit is not one of the base unit's
    """
    try:
        exact = Fraction(amount) * BASE_UNITS[base][unit] * Fraction(multiplier)
    except KeyError:
        raise UnknownUnit(unit) from None
    return round(Decimal(exact.numerator) / Decimal(exact.denominator), 9)


def to_kwh(amount: Decimal, unit: str, multiplier: Decimal = Decimal(1)) -> Decimal:
    """
    Return the energy in kWh of a register difference in its native unit, to nine decimals.

    :raises UnknownUnit: if the unit is not in `KWH_PER_UNIT`
    """
    return to_base(amount, unit, multiplier)
