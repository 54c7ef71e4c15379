"""
The rules of validation on plain series: what is wrong, how badly, and what to count instead.

A check is a function of the readings and the thresholds alone, so running it again over the same
readings says the same. Instants are in order; registers are in their native unit.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from statistics import median
from typing import Any, NamedTuple

from telemetry.domain.estimates import LINEAR_UP_TO
from telemetry.domain.quality import Flag
from telemetry.domain.registers import MARGIN

HOUR = dt.timedelta(hours=1)
TICK = dt.timedelta(microseconds=1)
HIGH, MEDIUM, LOW = 1, 2, 3
# What is usual is told by a day on either side; a day may have 25 hours.
_NEIGHBOURS = dt.timedelta(hours=26)

# Sources: domain reference §2. M and R values are ours; the others are cited there.
DEFAULTS: dict[str, dict[str, Any]] = {
    "time": {"ahead_s": 120},
    "dup": {},
    "lost": {},
    "reset": {},
    # A register that comes back within this many hours only seemed to fall or leap.
    "dip": {"hours": 24},
    "rise": {},
    "stale": {"min_kwh": 20},
    "spike": {"ratio": 1.8, "min_kwh": 20},
    "limit": {
        "factor": 1.2, "set_aside_factor": 2, "low": 0, "high": 110, "sentinels": [-39.9, 999.9],
    },
    "sum": {"share": 0.005, "resolutions": 2},
    "high_low": {"low": 0.5, "high": 2, "days": 28, "min_kwh": 20},
    "iqr": {"times": 3, "days": 28},
    "flat": {"hours": 6},
    "zero": {"it_share": 0.2, "hours": 2},
    # A step is a gap from this many usual steps, and never below the hours. `auto`: what the
    # ladder of estimates says counts at once; `backup`: key of a channel that meters the same;
    # `region`: part of the country whose public holidays are days like Sundays.
    "gap": {"steps": 2.5, "hours": 1, "auto": False, "backup": "", "region": ""},
    "xcheck": {"warn": 0.03, "fail": 0.05, "resolutions": 2},
    # By how many steps of the register the meter's own month-end may differ from it.
    "stored": {"resolutions": 2},
    # How much of a bill may rest on estimates before a person looks, and before it waits.
    "share": {"review_percent": 2, "block_percent": 10},
}  # fmt: skip

Thresholds = Mapping[str, Mapping[str, Any] | None]
Reading = tuple[dt.datetime, Decimal]


class Replacement(NamedTuple):
    """
    What counts at an instant; a `value` of None sets the reading aside.
    """

    at: dt.datetime
    value: Decimal | None
    flag: Flag
    method: str


@dataclass(frozen=True, slots=True)
class Breach:
    """
    A stretch [start, end) that broke a rule. `automatic`: the rule acts on its own and the
    `values` count at once; else they are marks only and a person decides on the proposal.
    """

    rule: str
    start: dt.datetime
    end: dt.datetime
    severity: int
    detail: str
    proposal: str = "none"
    measured: Decimal | None = None
    limit: Decimal | None = None
    automatic: bool = False
    values: tuple[Replacement, ...] = ()


@dataclass(frozen=True, slots=True)
class Dial:
    """
    What a register can do: its size, and the most it counts in an hour, in native units;
    `kwh` is one unit's energy.
    """

    modulus: Decimal
    most_an_hour: Decimal
    kwh: Decimal = Decimal(1)

    def can_rise(self, by: Decimal, over: dt.timedelta) -> bool:
        return by <= self.most_an_hour * MARGIN * hours(over)


def hours(stretch: dt.timedelta) -> Decimal:
    """
    Return a stretch of time in hours.
    """
    return Decimal(stretch // TICK) / Decimal(HOUR // TICK)


def _aside(rows: Iterable[Reading], flag: Flag, method: str) -> tuple[Replacement, ...]:
    return tuple(Replacement(at, None, flag, method) for at, _ in rows)


@dataclass
class _Register:
    """
    One walk along a register: readings in trouble leave `rows`, what they broke is noted.
    """

    rows: list[Reading]
    dial: Dial
    rules: Thresholds
    power: Mapping[dt.datetime, Decimal]
    breaches: list[Breach] = field(default_factory=list)
    # Steps, named by the instant they end at, that nothing may be spread over.
    broken: set[dt.datetime] = field(default_factory=set)

    def on(self, rule: str) -> Mapping[str, Any] | None:
        return self.rules.get(rule, DEFAULTS[rule])

    def take_out(self, low: int, high: int, breach: Breach) -> None:
        self.breaches.append(breach)
        del self.rows[low:high]

    def lost(self) -> None:
        """
        Zeros between two figures of a register that went on counting are lost communication.
        """
        if self.on("lost") is None:
            return
        at = 1
        while at < len(self.rows):
            end = at
            while end < len(self.rows) and self.rows[end][1] == 0:
                end += 1
            before = self.rows[at - 1]
            if end > at and end < len(self.rows) and self._went_on(before, self.rows[end]):
                gone = self.rows[at:end]
                self.take_out(at, end, Breach(
                    "lost", gone[0][0], gone[-1][0] + TICK, LOW,
                    f"{len(gone)} readings of zero while the register stood at"
                    f" {before[1].normalize():f}.",
                    "set_aside", Decimal(len(gone)), automatic=True,
                    values=_aside(gone, Flag.MISSING, "lost communication"),
                ))  # fmt: skip
            at = max(end, at + 1) if end == at else at + 1

    def _went_on(self, before: Reading, after: Reading) -> bool:
        return before[1] > 0 and (after[1] >= before[1] or self._rolled(before, after))

    def _rolled(self, before: Reading, after: Reading) -> bool:
        rise = after[1] - before[1] + self.dial.modulus
        return rise >= 0 and self.dial.can_rise(rise, after[0] - before[0])

    def steps(self) -> None:
        """
        Falls and leaps: what comes back only seemed to happen; what stood still before it leapt
        caught up; the rest needs a person.
        """
        at = 1
        while at < len(self.rows):
            before, here = self.rows[at - 1], self.rows[at]
            change = here[1] - before[1]
            if change < 0 and not self._rolled(before, here):
                at += self._fall(at)
            elif change > 0 and not self.dial.can_rise(change, here[0] - before[0]):
                at += self._leap(at)
            else:
                at += 1

    def _comes_back(self, at: int) -> int | None:
        """
        Return the index of the first later reading that fits the one before `at`.
        """
        settings = self.on("dip")
        before = self.rows[at - 1]
        if settings is None:
            return None
        until = self.rows[at][0] + dt.timedelta(hours=settings["hours"])
        for index in range(at + 1, len(self.rows)):
            found = self.rows[index]
            if found[0] > until:
                return None
            rise = found[1] - before[1]
            if rise >= 0 and self.dial.can_rise(rise, found[0] - before[0]):
                return index
        return None

    def _fall(self, at: int) -> int:
        before, here = self.rows[at - 1], self.rows[at]
        back = self._comes_back(at)
        if back is not None:
            gone = self.rows[at:back]
            self.take_out(at, back, Breach(
                "dip", gone[0][0], gone[-1][0] + TICK, MEDIUM,
                f"The register fell from {before[1].normalize():f} to {here[1].normalize():f}"
                " and came back.",
                "set_aside", here[1], before[1], automatic=True,
                values=_aside(gone, Flag.SUSPECT, "fell and came back"),
            ))  # fmt: skip
            return 0
        self.broken.add(here[0])
        if self.on("reset") is not None:
            self.breaches.append(Breach(
                "reset", before[0], here[0] + TICK, HIGH,
                f"The register fell from {before[1].normalize():f} to {here[1].normalize():f}:"
                " reset, or another meter.",
                "exchange", here[1], before[1],
            ))  # fmt: skip
        return 1

    def _leap(self, at: int) -> int:
        before, here = self.rows[at - 1], self.rows[at]
        limit = self.dial.most_an_hour * MARGIN * hours(here[0] - before[0])
        first = self._stood_since(at)
        if first < at - 1 and self._caught_up(first, at):
            return first + 2 - at
        back = self._comes_back(at)
        # A leap that comes back is above what follows; a true one is below it.
        if back is not None and self.rows[back][1] < here[1]:
            gone = self.rows[at:back]
            self.take_out(at, back, Breach(
                "rise", gone[0][0], gone[-1][0] + TICK, MEDIUM,
                f"The register leapt to {here[1].normalize():f} and came back.",
                "set_aside", here[1] - before[1], limit, automatic=True,
                values=_aside(gone, Flag.SUSPECT, "leapt and came back"),
            ))  # fmt: skip
            return 0
        self.broken.add(here[0])
        if self.on("rise") is not None:
            self.breaches.append(Breach(
                "rise", before[0], here[0] + TICK, HIGH,
                "The register counted more than the meter can.",
                "none", here[1] - before[1], limit,
                values=(Replacement(here[0], here[1], Flag.SUSPECT, "more than it can"),),
            ))  # fmt: skip
        return 1

    def _stood_since(self, at: int) -> int:
        first = at - 1
        while first > 0 and self.rows[first - 1][1] == self.rows[at - 1][1]:
            first -= 1
        return first

    def _caught_up(self, first: int, at: int) -> bool:
        """
        Spread a leap over the time the register stood still, if it fits in there.
        """
        start, here = self.rows[first], self.rows[at]
        rise = here[1] - start[1]
        if self.on("stale") is None or not self.dial.can_rise(rise, here[0] - start[0]):
            return False
        self._note_stale(first, at, rise)
        return True

    def _note_stale(self, first: int, at: int, rise: Decimal) -> None:
        start, here = self.rows[first], self.rows[at]
        gone = self.rows[first + 1 : at]
        self.take_out(first + 1, at, Breach(
            "stale", start[0], here[0], LOW,
            f"The register stood at {start[1].normalize():f} and then caught up by"
            f" {rise.normalize():f}.",
            "set_aside", rise, automatic=True, values=_aside(gone, Flag.SCALED, "caught up"),
        ))  # fmt: skip

    def frozen(self) -> None:
        """
        A register that stands still while the power channel shows energy is stale too.
        """
        settings = self.on("stale")
        if settings is None or not self.power:
            return
        at = 1
        while at < len(self.rows):
            first = self._stood_since(at)
            if first < at - 1 and self.rows[at][1] > self.rows[at - 1][1]:
                stood = self._kwh_by_power(self.rows[first:at])
                rise = self.rows[at][1] - self.rows[first][1]
                # What it caught up has to be there to be spread: half of it at the least.
                if stood > settings["min_kwh"] and rise * self.dial.kwh > stood / 2:
                    self._note_stale(first, at, rise)
                    at = first + 1
            at += 1

    def _kwh_by_power(self, rows: Sequence[Reading]) -> Decimal:
        return sum(
            (
                self.power.get(begin, Decimal(0)) * hours(end - begin)
                for (begin, _), (end, _) in itertools.pairwise(rows)
            ),
            Decimal(0),
        )

    def gaps(self) -> None:
        settings = self.on("gap")
        if settings is None:
            return
        for at in range(1, len(self.rows)):
            (start, opening), (end, closing) = self.rows[at - 1], self.rows[at]
            longest = max(
                self._usual_step(at) * float(settings["steps"]), HOUR * float(settings["hours"])
            )
            if end - start > longest and end not in self.broken:
                self.breaches.append(Breach(
                    "gap", start, end, LOW,
                    f"No readings for {hours(end - start).normalize():f} h; both ends are"
                    f" known, {(closing - opening).normalize():f} in between.",
                    "estimate", hours(end - start), hours(longest),
                    automatic=end - start <= LINEAR_UP_TO,
                ))  # fmt: skip

    def _usual_step(self, at: int) -> dt.timedelta:
        """
        Return the usual step of the day before and the day after a step, so that it does not
        matter how much else is looked at.
        """
        step = self.rows[at][0] - self.rows[at - 1][0]
        if step <= HOUR * float((self.on("gap") or {})["hours"]):
            return step
        steps = []
        low = at - 1
        while low > 0 and self.rows[at - 1][0] - self.rows[low - 1][0] <= _NEIGHBOURS:
            steps.append(self.rows[low][0] - self.rows[low - 1][0])
            low -= 1
        high = at
        while (
            high < len(self.rows) - 1 and self.rows[high + 1][0] - self.rows[at][0] <= _NEIGHBOURS
        ):
            steps.append(self.rows[high + 1][0] - self.rows[high][0])
            high += 1
        return HOUR * float(median(step / HOUR for step in steps)) if steps else step


def check_register(
    rows: Sequence[Reading],
    *,
    dial: Dial,
    rules: Thresholds | None = None,
    power: Mapping[dt.datetime, Decimal] | None = None,
) -> tuple[list[Breach], list[Reading]]:
    """
    Return what is wrong with the readings of one installed meter, and the readings that remain.
    `power` is kW by instant; `rules` overrides DEFAULTS by rule, None switching one off.
    """
    walk = _Register(list(rows), dial, rules or {}, power or {})
    # Before it first counted a register may read zero for a long time.
    while len(walk.rows) > 1 and walk.rows[0][1] == 0 and walk.rows[1][1] == 0:
        walk.rows.pop(0)
    walk.lost()
    walk.steps()
    walk.frozen()
    walk.gaps()
    return walk.breaches, walk.rows


def runs(rows: Sequence[Reading], wanted: Iterable[bool]) -> list[list[Reading]]:
    """
    Return the stretches of neighbouring readings that are wanted.
    """
    found: list[list[Reading]] = []
    open_run = False
    for row, want in zip(rows, wanted, strict=True):
        if want and open_run:
            found[-1].append(row)
        elif want:
            found.append([row])
        open_run = want
    return found


def check_values(
    rows: Sequence[Reading],
    *,
    is_temperature: bool,
    rated: Decimal | None,
    zeros: frozenset[dt.datetime] | set[dt.datetime] = frozenset(),
    rules: Thresholds | None = None,
) -> list[Breach]:
    """
    Return what is wrong with the readings of a gauge or of interval means: °C, or power in the
    unit of `rated`. At the instants of `zeros` the whole point lost its communication.
    """
    given = rules or {}
    breaches: list[Breach] = []
    left = list(rows)
    if given.get("lost", DEFAULTS["lost"]) is not None and zeros:
        for run in runs(left, [value == 0 and at in zeros for at, value in left]):
            breaches.append(Breach(
                "lost", run[0][0], run[-1][0] + TICK, LOW,
                f"{len(run)} readings of zero while the meter was not reached.",
                "set_aside", Decimal(len(run)), automatic=True,
                values=_aside(run, Flag.MISSING, "lost communication"),
            ))  # fmt: skip
        left = [(at, value) for at, value in left if value != 0 or at not in zeros]
    limit = given.get("limit", DEFAULTS["limit"])
    if limit is not None:
        found, left = _limits(left, limit, is_temperature, rated)
        breaches += found
    flat = given.get("flat", DEFAULTS["flat"])
    if flat is not None:
        breaches += _flat(left, flat)
    return breaches


def _limits(
    rows: list[Reading], limit: Mapping[str, Any], is_temperature: bool, rated: Decimal | None
) -> tuple[list[Breach], list[Reading]]:
    low, high = Decimal(str(limit["low"])), Decimal(str(limit["high"]))
    doubted = high
    sentinels = {Decimal(str(value)) for value in limit["sentinels"]}
    if not is_temperature:
        if rated is None:
            return [], rows
        doubted = rated * Decimal(str(limit["factor"]))
        high = rated * Decimal(str(limit["set_aside_factor"]))
        # A meter may return a little; power that runs backwards is another matter.
        low = -doubted if low == 0 else low
    beyond = [value > high or value < low or value in sentinels for _, value in rows]
    breaches = [_beyond(run, low, high, aside=True) for run in runs(rows, beyond)]
    doubtful = [not out and value > doubted for out, (_, value) in zip(beyond, rows, strict=True)]
    breaches += [_beyond(run, low, doubted, aside=False) for run in runs(rows, doubtful)]
    return breaches, [row for row, out in zip(rows, beyond, strict=True) if not out]


def _beyond(run: list[Reading], low: Decimal, high: Decimal, *, aside: bool) -> Breach:
    worst = max((value for _, value in run), key=abs)
    values = _aside(run, Flag.SUSPECT, "beyond what is possible") if aside else tuple(
        Replacement(at, value, Flag.SUSPECT, "beyond the rated power") for at, value in run
    )  # fmt: skip
    return Breach(
        "limit", run[0][0], run[-1][0] + TICK, MEDIUM if aside else HIGH,
        f"{len(run)} readings outside {low.normalize():f} to {high.normalize():f}.",
        "set_aside" if aside else "none", worst, high if worst > high else low,
        automatic=aside, values=values,
    )  # fmt: skip


def _flat(rows: Sequence[Reading], flat: Mapping[str, Any]) -> list[Breach]:
    longest = HOUR * float(flat["hours"])
    breaches = []
    start = 0
    for index in range(1, len(rows) + 1):
        if index < len(rows) and rows[index][1] == rows[start][1]:
            continue
        first, last = rows[start], rows[index - 1]
        if first[1] != 0 and last[0] - first[0] > longest:
            breaches.append(Breach(
                "flat", first[0], last[0] + TICK, MEDIUM,
                f"{first[1].normalize():f} without change.",
                "none", hours(last[0] - first[0]), hours(longest),
            ))  # fmt: skip
        start = index
    return breaches


def interval_gaps(rows: Sequence[Reading], interval: dt.timedelta) -> list[Breach]:
    """
    Return the stretches in which interval means are missing; their total is unknown.
    """
    breaches = []
    for (before, _), (here, _) in itertools.pairwise(rows):
        missing = here - before - interval
        if missing > interval / 2:
            breaches.append(Breach(
                "gap", before + interval, here, HIGH if missing > dt.timedelta(days=7) else MEDIUM,
                f"No readings for {hours(missing).normalize():f} h, and nothing tells the"
                " total.",
                "estimate", hours(missing), hours(interval),
            ))  # fmt: skip
    return breaches


# --- Checks of a day -------------------------------------------------------------------------
