"""
The rules of whole days, each a walk over the due days of a channel that tells of every day it could
look at what was broken there, or that nothing was.
"""

from __future__ import annotations

import datetime as dt
import itertools
import zoneinfo
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from sites.domain import Period, local_days
from telemetry.domain import vee, vee_usage
from telemetry.domain.heat import Verdict
from telemetry.domain.units import BASE_UNITS, REGISTER_BASE
from telemetry.models import Channel, Installation, Rollup
from telemetry.queries import rule_settings as settings
from telemetry.queries.heat_checks import day_checks
from telemetry.queries.jointly import energy_channels, facility_inputs

# Fewer days before tell nothing about what is usual.
_LEAST_DAYS = 8
DAY = dt.timedelta(days=1)


@dataclass
class DueDaysOf:
    """
    A channel with the days that are due and what its rollups say of them; kWh by local day or by
    the start of an hour, only where all of it is covered.
    """

    channel: Channel
    zone: str
    due: list[dt.date]
    daily: dict[dt.date, Decimal]
    held: list[settings.Regime]
    _hours: dict[dt.datetime, Decimal] | None = field(default=None, repr=False)

    @classmethod
    def read(cls, channel: Channel, due: list[dt.date]) -> DueDaysOf:
        zone = channel.site.timezone
        reach = local_days(due[0] - 366 * DAY, due[-1] + 366 * DAY, zone)
        held = settings.regimes(channel=channel, lower=reach.start, upper=reach.end)
        rows = Rollup.objects.filter(
            channel=channel, grain=Rollup.Grain.DAY, coverage=1, energy_kwh__isnull=False,
            start_at__gte=reach.start, start_at__lt=reach.end,
        ).values_list("start_at", "energy_kwh")  # fmt: skip
        there = zoneinfo.ZoneInfo(zone)
        daily = {start.astimezone(there).date(): kwh for start, kwh in rows if kwh is not None}
        return cls(channel, zone, due, daily, held)

    @property
    def is_energy(self) -> bool:
        return self.channel.quantity == Channel.Quantity.ENERGY or (
            self.channel.kind == Channel.Kind.INTERVAL
            and self.channel.quantity == Channel.Quantity.POWER
        )

    def period(self, day: dt.date) -> Period:
        return local_days(day, day + DAY, self.zone)

    def rules(self, day: dt.date) -> settings.Rules:
        return settings.regime_at(self.held, self.period(day).start)

    def hours(self) -> dict[dt.datetime, Decimal]:
        """
        Return the kWh of the whole hours of the due days and the days beside them.
        """
        if self._hours is None:
            reach = local_days(self.due[0] - DAY, self.due[-1] + 2 * DAY, self.zone)
            self._hours = hourly_kwh([self.channel.pk], reach)
        return self._hours

    def of_day(self, day: dt.date) -> list[tuple[dt.datetime, Decimal]] | None:
        """
        Return the hours of a day, None where one of them is not whole.
        """
        period = self.period(day)
        starts = _hours_of(period)
        hours = self.hours()
        return [(s, hours[s]) for s in starts] if all(s in hours for s in starts) else None


def _hours_of(period: Period) -> list[dt.datetime]:
    count = round((period.end - period.start) / vee.HOUR)
    return [period.start + n * vee.HOUR for n in range(count)]


def hourly_kwh(channel_ids: Sequence[int], period: Period) -> dict[dt.datetime, Decimal]:
    """
    Return the kWh of the hours of a period in which every one of the channels was measured, all
    together.
    """
    found: defaultdict[dt.datetime, list[Decimal]] = defaultdict(list)
    rows = Rollup.objects.filter(
        channel__in=channel_ids, grain=Rollup.Grain.HOUR, coverage=1, energy_kwh__isnull=False,
        start_at__gte=period.start, start_at__lt=period.end,
    )  # fmt: skip
    for start, kwh in rows.values_list("start_at", "energy_kwh"):
        found[start].append(kwh or Decimal(0))
    return {
        start: sum(parts, Decimal(0))
        for start, parts in found.items()
        if len(parts) == len(channel_ids)
    }


Looked = Iterator[tuple[str, dt.date, vee.Breach | None]]


def _breach(
    days: DueDaysOf, rule: str, day: dt.date, severity: int, detail: str, **more: Any
) -> vee.Breach:
    period = days.period(day)
    return vee.Breach(rule, period.start, period.end, severity, detail, **more)


def usual(days: DueDaysOf) -> Looked:
    """
    Compare days with those before them. A day is what the days after it are compared with, so
    these are looked at too.
    """
    if not days.is_energy:
        return
    reach = max(
        int((regime.rules[rule] or {"days": 0})["days"])
        for regime in days.held for rule in ("high_low", "iqr")
    )  # fmt: skip
    wanted = {day + n * DAY for day in days.due for n in range(reach + 1)}
    for day in sorted(wanted & set(days.daily)):
        rules = days.rules(day)
        for rule, judge in (("high_low", _high_low), ("iqr", _iqr)):
            limits = rules[rule]
            breach = None
            if limits is not None:
                before = [day - n * DAY for n in range(1, int(limits["days"]) + 1)]
                usual = [days.daily[d] for d in before if d in days.daily]
                if len(usual) >= _LEAST_DAYS:
                    breach = judge(days, day, usual, limits)
            yield rule, day, breach


def _high_low(
    days: DueDaysOf, day: dt.date, usual: list[Decimal], limits: Mapping[str, Any]
) -> vee.Breach | None:
    used, reference = days.daily[day], sum(usual, Decimal(0))
    low, high = Decimal(str(limits["low"])), Decimal(str(limits["high"]))
    mean = reference / len(usual)
    if max(used, mean) < Decimal(str(limits["min_kwh"])):
        return None
    found = vee_usage.high_low(
        used, Decimal(1), reference=reference, reference_days=Decimal(len(usual)),
        low=low, high=high,
    )  # fmt: skip
    if not found.fails or found.ratio is None:
        return None
    return _breach(
        days, "high_low", day, vee.LOW,
        f"{used:.1f} kWh on a day; the {len(usual)} days before it had {mean:.1f} kWh on average.",
        measured=found.ratio, limit=high if found.ratio > high else low,
    )  # fmt: skip


def _iqr(
    days: DueDaysOf, day: dt.date, usual: list[Decimal], limits: Mapping[str, Any]
) -> vee.Breach | None:
    found = vee_usage.far_above(
        days.daily[day], usual, times=Decimal(str(limits["times"])),
        least=Decimal(str(vee.DEFAULTS["high_low"]["min_kwh"])),
    )  # fmt: skip
    if not found.fails:
        return None
    return _breach(
        days, "iqr", day, vee.MEDIUM,
        f"{days.daily[day]:.1f} kWh on a day, far above the {len(usual)} days before it.",
        measured=found.ratio, limit=Decimal(str(limits["times"])),
    )  # fmt: skip


def spikes(days: DueDaysOf) -> Looked:
    if not days.is_energy:
        return
    for day in days.due:
        limits, hours = days.rules(day)["spike"], days.of_day(day)
        if hours is None:
            continue
        found = None
        total = sum((kwh for _, kwh in hours), Decimal(0))
        if limits is not None and total >= Decimal(str(limits["min_kwh"])):
            over = Decimal(str(limits["ratio"]))
            judged = vee_usage.spike([kwh for _, kwh in hours], over=over)
            if judged.fails:
                start, highest = max(hours, key=lambda hour: hour[1])
                is_mean = days.channel.kind == Channel.Kind.INTERVAL
                found = vee.Breach(
                    "spike", start, start + vee.HOUR, vee.MEDIUM,
                    f"{highest:.1f} kWh in one hour, out of line with the rest of its day.",
                    "estimate" if is_mean else "none", judged.ratio, over,
                )  # fmt: skip
        yield "spike", day, found


def sums(days: DueDaysOf) -> Looked:
    """
    Compare a register with the mean power of its point, summed over the day.
    """
    if days.channel.kind != Channel.Kind.REGISTER:
        return
    power = Channel.objects.filter(
        point_id=days.channel.point_id, quantity=Channel.Quantity.POWER,
        kind=Channel.Kind.INTERVAL,
    ).first()  # fmt: skip
    step = _resolution_kwh(days.channel)
    if power is None or step is None:
        return
    by_power = DueDaysOf.read(power, days.due).daily
    for day in days.due:
        if day not in days.daily or day not in by_power:
            continue
        limits = days.rules(day)["sum"]
        found = None
        if limits is not None:
            apart, most, fails = vee_usage.sums_differ(
                by_power[day], days.daily[day], resolution=step,
                share=Decimal(str(limits["share"])),
                resolutions=Decimal(str(limits["resolutions"])),
            )  # fmt: skip
            if fails:
                found = _breach(
                    days, "sum", day, vee.HIGH,
                    f"The register counted {days.daily[day]:.1f} kWh, the power adds up to"
                    f" {by_power[day]:.1f} kWh.",
                    measured=apart, limit=most,
                )  # fmt: skip
        yield "sum", day, found


def _resolution_kwh(channel: Channel) -> Decimal | None:
    """
    Return the coarsest step of the registers a channel ever had, in kWh.
    """
    base = BASE_UNITS[REGISTER_BASE[channel.quantity]]
    steps = []
    for stay in Installation.objects.filter(point_id=channel.point_id).select_related("meter"):
        size = base.get(stay.meter.unit)
        if size is not None:
            factor = Decimal(size.numerator) / Decimal(size.denominator)
            steps.append(stay.meter.resolution * stay.meter.multiplier * factor)
    return max(steps, default=None)


def no_heat(days: DueDaysOf) -> Looked:
    """
    Look for hours in which servers run and no heat is handed over anywhere at the site, though it
    is not said to be rejected.
    """
    if days.channel.kind != Channel.Kind.REGISTER or days.channel.point.boundary != "heat_handoff":
        return
    given = facility_inputs(energy_channels(site_ids=[days.channel.site_id]))
    if not given.it:
        return
    reach = local_days(days.due[0] - 2 * DAY, days.due[-1] + 3 * DAY, days.zone)
    it = hourly_kwh([c.channel_id for c in given.it], reach)
    heat = hourly_kwh([c.channel_id for c in given.heat], reach)
    rejected = set(
        Rollup.objects.filter(
            channel__site_id=days.channel.site_id, channel__quantity=Channel.Quantity.MODE,
            grain=Rollup.Grain.HOUR, mean__gt=1, start_at__gte=reach.start, start_at__lt=reach.end,
        ).values_list("start_at", flat=True)
    )  # fmt: skip
    rated = days.channel.site.rated_it_kw
    # Hours on either side of midnight are one stretch, so the days beside are looked at too.
    for day in sorted({due + n * DAY for due in days.due for n in (-1, 0, 1)}):
        limits, period = days.rules(day)["zero"], days.period(day)
        if not any(start in it and start in heat for start in _hours_of(period)):
            continue
        found = None
        if limits is not None:
            least = rated * Decimal(str(limits["it_share"]))
            idle = {
                start for start, kwh in heat.items()
                if kwh <= 0 and it.get(start, Decimal(0)) > least and start not in rejected
            }  # fmt: skip
            found = _longest_idle(days, day, idle, float(limits["hours"]))
        yield "zero", day, found


def _longest_idle(
    days: DueDaysOf, day: dt.date, idle: set[dt.datetime], longest: float
) -> vee.Breach | None:
    period = days.period(day)
    around_day = Period(period.start - DAY, period.end + DAY)
    worst: list[dt.datetime] = []
    runs = itertools.groupby(_hours_of(around_day), key=idle.__contains__)
    for run in (list(hours) for is_idle, hours in runs if is_idle):
        own = [start for start in run if period.start <= start < period.end]
        if own and len(run) > longest and len(own) > len(worst):
            worst = own
    if not worst:
        return None
    return vee.Breach(
        "zero", worst[0], worst[-1] + vee.HOUR, vee.MEDIUM,
        f"No heat for {len(worst)} hours of the day while the servers ran.",
        "none", Decimal(len(worst)), Decimal(str(longest)),
    )  # fmt: skip


def cross_checks(days: DueDaysOf) -> Looked:
    """
    Compare a heat register with its volume and temperatures.
    """
    if days.channel.kind != Channel.Kind.REGISTER:
        return
    # A month at a time, since every reading of it is held.
    for first, end in _portions(days.due):
        for one in day_checks(point=days.channel.point, first=first, end=end):
            if (
                one.check is None
                or one.check.verdict is Verdict.TOO_FEW
                or (one.day not in set(days.due))
            ):
                continue
            limits = days.rules(one.day)["xcheck"]
            found = None
            if limits is not None and one.check.verdict is not Verdict.OK:
                failed = one.check.verdict is Verdict.FAIL
                off = one.check.deviation
                found = _breach(
                    days, "xcheck", one.day, vee.HIGH if failed else vee.LOW,
                    f"The register counted {one.check.register_kwh:.1f} kWh, volume and"
                    f" temperatures give {one.check.computed_kwh:.1f} kWh.",
                    measured=None if off is None else Decimal(str(round(off, 9))),
                    limit=Decimal(str(limits["fail" if failed else "warn"])),
                )  # fmt: skip
            yield "xcheck", one.day, found


def _portions(due: Sequence[dt.date]) -> Iterator[tuple[dt.date, dt.date]]:
    start = due[0]
    for before, day in itertools.pairwise(due):
        if day - before > DAY or (day - start).days >= 31:
            yield start, before + DAY
            start = day
    yield start, due[-1] + DAY
