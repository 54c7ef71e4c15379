"""
Figures from one unit to another.
"""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.domain.conversion import UnlikeUnits, conversion, rounded
from telemetry.formats.csv_cells import figure_of


@pytest.mark.parametrize(
    ("figure", "given_unit", "wanted", "result"),
    [
        ("9057.296", "MWh", "kWh", "9057296"),
        ("1", "GJ", "kWh", "277.777777778"),
        ("36", "GJ", "MWh", "10"),
        ("1", "Gcal", "kWh", "1163"),
        ("72.1828571428571", "W", "kW", "0.072182857"),
        ("212", "degF", "°C", "100"),
        ("-40", "°C", "°F", "-40"),
        ("3600", "l/h", "m^3/h", "3.6"),
    ],
)
def test_figures_are_converted_to_nine_decimals(figure, given_unit, wanted, result):
    convert = conversion(given_unit, wanted)

    assert convert is not None
    assert Decimal(convert(figure) or "nan") == Decimal(result)


def test_the_same_unit_needs_nothing_and_unlike_ones_are_refused():
    assert conversion("m^3", "m³") is None
    assert conversion("kwh", "kWh") is None
    for pair in (("kW", "kWh"), ("K", "°C"), ("HCA", "kWh"), ("°C", "kWh")):
        with pytest.raises(UnlikeUnits):
            conversion(*pair)


@pytest.mark.parametrize("text", ["", "1,5", "NaN", "1e999", "$00", "1" * 16, "0x1", "١"])
def test_what_is_no_figure_is_not_converted(text: str):
    convert = conversion("MWh", "kWh")

    assert convert is not None
    assert convert(text) is None


@given(st.decimals(-(10**14), 10**14, places=9))
def test_there_and_back_loses_less_than_a_millionth(figure: Decimal):
    there, back = conversion("MWh", "GJ"), conversion("GJ", "MWh")
    assert there is not None
    assert back is not None

    again = back(there(f"{figure:f}") or "") if abs(figure) < 10**13 else f"{figure:f}"

    assert abs(Fraction(again or "0") - Fraction(figure)) < Fraction(1, 10**6)


def test_rounding_is_half_to_even_and_leaves_other_texts_alone():
    assert rounded("30364.453999999998", 3) == "30364.454"
    assert rounded("0.125", 2) == "0.12"
    assert rounded("2.5", 0) == "2"
    assert rounded("7", 3) == "7"
    assert rounded("01.07.2014", 3) == "01.07.2014"


@pytest.mark.parametrize(
    ("decimal", "thousands", "cell", "figure"),
    [
        (",", "", "12,5", "12.5"),
        (",", "", "-0,5", "-0.5"),
        (",", "", ",5", "0.5"),
        (",", "", "1.5", None),
        (",", ".", "1.234.567,5", "1234567.5"),
        (",", ".", "1.5", None),
        (",", ".", "12.34.567", None),
        (".", ",", "1,234.5", "1234.5"),
        (".", ",", "1,5", None),
        (",", " ", "1\u00a0234,5", "1234.5"),
        (".", "'", "1’234.5", "1234.5"),
        (",", "", "1,2E3", "1.2E3"),
        (",", "", "", None),
        (",", "", "-", None),
        (",", "", "12,5 kWh", None),
    ],
)
def test_a_separator_of_thousands_counts_between_groups_of_three(decimal, thousands, cell, figure):
    read = figure_of(decimal, thousands)

    assert read is not None
    assert read(cell) == figure
