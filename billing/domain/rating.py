"""
Terms and quantities into lines: a pure function, the same lines for the same inputs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from billing.domain.money import to_cents

STANDING = "standing"
ENERGY = "energy"
_THOUSANDTH = Decimal("0.001")


@dataclass(frozen=True, slots=True)
class Stretch:
    """
    Part of a billing period under one version of the terms.

    `days` of the `days_in_month` local days; prices per kW and month and per kWh; `energy_kwh`
    as metered, None where the terms do not charge energy.
    """

    terms_id: int
    days: int
    days_in_month: int
    contracted_kw: Decimal | None
    price_per_kw: Decimal | None
    price_per_kwh: Decimal | None
    energy_kwh: Decimal | None
    vat_category: str
    vat_rate: Decimal


@dataclass(frozen=True, slots=True)
class RatedLine:
    """
    One charge: quantity to three decimals, net rounded half up once.
    """

    terms_id: int
    charge: str
    quantity: Decimal
    unit: str
    unit_price: Decimal
    vat_category: str
    vat_rate: Decimal
    formula: str

    @property
    def net(self) -> Decimal:
        return to_cents(self.quantity * self.unit_price)


def rate(stretches: Iterable[Stretch]) -> list[RatedLine]:
    """
    Return the lines of a billing period, per stretch the energy first.

    :raises ValueError: if the terms charge energy and none is given
    """
    lines = []
    for stretch in stretches:
        if stretch.price_per_kwh is not None:
            lines.append(_energy_line(stretch))
        if stretch.contracted_kw is not None:
            lines.append(_standing_line(stretch))
    return lines


def _energy_line(stretch: Stretch) -> RatedLine:
    if stretch.energy_kwh is None or stretch.price_per_kwh is None:
        raise ValueError("Terms with a price per kWh need the metered energy.")
    quantity = _rounded(stretch.energy_kwh)
    return RatedLine(
        terms_id=stretch.terms_id,
        charge=ENERGY,
        quantity=quantity,
        unit="kWh",
        unit_price=stretch.price_per_kwh,
        vat_category=stretch.vat_category,
        vat_rate=stretch.vat_rate,
        formula=f"{quantity} kWh × {stretch.price_per_kwh.normalize():f}",
    )


def _standing_line(stretch: Stretch) -> RatedLine:
    if stretch.contracted_kw is None or stretch.price_per_kw is None:
        raise ValueError("A standing charge needs contracted kW and a price.")
    share = Decimal(stretch.days) / stretch.days_in_month
    quantity = _rounded(stretch.contracted_kw * share)
    return RatedLine(
        terms_id=stretch.terms_id,
        charge=STANDING,
        quantity=quantity,
        unit="kW",
        unit_price=stretch.price_per_kw,
        vat_category=stretch.vat_category,
        vat_rate=stretch.vat_rate,
        formula=(
            f"{stretch.contracted_kw.normalize():f} kW × {stretch.days}/{stretch.days_in_month}"
            f" days × {stretch.price_per_kw.normalize():f}"
        ),
    )


def _rounded(quantity: Decimal) -> Decimal:
    return quantity.quantize(_THOUSANDTH, rounding=ROUND_HALF_UP)
