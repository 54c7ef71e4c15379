"""
Supply terms and the readings of a hand-off for tests.
"""

import datetime as dt
from decimal import Decimal
from typing import Any

from sites.models import DeliveryPoint
from telemetry import operations
from telemetry.domain.supply import read_bands, read_closures
from telemetry.models import Channel, SupplyTerms
from tests.factories_telemetry import add_channel, send

EVERY_REASON = ["partner", "outside", "cool", "return", "meter", "estimated"]
FIRST = dt.date(2025, 1, 6)
SOON = dt.datetime(2025, 1, 12, tzinfo=dt.UTC)


def agree(
    register: Channel, *, first_day: dt.date = FIRST, bands: str = "", closed: str = "",
    at: dt.datetime = SOON, **fields: Any,
) -> SupplyTerms:  # fmt: skip
    """
    Agree on terms of the delivery point of a register: every reason, 55 °C and 45 °C back.
    """
    agreed = {
        "supply_min_c": Decimal(55), "return_max_c": Decimal(45), "contracted_kw": Decimal(20),
        "promised_percent": Decimal(98), "estimated_percent": Decimal(10),
        "not_counted": EVERY_REASON, **fields,
    }  # fmt: skip
    return operations.agree_supply(
        delivery_point_id=place_of(register).pk, first_day=first_day, at=at, by_id=None,
        metering_point_id=register.point_id, bands=read_bands(bands),
        closures=read_closures(closed), **agreed,
    )  # fmt: skip


def place_of(register: Channel) -> DeliveryPoint:
    place = register.point.delivery_point
    assert place is not None
    return place


def gauge(register: Channel, quantity: Channel.Quantity, unit: str = "°C") -> Channel:
    channel = add_channel(point=register.point, quantity=quantity)
    channel.unit = unit
    channel.save(update_fields=["unit"])
    return channel


def count_up(
    register: Channel, start: dt.datetime, hours: int, *, kwh: float = 4, first: float = 1000,
    step_min: int = 15,
) -> None:  # fmt: skip
    """
    Let a register count `kwh` an hour.
    """
    steps = hours * 60 // step_min
    send(
        register,
        [
            (
                start + n * dt.timedelta(minutes=step_min),
                round(first + n * kwh * step_min / 60, 6),
            )
            for n in range(steps + 1)
        ],
    )


def settle(register: Channel, at: dt.datetime = SOON) -> int:
    return operations.settle_heat(delivery_point_id=place_of(register).pk, at=at)
