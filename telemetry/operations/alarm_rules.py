"""
Rules of alarms, whom they reach, and when they keep quiet.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db import connection, transaction
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange

from sites.models import Site
from sites.operations import record
from telemetry.models import (
    Alarm,
    AlarmLetter,
    AlarmRule,
    AlarmSilence,
    EscalationContact,
)
from telemetry.operations import alarm_sql as sql
from telemetry.operations import letters
from telemetry.operations.alarms import note_over

_STATED = ("name", "kind", "severity", "channel_id", "set_level", "clear_level", "delay_s", "limit")
# All alarms of a site that are due in one stretch go in one letter.
LETTER_EVERY = dt.timedelta(minutes=5)
# That an alarm is over is told for so long, after a silence too.
_STILL_NEWS = dt.timedelta(days=7)


def _told(rule: AlarmRule) -> dict[str, str]:
    return {name: str(getattr(rule, name)) for name in _STATED}


class NotOfThisSite(Exception):
    """
    The channel is another site's.
    """


@transaction.atomic(durable=True)
def add_alarm_rule(*, site_id: int, at: dt.datetime, by_id: int | None, **fields: Any) -> AlarmRule:
    """
    Add a rule; `fields` are those of `AlarmRule`.

    :raises NotOfThisSite: if its channel is another site's
    :raises IntegrityError: if its levels or limit do not fit its kind
    """
    site = Site.objects.get(pk=site_id)
    channel_id = fields.get("channel_id")
    if channel_id is not None and not site.channels.filter(pk=channel_id).exists():
        raise NotOfThisSite
    rule = AlarmRule.objects.create(site=site, created_at=at, **fields)
    record(
        at=at, by_id=by_id, operator_id=site.operator_id, action="alarm rule added",
        subject=f"{site.slug}/{rule.name}", after=_told(rule),
    )  # fmt: skip
    return rule


# What a site is watched for unless its people want it otherwise.
USUAL_RULES: tuple[dict[str, Any], ...] = (
    {"name": "Gateway sends nothing", "kind": "gateway_silent", "limit": 60, "severity": "act"},
    {"name": "Meter sends nothing", "kind": "no_data", "limit": 36 * 60, "severity": "watch"},
    {"name": "Supply below agreement", "kind": "supply_low", "delay_s": 3 * 3600,
     "severity": "act"},
    {"name": "Heat is rejected", "kind": "bypass", "delay_s": 30 * 60, "severity": "act"},
    {"name": "Meter reports a fault", "kind": "meter_fault", "severity": "watch"},
    {"name": "Verification ends", "kind": "calibration", "limit": 365, "severity": "watch"},
)  # fmt: skip


@transaction.atomic(durable=True)
def add_usual_rules(*, site_id: int, at: dt.datetime, by_id: int | None) -> int:
    """
    Add the usual rules to a site, those left out of whose kind it has one; return how many.
    """
    site = Site.objects.select_for_update().get(pk=site_id)
    held = set(site.alarm_rules.filter(ended_at__isnull=True).values_list("kind", flat=True))
    wanted = [rule for rule in USUAL_RULES if rule["kind"] not in held]
    for fields in wanted:
        rule = AlarmRule.objects.create(site=site, created_at=at, **fields)
        record(
            at=at, by_id=by_id, operator_id=site.operator_id, action="alarm rule added",
            subject=f"{site.slug}/{rule.name}", after=_told(rule),
        )  # fmt: skip
    return len(wanted)


@transaction.atomic(durable=True)
def end_alarm_rule(*, rule_id: int, at: dt.datetime, by_id: int | None) -> None:
    """
    End a rule; its open alarms are over with it, its history stays.
    """
    rule = AlarmRule.objects.select_for_update(of=("self",)).select_related("site").get(pk=rule_id)
    if rule.ended_at is not None:
        return
    rule.ended_at = at
    rule.save(update_fields=["ended_at"])
    rows = Alarm.objects.select_for_update().filter(rule=rule).exclude(state="resolved")
    keys = list(rows.values_list("pk", flat=True))
    Alarm.objects.filter(pk__in=keys).update(
        state=Alarm.State.RESOLVED, resolved_at=at, resolved_by=by_id
    )
    note_over(keys, at=at, by_id=by_id, text="The rule ended.")
    record(
        at=at, by_id=by_id, operator_id=rule.site.operator_id, action="alarm rule ended",
        subject=f"{rule.site.slug}/{rule.name}", before=_told(rule),
    )  # fmt: skip


@transaction.atomic(durable=True)
def change_alarm_rule(
    *, rule_id: int, at: dt.datetime, by_id: int | None, **fields: Any
) -> AlarmRule:
    """
    Change name, severity, levels, delay or limit of a rule; kind and channel stay, since alarms
    refer to them.

    :raises IntegrityError: if its levels or limit do not fit its kind
    """
    rule = AlarmRule.objects.select_for_update(of=("self",)).select_related("site").get(pk=rule_id)
    before = _told(rule)
    for name in ("name", "severity", "set_level", "clear_level", "delay_s", "limit"):
        setattr(rule, name, fields.get(name, getattr(rule, name)))
    rule.save()
    record(
        at=at, by_id=by_id, operator_id=rule.site.operator_id, action="alarm rule changed",
        subject=f"{rule.site.slug}/{rule.name}", before=before, after=_told(rule),
    )  # fmt: skip
    return rule


@transaction.atomic(durable=True)
def add_contact(
    *, site_id: int, name: str, email: str, after_min: int, at: dt.datetime, by_id: int | None
) -> EscalationContact:
    """
    Let somebody be told of a site's alarms that nobody has taken after so many minutes.

    :raises IntegrityError: if the address is told already
    """
    contact = EscalationContact.objects.create(
        site_id=site_id, name=name, email=email, after_min=after_min
    )
    record(
        at=at, by_id=by_id, operator_id=contact.site.operator_id, action="alarm contact added",
        subject=f"{contact.site.slug}/{email}", after={"name": name, "after_min": after_min},
    )  # fmt: skip
    return contact


@transaction.atomic(durable=True)
def change_contact(
    *, contact_id: int, name: str, after_min: int, at: dt.datetime, by_id: int | None
) -> None:
    """
    Change the name of somebody who is told, or after how many minutes.
    """
    contact = (
        EscalationContact.objects.select_for_update(of=("self",))
        .select_related("site")
        .get(pk=contact_id)
    )
    before = {"name": contact.name, "after_min": contact.after_min}
    contact.name, contact.after_min = name, after_min
    contact.save(update_fields=["name", "after_min"])
    record(
        at=at, by_id=by_id, operator_id=contact.site.operator_id, action="alarm contact changed",
        subject=f"{contact.site.slug}/{contact.email}", before=before,
        after={"name": name, "after_min": after_min},
    )  # fmt: skip


@transaction.atomic(durable=True)
def end_contact(*, contact_id: int, at: dt.datetime, by_id: int | None) -> None:
    """
    Tell somebody nothing more.
    """
    contact = (
        EscalationContact.objects.select_for_update(of=("self",))
        .select_related("site")
        .get(pk=contact_id)
    )
    contact.ended_at = contact.ended_at or at
    contact.save(update_fields=["ended_at"])
    record(
        at=at, by_id=by_id, operator_id=contact.site.operator_id, action="alarm contact ended",
        subject=f"{contact.site.slug}/{contact.email}",
    )  # fmt: skip


@transaction.atomic(durable=True)
def silence_site(
    *, site_id: int, start: dt.datetime, end: dt.datetime, reason: str, at: dt.datetime,
    by_id: int | None,
) -> AlarmSilence:  # fmt: skip
    """
    Tell nobody of a site's alarms for a while; those still open at its end are told then.
    """
    silence = AlarmSilence.objects.create(
        site_id=site_id, span=DateTimeTZRange(start, end), reason=reason, created_at=at, by_id=by_id
    )
    record(
        at=at, by_id=by_id, operator_id=silence.site.operator_id, action="alarms silenced",
        subject=silence.site.slug,
        after={"start": start.isoformat(), "end": end.isoformat(), "reason": reason},
    )  # fmt: skip
    return silence


@transaction.atomic(durable=True)
def end_silence(*, silence_id: int, at: dt.datetime, by_id: int | None) -> None:
    """
    End a silence now; one that has not begun is removed.
    """
    silence = (
        AlarmSilence.objects.select_for_update(of=("self",))
        .select_related("site")
        .get(pk=silence_id)
    )
    if silence.span.upper <= at:
        return
    if silence.span.lower >= at:
        silence.delete()
    else:
        silence.span = DateTimeTZRange(silence.span.lower, at)
        silence.save(update_fields=["span"])
    record(
        at=at, by_id=by_id, operator_id=silence.site.operator_id, action="silence ended",
        subject=silence.site.slug,
    )  # fmt: skip


@transaction.atomic(durable=True)
def write_letters(*, at: dt.datetime) -> int:
    """
    Make a letter for each contact who is to be told of something, that it began or that it is over
    by itself; return how many.
    """
    with connection.cursor() as cursor:
        slot = letters.slot_of(at, LETTER_EVERY)
        cursor.execute(sql.LETTERS, {"now": at, "slot": slot, "since": at - _STILL_NEWS})
        made: int = cursor.fetchone()[0]
    return made


@transaction.atomic(durable=True)
def letter_to_send(*, at: dt.datetime) -> AlarmLetter | None:
    """
    Take the letter that has waited longest; None where none waits.
    """
    return letters.take(AlarmLetter.objects.select_related("contact__site"), at=at)


@transaction.atomic(durable=True)
def note_letter(*, letter_id: int, at: dt.datetime, problem: str = "") -> None:
    """
    Note that a letter was sent, or why not; it is then tried again.
    """
    letters.note(AlarmLetter.objects.all(), letter_id=letter_id, at=at, problem=problem)
