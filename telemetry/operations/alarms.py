"""
Finding alarms, and what people do about them.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from typing import Any, NamedTuple

from django.db import connection, transaction

from sites.operations import announce, record
from telemetry.domain import alarms as domain
from telemetry.models import Alarm, AlarmEntry, AlarmRule, AlarmWatch
from telemetry.operations import alarm_sql as sql

_LOCK = 0x57A8
# Readings of one channel at one look; a long delivery takes several.
_AT_ONCE = 5000


@dataclass(frozen=True, slots=True)
class Looked:
    """
    What one look at the rules did. `more`: a channel had more readings than one look takes.
    """

    opened: int = 0
    resolved: int = 0
    more: bool = False


class _Holding(NamedTuple):
    rule: int
    subject: str
    channel: int | None
    place: str
    since: dt.datetime
    value: Decimal | None
    over: dt.datetime | None = None


@transaction.atomic(durable=True)
def find_alarms(*, at: dt.datetime) -> Looked:
    """
    Look at what came in since the last look and at the clock; open and resolve alarms. Looking
    again finds nothing to do; of two workers one looks.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
        if not cursor.fetchone()[0]:
            return Looked()
        cursor.execute(sql.NEW_WATCHES, {"now": at})
        began, over, more = _by_readings(at)
        cursor.execute(sql.NEWEST_OF_SILENT, {"now": at})
        cursor.execute(sql.HOLDING, {"now": at})
        holding = [_Holding(*row) for row in cursor.fetchall()]
        cursor.execute(
            sql.LAPSED,
            {"rules": [h.rule for h in holding], "subjects": [h.subject for h in holding]},
        )
        over += cursor.fetchall()
    # Before opening: what was over and began anew is two alarms.
    resolved = _resolve(over, at)
    opened = _open([*began, *holding], at)
    _announce_opened(at)
    return Looked(opened, resolved, more)


def _by_readings(at: dt.datetime) -> tuple[list[_Holding], list[tuple[int, str]], bool]:
    """
    Return what began, what is over, and whether there is more to look at.
    """
    with connection.cursor() as cursor:
        cursor.execute(sql.RULES_TO_LOOK_AT)
        rules = [key for (key,) in cursor.fetchall()]
        cursor.execute(sql.NEW_SAMPLES, {"now": at, "rules": rules, "limit": _AT_ONCE})
        rows = cursor.fetchall()
    samples = {key: [domain.Sample(*rest) for _, *rest in of] for key, of in groupby(rows, _first)}
    began: list[_Holding] = []
    over: list[tuple[int, str]] = []
    seen: dict[int, domain.Watch] = {}
    watches = AlarmWatch.objects.filter(pk__in=samples).select_related(
        "rule", "channel__point__delivery_point"
    )
    for row in watches.iterator(chunk_size=2000):
        levels = levels_of(row)
        if levels is None:
            continue
        before = domain.Watch(row.looked_until, row.last_value, row.beyond_since, row.raised)
        seen[row.pk], found = domain.look(before, levels, samples[row.pk])
        subject = f"channel:{row.channel_id}"
        over += [(row.rule_id, subject) for o in found if o.raised_before]
        place = f"{row.channel.point.name}: {row.channel.quantity}"
        began += [
            _Holding(row.rule_id, subject, row.channel_id, place, o.since, o.figure, o.over_at)
            for o in found
            if not o.raised_before
        ]
    _remember(seen)
    full = {key for key, of in samples.items() if len(of) == _AT_ONCE}
    if not full:
        AlarmRule.objects.filter(pk__in=rules).update(looked_at=at)
    return began, over, bool(full)


def _first(row: Sequence[Any]) -> int:
    key: int = row[0]
    return key


_MODE_BYPASS, _MODE_PARTIAL = Decimal(2), Decimal(1)
# How far a supply must rise above what is required before it is warm enough again.
_WARMER_K = Decimal(1)


def levels_of(watch: AlarmWatch) -> domain.Levels | None:
    """
    Return the levels a rule holds for a channel; None where it has none.
    """
    rule, kind = watch.rule, AlarmRule.Kind
    delay = dt.timedelta(seconds=rule.delay_s)
    if rule.kind == kind.BYPASS:
        return domain.Levels(_MODE_BYPASS, _MODE_PARTIAL, delay)
    at, back = rule.set_level, rule.clear_level
    if rule.kind == kind.SUPPLY_LOW and at is None:
        delivery = watch.channel.point.delivery_point
        at = delivery.required_supply_c if delivery is not None else None
        back = at + _WARMER_K if at is not None else None
    if at is None or back is None:
        return None
    rising = rule.kind in {kind.ABOVE, kind.RATE}
    return domain.Levels(at, back, delay, rising=rising, of_rate=rule.kind == kind.RATE)


def _remember(seen: dict[int, domain.Watch]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            sql.REMEMBER,
            {
                "ids": list(seen),
                "untils": [w.looked_until for w in seen.values()],
                "values": [w.last_value for w in seen.values()],
                "beyonds": [w.beyond_since for w in seen.values()],
                "raised": [w.raised for w in seen.values()],
            },
        )


def _open(began: list[_Holding], at: dt.datetime) -> int:
    if not began:
        return 0
    with connection.cursor() as cursor:
        columns = zip(*began, strict=True)
        names = ("rules", "subjects", "channels", "places", "sinces", "values", "overs")
        parameters = dict(zip(names, map(list, columns), strict=True))
        cursor.execute(sql.OPEN, {**parameters, "now": at})
        made = cursor.fetchall()
    step = AlarmEntry.Step
    entries = [AlarmEntry(alarm_id=key, at=at, step=step.OPENED) for key, _ in made]
    entries += [AlarmEntry(alarm_id=key, at=at, step=step.RESOLVED) for key, over in made if over]
    AlarmEntry.objects.bulk_create(entries, batch_size=2000)
    return len(made)


def _resolve(over: Iterable[tuple[int, str]], at: dt.datetime, text: str = "") -> int:
    pairs = list(over)
    if not pairs:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            sql.RESOLVE,
            {"now": at, "rules": [r for r, _ in pairs], "subjects": [s for _, s in pairs]},
        )
        keys = [key for (key,) in cursor.fetchall()]
    note_over(keys, at=at, by_id=None, text=text)
    return len(keys)


def note_over(keys: list[int], *, at: dt.datetime, by_id: int | None, text: str) -> None:
    """
    Enter into the history of alarms that they are over and tell other systems, within the
    caller's transaction.
    """
    AlarmEntry.objects.bulk_create(
        [
            AlarmEntry(alarm_id=key, at=at, by_id=by_id, step=AlarmEntry.Step.RESOLVED, text=text)
            for key in keys
        ]
    )
    # Who was told of it is told that it is over.
    _tell("alarm.resolved", Alarm.objects.filter(pk__in=keys, announced_at__isnull=False), at)


def _announce_opened(at: dt.datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql.TO_ANNOUNCE, {"now": at})
        keys = [key for (key,) in cursor.fetchall()]
    _tell("alarm.opened", Alarm.objects.filter(pk__in=keys), at)
    Alarm.objects.filter(pk__in=keys).update(announced_at=at)


def _tell(event: str, alarms: Any, at: dt.datetime) -> None:
    """
    Announce one message per site, however many alarms there are.
    """
    of_site = defaultdict(list)
    for alarm in alarms.select_related("site", "rule", "channel").order_by("pk"):
        of_site[alarm.site].append(alarm)
    for site, rows in of_site.items():
        announce(
            operator_id=site.operator_id, event=event, at=at,
            subject=f"{site.slug}/{rows[0].pk}-{rows[-1].pk}",
            payload={
                "site": site.slug,
                "alarms": [
                    {
                        "id": row.pk, "rule": row.rule.name, "kind": row.rule.kind,
                        "severity": row.severity, "place": row.place,
                        "since": row.since.isoformat(),
                        "value": None if row.value is None else str(row.value),
                        "unit": row.channel.unit if row.channel else "",
                    }
                    for row in rows
                ],
            },
        )  # fmt: skip


class AlarmIsOver(Exception):
    """
    Nothing can be done about an alarm that is over.
    """


def _locked(alarm_id: int) -> Alarm:
    return Alarm.objects.select_for_update(of=("self",)).select_related("site").get(pk=alarm_id)


@transaction.atomic(durable=True)
def take_alarm(*, alarm_id: int, text: str, at: dt.datetime, by_id: int | None) -> None:
    """
    Take an alarm, so that nobody further is told of it; who took it before keeps it.

    :raises AlarmIsOver: if it is
    """
    alarm = _locked(alarm_id)
    if alarm.state == Alarm.State.RESOLVED:
        raise AlarmIsOver
    if alarm.state == Alarm.State.ACKNOWLEDGED:
        return
    alarm.state, alarm.acknowledged_at = Alarm.State.ACKNOWLEDGED, at
    alarm.acknowledged_by_id = by_id
    alarm.save(update_fields=["state", "acknowledged_at", "acknowledged_by"])
    _step(alarm, AlarmEntry.Step.TAKEN, "alarm taken", text, at, by_id)


@transaction.atomic(durable=True)
def note_alarm(*, alarm_id: int, text: str, at: dt.datetime, by_id: int | None) -> None:
    """
    Add a note to an alarm, also to one that is over.
    """
    _step(_locked(alarm_id), AlarmEntry.Step.NOTE, "alarm noted", text, at, by_id)


@transaction.atomic(durable=True)
def resolve_alarm(*, alarm_id: int, text: str, at: dt.datetime, by_id: int | None) -> None:
    """
    Close an alarm by hand. It does not come back for the same cause: only a figure that went back
    and beyond again opens another.

    :raises AlarmIsOver: if it is
    """
    alarm = _locked(alarm_id)
    if alarm.state == Alarm.State.RESOLVED:
        raise AlarmIsOver
    alarm.state, alarm.resolved_at, alarm.resolved_by_id = Alarm.State.RESOLVED, at, by_id
    alarm.save(update_fields=["state", "resolved_at", "resolved_by"])
    note_over([alarm.pk], at=at, by_id=by_id, text=text)
    _audit(alarm, "alarm closed", text, at, by_id)


def _step(
    alarm: Alarm, step: AlarmEntry.Step, action: str, text: str, at: dt.datetime, by_id: int | None
) -> None:
    AlarmEntry.objects.create(alarm=alarm, at=at, by_id=by_id, step=step, text=text)
    _audit(alarm, action, text, at, by_id)


def _audit(alarm: Alarm, action: str, text: str, at: dt.datetime, by_id: int | None) -> None:
    record(
        at=at, by_id=by_id, operator_id=alarm.site.operator_id, action=action,
        subject=f"{alarm.site.slug}/{alarm.pk}", after={"text": text},
    )  # fmt: skip
