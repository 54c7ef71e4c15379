"""
Native register units in kWh, exactly.
"""

from decimal import Decimal
from fractions import Fraction

# 1 kWh = 3.6 MJ exactly; 1 Gcal = 1163 kWh (Kamstrup MULTICAL 602 technical description, p. 31).
KWH_PER_UNIT = {
    "Wh": Fraction(1, 1000),
    "kWh": Fraction(1),
    "MWh": Fraction(1000),
    "GJ": Fraction(10000, 36),
    "Gcal": Fraction(1163),
}


class UnknownUnit(Exception):
    """
    The unit is not one an energy register can have.
    """


def to_kwh(amount: Decimal, unit: str, multiplier: Decimal = Decimal(1)) -> Decimal:
    """
    Return the energy in kWh of a register difference in its native unit, to nine decimals.

    :raises UnknownUnit: if the unit is not in `KWH_PER_UNIT`
    """
    try:
        exact = Fraction(amount) * KWH_PER_UNIT[unit] * Fraction(multiplier)
    except KeyError:
        raise UnknownUnit(unit) from None
    return round(Decimal(exact.numerator) / Decimal(exact.denominator), 9)
