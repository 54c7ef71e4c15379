"""
What an energy and heat statement says, when it may be issued, and for how long it holds.
"""

from __future__ import annotations

import datetime as dt
import enum
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from telemetry.domain.kpi import PUBLISHED_FROM, Reason

# The version of the method by which figures are made now; it stands in each statement, and its
# document is kept as it was (templates/methods/).
METHOD = "1.1"
# Others rely on a statement, so it rests on fewer estimates than a bill may (domain reference,
# section 2: at least 95 % measured).
ESTIMATED_AT_MOST = Decimal("0.05")


class Held(enum.StrEnum):
    """
    Why no statement is issued.
    """

    NO_METER = "no_meter"
    LOW_COVERAGE = "low_coverage"
    ESTIMATED = "estimated"
    CONTRADICTION = "contradiction"


@dataclass(frozen=True, slots=True)
class Figure:
    """
    One figure of a statement: `value` in `unit` or None with a `reason`; `coverage` is the share
    of hours measured, `estimated` the share of its energy that was estimated.
    """

    name: str
    value: Decimal | None
    unit: str
    basis: str
    places: int
    coverage: Decimal | None = None
    estimated: Decimal | None = None
    reason: str | None = None
    interim: bool = False
    # Whether a statement cannot be without it, and whether too little of it measured stands
    # against the whole statement.
    required: bool = False
    gates: bool = True

    def as_stated(self) -> dict[str, Any]:
        """
        Return it as it stands in the credential: figures as text, so that no reader rounds them.
        """
        told: dict[str, Any] = {"unit": self.unit, "basis": self.basis}
        if self.value is None:
            told["notStated"] = self.reason or Reason.NO_METER.value
        else:
            told["value"] = _text(self.value, self.places)
        if self.coverage is not None:
            told["coverage"] = _text(self.coverage, 4)
        if self.estimated is not None:
            told["estimatedShare"] = _text(self.estimated, 4)
        if self.interim and self.value is not None:
            told["interim"] = True
        return told


def _text(value: Decimal, places: int) -> str:
    return f"{value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP):f}"


@dataclass(frozen=True, slots=True)
class Obstacle:
    """
    One reason against a statement, with the figure it is about and the share that falls short.
    """

    why: Held
    figure: str
    share: Decimal | None = None

    def as_kept(self) -> dict[str, str]:
        kept = {"why": self.why.value, "figure": self.figure}
        return kept if self.share is None else kept | {"share": _text(self.share, 4)}


def obstacles(figures: Iterable[Figure]) -> list[Obstacle]:
    """
    Return what stands against issuing a statement of these figures; nothing is issued while any
    does. A figure without a meter only counts where the statement needs it.
    """
    found = []
    for figure in figures:
        if not figure.gates:
            continue
        if figure.reason == Reason.LOW_COVERAGE or (
            figure.coverage is not None and 0 < figure.coverage < PUBLISHED_FROM
        ):
            found.append(Obstacle(Held.LOW_COVERAGE, figure.name, figure.coverage))
        elif figure.reason == Reason.IMPLAUSIBLE:
            found.append(Obstacle(Held.CONTRADICTION, figure.name))
        elif figure.value is None and figure.required:
            found.append(Obstacle(Held.NO_METER, figure.name))
        if figure.estimated is not None and figure.estimated > ESTIMATED_AT_MOST:
            found.append(Obstacle(Held.ESTIMATED, figure.name, figure.estimated))
    return found


def canonical(content: Mapping[str, Any]) -> bytes:
    """
    Return the bytes whose digest stands for the content: JSON with sorted keys, no spaces.
    """
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def digest(content: Mapping[str, Any]) -> bytes:
    """
    Return the SHA-256 of the canonical form.
    """
    return hashlib.sha256(canonical(content)).digest()


def holds_until(period_end: dt.datetime, issued_at: dt.datetime) -> dt.datetime:
    """
    Return when a statement lapses: a year after the months it is about, and not sooner than
    thirty days after it was issued.
    """
    return max(period_end + dt.timedelta(days=365), issued_at + dt.timedelta(days=30))


def fingerprint(sha256: bytes) -> str:
    """
    Return the first half of a digest in groups a person can compare.
    """
    text = sha256.hex()[:32]
    return " ".join(text[n : n + 4] for n in range(0, 32, 4))
