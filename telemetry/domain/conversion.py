"""
Figures from one unit to another, exactly, on plain text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Context, Decimal, InvalidOperation
from fractions import Fraction

# Any number of decimals up to sense: the result is rounded in any case.
_FIGURE = re.compile(r"[+-]?(?:\d{1,15}(?:\.\d{0,30})?|\.\d{1,30})(?:[eE][+-]?\d)?", re.ASCII)
# Unit: what it measures and how many of the first unit of that kind it is.
_UNITS: dict[str, tuple[str, Fraction]] = {
    "Wh": ("energy", Fraction(1)),
    "kWh": ("energy", Fraction(1000)),
    "MWh": ("energy", Fraction(10**6)),
    "GWh": ("energy", Fraction(10**9)),
    "J": ("energy", Fraction(1, 3600)),
    "kJ": ("energy", Fraction(1000, 3600)),
    "MJ": ("energy", Fraction(10**6, 3600)),
    "GJ": ("energy", Fraction(10**9, 3600)),
    # 1 Gcal = 1163 kWh (Kamstrup MULTICAL 602 technical description, p. 31).
    "Mcal": ("energy", Fraction(1163)),
    "Gcal": ("energy", Fraction(1163 * 1000)),
    "W": ("power", Fraction(1)),
    "kW": ("power", Fraction(1000)),
    "MW": ("power", Fraction(10**6)),
    "J/h": ("power", Fraction(1, 3600)),
    "MJ/h": ("power", Fraction(10**6, 3600)),
    "GJ/h": ("power", Fraction(10**9, 3600)),
    "m³": ("volume", Fraction(1)),
    "l": ("volume", Fraction(1, 1000)),
    "m3C": ("volume times temperature", Fraction(1)),
    "m³/h": ("flow", Fraction(1)),
    "m³/s": ("flow", Fraction(3600)),
    "l/h": ("flow", Fraction(1, 1000)),
    "l/min": ("flow", Fraction(60, 1000)),
    "l/s": ("flow", Fraction(3600, 1000)),
    "bar": ("pressure", Fraction(1)),
    "mbar": ("pressure", Fraction(1, 1000)),
    "hPa": ("pressure", Fraction(1, 1000)),
    "kPa": ("pressure", Fraction(1, 100)),
    "s": ("time", Fraction(1)),
    "min": ("time", Fraction(60)),
    "h": ("time", Fraction(3600)),
    "d": ("time", Fraction(86400)),
}
# °C = (figure + before) x factor, exactly.
_TO_CELSIUS = {"°C": (Fraction(0), Fraction(1)), "°F": (Fraction(-32), Fraction(5, 9))}
_ALSO_WRITTEN = {
    "C": "°C", "degC": "°C", "deg C": "°C", "celsius": "°C", "℃": "°C",
    "F": "°F", "degF": "°F", "deg F": "°F",
    "m3": "m³", "m^3": "m³", "m3/h": "m³/h", "m^3/h": "m³/h", "m3/s": "m³/s",
    "L": "l", "litre": "l", "L/h": "l/h", "L/min": "l/min", "L/s": "l/s",
    "w": "W", "c": "°C", "m3xC": "m3C",
    "KWH": "kWh", "kwh": "kWh", "KWh": "kWh", "Kwh": "kWh", "MWH": "MWh", "WH": "Wh", "wh": "Wh",
    "KW": "kW", "kw": "kW", "Watt": "W", "Watts": "W", "watts": "W",
}  # fmt: skip

# Twenty-four digits of a figure times those of any factor, without rounding on the way.
_WIDE = Context(prec=80)
_NINE = Decimal("1E-9")

Conversion = Callable[[str], str | None]


class UnlikeUnits(Exception):
    """
    A figure in the one unit cannot be told in the other.
    """


def unit_as_written(text: str) -> str:
    """
    Return the unit in the portal's spelling: m³ for m^3, °C for degC.
    """
    plain = text.strip()
    return _ALSO_WRITTEN.get(plain, plain)


def known_units() -> list[str]:
    """
    Return every unit that can be converted.
    """
    return [*_UNITS, *_TO_CELSIUS]


def conversion(given: str, wanted: str) -> Conversion | None:
    """
    Return what turns a figure's text from one unit into the other, to nine decimals; None where
    nothing needs to be done. The result of the function is None for what is no figure.

    :raises UnlikeUnits: if the units measure different things or one is not known
    """
    source, target = unit_as_written(given), unit_as_written(wanted)
    if source == target:
        return None
    if source in _TO_CELSIUS and target in _TO_CELSIUS:
        return _between_temperatures(source, target)
    try:
        (kind, one), (other_kind, other) = _UNITS[source], _UNITS[target]
    except KeyError:
        raise UnlikeUnits(f"{source} cannot be told in {target}.") from None
    if kind != other_kind:
        raise UnlikeUnits(f"{source} cannot be told in {target}.")
    return _linear(Fraction(0), one / other, Fraction(0))


def _between_temperatures(source: str, target: str) -> Conversion:
    (before, up), (after, down) = _TO_CELSIUS[source], _TO_CELSIUS[target]
    return _linear(before, up / down, -after)


def _linear(before: Fraction, factor: Fraction, after: Fraction) -> Conversion:
    numerator, denominator = Decimal(factor.numerator), Decimal(factor.denominator)
    first, last = Decimal(int(before)), Decimal(int(after))

    def converted(text: str) -> str | None:
        if not _FIGURE.fullmatch(text):
            return None
        figure = _WIDE.add(Decimal(text), first)
        scaled = _WIDE.divide(_WIDE.multiply(figure, numerator), denominator)
        return f"{_WIDE.quantize(_WIDE.add(scaled, last), _NINE):f}".rstrip("0").rstrip(".")

    return converted


def rounded(text: str, decimals: int) -> str:
    """
    Return a figure's text with at most so many decimals, half to even; what is no figure is
    returned as it is.
    """
    point = text.find(".")
    if point < 0 or len(text) - point - 1 <= decimals:
        return text
    try:
        return f"{_WIDE.quantize(Decimal(text), Decimal(1).scaleb(-decimals)):f}"
    except InvalidOperation:
        return text
