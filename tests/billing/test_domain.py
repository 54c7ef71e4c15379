"""
Cents, VAT and lines.
"""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.domain import money, rating


def _stretch(**given_values: object) -> rating.Stretch:
    values: dict[str, object] = {
        "terms_id": 1, "days": 31, "days_in_month": 31, "contracted_kw": None,
        "price_per_kw": None, "price_per_kwh": None, "energy_kwh": None, "vat_category": "S",
        "vat_rate": Decimal(20),
    }  # fmt: skip
    return rating.Stretch(**{**values, **given_values})  # type: ignore[arg-type]


def test_a_heat_bill_of_energy_and_standing_charge():
    lines = rating.rate(
        [
            _stretch(
                contracted_kw=Decimal(30),
                price_per_kw=Decimal(4),
                price_per_kwh=Decimal("0.0616"),
                energy_kwh=Decimal(17_772),
            )
        ]
    )

    assert [line.net for line in lines] == [Decimal("1094.76"), Decimal("120.00")]
    assert money.vat_by_rate(lines) == {("S", Decimal(20)): (Decimal("1214.76"), Decimal("242.95"))}


def test_a_fixed_fee_is_shared_by_local_days():
    # Worked invoice GT-1b: 30 kW at 14.1724 for 19 of 31 days.
    [line] = rating.rate(
        [_stretch(days=19, contracted_kw=Decimal(30), price_per_kw=Decimal("14.1724"))]
    )

    assert line.net == Decimal("260.59")


def test_energy_without_a_metered_figure_is_refused():
    with pytest.raises(ValueError, match="metered energy"):
        rating.rate([_stretch(price_per_kwh=Decimal("0.06"))])


def test_vat_is_taken_on_the_sum_and_not_per_line():
    # Worked example of pretix's documentation: 5 x 84.03 at 19 % gives 79.83.
    lines = [
        rating.RatedLine(1, "energy", Decimal(1), "x", Decimal("84.03"), "S", Decimal(19), "")
    ] * 5

    assert money.vat_by_rate(lines)["S", Decimal(19)][1] == Decimal("79.83")


@given(
    cents=st.integers(-(10**9), 10**9),
    weights=st.lists(st.integers(0, 10**6), min_size=1, max_size=12).filter(any),
)
def test_shares_add_up_and_are_within_a_cent(cents: int, weights: list[int]):
    amount = Decimal(cents) / 100
    shares = money.split(amount, [Decimal(weight) for weight in weights])

    assert sum(shares) == amount
    for share, weight in zip(shares, weights, strict=True):
        assert abs(share - amount * weight / sum(weights)) <= Decimal("0.01")
