"""
Whether a heat meter's register agrees with its volume and temperatures, and a site's heat with
what its servers took in: day by day, over what the channels really sent.
"""

from __future__ import annotations

import datetime as dt
import enum
import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.db.models import Count, Min, Sum

from sites.access import Kind, Viewer
from sites.domain import Period, local_days
from sites.models import Site
from telemetry.archive import bring_back
from telemetry.domain import heat
from telemetry.domain.heat import CrossCheck, FlowSensor
from telemetry.domain.units import BASE_UNITS, REGISTER_BASE, to_base
from telemetry.domain.vee import DEFAULTS
from telemetry.models import Channel, Installation, MeteringPoint, Reading, Rollup
from telemetry.queries.jointly import EnergyChannel, energy_channels, facility_inputs
from telemetry.queries.rule_settings import Regime, regime_at, regimes

# Between two readings further apart nothing is said about temperatures.
LONGEST_STEP = pd.Timedelta(hours=2)
_REGISTERS = tuple(REGISTER_BASE)
_M3H = {"m3/h": 1.0, "m³/h": 1.0, "l/h": 0.001}


class NoCheck(enum.StrEnum):
    """
    Why a day cannot be checked.
    """

    # Energy, volume or flow, or the temperatures are not sent.
    CHANNELS = "channels"
    NO_METER = "no_meter"
    # In which pipe the flow sensor sits is not stated.
    SENSOR = "sensor"
    # In what unit the meter counts volume is not described.
    REGISTER = "register"
    # Nothing was sent.
    SILENT = "silent"
    # The coefficient of water does not hold for glycol.
    FLUID = "fluid"


@dataclass(frozen=True, slots=True)
class DayCheck:
    """
    One local day of a meter; without a check the reason says why.
    """

    day: dt.date
    check: CrossCheck | None
    reason: NoCheck | None = None


def heat_checks(*, viewer: Viewer, point_id: int, first: dt.date, end: dt.date) -> list[DayCheck]:
    """
    Compare the energy register of a point with Σ k·V·ΔΘ on each local day from `first` up to but
    not including `end`; empty where the viewer may not see the point.

    Volume comes from its register or else from the flow; temperatures are means over each step,
    or follow from the meter's own E8 and E9.
    """
    point = MeteringPoint.objects.visible_to(viewer).select_related("site").filter(pk=point_id)
    found = point.first()
    if found is None:
        return []
    return day_checks(point=found, first=first, end=end)


def day_checks(*, point: MeteringPoint, first: dt.date, end: dt.date) -> list[DayCheck]:
    """
    Return the checks of a point's days, whoever asks, by the thresholds that held then.
    """
    days = [first + dt.timedelta(days=n) for n in range((end - first).days)]
    channels = {c.quantity: c for c in Channel.objects.filter(point=point)}
    if not _can_tell(set(channels)):
        return [DayCheck(day, None, NoCheck.CHANNELS) for day in days]
    zone = point.site.timezone
    period = local_days(first, end, zone)
    frame = _frame(channels, period)
    stays = list(
        Installation.objects.filter(
            point=point, valid__overlap=DateTimeTZRange(period.start, period.end)
        )
        .select_related("meter")
        .prefetch_related("meter__registers")
    )
    held = regimes(channel=channels["energy"], lower=period.start, upper=period.end)
    return [_day(day, zone, stays, frame, channels, held) for day in days]


def _can_tell(quantities: set[str]) -> bool:
    temperatures = {"supply", "return"} <= quantities and quantities & {"volume", "flow"}
    return "energy" in quantities and bool(temperatures or {"volume", "e8", "e9"} <= quantities)


def _frame(channels: dict[str, Channel], period: Period) -> pd.DataFrame:
    """
    Return what was sent, one column a quantity, with a little before and after the period.
    """
    told = {*_REGISTERS, "supply", "return", "flow"}
    wanted = {channel.pk: quantity for quantity, channel in channels.items() if quantity in told}
    margin = LONGEST_STEP.to_pytimedelta()
    bring_back(wanted, period.start - margin, period.end + margin)
    rows = Reading.objects.filter(
        channel__in=wanted, at__gte=period.start - margin, at__lt=period.end + margin
    ).values_list("channel_id", "at", "value")
    sent = pd.DataFrame.from_records(list(rows), columns=["channel", "at", "value"])
    sent["quantity"] = sent["channel"].map(wanted)
    frame = sent.pivot(index="at", columns="quantity", values="value").astype(float)
    frame.index = pd.DatetimeIndex(pd.to_datetime(frame.index, utc=True))
    for quantity in frame.columns.intersection(pd.Index(_REGISTERS)):
        dial = frame[quantity]
        # A register that has counted does not read zero again: that is lost communication.
        frame[quantity] = dial.where((dial != 0) | (dial.fillna(0).cummax() == 0))
    return frame.reindex(columns=[*wanted.values()])


def _day(
    day: dt.date,
    zone: str,
    stays: list[Installation],
    frame: pd.DataFrame,
    channels: dict[str, Channel],
    held: list[Regime],
) -> DayCheck:
    period = local_days(day, day + dt.timedelta(days=1), zone)
    # A day on which meters were exchanged is that of neither.
    there = [
        stay for stay in stays
        if (stay.valid.lower is None or stay.valid.lower <= period.start)
        and (stay.valid.upper is None or stay.valid.upper >= period.end)
    ]  # fmt: skip
    if not there:
        return DayCheck(day, None, NoCheck.NO_METER)
    meter = there[0].meter
    if not meter.flow_sensor:
        return DayCheck(day, None, NoCheck.SENSOR)
    if meter.fluid != "water":
        return DayCheck(day, None, NoCheck.FLUID)
    sizes = {"energy": _size(meter, "energy")}
    sizes |= {r.quantity: _size(r, r.quantity) for r in meter.registers.all()}
    if not _described(set(frame.columns), sizes):
        return DayCheck(day, None, NoCheck.REGISTER)
    steps = _steps(frame, period, sizes, str(channels["flow"].unit) if "flow" in channels else "")
    if steps.empty:
        return DayCheck(day, None, NoCheck.SILENT)
    computed = _computed(steps, FlowSensor(meter.flow_sensor))
    limits = regime_at(held, period.start)["xcheck"] or DEFAULTS["xcheck"]
    return DayCheck(
        day,
        heat.cross_check(
            float(steps["energy"].sum()),
            computed,
            covered=float(steps["seconds"].sum()) / (period.hours * 3600),
            resolution_kwh=float(meter.resolution) * sizes["energy"],
            warn_from=limits["warn"],
            fail_from=limits["fail"],
            resolutions=limits["resolutions"],
        ),
    )


def _described(sent: set[str], sizes: dict[str, float]) -> bool:
    needed = {"volume"} & sent if {"supply", "return"} <= sent else {"volume", "e8", "e9"}
    return needed <= set(sizes)


def _size(register: Any, quantity: str) -> float:
    base = REGISTER_BASE[quantity]
    if register.unit not in BASE_UNITS[base]:
        return float("nan")
    return float(to_base(Decimal(1), register.unit, register.multiplier, base=base))


def _steps(
    frame: pd.DataFrame, period: Period, sizes: dict[str, float], flow_unit: str
) -> pd.DataFrame:
    """
    Return the steps between readings within a period in which everything is known: what the
    registers counted, in base units, the mean temperatures and the seconds it took.
    """
    edges = pd.DatetimeIndex([period.start, period.end])
    whole = frame.reindex(frame.index.union(edges))
    filled = whole.interpolate(method="time", limit_area="inside")
    known = _bridged(whole)
    inside = filled.loc[period.start : period.end]
    ok = known.loc[period.start : period.end].iloc[:-1]
    instants = pd.DatetimeIndex(inside.index).tz_localize(None).to_numpy()
    seconds = np.diff(instants) / np.timedelta64(1, "s")
    steps = pd.DataFrame({"seconds": seconds}, index=inside.index[:-1])
    for quantity in inside.columns:
        values = inside[quantity].to_numpy()
        if quantity in _REGISTERS:
            counted = np.diff(values) * sizes.get(str(quantity), np.nan)
            steps[quantity] = np.where(counted >= 0, counted, np.nan)
        else:
            steps[quantity] = (values[:-1] + values[1:]) / 2
    if "volume" not in steps and "flow" in steps:
        steps["volume"] = steps["flow"] * _M3H.get(flow_unit, np.nan) * steps["seconds"] / 3600
    needed = ["energy", "volume"]
    needed += ["supply", "return"] if {"supply", "return"} <= set(steps) else ["e8", "e9"]
    valid: pd.Series[bool] = ok.all(axis=1) & steps[needed].notna().all(axis=1)
    return steps[valid]


def _bridged(frame: pd.DataFrame) -> pd.DataFrame:
    """
    Say for each step, by its beginning, whether readings near enough to each other enclose it.
    """
    at = pd.Series(frame.index, index=frame.index)
    found = {}
    for quantity in frame.columns:
        own = at.where(frame[quantity].notna())
        found[quantity] = own.bfill().shift(-1) - own.ffill() <= LONGEST_STEP
    return pd.DataFrame(found)


def _computed(steps: pd.DataFrame, sensor: FlowSensor) -> float:
    if {"supply", "return"} <= set(steps):
        kwh = heat.energy(steps["volume"], steps["supply"], steps["return"], sensor)
        return float(kwh.sum())
    volume, warm, cold = (float(steps[name].sum()) for name in ("volume", "e8", "e9"))
    if volume == 0:
        return 0.0
    # k hardly changes over a day, so that of the mean temperatures will do.
    k = heat.coefficient(warm / volume, cold / volume, sensor)
    return float(k) * max(warm - cold, 0.0)


class Balance(enum.StrEnum):
    """
    Whether heat handed over can have come from the servers and the heat pump.
    """

    OK = "ok"
    FAIL = "fail"
    TOO_FEW = "too_few"


@dataclass(frozen=True, slots=True)
class DayBalance:
    """
    kWh of one local day, None where too little of it was measured.
    """

    day: dt.date
    heat_kwh: Decimal | None
    it_kwh: Decimal | None
    upgrade_kwh: Decimal | None
    verdict: Balance


def heat_balance(*, viewer: Viewer, site_id: int, first: dt.date, end: dt.date) -> list[DayBalance]:
    """
    Return for each local day whether Q_heat ≤ 1.02 · E_IT + E_upgrade; empty where the viewer is
    not the operator, or where heat or IT is not metered.
    """
    site = Site.objects.visible_to(viewer).filter(pk=site_id).first()
    if site is None or viewer.kind is not Kind.OPERATOR:
        return []
    channels = energy_channels(site_ids=[site_id])
    given = facility_inputs(channels)
    uplift = [c for c in channels if c.boundary == MeteringPoint.Boundary.UPLIFT]
    if not given.heat or not given.it:
        return []
    return list(_balances(site, (given.heat, given.it, uplift), first, end))


def _balances(
    site: Site, groups: tuple[list[EnergyChannel], ...], first: dt.date, end: dt.date
) -> Iterator[DayBalance]:
    zone = zoneinfo.ZoneInfo(site.timezone)
    period = local_days(first, end, site.timezone)
    days = [
        {
            row["start_at"].astimezone(zone).date(): row["kwh"]
            for row in Rollup.objects.filter(
                channel__in=[c.channel_id for c in group], grain=Rollup.Grain.DAY,
                start_at__gte=period.start, start_at__lt=period.end,
            )
            .values("start_at")
            .annotate(kwh=Sum("energy_kwh"), least=Min("coverage"), count=Count("channel"))
            .filter(least__gte=heat.ENOUGH_SAMPLES, count=len(group))
        }
        for group in groups
    ]  # fmt: skip
    for n in range((end - first).days):
        day = first + dt.timedelta(days=n)
        warmth, it, upgrade = (found.get(day) for found in days)
        if not groups[2]:
            upgrade = Decimal(0)
        if warmth is None or it is None or upgrade is None:
            verdict = Balance.TOO_FEW
        else:
            fits = heat.balances(float(warmth), float(it), float(upgrade))
            verdict = Balance.OK if fits else Balance.FAIL
        yield DayBalance(day, warmth, it, upgrade, verdict)
