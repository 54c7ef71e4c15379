"""
What an estimate of a stretch is made from, and the values that follow.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import itertools
import zoneinfo
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db import connection

from telemetry.archive import bring_back
from telemetry.domain import ladder, vee
from telemetry.domain.ladder import DAY, NotEstimable, Slot
from telemetry.domain.quality import Flag
from telemetry.models import Channel, Decision, Installation, Rollup
from telemetry.queries.dials import KW_PER_UNIT, dials, power_channel
from telemetry.queries.public_holidays import public_holidays
from telemetry.queries.rule_settings import thresholds_of

HOUR = vee.HOUR
# How far back like days are looked for.
_LIKE_WITHIN = dt.timedelta(days=60)
Wanted = list[tuple[dt.datetime, Decimal | None, Flag]]


@dataclass(frozen=True, slots=True)
class Proposal:
    """
    Values that could count over a stretch [start, end), in the channel's native unit; None sets the
    reading there aside. `slots` with their kWh are for people.
    """

    start: dt.datetime
    end: dt.datetime
    wanted: Wanted
    method: str
    flag: Flag
    slots: list[tuple[Slot, Decimal]]

    @property
    def kwh(self) -> Decimal:
        return sum((kwh for _, kwh in self.slots), Decimal(0))

    @property
    def digest(self) -> str:
        """
        Tells two proposals apart, so that nobody accepts another one than was shown.
        """
        return hashlib.sha256(repr(as_json(self.wanted)).encode()).hexdigest()[:16]


def as_json(wanted: Wanted) -> list[list[str | None]]:
    """
    Return values as a decision keeps them.
    """
    return [
        [at.astimezone(dt.UTC).isoformat(), None if value is None else f"{value:f}", flag.value]
        for at, value, flag in wanted
    ]


def estimate(*, channel: Channel, start: dt.datetime, end: dt.datetime) -> Proposal:
    """
    Return what the ladder of estimates says of a stretch of a channel, whatever its readings say.

    :raises NotEstimable: naming why no rung reaches
    """
    if channel.kind == Channel.Kind.REGISTER:
        return _register(channel, start, end)
    if channel.kind == Channel.Kind.INTERVAL and channel.unit in KW_PER_UNIT:
        return _means(channel, start, end)
    raise NotEstimable("Only energy and mean power are estimated; this can only be left out.")


def set_aside(*, channel: Channel, start: dt.datetime, end: dt.datetime) -> Proposal:
    """
    Return that every reading of a stretch is left out.
    """
    wanted: Wanted = [
        (at, None, Flag.SUSPECT) for at, _ in read(channel.pk, start, end)
    ]  # fmt: skip
    return Proposal(start, end, wanted, "left out", Flag.SUSPECT, [])


def typed_in(*, start: dt.datetime, end: dt.datetime, wanted: Wanted) -> Proposal:
    """
    Return values that a person typed in as a proposal.
    """
    return Proposal(start, end, wanted, "typed in", Flag.EDITED, [])


def wanted_of(decision: Decision) -> Wanted:
    """
    Return the values of a decision.
    """
    return [
        (dt.datetime.fromisoformat(at), None if value is None else Decimal(value), Flag(flag))
        for at, value, flag in decision.wanted
    ]


# --- Registers -------------------------------------------------------------------------------


def _register(channel: Channel, start: dt.datetime, end: dt.datetime) -> Proposal:
    opening, closing = _anchors(channel.pk, start, end)
    if opening is None:
        raise NotEstimable("There is no reading before it to count on from.")
    stay, dial = _stay(channel, opening[0])
    goes = stay.valid.upper
    if closing is not None and goes is not None and closing[0] >= goes:
        # What another meter shows tells nothing about this one.
        closing = None
        end = min(end, goes)
    total = None
    if closing is not None:
        rise = closing[1] - opening[1]
        if rise < 0:
            rise += dial.modulus
        if rise < 0 or (
            rise != closing[1] - opening[1] and not dial.can_rise(rise, closing[0] - opening[0])
        ):
            raise NotEstimable(
                "The register fell in between, so nothing may be spread over it: record an"
                " exchange of the meter."
            )  # fmt: skip
        total, end = rise * dial.kwh, closing[0]
    if end <= opening[0]:
        raise NotEstimable("Nothing lies between the readings around it.")
    slots = _hour_slots(channel, opening[0], end)
    found = ladder.spread(slots, _known(channel, slots), total=total)
    values = _counted(opening[1], slots, found.kwh, dial)
    if total is not None:
        # The reading that ends the stretch is there itself.
        values.pop()
    mine = {at for at, _ in values}
    inner = read(channel.pk, opening[0] + vee.TICK, end)
    aside = [at for at, _ in inner if at not in mine and (total is not None or at <= end)]
    wanted: Wanted = [(at, value, found.flag) for at, value in values]
    wanted += [(at, None, Flag.SUSPECT) for at in aside]
    return Proposal(
        opening[0], end, sorted(wanted, key=lambda w: w[0]), str(found.rung), found.flag,
        list(zip(slots, found.kwh, strict=True)),
    )  # fmt: skip


def _counted(
    opening: Decimal, slots: Sequence[Slot], kwh: Sequence[Decimal], dial: vee.Dial
) -> list[vee.Reading]:
    counter, rows = opening, []
    for (_, end), part in zip(slots, kwh, strict=True):
        counter += part / dial.kwh
        rows.append((end, round(counter % dial.modulus, 9)))
    return rows


def _stay(channel: Channel, at: dt.datetime) -> tuple[Installation, vee.Dial]:
    there = [
        (stay, dial) for stay, dial in dials(channel, at, at)
        if (stay.valid.lower is None or stay.valid.lower <= at)
        and (stay.valid.upper is None or at < stay.valid.upper)
    ]  # fmt: skip
    if not there:
        raise NotEstimable("No meter was installed then.")
    return there[0]


def _origin(channel: Channel) -> dt.datetime:
    # Hours are those of the site's wall clock: in Kolkata they begin at half past in UTC.
    zone = zoneinfo.ZoneInfo(channel.site.timezone)
    return dt.datetime(2000, 1, 1, tzinfo=zone).astimezone(dt.UTC)


def _hour_slots(channel: Channel, start: dt.datetime, end: dt.datetime) -> list[Slot]:
    origin = _origin(channel)
    at = origin + ((start - origin) // HOUR + 1) * HOUR
    edges = [start]
    while at < end:
        edges.append(at)
        at += HOUR
    edges.append(end)
    return list(itertools.pairwise(edges))


# --- Mean power ------------------------------------------------------------------------------


def _means(channel: Channel, start: dt.datetime, end: dt.datetime) -> Proposal:
    step = dt.timedelta(seconds=channel.interval_s or 3600)
    there = [at for at, _ in read(channel.pk, start, end)]
    count = max(round((end - start) / step), 1)
    grid = [start + n * step for n in range(count)]
    free = [at for at in grid if not any(abs(at - other) < step / 2 for other in there)]
    instants = sorted({*there, *free})
    slots = [(at, at + step) for at in instants]
    found = ladder.spread(slots, _known(channel, slots), total=None)
    kw = KW_PER_UNIT[channel.unit]
    wanted: Wanted = [
        (at, round(kwh / vee.hours(step) / kw, 9), found.flag)
        for at, kwh in zip(instants, found.kwh, strict=True)
    ]
    return Proposal(
        start, end, wanted, str(found.rung), found.flag, list(zip(slots, found.kwh, strict=True))
    )


# --- What there is to go by ------------------------------------------------------------------


def _known(channel: Channel, slots: Sequence[Slot]) -> ladder.Known:
    start, end = slots[0][0], slots[-1][1]
    origin = _origin(channel)

    def over(source: Channel | None) -> list[Decimal | None]:
        hourly = {} if source is None else _hours(source.pk, start - HOUR, end + HOUR)
        return [ladder.of_slot(slot, hourly, origin) for slot in slots]

    gap = thresholds_of(channel=channel, when=start)["gap"] or {}
    backup = Channel.objects.filter(
        site_id=channel.site_id, key=gap.get("backup") or "", kind=Channel.Kind.REGISTER
    ).exclude(pk=channel.pk)  # fmt: skip
    zone = zoneinfo.ZoneInfo(channel.site.timezone)
    free = public_holidays(channel.site.country, gap.get("region") or "")

    def key(at: dt.datetime) -> tuple[int, int]:
        there = at.astimezone(zone)
        return ladder.day_type(there.date(), free), there.hour

    own = _hours(channel.pk, start - _LIKE_WITHIN, start, measured=True)
    usual: defaultdict[tuple[int, int], list[Decimal]] = defaultdict(list)
    for at in sorted(own, reverse=True):
        usual[key(at)].append(own[at])
    return ladder.Known(
        backup=over(backup.first()),
        power=over(_profile_power(channel)),
        like=ladder.like_hours(slots, usual, [key(slot[0]) for slot in slots]),
        year_before=_year_before(channel, slots, origin, zone),
        before=_days(channel.pk, start - (end - start), start),
        after=_days(channel.pk, end, end + (end - start)),
    )


def _profile_power(channel: Channel) -> Channel | None:
    if channel.kind != Channel.Kind.REGISTER:
        return None
    power = power_channel(channel)
    return power if power is not None and power.kind == Channel.Kind.INTERVAL else None


def _hours(
    channel_id: int, start: dt.datetime, end: dt.datetime, *, measured: bool = False
) -> dict[dt.datetime, Decimal]:
    """
    Return the kWh of whole hours; with `measured` only of those that may serve as a model.
    """
    rows = Rollup.objects.filter(
        channel_id=channel_id, grain=Rollup.Grain.HOUR, coverage=1, energy_kwh__isnull=False,
        start_at__gte=start, start_at__lt=end,
    )  # fmt: skip
    if measured:
        rows = rows.filter(end_at__lte=end).exclude(quality__in=["missing", "suspect", "estimated"])
    return {at: kwh for at, kwh in rows.values_list("start_at", "energy_kwh") if kwh is not None}


def _days(channel_id: int, start: dt.datetime, end: dt.datetime) -> tuple[Decimal, int] | None:
    """
    Return the kWh of the measured hours of a time and how many days they make; None for less
    than a day.
    """
    kwh = list(_hours(channel_id, start, end, measured=True).values())
    days = len(kwh) // 24
    return (sum(kwh, Decimal(0)) * days * 24 / len(kwh), days) if days else None


def _year_before(
    channel: Channel, slots: Sequence[Slot], origin: dt.datetime, zone: zoneinfo.ZoneInfo
) -> list[Decimal | None]:
    # 52 weeks, so that weekdays meet weekdays; the site's clock may have changed meanwhile.
    def back(at: dt.datetime) -> dt.datetime:
        local = at.astimezone(zone).replace(tzinfo=None) - 364 * DAY
        return local.replace(tzinfo=zone).astimezone(dt.UTC)

    shifted = [(back(start), back(start) + (end - start)) for start, end in slots]
    hourly = _hours(channel.pk, shifted[0][0] - HOUR, shifted[-1][1] + HOUR, measured=True)
    return [ladder.of_slot(slot, hourly, origin) for slot in shifted]


# --- Readings --------------------------------------------------------------------------------

_READ = """
SELECT at, value FROM telemetry_reading
WHERE channel_id = %s AND at >= %s AND at < %s ORDER BY at
"""


def read(channel_id: int, start: dt.datetime, end: dt.datetime) -> list[vee.Reading]:
    """
    Return the readings of a stretch [start, end) as they were sent.
    """
    bring_back([channel_id], start, end)
    with connection.cursor() as cursor:
        cursor.execute(_READ, [channel_id, start, end])
        return [(at, value) for at, value in cursor.fetchall()]


def effective(
    channel_id: int, start: dt.datetime, end: dt.datetime
) -> Mapping[dt.datetime, Decimal]:
    """
    Return what counts over a stretch [start, end], with the nearest on either side.
    """
    bring_back([channel_id], start, end)
    with connection.cursor() as cursor:
        cursor.execute(
            _EFFECTIVE, {"channel": channel_id, "start": start, "end": end}
        )  # fmt: skip
        return dict(cursor.fetchall())


_EFFECTIVE = """
(SELECT at, value FROM telemetry_effective WHERE channel_id = %(channel)s AND at < %(start)s
  ORDER BY at DESC LIMIT 1)
UNION ALL
SELECT at, value FROM telemetry_effective
WHERE channel_id = %(channel)s AND at >= %(start)s AND at <= %(end)s
UNION ALL
(SELECT at, value FROM telemetry_effective WHERE channel_id = %(channel)s AND at > %(end)s
  ORDER BY at LIMIT 1)
ORDER BY at
"""


def _anchors(
    channel_id: int, start: dt.datetime, end: dt.datetime
) -> tuple[vee.Reading | None, vee.Reading | None]:
    rows = [
        (at, value) for at, value in effective(channel_id, start, end).items()
    ]  # fmt: skip
    before = [row for row in rows if row[0] <= start]
    after = [row for row in rows if row[0] >= end]
    return (before[-1] if before else None), (after[0] if after else None)


def month_edges(first: dt.datetime, last: dt.datetime, timezone: str) -> list[dt.datetime]:
    """
    Return the edges of the local months from one instant to another.
    """
    zone = zoneinfo.ZoneInfo(timezone)
    month = first.astimezone(zone).date().replace(day=1)
    edges = [month]
    while dt.datetime.combine(edges[-1], dt.time(), zone) <= last:
        edges.append((edges[-1] + 32 * DAY).replace(day=1))
    return [dt.datetime.combine(day, dt.time(), zone).astimezone(dt.UTC) for day in edges]
