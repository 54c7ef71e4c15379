"""
Which thresholds each rule of validation has, and what they may be.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from telemetry.domain.vee import DEFAULTS


@dataclass(frozen=True, slots=True)
class Bounds:
    """
    What a threshold may be: a number from `least` to `most`, several numbers, a text or a switch.
    """

    least: float = 0.0
    most: float = 1e6
    is_list: bool = False
    is_text: bool = False
    is_switch: bool = False


_SHARE = Bounds(0.0001, 1)
_HOURS = Bounds(0.25, 24 * 60)
_DAYS = Bounds(8, 366)
_RATIO = Bounds(0.01, 1000)
_KWH = Bounds(0, 1e6)

BOUNDS: dict[str, dict[str, Bounds]] = {
    "time": {"ahead_s": Bounds(1, 300)},
    "dip": {"hours": Bounds(0.25, 48)},
    "stale": {"min_kwh": _KWH},
    "spike": {"ratio": _RATIO, "min_kwh": _KWH},
    "limit": {
        "factor": Bounds(0.1, 100), "set_aside_factor": Bounds(0.1, 1000), "low": Bounds(-273, 1e6),
        "high": Bounds(-273, 1e6), "sentinels": Bounds(-1e9, 1e9, is_list=True),
    },
    "sum": {"share": _SHARE, "resolutions": Bounds(0, 1000)},
    "high_low": {"low": Bounds(0, 1), "high": Bounds(1, 1000), "days": _DAYS, "min_kwh": _KWH},
    "iqr": {"times": _RATIO, "days": _DAYS},
    "flat": {"hours": Bounds(0.25, 47)},
    "zero": {"it_share": _SHARE, "hours": Bounds(1, 24)},
    "gap": {
        "steps": Bounds(1.1, 1000), "hours": _HOURS, "auto": Bounds(is_switch=True),
        "backup": Bounds(is_text=True), "region": Bounds(is_text=True),
    },
    "xcheck": {"warn": _SHARE, "fail": _SHARE, "resolutions": Bounds(0, 1000)},
    "stored": {"resolutions": Bounds(0, 1000)},
    "share": {"review_percent": Bounds(0, 100), "block_percent": Bounds(0, 100)},
}  # fmt: skip

# Of each pair the first may not be above the second.
_IN_ORDER = (
    ("factor", "set_aside_factor"), ("low", "high"), ("warn", "fail"),
    ("review_percent", "block_percent"),
)  # fmt: skip


class ThresholdRefused(ValueError):
    """
    A threshold that its rule does not have, or that is not what it may be; `name` says which.
    """

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"{name}: {why}")
        self.name = name
        self.why = why


def checked(rule: str, thresholds: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return the thresholds of a rule, whole and within their bounds.

    :raises ThresholdRefused: naming the first that is not
    """
    bounds = BOUNDS.get(rule, {})
    for name in thresholds:
        if name not in bounds:
            raise ThresholdRefused(name, "this rule has no such threshold")
    whole = {**DEFAULTS[rule], **thresholds}
    for name, bound in bounds.items():
        _check(name, whole[name], bound)
    for low, high in _IN_ORDER:
        if low in whole and high in whole and whole[low] > whole[high]:
            raise ThresholdRefused(low, f"must not be above {whole[high]}")
    return whole


def _check(name: str, value: Any, bound: Bounds) -> None:
    if bound.is_text or bound.is_switch:
        if not isinstance(value, str if bound.is_text else bool):
            raise ThresholdRefused(name, "is not understood")
        return
    for figure in value if bound.is_list else [value]:
        if isinstance(figure, bool) or not isinstance(figure, int | float):
            raise ThresholdRefused(name, "is not a number")
        if not bound.least <= figure <= bound.most:
            raise ThresholdRefused(name, f"must be from {bound.least:g} to {bound.most:g}")
