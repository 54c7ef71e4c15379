"""
Validation beside the rollup: what a dirty range broke is found, noted and taken out of the
effective series. A range without anything to look at costs one statement.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange

from telemetry.domain import vee
from telemetry.models import Channel, Decision, Finding, VeeValue
from telemetry.operations import quality_reach as reach
from telemetry.operations.quality_reach import Span
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

# What the checks of readings find; other rules have checks of their own.
READING_RULES = ("lost", "dip", "reset", "rise", "stale", "limit", "flat", "gap")
_TEMPERATURES = frozenset(
    {Channel.Quantity.SUPPLY, Channel.Quantity.RETURN, Channel.Quantity.OUTDOOR}
)
# What the air can be, °C, where nothing else is set for it; a sensor in the sun reads more.
_OUTDOORS = {"low": -50, "high": 50}


def check_ranges(
    *, channel: Channel, spans: Sequence[Span], marked_at: dt.datetime, at: dt.datetime
) -> list[Span]:
    """
    Check dirty ranges of a channel, the last marked at `marked_at`, and return what has to be
    rolled up: the ranges, and what the rules changed. Opens no transaction: it belongs to the
    rollup's.
    """
    unchecked = channel.kind == Channel.Kind.HEARTBEAT or channel.quantity == "month_end"
    if unchecked or not spans:
        return list(spans)
    whole = (spans[0][0] - reach.REACH, spans[-1][1] + reach.REACH)
    regimes = settings.regimes(channel=channel, lower=whole[0], upper=whole[1])
    found, looked = list(spans), []
    for lower, upper in spans:
        if any(_worth_a_look(channel, lower, upper, regime.rules) for regime in regimes):
            area, changed = _check(channel, (lower, upper), at)
            looked.append(area)
            found += changed
    reach.mark_beside(channel=channel, dirty=spans, looked=looked, marked_at=marked_at, at=at)
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
_GATE = f"""
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
  OR {reach.SWAYED}
  OR EXISTS (SELECT FROM stepped WHERE {{broken}})
  OR EXISTS (SELECT FROM islands WHERE value <> 0 GROUP BY island
    HAVING max(at) - min(at) > make_interval(secs => %(flat)s))
"""  # noqa: S608 - the parts are constants of this module
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
        since = reach.counted_since(register) if zeros else None
        zeros = {at for at in zeros if since is not None and at > since}
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


def _check(channel: Channel, dirty: Span, at: dt.datetime) -> tuple[Span, list[Span]]:
    """
    Check a dirty range with all that it sways; return the area that was judged, and what changed
    in the effective series.
    """
    is_register = channel.kind == Channel.Kind.REGISTER
    # The reading that follows ends the range where it lies on the hour, and is judged by it too.
    area = dirty[0], dirty[1] + vee.TICK
    while True:
        window = reach.window(channel, area)
        regimes = settings.regimes(channel=channel, lower=window[0], upper=window[1])
        known = list(
            Finding.objects.select_for_update()
            .filter(channel=channel, rule__in=READING_RULES, span__overlap=DateTimeTZRange(*window))
            .exclude(state=Finding.State.GONE)
        )
        breaches = [_whole(b, window, known) for b in _breaches(channel, window, regimes)]
        found = [(b.rule, b.start, b.end) for b in breaches]
        found += [(f.rule, f.span.lower, f.span.upper) for f in known]
        wider = reach.swayed(area, dirty, found)
        if wider == area or not is_register:
            break
        area = wider
    # What a gauge did beyond the window stands as it was judged then.
    area = wider if is_register else (max(wider[0], window[0]), min(wider[1], window[1]))
    wanted: dict[dt.datetime, tuple[vee.Replacement, Finding]] = {}
    seen: set[int] = set()
    for breach in breaches:
        if breach.start >= area[1] or breach.end <= area[0]:
            continue
        unseen = [finding for finding in known if finding.pk not in seen]
        finding = note(channel, breach, _same(breach, unseen), at)
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
    return area, changed + _apply(channel, area, wanted, at)


def _whole(breach: vee.Breach, window: Span, known: Sequence[Finding]) -> vee.Breach:
    """
    Return a breach that goes on beyond its window as long as it is known to be. Only the readings
    of gauges and means are cut like that.
    """
    start, end = breach.start, breach.end
    same = [finding.span for finding in known if finding.rule == breach.rule]
    if start <= window[0]:
        start = min([start, *(span.lower for span in same if span.upper > start)])
    if end > window[1]:
        end = max([end, *(span.upper for span in same if span.lower < end)])
    if (start, end) == (breach.start, breach.end):
        return breach
    measured = vee.hours(end - vee.TICK - start) if breach.rule == "flat" else breach.measured
    return replace(breach, start=start, end=end, measured=measured)


def let_go(findings: Iterable[Finding], at: dt.datetime) -> None:
    """
    Close findings whose rule is no longer broken.
    """
    for finding in findings:
        finding.state, finding.decided_at, finding.decided_by = Finding.State.GONE, at, None
        finding.save(update_fields=["state", "decided_at", "decided_by"])


def _same(breach: vee.Breach, known: Sequence[Finding]) -> Finding | None:
    return next((f for f in known if f.rule == breach.rule and _is_same(f, breach)), None)


def note(channel: Channel, breach: vee.Breach, same: Finding | None, at: dt.datetime) -> Finding:
    """
    Bring the finding that is the same breach, if there is one, up to what was found now, else
    make it.
    """
    if same is not None:
        span = DateTimeTZRange(breach.start, breach.end)
        if breach.automatic and same.state == Finding.State.OPEN:
            # Opened again, or an edit of it was taken back: the rule acts on its own again.
            same.state, same.decided_at = Finding.State.ACCEPTED, at
            same.save(update_fields=["state", "decided_at"])
        told = (span, breach.severity, breach.detail[:300])
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
