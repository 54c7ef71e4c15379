"""
Validation beside the rollup: what a dirty range broke is found, noted and taken out of the
effective series. A range without anything to look at costs one statement.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange

from telemetry.domain import vee
from telemetry.models import Channel, Decision, Finding, VeeValue
from telemetry.operations.settling import around, drop_obsolete
from telemetry.queries import rule_settings as settings
from telemetry.queries.dials import (
    KW_PER_UNIT,
    dials,
    power_channel,
    rated,
    register_channel,
    rows_around,
)

Span = tuple[dt.datetime, dt.datetime]

# How far around a dirty range the readings are looked at together.
CONTEXT = dt.timedelta(days=2)
# What the checks of readings find; other rules have checks of their own.
READING_RULES = ("lost", "dip", "reset", "rise", "stale", "limit", "flat", "gap")
_TEMPERATURES = frozenset(
    {Channel.Quantity.SUPPLY, Channel.Quantity.RETURN, Channel.Quantity.OUTDOOR}
)
# What the air can be, °C, where nothing else is set for it; a sensor in the sun reads more.
_OUTDOORS = {"low": -50, "high": 50}


def check_ranges(*, channel: Channel, spans: Sequence[Span], at: dt.datetime) -> list[Span]:
    """
    Check dirty ranges of a channel and return what has to be rolled up: the ranges, and what
    the rules changed. Opens no transaction: it belongs to the rollup's.
    """
    unchecked = channel.kind == Channel.Kind.HEARTBEAT or channel.quantity == "month_end"
    if unchecked or not spans:
        return list(spans)
    whole = (spans[0][0] - CONTEXT, spans[-1][1] + CONTEXT)
    regimes = settings.regimes(channel=channel, lower=whole[0], upper=whole[1])
    found = list(spans)
    for lower, upper in spans:
        if any(_worth_a_look(channel, lower, upper, regime.rules) for regime in regimes):
            found += _check(channel, (lower, upper), regimes, at)
    return _merged(found)


def _merged(spans: Iterable[Span]) -> list[Span]:
    merged: list[Span] = []
    for lower, upper in sorted(spans):
        if merged and lower <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], upper))
        else:
            merged.append((lower, upper))
    return merged


# --- Is there anything to look at? -----------------------------------------------------------

# Something was found here before, or the readings do what a calm channel never does. `most` is
# what a register may rise in a second, `high` and `low` what a gauge may read.
_GATE = """
WITH around AS (
  (SELECT at, value FROM telemetry_reading WHERE channel_id = %(channel)s AND at < %(lower)s
    ORDER BY at DESC LIMIT 1)
  UNION ALL
  SELECT at, value FROM telemetry_reading
  WHERE channel_id = %(channel)s AND at >= %(lower)s AND at < %(upper)s
  UNION ALL
  (SELECT at, value FROM telemetry_reading WHERE channel_id = %(channel)s AND at >= %(upper)s
    ORDER BY at LIMIT 1)
), stepped AS (
  SELECT at, value, extract(epoch FROM at - lag(at) OVER w)::float8 AS step,
    (value - lag(value) OVER w)::float8 AS change
  FROM around WINDOW w AS (ORDER BY at)
), islands AS (
  SELECT at, value, step, change,
    count(*) FILTER (WHERE change IS DISTINCT FROM 0) OVER (ORDER BY at) AS island
  FROM stepped
)
SELECT EXISTS (SELECT FROM telemetry_veevalue v WHERE v.channel_id = %(channel)s
    AND v.superseded_at IS NULL AND v.at >= %(lower)s AND v.at < %(upper)s)
  OR EXISTS (SELECT FROM telemetry_finding f WHERE f.channel_id = %(channel)s
    AND f.state <> 'gone' AND f.rule = ANY(%(rules)s)
    AND f.span && tstzrange(%(lower)s, %(upper)s))
  OR EXISTS (SELECT FROM stepped WHERE {broken})
  OR EXISTS (SELECT FROM islands WHERE value <> 0 GROUP BY island
    HAVING max(at) - min(at) > make_interval(secs => %(flat)s))
"""
_REGISTER_GATE = _GATE.replace("{broken}", "value = 0 OR change < 0 OR step > 3600 OR change > %(most)s * step")  # noqa: E501 # fmt: skip
_VALUE_GATE = _GATE.replace(
    "{broken}", "value = 0 AND %(zeros)s OR value > %(high)s OR value < %(low)s OR step > %(late)s"
)


def _worth_a_look(channel: Channel, lower: dt.datetime, upper: dt.datetime, rules: Any) -> bool:
    parameters: dict[str, Any] = {
        "channel": channel.pk, "lower": lower, "upper": upper, "rules": list(READING_RULES),
        "flat": 3600 * float((rules["flat"] or {"hours": 1e6})["hours"]),
    }  # fmt: skip
    if channel.kind == Channel.Kind.REGISTER:
        most = [dial.most_an_hour / 3600 for _, dial in dials(channel, lower, upper)]
        parameters["most"] = float(min(most, default=Decimal(0)))
        # A register that stands still matters where the power tells whether it may.
        parameters["flat"] = 1800 if power_channel(channel) else 1e9
        gate = _REGISTER_GATE
    else:
        limit = _limits_fit(channel, rules)["limit"] or {"low": -1e12, "high": 1e12, "factor": 1e12}
        temperature = channel.quantity in _TEMPERATURES
        can = rated(channel, lower)
        parameters["zeros"] = register_channel(channel) is not None
        parameters["low"] = float(limit["low"]) if temperature else -1e15
        high = limit["high"] if temperature else float(can or 10**15) * float(limit["factor"])
        parameters["high"] = float(high)
        parameters["late"] = 1.5 * channel.interval_s if channel.interval_s else 1e12
        gate = _VALUE_GATE
    with connection.cursor() as cursor:
        cursor.execute(gate, parameters)
        return bool(cursor.fetchone()[0])


# --- The readings of a window ----------------------------------------------------------------


def _breaches(
    channel: Channel, window: Span, regimes: Sequence[settings.Regime]
) -> list[vee.Breach]:
    """
    Return what is wrong in a window, each judged by the thresholds in force at its start.
    """
    last = dt.datetime.max.replace(tzinfo=dt.UTC)
    first = dt.datetime.min.replace(tzinfo=dt.UTC)
    starts = [first, *(regime.start for regime in regimes[1:]), last]
    return [
        breach
        for regime, start, end in zip(regimes, starts, starts[1:], strict=False)
        if start <= window[1]
        for breach in _breaches_under(channel, window, regime.rules)
        if start <= breach.start < end
    ]


def _breaches_under(channel: Channel, window: Span, rules: Any) -> list[vee.Breach]:
    rows = rows_around(channel.pk, *window)
    if channel.kind == Channel.Kind.REGISTER:
        return _register_breaches(channel, rows, window, rules)
    register = register_channel(channel)
    zeros: set[dt.datetime] = set()
    if register is not None:
        zeros = {at for at, value in rows_around(register.pk, *window) if value == 0}
        # A register that never counted says nothing about the line.
        if not register.readings.exclude(value=0).exists():
            zeros = set()
    breaches = vee.check_values(
        rows, is_temperature=channel.quantity in _TEMPERATURES,
        rated=rated(channel, window[0]), zeros=zeros, rules=_limits_fit(channel, rules),
    )  # fmt: skip
    if channel.kind == Channel.Kind.INTERVAL and rules["gap"] is not None:
        breaches += vee.interval_gaps(rows, dt.timedelta(seconds=channel.interval_s or 0))
    return breaches


def _limits_fit(channel: Channel, rules: Any) -> Any:
    limit = rules["limit"]
    usual = vee.DEFAULTS["limit"]
    if channel.quantity == Channel.Quantity.OUTDOOR and limit is not None:
        own = {n: v for n, v in _OUTDOORS.items() if limit[n] == usual[n]}
        return {**rules, "limit": {**limit, **own}}
    # Flow, and what else is neither a temperature nor power, has no limits of its own.
    if channel.quantity in _TEMPERATURES or channel.quantity == Channel.Quantity.POWER:
        return rules
    return {**rules, "limit": None}


def _register_breaches(
    channel: Channel, rows: list[vee.Reading], window: Span, rules: Any
) -> list[vee.Breach]:
    power: Mapping[dt.datetime, Decimal] = {}
    source = power_channel(channel)
    if source is not None:
        scale = KW_PER_UNIT[source.unit]
        power = {at: value * scale for at, value in rows_around(source.pk, *window)}
    breaches: list[vee.Breach] = []
    for installation, dial in dials(channel, *window):
        valid = installation.valid
        own = [
            row for row in rows
            if (valid.lower is None or row[0] >= valid.lower)
            and (valid.upper is None or row[0] < valid.upper)
        ]  # fmt: skip
        breaches += vee.check_register(own, dial=dial, rules=rules, power=power)[0]
    return breaches


# --- Noting what was found -------------------------------------------------------------------


def _check(
    channel: Channel, dirty: Span, regimes: Sequence[settings.Regime], at: dt.datetime
) -> list[Span]:
    """
    Check a dirty range with its surroundings; return what changed in the effective series.
    """
    window = (dirty[0] - CONTEXT, dirty[1] + CONTEXT)
    known = list(
        Finding.objects.select_for_update()
        .filter(channel=channel, rule__in=READING_RULES, span__overlap=DateTimeTZRange(*window))
        .exclude(state=Finding.State.GONE)
    )
    breaches = _breaches(channel, window, regimes)
    area = _area(_over_zeros(channel, dirty), breaches, known)
    breaches = [b for b in breaches if b.start < area[1] and b.end > area[0]]
    wanted: dict[dt.datetime, tuple[vee.Replacement, Finding]] = {}
    seen: set[int] = set()
    for breach in breaches:
        finding = note(channel, breach, _same(breach, known), at)
        seen.add(finding.pk)
        if finding.state != Finding.State.DISMISSED:
            wanted.update({value.at: (value, finding) for value in breach.values})
    gone = [
        finding for finding in known
        if finding.span.lower < area[1] and finding.span.upper > area[0]
        and finding.pk not in seen
    ]  # fmt: skip
    let_go(gone, at)
    changed = drop_obsolete(channel=channel, findings=[f.pk for f in gone], at=at)
    return changed + _apply(channel, area, wanted, at)


# A zero is no neighbour of a register's reading where it is lost communication, so what changed
# has to do with the nearest reading beyond zeros at its ends, as far as is looked at together.
_OVER_ZEROS = """
SELECT
  least(%(lower)s, (SELECT at FROM telemetry_reading WHERE channel_id = %(channel)s
    AND at < %(lower)s AND at >= %(first)s AND value <> 0
    AND 0 = (SELECT value FROM telemetry_reading WHERE channel_id = %(channel)s
      AND at >= %(lower)s ORDER BY at LIMIT 1)
    ORDER BY at DESC LIMIT 1)),
  greatest(%(upper)s, (SELECT at FROM telemetry_reading WHERE channel_id = %(channel)s
    AND at > %(upper)s AND at < %(last)s AND value <> 0
    AND 0 = (SELECT value FROM telemetry_reading WHERE channel_id = %(channel)s
      AND at <= %(upper)s ORDER BY at DESC LIMIT 1)
    ORDER BY at LIMIT 1) + interval '1 microsecond')
"""


def _over_zeros(channel: Channel, dirty: Span) -> Span:
    if channel.kind != Channel.Kind.REGISTER:
        return dirty
    with connection.cursor() as cursor:
        cursor.execute(_OVER_ZEROS, {
            "channel": channel.pk, "lower": dirty[0], "upper": dirty[1],
            "first": dirty[0] - CONTEXT, "last": dirty[1] + CONTEXT,
        })  # fmt: skip
        lower, upper = cursor.fetchone()
    return lower, upper


def let_go(findings: Iterable[Finding], at: dt.datetime) -> None:
    """
    Close findings whose rule is no longer broken.
    """
    for finding in findings:
        finding.state, finding.decided_at, finding.decided_by = Finding.State.GONE, at, None
        finding.save(update_fields=["state", "decided_at", "decided_by"])


def _area(dirty: Span, breaches: Sequence[vee.Breach], known: Sequence[Finding]) -> Span:
    """
    Return the dirty range widened to whatever reaches into it, and to what reaches into that:
    whether a figure counts decides how the next one is judged.
    """
    lower, upper = dirty
    spans = [(b.start, b.end) for b in breaches] + [(f.span.lower, f.span.upper) for f in known]
    while reaching := [s for s in spans if s[0] < upper and s[1] > lower]:
        wider = min(lower, *(s[0] for s in reaching)), max(upper, *(s[1] for s in reaching))
        if wider == (lower, upper):
            break
        lower, upper = wider
    return lower, upper


def _same(breach: vee.Breach, known: Sequence[Finding]) -> Finding | None:
    return next((f for f in known if f.rule == breach.rule and _is_same(f, breach)), None)


def note(channel: Channel, breach: vee.Breach, same: Finding | None, at: dt.datetime) -> Finding:
    """
    Bring the finding that is the same breach, if there is one, up to what was found now, else
    make it.
    """
    if same is not None:
        # A stretch longer than the window looks shorter than it is.
        lower, upper = same.span.lower, same.span.upper
        grown = DateTimeTZRange(breach.start, breach.end)
        if breach.rule in READING_RULES:
            grown = DateTimeTZRange(min(lower, breach.start), max(upper, breach.end))
        if breach.automatic and same.state == Finding.State.OPEN:
            # Opened again, or an edit of it was taken back: the rule acts on its own again.
            same.state, same.decided_at = Finding.State.ACCEPTED, at
            same.save(update_fields=["state", "decided_at"])
        told = (grown, breach.severity, breach.detail[:300])
        if told != (same.span, same.severity, same.detail):
            same.span, same.severity, same.detail = told
            same.measured, same.limit = _figure(breach.measured), _figure(breach.limit)
            same.save(update_fields=["span", "severity", "detail", "measured", "limit"])
        return same
    state = Finding.State.ACCEPTED if breach.automatic else Finding.State.OPEN
    return Finding.objects.create(
        channel=channel, rule=breach.rule, span=DateTimeTZRange(breach.start, breach.end),
        severity=breach.severity, measured=_figure(breach.measured), limit=_figure(breach.limit),
        detail=breach.detail[:300], proposal=breach.proposal, state=state, found_at=at,
        decided_at=at if breach.automatic else None,
    )  # fmt: skip


def _is_same(finding: Finding, breach: vee.Breach) -> bool:
    # The ends of a gap are readings; where another came in between it is another gap, and what was
    # proposed for the old one no longer holds.
    if breach.rule == "gap":
        return (finding.span.lower, finding.span.upper) == (breach.start, breach.end)
    return bool(finding.span.lower < breach.end and finding.span.upper > breach.start)


def _figure(value: Decimal | None) -> Decimal | None:
    return None if value is None else round(value, 9)


def _apply(
    channel: Channel, area: Span, wanted: Mapping[dt.datetime, tuple[vee.Replacement, Finding]],
    at: dt.datetime,
) -> list[Span]:  # fmt: skip
    """
    Bring the values of the rules in an area to what is wanted. What a person decided stays.
    """
    lower = min([area[0], *wanted])
    upper = max([area[1], *(instant + vee.TICK for instant in wanted)])
    there = VeeValue.objects.filter(
        channel=channel, superseded_at__isnull=True, at__gte=lower, at__lt=upper
    )
    in_force = {value.at: value for value in there.select_related("decision__finding")}
    ended = []
    kept = set()
    for instant, value in in_force.items():
        new = wanted.get(instant)
        finding = value.decision.finding
        if value.decision.wanted:
            # Decided for itself: by a person, or as an estimate.
            kept.add(instant)
        elif finding is not None and finding.rule not in READING_RULES:
            # The mark of a rule about whole days gives way to what its reading says.
            if new:
                ended.append(value)
        elif new and (new[0].value, new[0].flag.value) == (value.value, value.flag):
            kept.add(instant)
        else:
            ended.append(value)
    VeeValue.objects.filter(pk__in=[value.pk for value in ended]).update(superseded_at=at)
    fresh = {instant: pair for instant, pair in wanted.items() if instant not in kept}
    record_values(channel, fresh, at)
    changed = [value.at for value in ended] + list(fresh)
    return [around(channel.pk, min(changed), max(changed))] if changed else []


def record_values(
    channel: Channel, fresh: Mapping[dt.datetime, tuple[vee.Replacement, Finding]], at: dt.datetime
) -> None:
    """
    Record what rules say, one decision a finding.
    """
    decisions: dict[int, Decision] = {}
    for value, finding in fresh.values():
        if finding.pk not in decisions:
            decisions[finding.pk] = Decision.objects.create(
                channel=channel, finding=finding, span=finding.span, source=Decision.Source.RULE,
                state=Decision.State.IN_FORCE, method=value.method, at=at, decided_at=at,
            )  # fmt: skip
    VeeValue.objects.bulk_create(
        VeeValue(
            channel=channel, at=value.at, value=value.value, flag=value.flag.value,
            method=value.method, decision=decisions[finding.pk], recorded_at=at,
        )
        for value, finding in fresh.values()
    )  # fmt: skip
